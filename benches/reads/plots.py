"""Plots as SVG, readable on light and on dark pages."""

from html import escape

COLOURS = {"Kinoteka": "#2f81f7", "PostGraphile": "#d29922", "Mercurius": "#3fb950", "SQL alone": "#8b949e", "bare route": "#6e7681"}
GREY = "#8b949e"


def write(summary, folder):
    """Writes the plots that the results allow: their files' names and titles."""
    folder.mkdir(exist_ok=True)
    made = []
    compared = [each for each in summary["results"] if each["connections"] == 32 and each["server"] in list(COLOURS)[:3]]
    if compared:
        title = "Requests a second at 32 connections, as a share of the fastest"
        (folder / "requests.svg").write_text(bars(title, compared))
        made.append(("requests.svg", title))
    if summary["growth"]:
        title = "Median latency of Kinoteka at 32 connections, by the number of movies"
        (folder / "growth.svg").write_text(lines(title, summary["growth"]))
        made.append(("growth.svg", title))
    return made


def frame(title, width, height, shapes):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" '
            f'fill="{GREY}" role="img"><title>{escape(title)}</title>\n' + "\n".join(shapes) + "\n</svg>\n")


def bars(title, results):
    shapes, y = [], 12
    for query in dict.fromkeys(each["query"] for each in results):
        rows = [each for each in results if each["query"] == query]
        most = max(each["requests_per_second"] for each in rows)
        shapes.append(f'<text x="0" y="{y + 11}">({query})</text>')
        for each in rows:
            length = 380 * each["requests_per_second"] / most
            shapes.append(f'<rect x="60" y="{y}" width="{length:.1f}" height="14" rx="2" fill="{COLOURS[each["server"]]}"/>')
            label = f'{each["server"]} {each["requests_per_second"]:,.0f}/s'
            shapes.append(f'<text x="{66 + length:.1f}" y="{y + 11}">{escape(label)}</text>')
            y += 18
        y += 10
    return frame(title, 640, y, shapes)


def lines(title, growth):
    sizes = sorted(growth, key=int)
    series = {}
    for size in sizes:
        for each in growth[size]:
            if each["server"] == "Kinoteka":
                series.setdefault(each["query"], []).append(each["p50_ms"])
    most = max(max(values) for values in series.values())
    place = lambda number, value: (60 + number * 200, 190 - 160 * value / most)
    shapes = [f'<line x1="60" y1="190" x2="500" y2="190" stroke="{GREY}"/>']
    shapes += [f'<text x="{60 + number * 200}" y="206" text-anchor="middle">{int(size):,}</text>' for number, size in enumerate(sizes)]
    for (query, values), colour in zip(series.items(), COLOURS.values()):
        points = [place(number, value) for number, value in enumerate(values)]
        path = " ".join(f"{x},{y:.1f}" for x, y in points)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes.append(f'<text x="{points[-1][0] + 8}" y="{points[-1][1] + 4:.1f}" fill="{colour}">({query}) {values[-1]:.2f} ms</text>')
    return frame(title, 640, 212, shapes)

"""Plots as SVG, readable on light and on dark pages."""

from html import escape
from math import log10

SERVERS = {"Kinoteka": "#2f81f7", "PostGraphile": "#d29922", "Mercurius": "#3fb950"}
LINES = ["#2f81f7", "#d29922", "#3fb950", "#a371f7"]
GREY = "#8b949e"
CONNECTIONS = 32


def write(summary, folder):
    """Writes the plots that the results allow: their files' names and titles."""
    folder.mkdir(exist_ok=True)
    plots = {}
    compared = [each for each in summary["results"] if each["server"] in SERVERS]
    if usual := [each for each in compared if each["connections"] == CONNECTIONS]:
        plots["requests.svg"] = (bars, "Requests a second at 32 connections", usual)
    if len({each["connections"] for each in compared}) > 1:
        title = "Median latency by connections, in milliseconds, both axes logarithmic"
        plots["latency.svg"] = (latencies, title, [each for each in compared if each["query"] in ("a", "b", "c")])
    if summary["growth"]:
        plots["growth.svg"] = (growth, "Median latency at 32 connections by the size of the catalogue, in milliseconds", summary["growth"])
    for name, (draw, title, results) in plots.items():
        (folder / name).write_text(draw(title, results))
    return [(name, title) for name, (_, title, _) in plots.items()]


def frame(title, width, height, shapes):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" '
            f'fill="{GREY}" role="img"><title>{escape(title)}</title>\n' + "\n".join(shapes) + "\n</svg>\n")


def text(x, y, content, anchor="start", colour=GREY):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(content)}</text>'


def bars(title, results):
    """A group of bars a query, each as long as its share of the query's fastest."""
    shapes, y = [], 4
    for query in dict.fromkeys(each["query"] for each in results):
        rows = [each for each in results if each["query"] == query]
        most = max(each["requests_per_second"] for each in rows)
        shapes.append(text(0, y + 11, f"({query})"))
        for each in rows:
            length = 380 * each["requests_per_second"] / most
            shapes.append(f'<rect x="60" y="{y}" width="{length:.1f}" height="14" rx="2" fill="{SERVERS[each["server"]]}"/>')
            shapes.append(text(66 + length, y + 11, f'{each["server"]} {each["requests_per_second"]:,.0f}'))
            y += 18
        y += 10
    return frame(title, 640, y, shapes)


def latencies(title, results):
    """A panel a query, a line a server."""
    shapes = []
    for number, query in enumerate(dict.fromkeys(each["query"] for each in results)):
        left = 10 + 215 * number
        rows = [each for each in results if each["query"] == query]
        shapes.append(text(left + 70, 14, f"({query})", "middle"))
        series = {}
        for each in rows:
            series.setdefault(each["server"], []).append((str(each["connections"]), each["p50_ms"]))
        shapes += panel(left, 24, 140, 170, {name: (SERVERS[name], points) for name, points in series.items()}, logarithmic=True)
    legend = [text(10 + 120 * number, 236, name, colour=colour) for number, (name, colour) in enumerate(SERVERS.items())]
    return frame(title, 650, 244, shapes + legend)


def growth(title, results):
    """A line a query, over the sizes."""
    series = {}
    for each in results:
        series.setdefault(f"({each['query']})", []).append((each["server"], each["p50_ms"]))
    lines = {name: (colour, points) for (name, points), colour in zip(series.items(), LINES)}
    shapes = panel(60, 10, 420, 180, lines)
    legend = [text(560, 24 + 18 * number, name, colour=colour) for number, (name, (colour, _)) in enumerate(lines.items())]
    return frame(title, 640, 220, shapes + legend)


def panel(left, top, width, height, series, logarithmic=False):
    """Axes, and a line for each of `series`: by name its colour and its (label, value) points."""
    values = [value for _, points in series.values() for _, value in points]
    low, high = (log10(min(values)), log10(max(values))) if logarithmic else (0, max(values))
    share = lambda value: ((log10(value) if logarithmic else value) - low) / ((high - low) or 1)
    labels = [label for label, _ in next(iter(series.values()))[1]]
    place = lambda number, value: (left + width * number / max(1, len(labels) - 1), top + height * (1 - share(value)))
    shapes = [f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="{GREY}" stroke-opacity="0.5"/>']
    shapes += [text(place(number, values[0])[0], top + height + 18, label, "middle") for number, label in enumerate(labels)]
    used = []
    for colour, points in series.values():
        places = [place(number, value) for number, (_, value) in enumerate(points)]
        shapes.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = places[-1]
        # Labels of lines that end close together stand one above the other.
        while any(abs(y - other) < 12 for other in used):
            y -= 4
        used.append(y)
        shapes.append(text(x + 6, y + 4, f"{points[-1][1]:.2f}", colour=colour))
    return shapes

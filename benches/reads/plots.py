"""Draws plots as SVG, readable on light and dark pages."""

from html import escape
from math import floor, log10

import queries

SERVERS = {"Kinoteka": "#2f81f7", "PostGraphile": "#d29922", "Mercurius": "#3fb950"}
LINES = ["#2f81f7", "#d29922", "#3fb950", "#a371f7"]
GREY = "#8b949e"
CONNECTIONS = 32
WIDTH = 760
LINE_HEIGHT = 15


def write(summary, folder):
    """Writes the plots for the results. Returns their file names and titles."""
    folder.mkdir(exist_ok=True)
    plots = draw(summary)
    for name, (_, content) in plots.items():
        (folder / name).write_text(content)
    return [(name, title) for name, (title, _) in plots.items()]


def draw(summary):
    """The plots for the results: title and SVG by file name."""
    plots = {}
    compared = [each for each in summary["results"] if each["server"] in SERVERS]
    if usual := [each for each in compared if each["connections"] == CONNECTIONS]:
        plots["requests.svg"] = (bars, f"Requests per second at {CONNECTIONS} connections", usual)
    if len({each["connections"] for each in compared}) > 1:
        peers = {each["query"] for each in compared if each["server"] != "Kinoteka"}
        plots["latency.svg"] = (latencies, "Median latency by number of connections",
                                [each for each in compared if each["query"] in peers])
    if summary["growth"]:
        plots["growth.svg"] = (growth, f"Median latency of Kinoteka at {CONNECTIONS} connections, by size of the catalogue",
                               summary["growth"])
    return {name: (title, plot(title, results)) for name, (plot, title, results) in plots.items()}


def frame(title, notes, height, shapes):
    """The whole image: the title, the notes, and below them `shapes`, from 0 to `height`."""
    heading = [text(0, 16, title, weight="bold", size=15)]
    heading += [text(0, 36 + LINE_HEIGHT * number, note) for number, note in enumerate(notes)]
    top = 36 + LINE_HEIGHT * len(notes)
    body = f'<g transform="translate(0 {top})">\n' + "\n".join(shapes) + "\n</g>"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -4 {WIDTH + 20} {top + height + 8}" font-family="sans-serif" '
            f'font-size="12" fill="{GREY}" role="img"><title>{escape(title)}</title>\n' + "\n".join(heading + [body]) + "\n</svg>\n")


def text(x, y, content, anchor="start", colour=GREY, weight="normal", size=12, rotated=False):
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if rotated else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}" '
            f'font-size="{size}"{turn}>{escape(content)}</text>')


def legend(names, y):
    """A coloured square and a name for each of `names`."""
    shapes = []
    for number, (name, colour) in enumerate(names.items()):
        x = 130 * number
        shapes.append(f'<rect x="{x}" y="{y - 10}" width="11" height="11" rx="2" fill="{colour}"/>')
        shapes.append(text(x + 17, y, name, colour=colour))
    return shapes


def bars(title, results):
    """A group of bars for each query. The fastest server of a group has the longest bar."""
    shapes, y = [], 4
    for query in dict.fromkeys(each["query"] for each in results):
        rows = [each for each in results if each["query"] == query]
        most = max(each["requests_per_second"] for each in rows)
        shapes.append(text(0, y + 12, queries.NAMES[query], weight="bold"))
        for each in rows:
            length = 380 * each["requests_per_second"] / most
            shapes.append(text(272, y + 12, each["server"], "end"))
            shapes.append(f'<rect x="280" y="{y}" width="{length:.1f}" height="15" rx="2" fill="{SERVERS[each["server"]]}"/>')
            shapes.append(text(288 + length, y + 12, f'{each["requests_per_second"]:,.0f}'))
            y += 19
        y += 11
    notes = ["Longer is better. Each query has its own linear scale, from 0 to the fastest server."]
    if alone := alone_names(results):
        notes.append(f"Only Kinoteka was measured: {alone}.")
    return frame(title, notes, y - 11, shapes)


def alone_names(results):
    """The queries with only one measured server."""
    found = {query: {each["server"] for each in results if each["query"] == query} for query in queries.NAMES}
    return ", ".join(queries.NAMES[query] for query, servers in found.items() if len(servers) == 1)


def latencies(title, results):
    """A panel for each query, with a line for each server."""
    names = list(dict.fromkeys(each["query"] for each in results))
    shapes = []
    for number, query in enumerate(names):
        left = 52 + (WIDTH - 10) / len(names) * number
        width = (WIDTH - 10) / len(names) - 96
        series = {}
        for each in results:
            if each["query"] == query:
                series.setdefault(each["server"], []).append((each["connections"], each["p50_ms"]))
        shapes.append(text(left + width / 2, 34, queries.NAMES[query], "middle", weight="bold"))
        shapes += panel(left, 46, width, 200, {name: (SERVERS[name], points) for name, points in series.items()},
                        "connections (log scale)", "milliseconds (log scale)" if number == 0 else "")
    notes = ["Lower is better. Both axes of each panel are logarithmic. Each panel has its own vertical scale."]
    return frame(title, notes, 290, legend(SERVERS, 8) + shapes)


def growth(title, results):
    """A line for each query, over the sizes of the catalogue."""
    series = {}
    for each in results:
        size = int(each["server"].split()[0].replace(",", ""))
        series.setdefault(queries.NAMES[each["query"]], []).append((size, each["p50_ms"]))
    lines = {name: (colour, points) for (name, points), colour in zip(series.items(), LINES)}
    shapes = panel(52, 8, 430, 220, lines, "movies in the catalogue (log scale)", "milliseconds (linear scale)",
                   linear=True, names=True)
    return frame(title, ["Lower is better. A flat line means that the time does not grow with the catalogue."], 272, shapes)


def panel(left, top, width, height, series, x_title, y_title, linear=False, names=False):
    """Axes with ticks, and a line for each of `series` (name: colour, points). The x axis is logarithmic."""
    values = [value for _, points in series.values() for _, value in points]
    ticks = linear_ticks(max(values)) if linear else log_ticks(min(values), max(values))
    scale = (lambda value: value) if linear else log10
    low, high = scale(ticks[0]), scale(ticks[-1])
    xs = sorted({x for _, points in series.values() for x, _ in points})
    across = lambda x: left + width * (log10(x) - log10(xs[0])) / ((log10(xs[-1]) - log10(xs[0])) or 1)
    down = lambda value: top + height * (1 - (scale(value) - low) / (high - low))
    shapes = []
    for tick in ticks:
        shapes.append(f'<path d="M{left:.1f} {down(tick):.1f}h{width:.1f}" stroke="{GREY}" stroke-opacity="0.25"/>')
        shapes.append(text(left - 6, down(tick) + 4, f"{tick:,g}", "end"))
    for x in xs:
        shapes.append(f'<path d="M{across(x):.1f} {top + height}v4" stroke="{GREY}"/>')
        shapes.append(text(across(x), top + height + 18, f"{x:,}", "middle"))
    shapes.append(text(left + width / 2, top + height + 36, x_title, "middle"))
    shapes.append(text(left - 42, top + height / 2, y_title, "middle", rotated=True))
    ends = spread({name: down(points[-1][1]) + 4 for name, (_, points) in series.items()})
    for name, (colour, points) in series.items():
        line = " ".join(f"{across(x):.1f},{down(value):.1f}" for x, value in points)
        shapes.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes += [f'<circle cx="{across(x):.1f}" cy="{down(value):.1f}" r="3" fill="{colour}"/>' for x, value in points]
        last = points[-1][1]
        label = f"{last:,.{0 if last >= 100 else 1}f}" + (f" ms: {name}" if names else "")
        shapes.append(text(left + width + 8, ends[name], label, colour=colour))
    return shapes


def spread(positions):
    """The positions of labels by name, moved down where labels would overlap."""
    moved, previous = {}, float("-inf")
    for name, position in sorted(positions.items(), key=lambda item: item[1]):
        previous = moved[name] = max(position, previous + LINE_HEIGHT)
    return moved


def log_ticks(low, high):
    """1, 10, 100, ... from below `low` to at least `high`."""
    first = floor(log10(low))
    ticks = [10.0**first]
    while ticks[-1] < high:
        ticks.append(ticks[-1] * 10)
    return ticks


def linear_ticks(high):
    """Round numbers from 0 to at least `high`, about five."""
    power = 10 ** floor(log10(high / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= high / 5)
    ticks = [0]
    while ticks[-1] < high:
        ticks.append(ticks[-1] + step)
    return ticks

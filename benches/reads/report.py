"""The results as tables, JSON and plots, compared with the targets."""

import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import textwrap

import plots
import queries
from tools import PEERS_FOLDER, ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benches" / "reads" / "results" / "latest.json"
NAMES = {"ours": "Kinoteka", "postgraphile": "PostGraphile", "mercurius": "Mercurius"}
PEERS = ["PostGraphile", "Mercurius"]
USUAL = 32


def summarise(arguments, found, programs, measured, statements, growth):
    """The measurements, with the machine and the versions."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory, "
                   f"Linux {platform.release().split('-')[0]}; load, servers and PostgreSQL share it",
        "versions": versions(found, programs, not arguments.no_peers),
        "rows": {"movies": arguments.movies, "comments": 20 * arguments.movies, "sentences": arguments.sentences},
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "results": [entry(job) for job in measured],
        "statements": [{"server": NAMES[server], "query": name, "each": statistics.mean(map(len, requests)),
                        "texts": [text for text, _ in requests[0]]}
                       for server, found in statements.items() for name, requests in found.items()],
        "growth": [entry(job) for job in growth],
    }


def entry(job):
    """The medians of a job's rounds, and every round's rate."""
    rounds = job.results
    middle = lambda key: statistics.median(each[key] for each in rounds) if key in rounds[0] else None
    return {
        "server": NAMES.get(job.target.name, job.target.name), "query": job.query, "connections": job.connections,
        "requests_per_second": middle("requests_per_second"),
        "rounds": [round(each["requests_per_second"], 1) for each in rounds],
        "p50_ms": middle("p50_ms"), "p99_ms": middle("p99_ms"), "mean_ms": middle("mean_ms"), "bytes": middle("bytes"),
        "peak_bytes": max((each.get("peak_bytes", 0) for each in rounds), default=0),
        "cpu_us": {name: statistics.median(each["cpu_us"][name] for each in rounds) for name in rounds[0]["cpu_us"]},
    }


def versions(found, programs, with_peers):
    first = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0].strip()
    known = {"Kinoteka": first(str(programs[0]), "--version").removeprefix("kinoteka "),
             "PostgreSQL": re.search(r"[\d.]+", first(found["postgres"], "--version")).group(),
             "wrk": re.search(r"[\d.]+", first(found["wrk"], "--version")).group()}
    if with_peers:
        packages = json.loads((PEERS_FOLDER / "package.json").read_text())["dependencies"]
        known |= {"Node.js": first(found["node"], "--version").removeprefix("v"), "PostGraphile": packages["postgraphile"],
                  "Mercurius": packages["mercurius"], "pg": packages["pg"]}
    return known


def tables(summary):
    """The results as Markdown."""
    measured = (f"{summary['date']}; {summary['machine']}. "
                + ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
                + f". {summary['rows']['movies']:,} movies, {summary['rows']['comments']:,} comments; medians of {summary['rounds']} "
                  f"rounds of {summary['seconds']} s, the range of the rounds in brackets.")
    text = [*textwrap.wrap(measured, 110, break_on_hyphens=False), ""]
    if targets := list(judge(summary["results"])):
        text += ["### Targets", "", "| target | measured | |", "|---|---|---|",
                 *[f"| {name} | {shown} | {'met' if met else '**missed**'} |" for name, shown, met in targets], ""]
    for connections in sorted({each["connections"] for each in summary["results"]}):
        text += [f"### {connections} connection{'s' * (connections > 1)}", "", *main_table(summary["results"], connections), ""]
    text += ["### Statements", "", *statements_table(summary["statements"]), ""]
    if summary["growth"]:
        text += ["### Growth", "", *growth_table(summary["growth"]), ""]
    return "\n".join(text).rstrip() + "\n"


def main_table(results, connections):
    yield ("| query | server | requests/s | Kinoteka / server | p50, ms | p99, ms | CPU per request, µs: server | PostgreSQL | load "
           "| bytes | memory, MiB |")
    yield "|---|---|" + "---:|" * 9
    for query in queries.TITLES:
        rows = [each for each in results if (each["query"], each["connections"]) == (query, connections)]
        ours = next((each for each in rows if each["server"] == "Kinoteka"), None)
        for each in rows:
            number = lambda value, form: format(value, form) if value else ""
            cpu = each["cpu_us"]
            yield "| " + " | ".join([
                f"({query})", each["server"],
                f"{each['requests_per_second']:,.0f} ({min(each['rounds']):,.0f}–{max(each['rounds']):,.0f})",
                "" if each is ours else times(ours, each),
                number(each["p50_ms"], ".2f") or f"mean {each['mean_ms']:.2f}", number(each["p99_ms"], ".2f"),
                number(cpu.get("server"), ",.0f"), number(cpu.get("postgres"), ",.0f"), number(cpu.get("load"), ",.0f"),
                number(each["bytes"], ",.0f"), number(each["peak_bytes"] / 2**20, ",.0f"),
            ]) + " |"


def ratios(one, other):
    """The ratio of `one` to `other` in each round, since a round is measured at about the same time."""
    return [left / right for left, right in zip(one["rounds"], other["rounds"])]


def times(one, other):
    found = ratios(one, other)
    return f"{statistics.median(found):.2f}× ({min(found):.2f}–{max(found):.2f})"


def statements_table(statements):
    servers = list(dict.fromkeys(each["server"] for each in statements))
    yield "| query | " + " | ".join(servers) + " |"
    yield "|---|" + "---:|" * len(servers)
    for query in dict.fromkeys(each["query"] for each in statements):
        counts = {each["server"]: each["each"] for each in statements if each["query"] == query}
        yield f"| ({query}) | " + " | ".join(f"{counts[server]:.3g}" if server in counts else "" for server in servers) + " |"


def growth_table(growth):
    sizes = list(dict.fromkeys(each["server"] for each in growth))
    yield "| query | " + " | ".join(f"{size}: requests/s (p50, p99, ms)" for size in sizes) + " | first to last |"
    yield "|---|" + "---:|" * (len(sizes) + 1)
    for query in dict.fromkeys(each["query"] for each in growth):
        found = [pick(growth, size, query) for size in sizes]
        cells = [f"{each['requests_per_second']:,.0f} ({each['p50_ms']:.2f}, {each['p99_ms']:.2f})" for each in found]
        yield f"| ({query}) | " + " | ".join(cells) + f" | {times(found[0], found[-1])} |"


def settings(measured):
    """Requests per second of each peer with each of its settings, as Markdown."""
    results = [entry(job) for job in measured]
    names = list(dict.fromkeys(each["query"] for each in results))
    lines = ["| peer and setting | " + " | ".join(f"({name}), requests/s" for name in names) + " |", "|---|" + "---:|" * len(names)]
    for server in dict.fromkeys(each["server"] for each in results):
        base = server.split(", ")[0] + ", as measured"
        cells = []
        for name in names:
            found, reference = pick(results, server, name), pick(results, base, name)
            cells.append(f"{found['requests_per_second']:,.0f}" + ("" if server == base else f", {times(found, reference)}"))
        lines.append(f"| {server} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def pick(results, server, query, connections=USUAL):
    return next((each for each in results if (each["server"], each["query"], each["connections"]) == (server, query, connections)), None)


# Connections, query, and the ratio to the best peer's requests per second: the minimum and the aim.
TARGETS = [(USUAL, "a", 2.5, 3), (USUAL, "b", 3.5, 5), (USUAL, "c", 2.2, 3), (1, "a", 1.5, 2), (1, "b", 1.4, 2), (1, "c", 1.1, 1.5)]


def judge(results):
    """Each target with its measurement and whether it is met."""
    for connections, query, factor, aim in TARGETS:
        ours = pick(results, "Kinoteka", query, connections)
        peers = [found for peer in PEERS if (found := pick(results, peer, query, connections))]
        if not ours or not peers:
            continue
        best = max(peers, key=lambda each: each["requests_per_second"])
        plural = "s" if connections > 1 else ""
        yield (f"({query}), {connections} connection{plural}: at least {factor} times the best peer, aim {aim}",
               f"{times(ours, best)} {best['server']}", statistics.median(ratios(ours, best)) >= factor)
        if connections == USUAL:
            yield (f"({query}) p99 under the best peer's p50", f"{ours['p99_ms']:.1f} ms, {best['p50_ms']:.1f} ms",
                   ours["p99_ms"] < best["p50_ms"])
    first, deep = pick(results, "Kinoteka", "e_first"), pick(results, "Kinoteka", "e_deep")
    if first and deep:
        yield ("a deep page costs at most 1.2 times the first", times(first, deep), statistics.median(ratios(first, deep)) <= 1.2)
    greedy = [each["peak_bytes"] / 1e6 for each in results if each["server"] == "Kinoteka" and each["connections"] == 256]
    if greedy:
        yield "memory under 100 MB at 256 connections", f"{max(greedy):.0f} MB at most", max(greedy) < 100


def write(summary):
    """Writes the results to docs/benchmarks.md and results/latest.json."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    begin, end = "<!-- results -->\n", "<!-- end of results -->"
    before, rest = DOCUMENT.read_text().split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{tables(summary)}\n{images(summary)}\n\n{end}{after}")


def redraw():
    """Draws the plots from the stored results."""
    shown = images(json.loads(RESULTS.read_text()))
    block = r"(?:!\[[^]]*\]\(benchmarks/[^)]*\)\n*)+"
    DOCUMENT.write_text(re.sub(block, lambda _: shown + "\n\n", DOCUMENT.read_text(), count=1))


def images(summary):
    """Writes the plots and returns the Markdown that shows them."""
    found = plots.write(summary, DOCUMENT.parent / "benchmarks")
    return "\n\n".join(f"![{title}](benchmarks/{name})" for name, title in found)

"""What was measured, as tables, JSON and plots, and whether the targets are met."""

import datetime
import json
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

import plots
import queries
from tools import PEERS, ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benches" / "reads" / "results" / "latest.json"
NAMES = {"ours": "Kinoteka", "postgraphile": "PostGraphile", "mercurius": "Mercurius"}
PEER_NAMES = ["postgraphile", "mercurius"]
USUAL = 32


def summarise(arguments, found, programs, results, floors, growth):
    """Medians by query, connections and server, with what they were measured on."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory, "
                   f"Linux {platform.release().split('-')[0]}; load, servers and PostgreSQL share it",
        "versions": versions(found, programs, not arguments.no_peers),
        "rows": {"movies": arguments.movies, "comments": 20 * arguments.movies, "sentences": arguments.sentences},
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "results": [entry(*key, values) for key, values in results.items()],
        "statements": {name: {"each": each["statements"], "texts": each["texts"]} for name, each in floors.items()},
        "growth": {str(movies): [entry(*key, values) for key, values in each.items()] for movies, each in growth.items()},
    }


def entry(server, query, connections, rounds):
    middle = lambda key: statistics.median(each[key] for each in rounds) if key in rounds[0] else None
    rates = [each["requests_per_second"] for each in rounds]
    return {
        "server": NAMES.get(server, server), "query": query, "connections": connections,
        "requests_per_second": middle("requests_per_second"), "least": min(rates), "most": max(rates),
        "p50_ms": middle("p50_ms") or middle("mean_ms"), "p99_ms": middle("p99_ms"), "bytes": middle("bytes"),
        "peak_bytes": max((each.get("peak_bytes", 0) for each in rounds), default=0),
        "cpu_us": {name: statistics.median(each["cpu_us"][name] for each in rounds) for name in rounds[0]["cpu_us"]},
    }


def versions(found, programs, with_peers):
    first = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0].strip()
    known = {"Kinoteka": first(str(programs[0]), "--version").removeprefix("kinoteka "),
             "PostgreSQL": re.search(r"[\d.]+", first(found["postgres"], "--version")).group(),
             "wrk": (subprocess.run([found["wrk"], "--version"], capture_output=True, text=True).stdout.split() + ["", "?"])[1]}
    if with_peers:
        packages = json.loads((PEERS / "package.json").read_text())["dependencies"]
        known |= {"Node.js": first(found["node"], "--version").removeprefix("v"), "PostGraphile": packages["postgraphile"],
                  "Mercurius": packages["mercurius"], "pg": packages["pg"]}
    return known


def tables(summary):
    """The results as Markdown."""
    peers = sorted({each["server"] for each in summary["results"]} & set(map(NAMES.get, PEER_NAMES)))
    text = [
        f"{summary['date']}; {summary['machine']}. " + ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
        + f". {summary['rows']['movies']:,} movies, {summary['rows']['comments']:,} comments; medians of {summary['rounds']} rounds "
          f"of {summary['seconds']} s, the range of the rounds in brackets.",
        "",
    ]
    for connections in sorted({each["connections"] for each in summary["results"]}):
        text += [f"### {connections} connection{'s' * (connections > 1)}", "", *main_table(summary["results"], connections), ""]
    if targets := list(judge(summary, peers)):
        text += ["### Targets", "", "| target | measured | |", "|---|---|---|",
                 *[f"| {name} | {measured} | {'met' if met else '**missed**'} |" for name, measured, met in targets], ""]
    if summary["growth"]:
        text += ["### Growth", "", *growth_table(summary["growth"]), ""]
    return "\n".join(text).rstrip() + "\n"


def main_table(results, connections):
    yield "| query | server | requests/s | to ours | p50, ms | p99, ms | server's CPU, us | PostgreSQL's CPU, us | bytes | memory, MiB |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    chosen = [each for each in results if each["connections"] == connections]
    for query in queries.TITLES:
        rows = [each for each in chosen if each["query"] == query]
        ours = next((each["requests_per_second"] for each in rows if each["server"] == "Kinoteka"), None)
        for each in rows:
            number = lambda value, form: "" if not value else format(value, form)
            cpu = each["cpu_us"]
            yield "| " + " | ".join([
                f"({query})", each["server"],
                f"{each['requests_per_second']:,.0f} ({each['least']:,.0f}–{each['most']:,.0f})",
                f"{each['requests_per_second'] / ours:.2f}" if ours else "",
                number(each["p50_ms"], ".2f"), number(each["p99_ms"], ".2f"), number(cpu.get("server"), ",.0f"),
                number(cpu.get("postgres"), ",.0f"), number(each["bytes"], ",.0f"), number(each["peak_bytes"] / 2**20, ",.0f"),
            ]) + " |"


def growth_table(growth):
    sizes = sorted(growth, key=int)
    yield "| query | " + " | ".join(f"{int(size):,} movies: requests/s (p50, ms)" for size in sizes) + " |"
    yield "|---|" + "---|" * len(sizes)
    for query in dict.fromkeys(each["query"] for each in growth[sizes[0]]):
        cells = []
        for size in sizes:
            found = pick(growth[size], "Kinoteka", query)
            cells.append(f"{found['requests_per_second']:,.0f} ({found['p50_ms']:.2f})")
        yield f"| ({query}) | " + " | ".join(cells) + " |"


def pick(results, server, query, connections=USUAL):
    return next((each for each in results if (each["server"], each["query"], each["connections"]) == (server, query, connections)), None)


def judge(summary, peers):
    """Each target with what was measured and whether it is met."""
    results = summary["results"]
    for query, factor in [("a", 1.5), ("b", 4), ("c", 4)]:
        ours = pick(results, "Kinoteka", query)
        others = [found for peer in peers if (found := pick(results, peer, query))]
        if not ours or not others:
            continue
        best = max(others, key=lambda each: each["requests_per_second"])
        ratio = ours["requests_per_second"] / best["requests_per_second"]
        yield f"({query}) at least {factor} times the best peer", f"{ratio:.2f} times {best['server']}", ratio >= factor
        if query != "a":
            yield (f"({query}) p99 under the best peer's p50", f"{ours['p99_ms']:.1f} ms, {best['p50_ms']:.1f} ms",
                   ours["p99_ms"] < best["p50_ms"])
    first, deep = pick(results, "Kinoteka", "e_first"), pick(results, "Kinoteka", "e_deep")
    if first and deep:
        ratio = first["requests_per_second"] / deep["requests_per_second"]
        yield "a deep page costs at most 1.2 times the first", f"{ratio:.2f} times", ratio <= 1.2
    greedy = [each["peak_bytes"] / 2**20 for each in results if each["server"] == "Kinoteka" and each["connections"] == 256]
    if greedy:
        yield "memory under 100 MB at 256 connections", f"{max(greedy):.0f} MiB at most", max(greedy) * 1.048576 < 100


def write(summary):
    """Puts the results where people look for them."""
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    begin, end = "<!-- results -->\n", "<!-- end of results -->"
    text = DOCUMENT.read_text()
    before, rest = text.split(begin)
    _, after = rest.split(end)
    images = plots.write(summary, DOCUMENT.parent / "benchmarks")
    shown = "".join(f"![{title}](benchmarks/{name})\n\n" for name, title in images)
    DOCUMENT.write_text(f"{before}{begin}\n{tables(summary)}\n{shown}{end}{after}")

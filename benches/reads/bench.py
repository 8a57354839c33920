"""Measures reads: the server, its peers and the floors, in interleaved rounds on one database."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import floor
import load
import queries
import report
import tools
from client import Client
from postgres import Postgres
from processes import Failure
from servers import Servers

EPILOG = """Examples:
  scripts/bench                    (a) to (f) at 32 connections, beside the peers: about 10 minutes
  scripts/bench --quick            (a), (b), (c) in two short rounds: to see what a change does
  scripts/bench --long             also 1 and 256 connections, and growth up to 100,000 movies
  scripts/bench --no-peers --movies 500 --seconds 1 --quick   whether it works at all

KINOTEKA_BIN names a server that is built already. --write puts the results into docs/benchmarks.md.
"""

# Growth is measured on databases without a catalogue around the movies: 20 comments a movie.
GROWTH_MOVIES = [1_000, 10_000, 100_000]
GROWTH_QUERIES = ["a", "c", "e_first", "e_deep"]
CONNECTIONS_USUAL = 32


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="(a), (b), (c) at 32 connections, two rounds")
    parser.add_argument("--long", action="store_true", help="1, 32 and 256 connections, and growth")
    parser.add_argument("--only", metavar="QUERIES", help="such as a,c,e_deep")
    parser.add_argument("--no-peers", action="store_true", help="without PostGraphile and Mercurius")
    parser.add_argument("--movies", type=int, default=10_000, help="movies; all else in proportion (default: 10000)")
    parser.add_argument("--sentences", type=int, default=100, help="sentences of a publication (default: 100)")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement (default: 4)")
    parser.add_argument("--rounds", type=int, help="rounds, of which medians are taken (default: 3; 2 with --quick)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, its plots, and results/latest.json")
    arguments = parser.parse_args()
    if arguments.movies < 500:
        parser.error("--movies: 500 is the least, which makes one thread of 500 comments")
    known = list(queries.TITLES)
    arguments.queries = arguments.only.split(",") if arguments.only else ["a", "b", "c"] if arguments.quick else known
    if unknown := [name for name in arguments.queries if name not in known]:
        parser.error(f"--only: {', '.join(unknown)} is none of {', '.join(known)}")
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.connections = [1, CONNECTIONS_USUAL, 256] if arguments.long else [CONNECTIONS_USUAL]
    return arguments


def say(text):
    print(f"[{time.monotonic() - STARTED:6.0f} s] {text}", flush=True)


STARTED = time.monotonic()


class Bench:
    """One database with the servers on it, and the requests for each."""

    def __init__(self, folder, postgres, database, found, programs, arguments, movies):
        self.folder, self.postgres, self.database = Path(folder), postgres, database
        self.tools, self.arguments, self.movies = found, arguments, movies
        self.servers = Servers(folder, found, *programs)

    def prepare(self, names, with_peers, catalogue=True):
        """Starts the servers, makes the requests, and compares what is answered."""
        url = self.postgres.url(self.database)
        points = queries.Points(self.postgres, self.database, self.movies)
        ours = self.servers.ours(url)
        client = Client(ours.port, ours.path)
        cursors = queries.our_cursors(client)
        variables = {name: queries.ours(name, points, cursors) for name in names}
        bodies = {name: queries.bodies(queries.OURS[name], variables[name]) for name in names}
        self.add_requests(ours, client, bodies)
        targets = [ours]
        if with_peers:
            shared = [name for name in names if name in queries.POSTGRAPHILE]
            for peer, documents in [("postgraphile", queries.POSTGRAPHILE), ("mercurius", queries.MERCURIUS)]:
                target = self.servers.peer(peer, url)
                asked = Client(target.port, target.path)
                find = queries.postgraphile_cursors(asked) if peer == "postgraphile" else lambda keys: keys
                made = {name: queries.bodies(documents[name], queries.peers(name, points, find)) for name in shared}
                self.add_requests(target, asked, made)
                for name in shared:
                    self.compare(peer, name, client, bodies[name], asked, made[name])
                asked.close()
                targets.append(target)
        if catalogue:
            targets.append(self.bare_route(client, bodies, ours))
        client.close()
        return targets, self.floors(bodies, url)

    def add_requests(self, target, client, bodies):
        for name, requests in bodies.items():
            file = self.folder / f"{target.name.replace(' ', '-')}-{self.database}-{name}.requests"
            file.write_text("\n".join(requests) + "\n")
            sizes = [client.check(body)[1] for body in requests[:200]]
            target.requests[name], target.bytes_expected[name] = file, statistics.mean(sizes)

    def bare_route(self, client, bodies, ours):
        answers = {name: client.post(requests[0])[1] for name, requests in bodies.items()}
        target = self.servers.bare_route(answers)
        asked = Client(target.port, target.path)
        for name in bodies:
            asked.path = target.path.format(query=name)
            target.bytes_expected[name] = asked.post(bodies[name][0])[2]
            target.requests[name] = ours.requests[name]
        asked.close()
        return target

    def compare(self, peer, name, client, own, asked, other):
        """Stops the benchmark if a peer answers otherwise than we do."""
        for mine, theirs in list(zip(own, other))[:25]:
            left, right = queries.comparable(client.check(mine)[0]), queries.comparable(asked.check(theirs)[0])
            if left != right:
                shown = [json.dumps(value, ensure_ascii=False)[:1500] for value in (left, right)]
                raise Failure(f"{peer} answers query {name} otherwise:\n{theirs[:300]}\nours:   {shown[0]}\ntheirs: {shown[1]}")

    def floors(self, bodies, url):
        """The server's own statements, of requests that come one at a time."""
        def start():
            target = self.servers.ours(url, "probe")
            return target.program, Client(target.port, target.path)
        return floor.capture(self.postgres, self.database, self.folder, start, bodies)

    def measure(self, targets, floors, names, connections):
        """Interleaved rounds: a list of results by (server, query, connections)."""
        results = {}
        for number in range(self.arguments.rounds):
            for count in connections:
                for name in names:
                    for target in targets:
                        if name in target.requests:
                            result = load.by_wrk(self.tools, self.postgres, target, name, count, self.arguments.seconds)
                            results.setdefault((target.name, name, count), []).append(result)
                    result = load.by_pgbench(self.tools, self.postgres, self.database, floors[name]["scripts"],
                                             floors[name]["variables"], count, self.arguments.seconds)
                    results.setdefault(("SQL alone", name, count), []).append(result)
                    say(f"round {number + 1} of {self.arguments.rounds}, {count} connections, ({name}): " + ", ".join(
                        f"{key[0]} {values[-1]['requests_per_second']:.0f}/s"
                        for key, values in results.items() if key[1:] == (name, count)))
        return results

    def warm_up(self, targets, names):
        for target in targets:
            for name in names:
                if name in target.requests:
                    load.by_wrk(self.tools, self.postgres, target, name, CONNECTIONS_USUAL, 1)


def run(arguments, folder):
    found = tools.find(not arguments.no_peers)
    say("building")
    programs = tools.build()
    postgres = Postgres(folder, found)
    try:
        say(f"filling a database with {arguments.movies} movies")
        postgres.create("bench", programs[0], arguments.movies, sentences=arguments.sentences)
        bench = Bench(folder, postgres, "bench", found, programs, arguments, arguments.movies)
        try:
            say("starting the servers, and comparing their answers")
            targets, floors = bench.prepare(arguments.queries, not arguments.no_peers)
            bench.warm_up(targets, arguments.queries)
            results = bench.measure(targets, floors, arguments.queries, arguments.connections)
        finally:
            bench.servers.stop()
        growth = measure_growth(arguments, folder, found, programs, postgres) if arguments.long else {}
    finally:
        postgres.program.stop()
    return report.summarise(arguments, found, programs, results, floors, growth)


def measure_growth(arguments, folder, found, programs, postgres):
    results = {}
    for movies in GROWTH_MOVIES:
        say(f"growth: filling a database with {movies} movies and {20 * movies} comments")
        database = f"growth_{movies}"
        inner = Path(folder) / database
        inner.mkdir()
        postgres.create(database, programs[0], movies, catalogue=False)
        bench = Bench(inner, postgres, database, found, programs, arguments, movies)
        try:
            targets, floors = bench.prepare(GROWTH_QUERIES, False, catalogue=False)
            bench.warm_up(targets, GROWTH_QUERIES)
            results[movies] = bench.measure(targets, floors, GROWTH_QUERIES, [CONNECTIONS_USUAL])
        finally:
            bench.servers.stop()
    return results


def main():
    arguments = read_arguments()
    with tempfile.TemporaryDirectory(prefix="kinoteka-bench-") as folder:
        # Servers and PostgreSQL write there, the latter as another user.
        os.chmod(folder, 0o755)
        try:
            summary = run(arguments, folder)
        except Failure as failure:
            print(f"scripts/bench: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("scripts/bench: interrupted", file=sys.stderr)
            return 130
    print(report.tables(summary))
    if arguments.write:
        report.write(summary)
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())

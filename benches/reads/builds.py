"""Compares two builds of the server: requests per second in interleaved rounds, and instructions per request."""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import queries
import rounds
import tools
from client import Client
from postgres import Postgres
from processes import Failure, carry_out
from servers import Servers

EPILOG = """Example, for a change that must not cost performance:
  git worktree add ../before HEAD~3 && (cd ../before && cargo build --release --locked)
  scripts/bench-builds ../before/target/release/kinoteka target/release/kinoteka --instructions

Each build has its own PostgreSQL database, made by its own migrations. Server, client and database share the machine, so
only the ratios are meaningful. callgrind counts the instructions of the server only.
"""

TYPENAME = "t"
TITLES = {TYPENAME: "`{ __typename }`", "a": f"(a) {queries.TITLES['a']}", "b": f"(b) {queries.TITLES['b']}"}
# Number of counted requests for each query, and of requests that warm the server up before them.
COUNTED = {TYPENAME: 400, "a": 400, "b": 60}
WARM_UP = 40


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench-builds", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=program, help="a built server")
    parser.add_argument("after", type=program, help="another built server")
    parser.add_argument("--rounds", type=int, default=10, help="number of rounds; results are medians (default: 10)")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of each measurement (default: 2)")
    parser.add_argument("--connections", type=int, default=32, help="kept connections (default: 32)")
    parser.add_argument("--movies", type=int, default=10_000, help="number of movies; other rows in proportion (default: 10000)")
    parser.add_argument("--instructions", action="store_true", help="also count instructions; installs valgrind")
    return parser.parse_args()


def program(path):
    found = Path(path).resolve()
    if not os.access(found, os.X_OK):
        raise argparse.ArgumentTypeError(f"{path} is not an executable file")
    return found


class Build:
    """A built server on its own database."""

    def __init__(self, name, binary, folder, found, postgres, movies):
        self.name, self.binary = name, binary
        postgres.create(name, binary, movies, sentences=10)
        self.servers = Servers(folder, found, binary, None, postgres)
        self.setting = rounds.Setting(postgres, name, folder, self.servers, movies)

    def start(self):
        target = self.setting.ours(["a", "b"], self.name)
        client = Client(target.port, target.path)
        self.setting.add(target, client, TYPENAME, queries.bodies("{ __typename }", [{}]))
        client.close()
        return target

    def count(self, bodies):
        """Instructions per request, by query."""
        wrapped = Path(self.servers.folder) / f"{self.name}-callgrind"
        out = wrapped.with_suffix(".out")
        wrapped.write_text(f'#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file={out} "{self.binary}" "$@"\n')
        wrapped.chmod(0o755)
        self.servers.kinoteka = wrapped
        target = self.servers.ours(self.setting.url, f"{self.name}, counted")
        client = Client(target.port, target.path)
        client.socket.settimeout(120)
        found = {}
        for query, counted in COUNTED.items():
            for number in range(WARM_UP):
                client.check(bodies[query][number % len(bodies[query])])
            control(target, "--zero")
            for number in range(counted):
                client.check(bodies[query][number % len(bodies[query])])
            control(target, "--dump")
            dump = max(out.parent.glob(f"{out.name}.*"), key=lambda path: int(path.suffix[1:]))
            found[query] = int(re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)[1]) / counted
        client.close()
        self.servers.stop()
        return found


def control(target, action):
    done = subprocess.run(["callgrind_control", action, str(target.program.popen.pid)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"callgrind_control {action} failed:\n{done.stdout}{done.stderr}")


def run(arguments, folder):
    found = tools.find(peers=False)
    if arguments.instructions and not shutil.which("callgrind_control"):
        tools.install(["valgrind"])
    postgres = Postgres(folder, found)
    builds = []
    try:
        for name in ["before", "after"]:
            say(f"filling the database of {name}")
            builds.append(Build(name, getattr(arguments, name), folder, found, postgres, arguments.movies))
        targets = [build.start() for build in builds]
        rounds.warm_up(targets, arguments.connections)
        jobs = rounds.interleave(rounds.groups(targets, TITLES, [arguments.connections]), arguments, say)
        bodies = targets[0].bodies
        for build in builds:
            build.servers.stop()
        instructions = {}
        if arguments.instructions:
            for build in builds:
                say(f"counting the instructions of {build.name}")
                instructions[build.name] = build.count(bodies)
    finally:
        for build in builds:
            build.servers.stop()
        postgres.program.stop()
    return report(jobs, instructions)


def report(jobs, instructions):
    lines = ["| query | before, requests/s | after | after / before | instructions before | after | after / before |",
             "|---|---|---|---|---|---|---|"]
    for query, title in TITLES.items():
        rates = [statistics.median(result["requests_per_second"] for result in job.results)
                 for name in ["before", "after"] for job in jobs if (job.query, job.target.name) == (query, name)]
        counts = [instructions[name][query] for name in ["before", "after"] if name in instructions]
        cells = [f"{rate:,.0f}" for rate in rates] + [f"{rates[1] / rates[0]:.3f}"]
        cells += [f"{count:,.0f}" for count in counts] + [f"{counts[1] / counts[0]:.3f}"] if counts else ["", "", ""]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    arguments = read_arguments()
    return carry_out("scripts/bench-builds", lambda folder: run(arguments, folder))


if __name__ == "__main__":
    sys.exit(main())

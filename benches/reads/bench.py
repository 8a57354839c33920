"""Measures reads: the server, its peers and the lower bounds, in interleaved rounds on one database."""

import argparse
import sys
import time

import queries
import report
import rounds
import tools
from postgres import Postgres
from processes import carry_out
from servers import PEERS, Servers

EPILOG = """Examples:
  scripts/bench                    (a) to (f) at 32 connections, with the peers: about 10 minutes
  scripts/bench --quick            (a), (b), (c) in two short rounds: shows the effect of a change
  scripts/bench --long --write     also 1 and 256 connections, and growth up to 100,000 movies;
                                   then writes docs/benchmarks.md, its plots and results/latest.json
  scripts/bench --redraw           only the plots, from results/latest.json
  scripts/bench --peer-settings    compares other settings of the peers
  scripts/bench --quick --no-peers --seconds 1 --movies 500
                                   checks that the benchmark works

Missing programs are installed: wrk and PostgreSQL through apt, the peers and their Node.js through npm.
Everything runs on 127.0.0.1, in a folder under /tmp that is deleted at the end.

KINOTEKA_BIN names a server that is already built; other KINOTEKA_ variables are the server's settings.
PEER_ variables are the peers' settings (see benches/reads/servers.py).
"""

# Growth is measured on databases with only movies, users and comments: 20 comments per movie.
GROWTH_MOVIES = [1_000, 10_000, 100_000]
GROWTH_QUERIES = ["a", "c", "e_first", "e_deep"]
CONNECTIONS_USUAL = 32
CONNECTIONS_ALL = [1, 32, 256]


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="(a), (b), (c) at 32 connections, two short rounds")
    parser.add_argument("--long", action="store_true", help="1, 32 and 256 connections, and growth")
    parser.add_argument("--peer-settings", action="store_true", help="only compare settings of the peers")
    parser.add_argument("--only", metavar="QUERIES", help="only these queries, such as a,c,e_deep")
    parser.add_argument("--no-peers", action="store_true", help="without PostGraphile and Mercurius")
    parser.add_argument("--movies", type=int, default=10_000, help="number of movies; other rows in proportion (default: 10000)")
    parser.add_argument("--seconds", type=int, help="seconds of each measurement (default: 4; 2 with --quick)")
    parser.add_argument("--rounds", type=int, help="number of rounds; results are medians (default: 3; 2 with --quick)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, its plots, and results/latest.json")
    parser.add_argument("--redraw", action="store_true", help="only draw the plots, from results/latest.json")
    arguments = parser.parse_args()
    if arguments.movies < 500:
        parser.error("--movies must be at least 500, for a thread of 500 comments")
    known = list(queries.TITLES)
    few = arguments.quick or arguments.peer_settings
    arguments.queries = arguments.only.split(",") if arguments.only else ["a", "b", "c"] if few else known
    if unknown := [name for name in arguments.queries if name not in known]:
        parser.error(f"--only: unknown query {', '.join(unknown)}; use {', '.join(known)}")
    if arguments.peer_settings and not set(arguments.queries) <= set(queries.POSTGRAPHILE):
        parser.error(f"--only: the peers support only {', '.join(queries.POSTGRAPHILE)}")
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.seconds = arguments.seconds or (2 if arguments.quick else 4)
    # Indexing their words takes most of the time to fill the database, and only the search reads them.
    arguments.sentences = 500 if "d" in arguments.queries else 10
    arguments.connections = CONNECTIONS_ALL if arguments.long else [CONNECTIONS_USUAL]
    return arguments


STARTED = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - STARTED:6.0f} s] {text}", flush=True)


def run(arguments, folder):
    found = tools.find(peers=arguments.peer_settings or not arguments.no_peers)
    say("building")
    programs = tools.build()
    say(f"filling a database with {arguments.movies:,} movies and {20 * arguments.movies:,} comments")
    postgres = Postgres(folder, found)
    try:
        postgres.create("bench", programs[0], arguments.movies, sentences=arguments.sentences)
        if arguments.peer_settings:
            return report.settings(compare_settings(arguments, folder, found, programs, postgres))
        measured, statements = compare_servers(arguments, folder, found, programs, postgres)
        growth = measure_growth(arguments, folder, found, programs, postgres) if arguments.long else []
    finally:
        postgres.program.stop()
    summary = report.summarise(arguments, found, programs, measured, statements, growth)
    if arguments.write:
        report.write(summary)
    return report.tables(summary)


def compare_servers(arguments, folder, found, programs, postgres):
    """Measures all servers on one database. Returns the measurements, and the statements of each server."""
    servers = Servers(folder, found, *programs, postgres)
    setting = rounds.Setting(postgres, "bench", folder, servers, arguments.movies)
    try:
        say("starting the servers and comparing their responses")
        targets = [setting.ours(arguments.queries)]
        if not arguments.no_peers:
            targets += [setting.peer(peer, arguments.queries) for peer in PEERS]
        say("recording their statements")
        statements = {target.name: setting.statements(target) for target in targets}
        targets += [setting.bare_route(), setting.floor(statements["ours"])]
        groups = rounds.groups(targets, arguments.queries, arguments.connections)
        say("warming up")
        rounds.warm_up(targets, CONNECTIONS_USUAL, min(2, arguments.seconds))
        measured = rounds.interleave(groups, arguments, say)
        setting.sample(targets)
        return measured, statements
    finally:
        servers.stop()


def compare_settings(arguments, folder, found, programs, postgres):
    """Measures only the peers, each with several settings."""
    servers = Servers(folder, found, *programs, postgres)
    setting = rounds.Setting(postgres, "bench", folder, servers, arguments.movies)
    try:
        say("starting the peers and comparing their responses")
        setting.ours(arguments.queries)
        targets = [setting.peer(peer, arguments.queries, title, variables)
                   for peer, settings in PEERS.items() for title, variables in settings.items()]
        say("warming up")
        rounds.warm_up(targets, CONNECTIONS_USUAL, min(2, arguments.seconds))
        measured = rounds.interleave(rounds.groups(targets, arguments.queries, arguments.connections), arguments, say)
        setting.sample(targets)
        return measured
    finally:
        servers.stop()


def measure_growth(arguments, folder, found, programs, postgres):
    """Measures our server on databases of several sizes, in interleaved rounds."""
    all_servers, targets, settings = [], [], []
    try:
        for movies in GROWTH_MOVIES:
            say(f"growth: filling a database with {movies:,} movies and {20 * movies:,} comments")
            database = f"growth_{movies}"
            postgres.create(database, programs[0], movies, catalogue=False)
            servers = Servers(folder, found, *programs, postgres)
            all_servers.append(servers)
            setting = rounds.Setting(postgres, database, folder, servers, movies)
            target = setting.ours(GROWTH_QUERIES, f"{movies:,} movies")
            rounds.warm_up([target], CONNECTIONS_USUAL, min(2, arguments.seconds))
            targets.append(target)
            settings.append(setting)
        measured = rounds.interleave(rounds.groups(targets, GROWTH_QUERIES, [CONNECTIONS_USUAL]), arguments, say)
        for setting, target in zip(settings, targets):
            setting.sample([target])
        return measured
    finally:
        for servers in all_servers:
            servers.stop()


def main():
    arguments = read_arguments()
    if arguments.redraw:
        return report.redraw()
    return carry_out("scripts/bench", lambda folder: run(arguments, folder))


if __name__ == "__main__":
    sys.exit(main())

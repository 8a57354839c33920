"""Compares the seeder with a plain COPY of the same rows, and with Python's Faker."""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from datetime import date
from graphlib import TopologicalSorter
from pathlib import Path

HERE = Path(__file__).parent
# The modules for PostgreSQL and for finding programs are those of the benchmark of reads.
sys.path.append(str(HERE.parent / "reads"))

import tools  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Failure, carry_out  # noqa: E402

EPILOG = """Examples:
  scripts/bench-seeding                     --size medium, three rounds: about 15 minutes
  scripts/bench-seeding --size small --rounds 1
                                            checks that the benchmark works
  scripts/bench-seeding --original          also seeds the original's size once

Everything runs on 127.0.0.1, in a folder under /tmp that is deleted at the end.
"""

SIXTEEN = """tags publications_category film_award_registry film_award_nominations_registry person_position
    cinema_online movies users persons movie_staff_m2m awards cinema_online_movie_presence user_movie_orders
    publications comments users_rating""".split()
# Tables about migrations and seeding, which contain no seeded rows.
BOOKKEEPING = {"seaql_migrations", "seeding_steps", "seeding_restores"}
USERS = 1_000
FAKER = ["faker==40.54.0", "psycopg[binary]==3.3.9"]
STARTED = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - STARTED:6.0f} s] {text}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, folder, found, programs, size):
        self.folder, self.found, self.size = Path(folder), found, size
        self.kinoteka, self.seeder = programs
        self.postgres = Postgres(folder, found)
        self.rows = self.folder / "rows"
        self.rows.mkdir()
        # PostgreSQL reads and writes these files itself.
        if os.getuid() == 0:
            shutil.chown(self.rows, "postgres")

    def drop(self, database):
        self.postgres.psql("postgres", "--command", f"DROP DATABASE IF EXISTS {database}")

    def migrated(self, database):
        self.drop(database)
        self.postgres.psql("postgres", "--command", f"CREATE DATABASE {database} TEMPLATE template0")
        tools.run([self.kinoteka, "migrate", "up", "--database-url", self.postgres.url(database)])
        self.postgres.psql("postgres", "--command", "CHECKPOINT")

    def seed(self, database, *flags, size=None):
        """The seeder's duration in seconds, and its peak of memory in bytes."""
        self.migrated(database)
        command = [self.seeder, "seed", "--database-url", self.postgres.url(database), "--size", size or self.size]
        started = time.monotonic()
        with open(self.folder / "seeder.log", "w+") as log:
            child = subprocess.Popen([str(part) for part in command] + list(flags), stdout=log, stderr=log)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            if child.returncode != 0:
                raise Failure(f"seeder seed failed:\n{log.read()[-3000:]}")
        return seconds, usage.ru_maxrss * 1024

    def tables(self, database):
        """The tables with rows, referenced tables first."""
        names = [row[0] for row in self.postgres.ask(
            database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
        filled = {name for name in names if name not in BOOKKEEPING
                  and self.postgres.ask(database, f'SELECT 1 FROM "{name}" LIMIT 1')}
        order = TopologicalSorter({name: set() for name in sorted(filled)})
        keys = "SELECT conrelid::regclass, confrelid::regclass FROM pg_constraint WHERE contype = 'f'"
        for table, referred in self.postgres.ask(database, keys):
            if {table, referred} <= filled and table != referred:
                order.add(table, referred)
        return list(order.static_order())

    def export(self, database):
        """Writes the rows to files. Returns the number of rows of each table."""
        counts = {}
        for table in self.tables(database):
            self.postgres.psql(database, "--command", f"""COPY "{table}" TO '{self.rows / table}'""")
            counts[table] = int(self.postgres.ask(database, f'SELECT count(*) FROM "{table}"')[0][0])
        return counts

    def copy_statements(self, tables):
        return [f"""COPY "{table}" FROM '{self.rows / table}';""" for table in tables]

    def copy(self, database, tables):
        """The seconds of COPY into empty tables with indexes and foreign keys, but with triggers disabled."""
        self.migrated(database)
        off = [f'ALTER TABLE "{table}" DISABLE TRIGGER USER;' for table in tables]
        # Migrations fill some of the tables.
        empty = [f'TRUNCATE {", ".join(tables)} CASCADE;']
        self.postgres.psql(database, "--set=ON_ERROR_STOP=1", text="\n".join(off + empty))
        return self.timed(database, self.copy_statements(tables))

    def copy_then_index(self, database, tables, schema):
        """The seconds of COPY into bare tables, and of then creating indexes, constraints and triggers."""
        self.drop(database)
        self.postgres.psql("postgres", "--command", f"CREATE DATABASE {database} TEMPLATE template0")
        self.postgres.psql(database, "--set=ON_ERROR_STOP=1", text=schema["pre-data"])
        return self.timed(database, [*self.copy_statements(tables), schema["post-data"]])

    def timed(self, database, statements):
        started = time.monotonic()
        self.postgres.psql(database, "--set=ON_ERROR_STOP=1", text="\n".join(statements))
        return time.monotonic() - started

    def schema(self, database):
        dump = Path(self.found["psql"]).with_name("pg_dump")
        command = [str(dump), "--schema-only", "--no-owner"]
        done = {}
        for section in ["pre-data", "post-data"]:
            done[section] = subprocess.run(
                [*command, f"--section={section}"], env=self.postgres.environment(database),
                capture_output=True, text=True, check=True).stdout
        return done


def compare_copy(bench, rounds):
    """The lines of the table that compares the seeder with COPY, and of its caption."""
    say("seeding once, to export the rows to files")
    bench.seed("seeded")
    counts = bench.export("seeded")
    schema = bench.schema("seeded")
    tables = list(counts)
    sixteen = [table for table in tables if table in SIXTEEN]
    ways = {
        "seeder": lambda: bench.seed("measured"),
        "COPY": lambda: (bench.copy("measured", sixteen), None),
        "COPY with side tables": lambda: (bench.copy("measured", tables), None),
        "seeder --defer-indexes": lambda: bench.seed("measured", "--defer-indexes"),
        "COPY with side tables, then indexes": lambda: (bench.copy_then_index("measured", tables, schema), None),
    }
    seconds, memory = {way: [] for way in ways}, 0
    for number in range(rounds):
        # Each round begins with another way.
        order = list(ways)[number % len(ways):] + list(ways)[:number % len(ways)]
        for way in order:
            took, peak = ways[way]()
            seconds[way].append(took)
            memory = max(memory, peak or 0)
            say(f"round {number + 1}: {way}: {took:.1f} s")
    rows = sum(counts[table] for table in sixteen)
    ratios = {
        "seeder": ["COPY", "COPY with side tables"],
        "seeder --defer-indexes": ["COPY with side tables, then indexes"],
    }
    lines = ["| | seconds | rows per second | speed relative to COPY | relative to COPY with side tables |", "|---|---|---|---|---|"]
    for way, took in seconds.items():
        middle = statistics.median(took)
        cells = ["", ""]
        for reference in ratios.get(way, []):
            ratio = statistics.median(theirs / ours for ours, theirs in zip(took, seconds[reference]))
            cells[reference != "COPY"] = f"{ratio:.2f}"
        lines.append(f"| {way} | {middle:.1f} | {rows / middle:,.0f} | {' | '.join(cells)} |")
    caption = (f"`--size {bench.size}`: {rows:,} rows in the sixteen tables, {sum(counts.values()) - rows:,} in side tables; "
             f"the seeder used at most {memory / 2**20:.0f} MiB; medians of {rounds} rounds.")
    return [caption, "", *lines]


def compare_faker(bench):
    say(f"making {USERS:,} users with Python's Faker")
    environment = bench.folder / "venv"
    tools.run([sys.executable, "-m", "venv", str(environment)])
    tools.run([str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *FAKER])
    program = [str(environment / "bin" / "python"), "-B", str(HERE / "faker_users.py")]
    zero = ["movies", "persons", "staff", "awards", "presences", "orders", "publications", "comments", "ratings"]
    only_users = [f"--{name}=0" for name in zero] + [f"--users={USERS}"]
    ours, theirs = [], []
    for _ in range(3):
        ours.append(bench.seed("measured", *only_users)[0])
        bench.migrated("measured")
        theirs.append(float(tools.run([*program, bench.postgres.url("measured"), str(USERS)])))
    ratio = statistics.median(one / other for one, other in zip(ours, theirs))
    return [f"{USERS:,} users: the seeder took {statistics.median(ours):.2f} s in total, including the lists and "
            f"their side tables. Faker, inserting row by row, took {statistics.median(theirs):.2f} s. The seeder took {ratio:.2f} of that time."]


def run_original(bench):
    say("seeding the original's size")
    seconds, memory = bench.seed("measured", "--defer-indexes", size="original")
    counts = {table: int(bench.postgres.ask("measured", f'SELECT count(*) FROM "{table}"')[0][0]) for table in SIXTEEN}
    rows = sum(counts.values())
    return [f"`--size original --defer-indexes`: {rows:,} rows in {seconds / 60:.1f} minutes, {rows / seconds:,.0f} per "
            f"second; the seeder used at most {memory / 2**20:.0f} MiB."]


def build():
    if given := os.environ.get("KINOTEKA_BIN"):
        server = Path(given).resolve()
        seeder = server.with_name("seeder")
        for program in [server, seeder]:
            if not os.access(program, os.X_OK):
                raise Failure(f"KINOTEKA_BIN={given}: {program} is not an executable file")
        return server, seeder
    server, _ = tools.build()
    return server, server.with_name("seeder")


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench-seeding", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["demo", "small", "medium"], default="medium", help="rows to compare with COPY (default: medium)")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds; results are medians (default: 3)")
    parser.add_argument("--original", action="store_true", help="also seed the original's size, once")
    return parser.parse_args()


def run(arguments, folder):
    found = tools.find(peers=False)
    say("building")
    bench = Bench(folder, found, build(), arguments.size)
    try:
        lines = compare_faker(bench)
        lines += ["", *compare_copy(bench, arguments.rounds)]
        if arguments.original:
            for database in ["seeded", "measured"]:
                bench.drop(database)
            shutil.rmtree(bench.rows)
            lines += ["", *run_original(bench)]
        version = bench.postgres.ask("postgres", "SHOW server_version")[0][0]
    finally:
        bench.postgres.program.stop()
    where = (f"{date.today()}, PostgreSQL {version} without fsync and autovacuum, {os.cpu_count()} cores, {platform.machine()}. The "
             "seeder uses one connection per core and ends with VACUUM (ANALYZE). COPY uses one connection.")
    return "\n".join([where, "", *lines])


def main():
    arguments = read_arguments()
    return carry_out("scripts/bench-seeding", lambda folder: run(arguments, folder))


if __name__ == "__main__":
    sys.exit(main())

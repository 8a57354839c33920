"""The commands of docs/backup.md: backups while comments are written, and what a server makes of them once restored."""

import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from .graphql import MARK, Client, Comments, Refused, Writer, serve
from .support import ROOT, STATE, SUBNET, ClusterCase, takes_long, wait_for

sys.path += [str(ROOT / "deploy/local"), str(ROOT / "deploy/monitoring")]

from evaluate import Prometheus  # noqa: E402
from localcluster import monitoring, settings  # noqa: E402
from localcluster.programs import read_passwords  # noqa: E402

PAGE = (ROOT / "docs" / "backup.md").read_text()
FRONT = f"{SUBNET}.1:8510"
# Of the restored database and its server.
ADDRESS = f"{SUBNET}.41"
WITHIN_S = 120
# Of all tables.
Checksums = dict[str, tuple[int, str]]
RESTORE = "Restoring to a point in time"
# Counts and checksums, table by table. Sequences are not compared: PostgreSQL logs their numbers in advance.
CHECKSUMS = """
SELECT format('SELECT %L, count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %I t', relname, relname)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
\\gexec
"""


def commands(heading: str) -> str:
    """The first block of commands under a heading of the page."""
    found = re.search(rf"^#+ {heading}$.*?^ *```sh\n(.*?)^ *```$", PAGE, re.M | re.S)
    assert found, f"docs/backup.md has no commands under {heading}"
    return found[1]


class BackupCase(ClusterCase):
    """A test in a folder of the cluster's user, who runs the commands: PostgreSQL refuses to run as root."""

    def setUp(self) -> None:
        self.settings = settings.load(Path(STATE))
        self.user = pwd.getpwuid(Path(STATE).stat().st_uid)
        self.folder = Path(tempfile.mkdtemp(prefix="kinoteka-backup-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.backups = self.folder / "backups"
        self.env = {
            "PATH": f"{self.settings.postgres_bin_dir}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PGPASSFILE": str(self.settings.pgpass),
            "KINOTEKA_CLUSTER_STATE": STATE,
            "BACKUPS": str(self.backups),
        }
        is_root = os.geteuid() == 0
        self.identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if is_root else {}

    def start(self, command: str, **variables: str) -> subprocess.Popen[str]:
        """Starts commands of the page as the cluster's user."""
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=ROOT,
            env=self.env | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            **self.identity,
        )

    def run_commands(self, heading: str, **variables: str) -> tuple[str, float]:
        """Runs the commands under a heading, which have to succeed: what they print, and their seconds."""
        return self.run_text(commands(heading), **variables)

    def run_text(self, text: str, **variables: str) -> tuple[str, float]:
        """The same with commands that the page says how to change."""
        begun = time.monotonic()
        process = self.start(text, **variables)
        try:
            printed, complaints = process.communicate(timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        self.assertEqual(process.returncode, 0, f"{text}: {printed}{complaints}")
        return printed.strip(), time.monotonic() - begun

    def serve(self, database_url: str, address: str) -> Client:
        """A client of a server of its own, which ends with the test."""
        program = str(Path(self.settings.bin_dir) / "kinoteka")
        server = serve(program, database_url, address, self.folder / f"{address}.log", self.identity)
        self.addCleanup(server.wait, 60)
        self.addCleanup(server.terminate)
        client = Client(address)
        client.log_in()
        return client

    def receive(self, client: Client, after: str, last: str) -> dict[str, str]:
        """The cursors of all comments up to the last, by text, as a listener receives them."""
        cursors: dict[str, str] = {}
        for cursor, text in client.added(after):
            self.assertNotIn(text, cursors, "received twice")
            cursors[text] = cursor
            if text == last:
                break
        return cursors

    def check_history(self, client: Client, cursors: dict[str, str], kept: Comments, lost: Comments) -> None:
        """Listeners with a cursor from before the first lost comment continue. Those who saw one are told."""
        texts = [text for _, text in kept]
        self.assertEqual(list(self.receive(client, cursors[texts[0]], texts[-1])), texts[1:])
        fresh = Writer(client)
        fresh.numbers = count(1_000_000)
        for _, text in lost:
            with self.assertRaises(Refused) as refused:
                next(client.added(cursors[text]))
            self.assertEqual(str(refused.exception), "CURSOR_EXPIRED")
        # New comments take the places of those that were lost.
        for _ in lost:
            fresh.add()
        with self.assertRaises(Refused) as refused:
            next(client.added(cursors[lost[0][1]]))
        self.assertEqual(str(refused.exception), "CURSOR_EXPIRED")
        news = [text for _, text in fresh.added]
        self.assertEqual(list(self.receive(client, cursors[texts[-1]], news[-1])), news)


@dataclass
class Point:
    """What there was at a time, and what was added later and received by listeners."""

    time: str
    checksums: Checksums
    kept: Comments
    lost: Comments
    cursors: dict[str, str]


class Postgres(BackupCase):
    """On the shared cluster."""

    def checksums(self, host: str, port: int) -> Checksums:
        command = [f"{self.settings.postgres_bin_dir}/psql", "-X", "-Atq", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", host, "-p", str(port), "-U", "dba", "-d", "kinoteka"]
        done = subprocess.run(
            command, input=CHECKSUMS, capture_output=True, text=True, timeout=WITHIN_S, env=self.env, check=True
        )
        rows = [line.split("|") for line in done.stdout.splitlines()]
        return {name: (int(number), md5) for name, number, md5 in rows}

    def settled_checksums(self) -> Checksums:
        """Those of the leader, once nothing changes."""
        last: list[Checksums] = [{}]

        def settled() -> bool:
            before, last[0] = last[0], self.checksums(f"{SUBNET}.1", 5000)
            return last[0] == before

        wait_for("end of changes", settled)
        return last[0]

    def receive_wal(self) -> subprocess.Popen[str]:
        """Starts the receiver of the log, which ends with the test, as does its slot."""
        self.run_commands("The slot")
        forget = ["edit-config", "--", "--set", "slots.backup=null", "--force", "--quiet"]
        self.addCleanup(lambda: self.run_ok(*forget))
        slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'backup'"
        wait_for("slot", lambda: self.sql(slots, "postgres") == "1")
        receiver = self.start(commands("The write-ahead log"), LEADER=f"{SUBNET}.1")
        self.addCleanup(receiver.communicate)
        self.addCleanup(receiver.send_signal, signal.SIGINT)
        active = slots + " AND active"
        wait_for("receiver", lambda: self.sql(active, "postgres") == "1")
        return receiver

    def write_around_a_point(self, writer: Writer, beginning: str) -> Point:
        """Adds comments before and after a time, until all of the log is in the folder."""
        with writer:
            pass
        kept, checksums = list(writer.added), self.settled_checksums()
        moment = self.sql("SELECT clock_timestamp()")
        with writer:
            pass
        lost = writer.added[len(kept) :]
        cursors = self.receive(writer.client, beginning, lost[-1][1])
        end = self.sql("SELECT pg_current_wal_lsn()")
        of_receiver = "FROM pg_stat_replication WHERE application_name = 'pg_receivewal'"
        flushed = f"SELECT flush_lsn >= '{end}' {of_receiver}"
        wait_for("log in the folder", lambda: self.sql(flushed, "postgres") == "t")
        return Point(moment, checksums, kept, lost, cursors)

    def test_a_backup_under_writes_is_restored_to_a_point_in_time(self) -> None:
        leader = self.wait_complete()
        replica = self.settings.address("n2" if leader != "n2" else "n3")
        client = Client(FRONT)
        client.log_in()
        writer = Writer(client)
        beginning = client.ask("{ commentCursor }")["commentCursor"]
        self.receive_wal()
        stack = monitoring.stack(self.settings)
        prometheus = Prometheus(stack.status()["prometheus"])
        metrics = stack.folder / "textfile"
        self.addCleanup(Path(metrics, "backup.prom").unlink, missing_ok=True)
        wait_for("alert", lambda: alert_state(prometheus) != "inactive")
        with writer:
            given = {"REPLICA": f"{ADDRESS},{replica}", "KINOTEKA_BACKUP_METRICS": str(metrics)}
            path, backup_s = self.run_commands("Base backups", **given)
        at_backup = len(writer.added)
        # The log continues on another timeline.
        self.run_ok("switchover")
        self.wait_complete()
        point = self.write_around_a_point(writer, beginning)
        kept, lost, expected = point.kept, point.lost, point.checksums
        at_end = self.settled_checksums()
        given = {"BACKUP": Path(path).name, "DATA": str(self.folder / "data"), "ADDRESS": ADDRESS}
        self.addCleanup(self.stop_postgres, given["DATA"])
        _, restore_s = self.run_commands(RESTORE, TIME=point.time, **given)
        self.assertEqual(self.checksums(ADDRESS, 5432), expected)
        at_node = f"SELECT name FROM pg_settings WHERE setting LIKE '%{STATE}%'"
        found = self.start(f'psql -X -Atq -h {ADDRESS} -U postgres -c "{at_node}"').communicate(timeout=WITHIN_S)
        self.assertEqual(found, ("", ""), "settings that name files of the node")
        print(
            f"    backup {backup_s:.1f} s, restore {restore_s:.1f} s; {len(expected)} tables, "
            f"{sum(rows for rows, _ in expected.values())} rows equal; {at_backup} comments until the end of the "
            f"backup, {len(kept) - at_backup} replayed, {len(lost)} lost",
            file=sys.stderr,
        )
        password = read_passwords(self.settings)["kinoteka_app"]
        restored = self.serve(f"postgres://kinoteka_app:{password}@{ADDRESS}:5432/kinoteka", f"{ADDRESS}:8511")
        self.assertEqual(restored.text(kept[-1][0]), kept[-1][1])
        self.assertIsNone(restored.text(lost[0][0]))
        self.check_history(restored, point.cursors, kept, lost)
        wait_for("end of the alert", lambda: alert_state(prometheus) == "inactive")
        self.stop_postgres(given["DATA"])
        self.check_other_targets(given, at_end)

    def check_other_targets(self, given: dict[str, str], at_end: Checksums) -> None:
        """The last moment, and a time of which there is no log."""
        # The server of the test still waits at the first address.
        data, address = str(self.folder / "late"), f"{SUBNET}.42"
        given |= {"ADDRESS": address, "DATA": data, "TIME": self.sql("SELECT now() + interval '1h'")}
        process = self.start(commands(RESTORE), **given)
        process.communicate(timeout=WITHIN_S)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("recovery ended before configured recovery target was reached", Path(data, "log").read_text())
        data = str(self.folder / "last")
        self.addCleanup(self.stop_postgres, data)
        self.run_text(re.sub(r"^recovery_target.*\n", "", commands(RESTORE), flags=re.M), **given | {"DATA": data})
        self.assertEqual(self.checksums(address, 5432), at_end)

    @takes_long
    def test_a_cluster_is_restored(self) -> None:
        leader = self.wait_complete()
        client = Client(FRONT)
        client.log_in()
        writer = Writer(client)
        receiver = self.receive_wal()
        beginning = client.ask("{ commentCursor }")["commentCursor"]
        path, _ = self.run_commands("Base backups", REPLICA=self.settings.address(leader))
        point = self.write_around_a_point(writer, beginning)
        receiver.send_signal(signal.SIGINT)
        receiver.communicate(timeout=WITHIN_S)
        begun = time.monotonic()
        for node in ("n1", "n2", "n3"):
            self.run_ok("kill", node)
            shutil.rmtree(self.settings.data_dir(node))
        wait_for("end of the leader's lease", lambda: "Leader" not in self.run_ok("patronictl", "list"))
        removal = self.start("printf 'main\\nYes I am aware\\n' | deploy/local/cluster patronictl remove main")
        printed = removal.communicate(timeout=WITHIN_S)
        self.assertEqual(removal.returncode, 0, printed)
        given = {"BACKUP": Path(path).name, "DATA": str(self.settings.data_dir("n1")), "ADDRESS": ADDRESS}
        self.run_commands(RESTORE, TIME=point.time, **given)
        self.run_commands("Restoring a cluster", **given)
        self.run_ok("start", "n1")
        wait_for("leader", lambda: self.leader() == "n1")
        for node in ("n2", "n3"):
            self.run_ok("start", node)
        self.wait_complete()
        print(f"    the cluster is complete again after {time.monotonic() - begun:.1f} s", file=sys.stderr)
        wait_for("ready servers", lambda: self.run_ok("status").count("/readyz 200 full") == 2)
        self.assertEqual(self.checksums(f"{SUBNET}.1", 5000), point.checksums)
        self.assertIn("(n2,n3)", self.sql("SHOW synchronous_standby_names"))
        self.check_history(client, point.cursors, point.kept, point.lost)

    def stop_postgres(self, data: str) -> None:
        process = self.start(f'pg_ctl --pgdata="{data}" --mode=immediate stop || true')
        process.communicate(timeout=WITHIN_S)


def alert_state(prometheus: Prometheus) -> str:
    """The state of the alert about old backups."""
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    return next(rule["state"] for rule in rules if rule["name"] == "BackupOld")


class Sqlite(BackupCase):
    """Needs no cluster but its settings."""

    def test_a_copy_made_under_writes_has_all_that_was_acknowledged(self) -> None:
        file, address = self.folder / "kinoteka.db", f"{ADDRESS}:8512"
        url = f"sqlite://{file}?mode=rwc"
        programs = Path(self.settings.bin_dir)
        seed = ["seed", "--size", "demo", "--with-demo-accounts"]
        for argv in (["kinoteka", "migrate", "up"], ["seeder", *seed]):
            program = [str(programs / argv[0]), *argv[1:], "--database-url", url]
            done = subprocess.run(
                program, cwd=self.folder, capture_output=True, text=True, timeout=WITHIN_S, **self.identity
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        client = self.serve(url, address)
        writer = Writer(client)
        beginning = client.ask("{ commentCursor }")["commentCursor"]
        with writer:
            acknowledged = list(writer.added)
            path, backup_s = self.run_commands("SQLite", FILE=str(file))
        writer.add()
        cursors = self.receive(client, beginning, writer.added[-1][1])

        copy = self.folder / "restored.db"
        # Of a database that was there before.
        (self.folder / "restored.db-wal").write_bytes(b"stale")
        _, restore_s = self.run_commands("Restoring", FILE=str(copy), BACKUP=path)
        with sqlite3.connect(copy) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            rows = db.execute("SELECT comment FROM comments WHERE comment LIKE ? ORDER BY id", (f"{MARK}%",))
            copied = [text for (text,) in rows]
        db.close()
        kept, lost = writer.added[: len(copied)], writer.added[len(copied) :]
        self.assertEqual(copied, [text for _, text in kept])
        self.assertGreaterEqual(len(kept), len(acknowledged))
        print(
            f"    backup {backup_s:.1f} s, restore {restore_s:.1f} s; {file.stat().st_size >> 20} MiB; "
            f"{len(acknowledged)} comments acknowledged before, {len(kept)} in the copy, {len(lost)} lost",
            file=sys.stderr,
        )
        restored = self.serve(f"sqlite://{copy}", f"{ADDRESS}:8513")
        self.assertEqual(restored.text(kept[-1][0]), kept[-1][1])
        self.check_history(restored, cursors, kept, lost)

    def test_a_backup_that_fails_leaves_nothing(self) -> None:
        self.backups.mkdir()
        os.chown(self.backups, self.user.pw_uid, self.user.pw_gid)
        damaged = self.folder / "damaged.db"
        damaged.write_bytes(b"no database" * 1000)
        for command, variables, word in [
            ("SQLite", {"FILE": str(self.folder / "missing.db")}, "no such file"),
            ("SQLite", {"FILE": str(damaged)}, "not a database"),
            ("Base backups", {"REPLICA": ADDRESS}, "Connection refused"),
        ]:
            process = self.start(commands(command), KINOTEKA_BACKUP_METRICS=str(self.folder), **variables)
            _, complaints = process.communicate(timeout=WITHIN_S)
            self.assertNotEqual(process.returncode, 0)
            self.assertIn(word, complaints)
        self.assertEqual(list(self.backups.rglob("*")), [self.backups / "base"])
        self.assertEqual(set(self.folder.iterdir()), {self.backups, damaged})

"""The cluster program's errors, next to a running cluster."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from .support import LONG, PROGRAM, STATE, SUBNET, ClusterCase, cluster, holds, takes_long, wait_for

OTHER = "127.0.22"


class BadInput(ClusterCase):
    """Each test has its own state folder."""

    def setUp(self) -> None:
        # The cluster's user must be able to reach it.
        self.folder = tempfile.mkdtemp(prefix="kinoteka-cluster-")
        os.chmod(self.folder, 0o755)
        self.other = self.folder + "/state"
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_ports_in_use_are_named_with_their_process(self) -> None:
        with socket.create_server((f"{OTHER}.1", 9090)), socket.create_server((f"{OTHER}.12", 8008)):
            # The shared cluster does not count: it uses the same ports at other addresses.
            me = "by a process of another user" if os.geteuid() == 0 else f"by process {os.getpid()} "
            taken = [f"{OTHER}.1:9090 (prometheus) {me}", f"{OTHER}.12:8008 (patroni of n2) {me}", "--port NAME=PORT"]
            self.assert_refused(["up", "--subnet", OTHER, "--monitoring"], *taken, state=self.other)
        self.assertEqual(holds(self.other), [])

    def test_a_second_cluster_at_the_same_addresses_names_the_first(self) -> None:
        self.assert_refused(
            ["up", "--subnet", SUBNET], f"of the cluster in {STATE}", "--subnet 127.0.7", state=self.other
        )

    def test_up_reports_that_the_cluster_is_already_up(self) -> None:
        before = self.members()
        self.assert_refused(["up", "--subnet", SUBNET], "is already up", "`cluster down` stops it")
        self.assertEqual(self.members(), before)

    def test_flags_are_checked_before_anything_starts(self) -> None:
        for flags, words in [
            (["--subnet", "10.0.0"], "10.0.0 is not a loopback network"),
            (["--subnet", "127.0"], "--subnet 127.0 is invalid"),
            (["--port", "writes=5000"], "--port writes=5000 is invalid"),
            (["--port", "write=65536"], "--port write=65536 is invalid"),
            (["--port", "write=5001"], "write and read have the same port, 5001"),
            (["--monitoring", "--no-servers"], "remove --no-servers"),
            (["--bin-dir", "/"], "cargo build"),
            (["--postgres-bin-dir", "/"], "apt-get install postgresql-15"),
            (["--state", "/tmp/" + "x" * 90], "--state of at most 80 characters"),
            (["--state", "/tmp/a b"], "characters that are not allowed in configuration files"),
            (["--state", "/proc/state"], "use --state with another folder"),
        ]:
            with self.subTest(flags=flags):
                self.assert_refused(["up", *flags], words, state=self.other)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_root_must_become_another_user(self) -> None:
        self.assert_refused(["up", "--user", "root"], "PostgreSQL refuses to run as root", state=self.other)
        self.assert_refused(["up", "--user", "no-such-user"], "--user NAME with a normal user", state=self.other)
        os.makedirs(self.folder + "/closed", mode=0o700)
        self.assert_refused(["up"], "cannot read", "chmod a+rx", state=self.folder + "/closed/state")

    def test_a_command_on_a_missing_cluster_is_refused(self) -> None:
        self.assert_refused(["status"], "no cluster in", "`cluster up` creates one", state=self.other)
        self.assert_refused(["down"], "no cluster in", state=self.other)

    def test_an_up_that_is_killed_leaves_nothing(self) -> None:
        command = [PROGRAM, "up", "--no-seed", "--no-servers", "--subnet", OTHER, "--state", self.other]
        up = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            log = Path(self.other, "log", "patroni-n1.log")
            wait_for("Patroni", lambda: log.exists() and "trying to bootstrap" in log.read_text())
        finally:
            up.send_signal(signal.SIGKILL)
            up.wait()
        wait_for("end of all processes", lambda: not holds(self.other))
        self.assert_refused(["status"], "is not up", state=self.other)
        if LONG:
            # Patroni cannot continue from half a data directory.
            again = cluster(*command[1:])
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn("starting from scratch", again.stdout)
            self.assertEqual(cluster("down", "--wipe", state=self.other).returncode, 0)

    @takes_long
    def test_psql_and_migrate_create_the_same_schema(self) -> None:
        flags = ["--schema", "psql", "--no-seed", "--no-servers", "--subnet", OTHER, "--load", "0"]
        try:
            done = cluster("up", *flags, state=self.other)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("schema with psql -f", done.stdout)
            tables = "SELECT string_agg(relname || ' ' || relkind::text, ' ' ORDER BY relname) FROM pg_class"
            tables += " WHERE relnamespace = 'public'::regnamespace"
            other = cluster("psql", "--", "-X", "-Atc", tables, state=self.other)
            self.assertEqual(other.stdout.strip(), self.sql(tables))
        finally:
            cluster("down", "--wipe", state=self.other)

    def test_leaders_and_names_are_checked(self) -> None:
        leader = self.wait_complete()
        self.assert_refused(["switchover", "--to", leader], f"{leader} is already the leader")
        self.assert_refused(["logs", "n9"], "unknown log: n9", "patroni-n1")
        self.assertIn("is already running", self.run_ok("start", "n1"))
        self.assertEqual(cluster("kill", "n9").returncode, 2)

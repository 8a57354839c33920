"""Runs the cluster program as a user does, and waits for what it reports.

`scripts/test-cluster` starts one cluster, in KINOTEKA_CLUSTER_STATE, which all modules here share. They run in the
order of their names, and each leaves the cluster complete. The last one, `test_z_end`, destroys it.
"""

import json
import os
import subprocess
import sys
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(ROOT / "deploy" / "local" / "cluster")
STATE = os.environ.get("KINOTEKA_CLUSTER_STATE", "")
SUBNET = os.environ.get("KINOTEKA_CLUSTER_SUBNET", "127.0.21")
# Catches hangs: the longest command takes 30 s on an idle machine.
COMMAND_WITHIN_S = 150
# Patroni replaces a dead leader after its ttl (20 s). A returning node may need a rewind.
COMPLETE_WITHIN_S = 120


def cluster(*arguments: str, state: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the program and waits for its exit."""
    env = os.environ | ({"KINOTEKA_CLUSTER_STATE": state} if state else {})
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        env=env,
        stdin=subprocess.DEVNULL,
    )


def wait_for(what: str, ask: Callable[[], Any], seconds: float = COMPLETE_WITHIN_S) -> Any:
    """Calls `ask` until it returns something true."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} after {seconds:.0f} s: {cluster('status').stdout}")
        time.sleep(0.2)
    return answer


def holds(state: str) -> list[int]:
    """The processes in or below a state directory, or with its mark in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            where = os.readlink(f"/proc/{entry}/cwd")
            marked = f"KINOTEKA_CLUSTER={state}\0".encode() in Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue
        if marked or Path(state) in [Path(where), *Path(where).parents]:
            found.append(int(entry))
    return found


# `scripts/test-cluster --long` also runs slow tests.
LONG = bool(os.environ.get("KINOTEKA_LONG"))
takes_long = unittest.skipUnless(LONG, "runs with --long")


class ClusterCase(unittest.TestCase):
    """A test of the shared cluster. Prints its duration."""

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        begun = time.monotonic()
        try:
            return super().run(result)
        finally:
            print(f"    {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)

    def run_ok(self, *arguments: str) -> str:
        """Runs the program, which must succeed, and returns its output."""
        done = cluster(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def assert_refused(self, arguments: list[str], *words: str, state: str | None = None) -> None:
        """Runs the program, which must fail with these words and without a traceback."""
        done = cluster(*arguments, state=state)
        self.assertEqual(done.returncode, 1, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertNotIn("Traceback", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def members(self) -> list[dict[str, Any]]:
        """The members from `status --json`; empty after an error."""
        done = cluster("status", "--json")
        return json.loads(done.stdout)["members"] if done.returncode == 0 else []

    def leader(self) -> str | None:
        """The node that leads."""
        names = [m["name"] for m in self.members() if m["role"] == "leader" and m["state"] == "running"]
        return names[0] if len(names) == 1 else None

    def wait_complete(self) -> str:
        """Waits for a leader and two replicas that confirm commits, all on one timeline. Returns the leader."""

        def is_complete() -> str | None:
            listed = self.members()
            standbys = [m for m in listed if m["role"] == "quorum_standby" and m["state"] == "streaming"]
            timelines = {m["timeline"] for m in listed}
            return self.leader() if len(standbys) == 2 and len(timelines) == 1 else None

        return wait_for("complete cluster", is_complete)

    def sql(self, statement: str, role: str = "dba", port: str = "write", database: str = "kinoteka") -> str:
        """Runs a statement with `cluster psql`."""
        flags = ["-X", "-Atq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return self.run_ok("psql", "-U", role, "--port", port, "-d", database, "--", *flags).strip()

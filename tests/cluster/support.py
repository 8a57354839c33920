"""The cluster program as its user runs it, and waiting for what it reports.

`scripts/test-cluster` starts one cluster, in KINOTEKA_CLUSTER_STATE, which all modules here share. They run in the
order of their names, and each leaves the cluster whole: tests of another kind are one more module. The last one,
`test_z_end`, destroys it.
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
# Catches what hangs; the longest command takes 30 s on a machine that has nothing else to do.
COMMAND_WITHIN_S = 150
# Patroni's ttl is 20 s, after which a dead leader is replaced; a node that comes back may have to be rewound.
WHOLE_WITHIN_S = 120


def cluster(*arguments: str, state: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    env = os.environ | ({"KINOTEKA_CLUSTER_STATE": state} if state else {})
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        env=env,
        stdin=subprocess.DEVNULL,
    )


def wait_for(what: str, ask: Callable[[], Any], seconds: float = WHOLE_WITHIN_S) -> Any:
    """Asks until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still no {what}: {cluster('status').stdout}")
        time.sleep(0.2)
    return answer


def holds(state: str) -> list[int]:
    """The processes that work in a state directory or below it, or carry its mark."""
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


# `scripts/test-cluster --long` runs what takes long, too.
LONG = bool(os.environ.get("KINOTEKA_LONG"))
takes_long = unittest.skipUnless(LONG, "runs with --long")


class ClusterCase(unittest.TestCase):
    """A test of the shared cluster. Prints its seconds."""

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        begun = time.monotonic()
        try:
            return super().run(result)
        finally:
            print(f"    {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)

    def run_ok(self, *arguments: str) -> str:
        """Runs the program, which has to succeed; what it prints."""
        done = cluster(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def assert_refused(self, arguments: list[str], *words: str, state: str | None = None) -> None:
        """Runs the program, which has to fail with these words, without a traceback."""
        done = cluster(*arguments, state=state)
        self.assertEqual(done.returncode, 1, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertNotIn("Traceback", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def members(self) -> list[dict[str, Any]]:
        """The members, as `status --json` lists them; none if there is an error."""
        done = cluster("status", "--json")
        return json.loads(done.stdout)["members"] if done.returncode == 0 else []

    def leader(self) -> str | None:
        """The node that leads."""
        names = [m["name"] for m in self.members() if m["role"] == "leader" and m["state"] == "running"]
        return names[0] if len(names) == 1 else None

    def wait_whole(self) -> str:
        """Waits for a leader and two replicas that count for commits, all of one timeline; the leader."""

        def is_whole() -> str | None:
            listed = self.members()
            standbys = [m for m in listed if m["role"] == "quorum_standby" and m["state"] == "streaming"]
            timelines = {m["timeline"] for m in listed}
            return self.leader() if len(standbys) == 2 and len(timelines) == 1 else None

        return wait_for("whole cluster", is_whole)

    def sql(self, statement: str, role: str = "dba", port: str = "write", database: str = "kinoteka") -> str:
        """Runs a statement by `cluster psql`."""
        flags = ["-X", "-Atq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return self.run_ok("psql", "-U", role, "--port", port, "-d", database, "--", *flags).strip()

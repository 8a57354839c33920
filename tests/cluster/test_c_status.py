"""`kinoteka status` and /status of the cluster: all is well, then a replica stops replaying."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .support import ROOT, STATE, SUBNET, ClusterCase, wait_for

FRONT = f"http://{SUBNET}.1:8510"
PASSWORD = "kinoteka-demo"
# Catches hangs: page and command need 5 to 10 s.
SHOWN_WITHIN_S = 30


def run_status(*arguments: str, sources: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command with the cluster's addresses."""
    pmm = json.loads(Path(STATE, "passwords.json").read_text())["pmm"]
    env = {
        "PATH": os.environ["PATH"],
        "KINOTEKA_PATRONI_URL": ",".join(f"http://{SUBNET}.1{n}:8008" for n in (1, 2, 3)),
        "KINOTEKA_MONITOR_URL": f"postgres://pmm:{pmm}@{SUBNET}.1:5000/kinoteka",
        "KINOTEKA_INSTANCES": f"http://{SUBNET}.1:9521,http://{SUBNET}.1:9522",
    }
    program = str(ROOT / "target" / "debug" / "kinoteka")
    return subprocess.run(
        [program, "status", *arguments], capture_output=True, text=True, timeout=60, env=env | (sources or {})
    )


def log_in(name: str) -> str:
    """A token of a demo account."""
    query = "mutation($input: LogInInput!) { logIn(input: $input) { token errors { message } } }"
    body = {"query": query, "variables": {"input": {"login": name, "password": PASSWORD}}}
    request = Request(f"{FRONT}/graphql", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as response:
        return json.load(response)["data"]["logIn"]["token"]


def read_status(token: str, server: str = FRONT) -> dict[str, Any]:
    """The document of a server."""
    request = Request(f"{server}/status.json", headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=20) as response:
        return json.load(response)


class Status(ClusterCase):
    """In this order."""

    def test_1_a_cluster_that_is_well(self) -> None:
        leader = self.wait_complete()
        self.run_ok("load", "--seconds", "2")
        wait_for("cluster that is well", lambda: run_status().returncode == 0, 30)
        table = run_status().stdout
        for n in (1, 2, 3):
            self.assertRegex(table, rf"(?m)^\| n{n} +\| {SUBNET}\.1{n}:5432 +\| (Leader|Quorum Standby) ")
        self.assertRegex(table, r"(?m)^\+ Cluster: main \(\d+\) -")
        self.assertEqual(table.count("| full "), 2)
        self.assertIn("+ Statements by time", table)
        self.assertNotIn("\x1b", table)
        done = run_status("--json")
        self.assertNotIn(json.loads(Path(STATE, "passwords.json").read_text())["pmm"], done.stdout + table)
        document = json.loads(done.stdout)
        self.assertEqual([m["name"] for m in document["cluster"]["members"] if m["role"] == "leader"], [leader])
        timeline = document["cluster"]["members"][0]["timeline"]
        self.assertEqual({instance["timeline"] for instance in document["instances"]}, {timeline})
        self.assertEqual(len(document["database"]["replicas"]), 2)
        statements = [statement["query"] for statement in document["database"]["statements"]]
        self.assertEqual(len(statements), 10)
        # Roles were made here, by statements that could hold passwords.
        words = {"select", "insert", "update", "delete", "with", "merge"}
        self.assertEqual([each for each in statements if each.split()[0].lower() not in words], [])

    def test_2_admins_alone_may_ask_the_servers(self) -> None:
        document = read_status(log_in("admin"))
        self.assertEqual([source["trouble"] for source in document["sources"]], [None, None, None])
        with self.assertRaises(HTTPError) as refused:
            read_status(log_in("member"))
        self.assertEqual(refused.exception.code, 403)
        self.assertEqual(json.load(refused.exception)["errors"][0]["extensions"]["code"], "FORBIDDEN")

    def test_3_one_source_that_is_away_leaves_the_others(self) -> None:
        done = run_status("--json", sources={"KINOTEKA_PATRONI_URL": f"http://{SUBNET}.1:1"})
        self.assertEqual(done.returncode, 1)
        document = json.loads(done.stdout)
        self.assertIn("refused", document["sources"][0]["trouble"])
        self.assertEqual((document["cluster"], len(document["database"]["replicas"])), (None, 2))
        dba = json.loads(Path(STATE, "passwords.json").read_text())["dba"]
        done = run_status(sources={"KINOTEKA_MONITOR_URL": f"postgres://dba:{dba}@{SUBNET}.1:5000/kinoteka"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("role dba lacks pg_monitor", done.stdout)

    def test_4_a_replica_that_does_not_replay_is_shown(self) -> None:
        for needed in ("web/dist/status.html", "web/node_modules/playwright-core"):
            self.assertTrue((ROOT / needed).exists(), f"{needed} is missing: run scripts/web before the server is built")
        replica = "n2" if self.wait_complete() != "n2" else "n3"
        token = log_in("admin")
        page = subprocess.Popen(
            ["node", str(ROOT / "web" / "test" / "status-cluster.js"), FRONT, replica, PASSWORD],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(page.kill)

        def next_word() -> dict[str, Any]:
            line = page.stdout.readline() if page.stdout else ""
            if not line:
                self.fail(f"the page's test has ended: {page.wait()}")
            return json.loads(line)

        self.assertEqual(next_word()["word"], "ready")
        program = str(ROOT / "target" / "debug" / "seeder")
        load = subprocess.Popen(
            [program, "load", "--url", f"{FRONT}/graphql", "--duration", "60"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        self.run_ok("lag", replica)
        try:
            begun = time.monotonic()
            self.assertEqual(next_word()["word"], "shown")
            by_page = time.monotonic() - begun
            told = run_status()
            self.assertEqual(told.returncode, 1, told.stdout)
            self.assertRegex(told.stdout, rf"warning: ReplayStopped: {replica} receives changes and replays none")
            by_command = time.monotonic() - begun
            self.assertEqual(next_word()["word"], "story")
            # The other server may look for the first time: it has to see twice that replay does not go on.
            names: list[tuple[str, str]] = []
            while ("ReplayStopped", replica) not in names and time.monotonic() < begun + 2 * SHOWN_WITHIN_S:
                names = [(s["name"], s["subject"]) for s in read_status(token)["symptoms"]]
                time.sleep(0.5)
            print(f"    the page shows it after {by_page:.1f} s, the command after {by_command:.1f} s", flush=True)
            self.assertLess(by_page, SHOWN_WITHIN_S)
        finally:
            self.run_ok("lag", replica, "--resume")
        over = next_word()
        self.assertEqual((over["word"], over["troubles"]), ("over", []))
        self.assertIn(("ReplayStopped", replica), names)
        load.kill()
        self.wait_complete()

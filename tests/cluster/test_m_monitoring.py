"""The monitoring of the cluster: all is scraped, every panel has data, alerts arrive at the receiver and resolve."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .support import ROOT, STATE, SUBNET, ClusterCase, wait_for

sys.path += [str(ROOT / "deploy/local"), str(ROOT / "deploy/monitoring")]

from evaluate import DASHBOARDS, Prometheus, evaluate  # noqa: E402
from localcluster import monitoring, processes, settings  # noqa: E402

FRONT = f"http://{SUBNET}.1:8510/graphql"
UP_WITHIN_S = 15
# Catches what hangs: the slowest alert needs some 45 s.
ALERT_WITHIN_S = 240
# What a healthy cluster may have: rates of a test before this one, a machine whose disk is full, no backup.
NOT_OURS = {"TimelineChanged", "ErrorRateHigh", "OperationsSlow", "SequencerAbsent", "DiskFull", "BackupOld"}


@dataclass
class Fault:
    """What goes wrong, what mends it, and the alerts that have to arrive: name, and a label with its value."""

    says: str
    begin: Callable[[], object]
    end: Callable[[], object]
    alerts: list[tuple[str, str, str]]
    # What else has to hold while it lasts.
    check: Callable[[], None] = lambda: None
    begun: float = 0
    ended: float = 0
    fired: dict[tuple[str, str, str], float] = field(default_factory=dict)
    resolved: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def look(self, received: list[dict[str, Any]]) -> None:
        """Notes what has arrived since it began, or since it was mended."""
        for status, since, seen in [("firing", self.begun, self.fired), ("resolved", self.ended, self.resolved)]:
            for alert in self.alerts if since else []:
                name, label, value = alert
                for one in received:
                    labels = one["labels"]
                    is_it = (labels["alertname"], labels.get(label), one["status"]) == (name, value, status)
                    if is_it and one["at"] > since:
                        seen.setdefault(alert, one["at"] - since)

    def __str__(self) -> str:
        seconds = [
            f"{name} {value} after {self.fired.get((name, label, value), -1):.0f} s, "
            f"resolved after {self.resolved.get((name, label, value), -1):.0f} s"
            for name, label, value in self.alerts
        ]
        return f"{self.says}: {'; '.join(seconds)}"


class Monitoring(ClusterCase):
    """In this order."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.settings = settings.load(Path(STATE))
        cls.stack = monitoring.stack(cls.settings)
        cls.prometheus = Prometheus(cls.stack.status()["prometheus"])
        seeder = str(Path(cls.settings.bin_dir) / "seeder")
        flags = ["--url", FRONT, "--rate", "20", "--listeners", "4", "--duration", "900", "--quiet"]
        cls.load = subprocess.Popen([seeder, "load", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.load.wait, 60)
        cls.addClassCleanup(cls.load.terminate)

    def test_1_all_targets_are_up_within_15_seconds(self) -> None:
        self.wait_complete()
        # Again on a machine that was busy: Prometheus itself takes up to 10 s.
        for _ in range(3):
            self.run_ok("kill", "monitoring")
            wait_for("end of all", lambda: len(self.stack.down()) == 3)
            self.assertIn("not up: prometheus: ", self.run_ok("status"))
            self.run_ok("start", "monitoring")
            begun = time.monotonic()
            wait_for("scrape of every target", lambda: not self.stack.down())
            seconds = time.monotonic() - begun
            if seconds < UP_WITHIN_S:
                break
        print(f"    all of {len(list(self.stack.targets()))} targets were up after {seconds:.1f} s", file=sys.stderr)
        self.assertLess(seconds, UP_WITHIN_S)
        self.assertIn("already running", self.run_ok("start", "monitoring"))

    def test_2_status_names_the_addresses(self) -> None:
        addresses = {"prometheus": f"http://{SUBNET}.1:9090", "alertmanager": f"http://{SUBNET}.1:9093"}
        named = json.loads(self.run_ok("status", "--json"))["monitoring"]
        self.assertEqual(named, named | addresses)
        self.assertIn(f"prometheus: {addresses['prometheus']}\n", self.run_ok("status"))

    def test_3_every_panel_has_data(self) -> None:
        files = sorted(DASHBOARDS.glob("*.json"))
        deadline = time.monotonic() + 120
        while True:
            # Counters that appear with their first event.
            provoke()
            evaluated, problems = evaluate(self.prometheus.url, files)
            if not problems or time.monotonic() > deadline:
                break
        self.assertEqual(problems, [])
        self.assertFalse(self.prometheus.has_data("pg_exporter_last_scrape_error == 1"), "a query of an exporter fails")
        panels = sum(p["type"] != "row" for file in files for p in json.loads(file.read_text())["panels"])
        print(f"    {panels} panels, {evaluated} expressions have data", file=sys.stderr)
        self.print_costs()

    def print_costs(self) -> None:
        for job in ("kinoteka", "postgresql", "patroni", "etcd", "haproxy", "node"):
            target = next(target for target in self.stack.targets() if target.job == job)
            took = self.prometheus.get("query", query=f'avg(avg_over_time(scrape_duration_seconds{{job="{job}"}}[1m]))')
            milliseconds = 1000 * float(took["result"][0]["value"][1])
            with urlopen(f"http://{target.address}/metrics", timeout=10) as answer:
                size = len(answer.read())
            print(f"    a scrape of {job}: {milliseconds:.0f} ms, {size} bytes", file=sys.stderr)

    def test_4_alerts_arrive_and_resolve(self) -> None:
        leader = self.wait_complete()
        gone, stale = (m["name"] for m in self.members() if m["name"] != leader)
        # Series of before Prometheus was killed would stay for 5 minutes.
        statements = f'count_over_time(kinoteka_pg_statements_calls{{node_name="{leader}"}}[15s])'
        self.assertTrue(self.prometheus.has_data(statements))

        def run(*arguments: str) -> Callable[[], str]:
            return lambda: self.run_ok(*arguments)

        faults = [
            Fault(
                "the machine of a replica is gone",
                run("kill", gone, "--with-etcd"),
                run("start", gone),
                [("MemberDown", "node_name", gone), ("ExporterDown", "service_name", f"{gone}-postgresql")],
            ),
            Fault(
                "a replica does not replay",
                run("lag", stale),
                # As docs/monitoring.md says: a restart would wait for the process that hangs.
                lambda: self.startup_of(stale).signal(signal.SIGKILL),
                [("ReplayStopped", "node_name", stale), ("ReplicaLaggingSeconds", "node_name", stale)],
            ),
            Fault(
                "a server is killed",
                run("kill", "k2"),
                run("start", "k2"),
                [("InstanceDown", "service_name", "k2")],
            ),
            Fault(
                "pg_monitor is revoked from pmm",
                lambda: self.sql("REVOKE pg_monitor FROM pmm", "postgres"),
                lambda: self.sql("GRANT pg_monitor TO pmm", "postgres"),
                [("ExporterDown", "service_name", f"{leader}-postgresql")],
                lambda: self.assertFalse(self.prometheus.has_data(statements), "whose statements are not to be seen"),
            ),
        ]
        wait_for("healthy cluster", lambda: not self.alarming())
        for fault in faults:
            self.addCleanup(mend, fault)
            fault.begun = time.time()
            fault.begin()
        wait_for("alerts", lambda: self.have_fired_and_resolved(faults), ALERT_WITHIN_S)
        for fault in faults:
            print(f"    {fault}", file=sys.stderr)
        self.wait_complete()
        wait_for("scrape of every target", lambda: not self.stack.down())

    def startup_of(self, node: str) -> processes.Process:
        startup = processes.startup_of(self.settings, node)
        assert startup is not None, f"{node} replays nothing"
        return startup

    def alarming(self) -> list[str]:
        """The alerts that fire, or would after their time."""
        groups = self.prometheus.get("rules")["groups"]
        states = {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}
        return [name for name, state in states.items() if state != "inactive" and name not in NOT_OURS]

    def have_fired_and_resolved(self, faults: list[Fault]) -> bool:
        """Mends each fault once its alerts have arrived."""
        received = self.stack.received()
        for fault in faults:
            fault.look(received)
            if not fault.ended and len(fault.fired) == len(fault.alerts):
                fault.check()
                fault.ended = time.time()
                fault.end()
        return all(len(fault.resolved) == len(fault.alerts) for fault in faults)


def mend(fault: Fault) -> None:
    """Ends a fault that a failed test has left."""
    if fault.begun and not fault.ended:
        fault.end()


def provoke() -> None:
    """An error, a limit that is hit, and an event stream that its client leaves."""
    for query in ("{ nothing }", "{ " + "a: __typename " * 2000 + "}"):
        try:
            ask(query, "application/json").close()
        except HTTPError as error:
            error.close()
    ask("subscription { commentAdded { cursor } }", "text/event-stream").close()


def ask(query: str, accept: str) -> Any:
    headers = {"content-type": "application/json", "accept": accept}
    return urlopen(Request(FRONT, json.dumps({"query": query}).encode(), headers), timeout=20)

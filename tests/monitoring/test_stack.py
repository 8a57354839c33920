"""The whole stack: real Prometheus, Alertmanager, node exporter and receiver, over recorded exports."""

import os
import random
import re
import subprocess
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from names import ROOT
from exporters import Exporters
from evaluate import DASHBOARDS, Prometheus, evaluate
from stack import Node, Process, Stack

T = TypeVar("T")

FILES = sorted(DASHBOARDS.glob("*.json"))


def until(what: str, look: Callable[[], T], seconds_max: float, *, holds: Callable[[T], object] = bool) -> T:
    """The first result of `look` for which `holds` is true."""
    end = time.monotonic() + seconds_max
    while not holds(answer := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds_max} s: {what}: {answer}")
        time.sleep(0.2)
    return answer


def nothing(problems: list[str]) -> bool:
    return not problems


class Running(unittest.TestCase):
    """Two members and two servers with stand-in exporters."""

    started: dict[str, subprocess.Popen[bytes]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # Each run has its own address, since other runs use the same ports.
        base = f"127.{random.randint(100, 250)}.{random.randint(1, 250)}"
        cls.stack = Stack(
            folder=Path(folder.name),
            nodes=[Node(f"n{i}", f"{base}.{i}", "postgresql://nobody@localhost/none") for i in (1, 2)],
            servers={f"k{i}": f"{base}.3:{8600 + i}" for i in (1, 2)},
            haproxy=f"{base}.3:7000",
            prometheus=f"{base}.3:9090",
            alertmanager=f"{base}.3:9093",
            receiver=f"{base}.3:9099",
            node_exporter=f"{base}.3:9100",
        )
        assert not cls.stack.missing_programs(), cls.stack.missing_programs()
        cls.stack.write()
        exports = {(f"{base}.3", 7000): "haproxy"}
        for i in (1, 2):
            exports |= {
                (f"{base}.{i}", 8008): f"patroni-n{i}",
                (f"{base}.{i}", 9187): f"postgresql-n{i}",
                (f"{base}.{i}", 2379): "etcd",
                (f"{base}.3", 8600 + i): "kinoteka",
            }
        cls.exporters = Exporters(exports)
        cls.addClassCleanup(cls.exporters.stop)
        for process in cls.stack.processes():
            if not process.name.startswith("exporter-"):
                cls.start(process)
        # Prometheus finds targets within 5 s, and scrapes each within another 5 s.
        started = time.monotonic()
        until("all targets are up", cls.stack.down, 60, holds=nothing)
        print(f"all targets were up after {time.monotonic() - started:.1f} s")

    @classmethod
    def start(cls, process: Process) -> None:
        log = (cls.stack.folder / f"{process.name}.log").open("ab")
        cls.addClassCleanup(log.close)
        started = subprocess.Popen(process.argv, env={**os.environ, **process.env}, stdout=log, stderr=log)
        cls.started[process.name] = started
        cls.addClassCleanup(cls.stop, process.name)

    @classmethod
    def stop(cls, name: str) -> None:
        cls.started[name].terminate()
        cls.started[name].wait(20)

    def received(self) -> list[tuple[str, str]]:
        return [(one["labels"]["alertname"], one["status"]) for one in self.stack.received()]

    def empty_panels(self) -> list[str]:
        return evaluate(self.stack.status()["prometheus"], FILES)[1]

    def test_panels_have_data_and_alerts_arrive(self) -> None:
        until("every panel has data", self.empty_panels, 30, holds=nothing)
        evaluated, _ = evaluate(self.stack.status()["prometheus"], FILES)
        self.assertGreater(evaluated, 200)
        self.assertEqual(self.received(), [], "a healthy cluster must not fire alerts")

        self.stop("alertmanager")
        self.exporters.renamed = ("patroni_primary{", "patroni_leads{")

        problems = until(
            "a renamed metric makes panels empty",
            self.empty_panels,
            15,
            holds=lambda found: any(line.startswith("cluster.json: Leaders: no data") for line in found),
        )
        self.assertNotIn("service.json", "".join(problems))
        fires = "count(ALERTS{alertname='NoLeader',alertstate='firing'})"
        until("Prometheus keeps the alert", lambda: Prometheus(self.stack.status()["prometheus"]).has_data(fires), 40)
        down = self.stack.down()
        self.assertTrue(any(problem.startswith("alertmanager: ") for problem in down), down)
        self.assertEqual(self.received(), [], "Alertmanager is down")
        self.start(next(process for process in self.stack.processes() if process.name == "alertmanager"))
        # Prometheus resends it every 15 s.
        until("the alert arrives", self.received, 75, holds=lambda alerts: ("NoLeader", "firing") in alerts)
        self.exporters.renamed = None
        until("its end arrives", self.received, 40, holds=lambda alerts: ("NoLeader", "resolved") in alerts)

    def test_a_target_that_is_down_is_reported(self) -> None:
        stack = Stack(**{**self.stack.__dict__, "servers": {**self.stack.servers, "k3": "127.0.0.1:1"}})
        expected = ["kinoteka 127.0.0.1:1: not scraped yet"]
        until("the others are up", stack.down, 15, holds=lambda down: down == expected)

    def test_a_program_that_is_down_is_reported(self) -> None:
        for name in ("prometheus", "alertmanager", "receiver"):
            stack = Stack(**{**self.stack.__dict__, name: "127.0.0.1:1"})
            (down,) = until("the others are up", stack.down, 15, holds=lambda down: len(down) == 1)
            self.assertRegex(down, f"^{name}: .*refused")


class Configuration(unittest.TestCase):
    def test_prometheus_and_alertmanager_accept_the_configuration(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            stack = Stack(
                Path(folder),
                [Node("n1", "127.0.0.1", "")],
                {"k1": "127.0.0.1:8611"},
                "127.0.0.1:7000",
                receiver="127.9.9.9:9",
            )
            stack.write()
            for command in (
                ["promtool", "check", "config", "prometheus.yml"],
                ["amtool", "check-config", "alertmanager.yml"],
            ):
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("http://127.9.9.9:9/alerts", (Path(folder) / "alertmanager.yml").read_text())

    def test_missing_programs_are_reported_with_their_packages(self) -> None:
        path = os.environ["PATH"]
        os.environ["PATH"] = "/nonexistent"
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        missing = Stack(Path(), [], {}, "").missing_programs()
        self.assertIn("prometheus-postgres-exporter", missing)

    def test_statements_that_may_contain_passwords_are_excluded(self) -> None:
        queries = (ROOT / "deploy/monitoring/queries.yml").read_text()
        pattern = re.search(r"s\.query ~\* '(.*?)'", queries)
        assert pattern is not None
        begins = re.compile(pattern[1].replace(r"\M", r"\b"), re.IGNORECASE)
        for statement in ("SELECT 1", "  insert into t", "WITH a AS (SELECT 1) SELECT"):
            self.assertTrue(begins.search(statement), statement)
        for statement in ("ALTER ROLE pmm PASSWORD 'x'", "create role a", "CREATE USER MAPPING", "selective"):
            self.assertFalse(begins.search(statement), statement)


if __name__ == "__main__":
    unittest.main()

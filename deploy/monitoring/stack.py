"""The monitoring of a cluster: commands, configuration files, targets, health. Starts nothing itself.

The caller runs the processes:

    stack = Stack(
        folder=Path("run/monitoring"),
        nodes=[Node("n1", "127.0.0.11", "postgresql://pmm:...@127.0.0.11:5432/kinoteka?sslmode=disable"), ...],
        servers={"k1": "127.0.0.1:8611", "k2": "127.0.0.1:8612"},   # addresses of --metrics-listen
        haproxy="127.0.0.1:7000",                                    # its frontend with the prometheus-exporter
    )
    stack.missing_programs()         # Debian packages to install; [] if none is missing
    stack.write()                    # writes configuration and data folders below `folder`
    for process in stack.processes():
        subprocess.Popen(process.argv, env={**os.environ, **process.env}, ...)
    stack.down()                     # targets and programs that are down; poll until it is []
    stack.received()                 # alerts at the receiver, in the format of receiver.py
    stack.status()                   # {"prometheus": URL, "alertmanager": URL, "receiver": URL}

None of the processes needs root. They only write below `folder`, so their user must own it: call `write` as that user,
or change the owner afterwards. SIGTERM stops each of them. This folder is not a package: add it to `sys.path` to import
this module.

`Node` defaults to the usual ports at the node's address. Fields of `Stack` set the ports of the stack's own programs.
"""

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

# Programs and their Debian packages.
PROGRAMS = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
}

JOBS = ("postgresql", "patroni", "etcd", "haproxy", "kinoteka", "node")


@dataclass(frozen=True)
class Node:
    """A member of the cluster."""

    name: str
    address: str
    # The URL of a role with pg_monitor and of the database with the extension pg_stat_statements.
    postgres_url: str
    patroni_port: int = 8008
    etcd_port: int = 2379
    exporter_port: int = 9187


@dataclass(frozen=True)
class Process:
    """A command to run."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """An address that Prometheus scrapes."""

    job: str
    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Stack:
    """The monitoring of one cluster on one machine."""

    folder: Path
    nodes: Sequence[Node]
    servers: Mapping[str, str]
    haproxy: str
    cluster: str = "main"
    environment: str = "local"
    prometheus: str = "127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    receiver: str = "127.0.0.1:9099"
    node_exporter: str = "127.0.0.1:9100"

    def missing_programs(self) -> list[str]:
        """The Debian packages of programs that are not installed."""
        return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]

    def targets(self) -> Iterator[Target]:
        """All scrape targets, with the labels that PMM would give them."""
        shared = {"cluster": self.cluster, "environment": self.environment}
        database = {**shared, "replication_set": self.cluster}
        for node in self.nodes:
            service = {**database, "node_name": node.name, "service_name": f"{node.name}-postgresql"}
            address = f"{node.address}:{node.exporter_port}"
            yield Target("postgresql", address, {**service, "service_type": "postgresql"})
            for group, port in (("patroni", node.patroni_port), ("etcd", node.etcd_port)):
                labels = {**service, "service_name": f"{node.name}-{group}", **external(group)}
                yield Target(group, f"{node.address}:{port}", labels)
            # All members share this machine. In PMM, metrics of machines have no cluster either.
            yield Target("node", self.node_exporter, {"node_name": node.name})
        proxy = {"node_name": "local", "service_name": "haproxy", "service_type": "haproxy"}
        yield Target("haproxy", self.haproxy, {**shared, **proxy})
        for name, address in self.servers.items():
            labels = {**shared, "node_name": "local", "service_name": name, **external("kinoteka")}
            yield Target("kinoteka", address, labels)

    def write(self) -> None:
        """Writes the configuration of all programs and creates their data folders."""
        for name in ("targets", "prometheus", "alertmanager", "textfile"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("prometheus.yml", "rules.yml"):
            shutil.copyfile(HERE / name, self.folder / name)
        queries = [(HERE / name).read_text() for name in ("queries.yml", "overrides.yml")]
        (self.folder / "queries.yml").write_text("\n".join(queries))
        alertmanager = (HERE / "alertmanager.yml").read_text()
        (self.folder / "alertmanager.yml").write_text(alertmanager.replace("127.0.0.1:9099", self.receiver))
        targets = list(self.targets())
        for job in JOBS:
            found = [{"targets": [t.address], "labels": dict(t.labels)} for t in targets if t.job == job]
            self.write_json(f"targets/{job}.json", found)
        self.write_json("targets/alertmanager.json", [{"targets": [self.alertmanager]}])

    def write_json(self, name: str, value: object) -> None:
        (self.folder / name).write_text(json.dumps(value, indent=1) + "\n")

    def processes(self) -> Iterator[Process]:
        """The commands in start order. Exporters wait for PostgreSQL themselves."""
        folder = self.folder.resolve()
        for node in self.nodes:
            argv = [
                "prometheus-postgres-exporter",
                f"--web.listen-address={node.address}:{node.exporter_port}",
                f"--extend.query-path={folder / 'queries.yml'}",
            ]
            yield Process(f"exporter-{node.name}", argv, {"DATA_SOURCE_NAME": node.postgres_url})
        yield Process(
            "node-exporter",
            [
                "prometheus-node-exporter",
                f"--web.listen-address={self.node_exporter}",
                f"--collector.textfile.directory={folder / 'textfile'}",
                # Containers have no systemd.
                "--no-collector.systemd",
                # Without "overlay", which the default excludes: it is a container's root.
                "--collector.filesystem.fs-types-exclude=^(autofs|bpf|cgroup2?|devpts|devtmpfs|mqueue|nsfs|proc|sysfs|tmpfs|tracefs)$",
            ],
        )
        yield Process("receiver", [sys.executable, str(HERE / "receiver.py"), f"--listen={self.receiver}"])
        yield Process(
            "alertmanager",
            [
                "prometheus-alertmanager",
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={self.alertmanager}",
                # A single instance needs no gossip port.
                "--cluster.listen-address=",
            ],
        )
        yield Process(
            "prometheus",
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                "--storage.tsdb.retention.time=7d",
                f"--web.listen-address={self.prometheus}",
                # An Alertmanager that returns gets firing alerts within this time instead of a minute.
                "--rules.alert.resend-delay=15s",
            ],
        )

    def status(self) -> dict[str, str]:
        """The addresses for people and programs."""
        return {
            "prometheus": f"http://{self.prometheus}",
            "alertmanager": f"http://{self.alertmanager}",
            "receiver": f"http://{self.receiver}/alerts",
        }

    def down(self) -> list[str]:
        """What is down: targets that Prometheus cannot scrape (`job address: reason`), and programs without a response."""
        problems = []
        for name, url in (
            ("alertmanager", f"http://{self.alertmanager}/-/ready"),
            ("receiver", self.status()["receiver"]),
        ):
            try:
                read(url)
            except OSError as error:
                problems.append(f"{name}: {error}")
        try:
            active = json.loads(read(f"http://{self.prometheus}/api/v1/targets?state=active"))["data"]["activeTargets"]
        except (OSError, ValueError, KeyError) as error:
            return [*problems, f"prometheus: {error}"]
        found = {(t["labels"]["job"], t["labels"]["instance"]): t for t in active}
        for target in self.targets():
            seen = found.get((target.job, target.address), {"health": "unknown"})
            if seen["health"] != "up":
                reason = seen.get("lastError") or "not scraped yet"
                problems.append(f"{target.job} {target.address}: {reason}")
        return problems

    def received(self) -> list[dict[str, Any]]:
        """The alerts at the receiver, oldest first."""
        alerts: list[dict[str, Any]] = json.loads(read(self.status()["receiver"]))
        return alerts


def read(url: str) -> bytes:
    """The body of a response. Raises `OSError` without a response."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        body: bytes = answer.read()
        return body


def external(group: str) -> dict[str, str]:
    """The labels of an external service in PMM."""
    return {"service_type": "external", "external_group": group}

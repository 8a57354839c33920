"""The monitoring of `up --monitoring`: the stack of deploy/monitoring, run by the supervisor like the rest."""

import sys
from collections.abc import Iterator

from .problem import Problem
from .settings import DATABASE, DEPLOY, NODES, SCOPE, SERVERS, Settings

sys.path.insert(0, str(DEPLOY / "monitoring"))

from stack import PROGRAMS as PACKAGES, Node, Process, Stack  # noqa: E402

# The names of the processes, in start order.
PROGRAMS = (*(f"exporter-{node}" for node in NODES), "node-exporter", "receiver", "alertmanager", "prometheus")
# Stands for all of PROGRAMS.
ALL = "monitoring"


def stack(settings: Settings, password: str = "") -> Stack:
    """The scrape targets and the monitoring programs. Exporters need the password of `pmm`."""
    front, ports = settings.front, settings.ports

    def node(name: str) -> Node:
        address = settings.address(name)
        # Directly to the node: through HAProxy, all exporters would reach the leader.
        url = f"postgresql://pmm:{password}@{address}:{ports['postgres']}/{DATABASE}?sslmode=disable"
        return Node(name, address, url, ports["patroni"], ports["etcd"], ports["exporter"])

    return Stack(
        folder=settings.path / "monitoring",
        nodes=[node(name) for name in NODES],
        servers={name: f"{front}:{ports[name + '-metrics']}" for name in SERVERS},
        haproxy=f"{front}:{ports['stats']}",
        cluster=SCOPE,
        prometheus=f"{front}:{ports['prometheus']}",
        alertmanager=f"{front}:{ports['alertmanager']}",
        receiver=f"{front}:{ports['receiver']}",
        node_exporter=f"{front}:{ports['node-exporter']}",
    )


def names(settings: Settings) -> list[str]:
    """The monitoring processes; empty without monitoring."""
    return list(PROGRAMS) if settings.monitoring else []


def parts(settings: Settings, name: str) -> list[str]:
    """The processes of a name that is not a node's."""
    if name in (ALL, *PROGRAMS) and not settings.monitoring:
        raise Problem("this cluster has no monitoring", "`cluster down`, then `cluster up --monitoring`")
    return names(settings) if name == ALL else [name]


def process(settings: Settings, name: str, password: str) -> Process:
    """How to start one of `PROGRAMS`."""
    return next(process for process in stack(settings, password).processes() if process.name == name)


def addresses(settings: Settings) -> dict[str, dict[str, str]]:
    """The monitoring's part of `status --json`."""
    return {"monitoring": stack(settings).status()} if settings.monitoring else {}


def report(settings: Settings) -> Iterator[str]:
    """The monitoring's lines of `status`."""
    if settings.monitoring:
        for name, url in stack(settings).status().items():
            yield f"{name}: {url}"
        for problem in stack(settings).down():
            yield f"not up: {problem}"

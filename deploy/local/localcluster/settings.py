"""The paths, addresses, ports and numbers of a cluster. `up` saves them in the state directory."""

import dataclasses
import ipaddress
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from .problem import Problem

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
CONF = DEPLOY / "local" / "conf"
DEFAULT_STATE = ROOT / "target" / "cluster"
NODES = ("n1", "n2", "n3")
SERVERS = ("k1", "k2")
SCOPE = "main"
DATABASE = "kinoteka"

# Ports in NODE_PORTS are at each node's address, the others at 127.0.0.1.
PORTS = {
    "write": 5000,
    "read": 5001,
    "http": 8510,
    "k1": 8511,
    "k2": 8512,
    "k1-metrics": 9521,
    "k2-metrics": 9522,
    "stats": 7000,
    "postgres": 5432,
    "patroni": 8008,
    "etcd": 2379,
    "etcd-peer": 2380,
    "prometheus": 9090,
    "alertmanager": 9093,
    "receiver": 9099,
    "node-exporter": 9100,
    "exporter": 9187,
}
NODE_PORTS = ("postgres", "patroni", "etcd", "etcd-peer", "exporter")
# Used only with `up --monitoring`.
MONITORING_PORTS = ("prometheus", "alertmanager", "receiver", "node-exporter", "exporter")

# The sockets of Patroni and PostgreSQL add up to 25 characters to the state directory's path; the system allows 107.
STATE_LENGTH_MAX = 80


@dataclass(frozen=True)
class Settings:
    """The settings of a cluster. Paths are absolute."""

    state: str
    subnet: str = "127.0.0"
    ports: dict[str, int] = field(default_factory=lambda: dict(PORTS))
    ttl_s: int = 20
    loop_wait_s: int = 5
    retry_timeout_s: int = 5
    bin_dir: str = ""
    postgres_bin_dir: str = "/usr/lib/postgresql/15/bin"
    python: str = "/usr/bin/python3"
    size: str = "small"
    server_arguments: tuple[str, ...] = ()
    monitoring: bool = False

    @property
    def path(self) -> Path:
        """The state directory."""
        return Path(self.state)

    @property
    def front(self) -> str:
        """The address of HAProxy and of the servers."""
        return f"{self.subnet}.1"

    def address(self, node: str) -> str:
        """A node's address."""
        return f"{self.subnet}.{11 + NODES.index(node)}"

    def node_dir(self, node: str) -> Path:
        """Where a node keeps its data, its configuration and its sockets."""
        return self.path / node

    def data_dir(self, node: str) -> Path:
        """Where a node's PostgreSQL keeps its data."""
        return self.node_dir(node) / "pg"

    @property
    def marker(self) -> Path:
        """A file that exists once the cluster has a database worth keeping."""
        return self.path / "made"

    @property
    def log_dir(self) -> Path:
        """The folder of the logs: one file for each process."""
        return self.path / "log"

    @property
    def pgpass(self) -> Path:
        """The password file of libpq."""
        return self.path / "pgpass"

    @property
    def patronictl_file(self) -> Path:
        """The configuration of patronictl: any node's file works."""
        return self.node_dir(NODES[0]) / "patroni.yml"

    def url(self, role: str, password: str, port: str = "write") -> str:
        """A connection URL through HAProxy."""
        return f"postgres://{role}:{password}@{self.front}:{self.ports[port]}/{DATABASE}"

    def sockets(self) -> list[tuple[str, int, str]]:
        """Address, port and purpose of everything that listens."""
        used = {n: port for n, port in self.ports.items() if self.monitoring or n not in MONITORING_PORTS}
        front = [(self.front, port, name) for name, port in used.items() if name not in NODE_PORTS]
        own = [name for name in NODE_PORTS if name in used]
        nodes = [(self.address(node), used[name], f"{name} of {node}") for node in NODES for name in own]
        return front + nodes

    def save(self) -> None:
        """Writes the settings to the state directory."""
        write_file(self.path / "settings.json", json.dumps(dataclasses.asdict(self), indent=2) + "\n", 0o644)


def load(state: Path) -> Settings:
    """Reads the settings that `up` saved."""
    try:
        values = json.loads((state / "settings.json").read_text())
        values["server_arguments"] = tuple(values["server_arguments"])
        return Settings(**values)
    except FileNotFoundError:
        raise Problem(
            f"no cluster in {state}", "`cluster up` creates one; --state selects another folder"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise Problem(
            f"cannot read {state}/settings.json: {error}", "delete the folder if you do not need its data"
        ) from None


def parse_ports(given: list[str]) -> dict[str, int]:
    """The default ports, changed by `NAME=PORT` arguments."""
    ports = dict(PORTS)
    for argument in given:
        name, _, number = argument.partition("=")
        if name not in PORTS or not number.isdecimal() or not 0 < int(number) < 65536:
            raise Problem(f"--port {argument} is invalid", f"use --port NAME=PORT, where NAME is one of {', '.join(PORTS)}")
        ports[name] = int(number)
    for names in ([name for name in PORTS if name not in NODE_PORTS], list(NODE_PORTS)):
        for name in names:
            twins = [other for other in names if ports[other] == ports[name]]
            if len(twins) > 1:
                raise Problem(f"{' and '.join(twins)} have the same port, {ports[name]}", "change one with --port")
    return ports


def parse_subnet(given: str) -> str:
    """Checks the first three numbers of the addresses."""
    try:
        address = ipaddress.IPv4Address(f"{given}.1")
    except ValueError:
        raise Problem(f"--subnet {given} is invalid", "use three numbers of a loopback network, such as 127.0.7") from None
    if not address.is_loopback:
        raise Problem(
            f"--subnet {given} is not a loopback network", "use 127.x.y: the cluster runs on this machine only"
        ) from None
    return given


def write_file(path: Path, text: str, mode: int) -> None:
    """Replaces a file atomically: a reader sees the old text or the new one."""
    scratch = path.with_name(path.name + ".new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    scratch.replace(path)

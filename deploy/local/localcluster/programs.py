"""The command line, environment and configuration file of every process of a cluster."""

import json
import os
import string
from dataclasses import dataclass
from pathlib import Path

from . import monitoring
from .processes import MARK
from .settings import CONF, NODES, SCOPE, SERVERS, Settings, write_file

Passwords = dict[str, str]


@dataclass(frozen=True)
class Program:
    """How to start a process."""

    argv: list[str]
    env: dict[str, str]
    cwd: Path


def names(settings: Settings) -> list[str]:
    """All processes, in start order."""
    nodes = [f"etcd-{node}" for node in NODES] + [f"patroni-{node}" for node in NODES]
    return [*nodes, "haproxy", *SERVERS, *monitoring.names(settings)]


def read_passwords(settings: Settings) -> Passwords:
    """The passwords that `up` created."""
    passwords: Passwords = json.loads((settings.path / "passwords.json").read_text())
    return passwords


def program(settings: Settings, name: str) -> Program:
    """How to start the process with this name, one of `names`."""
    kind, _, node = name.partition("-")
    env = {
        "PATH": f"{settings.postgres_bin_dir}:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
        "HOME": settings.state,
        "LC_ALL": "C.UTF-8",
        MARK: settings.state,
    }
    if kind == "etcd":
        return Program(_etcd(settings, node), env, settings.node_dir(node))
    if kind == "patroni":
        file = str(settings.node_dir(node) / "patroni.yml")
        # Not by its script: a long path of the virtual environment does not fit into the script's first line.
        return Program([settings.python, "-m", "patroni", file], env, settings.node_dir(node))
    if kind == "haproxy":
        return Program(["haproxy", "-db", "-f", str(settings.path / "haproxy.cfg")], env, settings.path)
    if name in SERVERS:
        return _server(settings, name, env)
    process = monitoring.process(settings, name, read_passwords(settings)["pmm"])
    return Program(list(process.argv), {**env, **process.env}, settings.path)


def _etcd(settings: Settings, node: str) -> list[str]:
    client, peer = settings.ports["etcd"], settings.ports["etcd-peer"]
    members = ",".join(f"{other}=http://{settings.address(other)}:{peer}" for other in NODES)
    data = settings.node_dir(node) / "etcd"
    here = f"http://{settings.address(node)}"
    return [
        "etcd",
        *("--name", node),
        *("--data-dir", str(data)),
        *("--listen-client-urls", f"{here}:{client}"),
        *("--advertise-client-urls", f"{here}:{client}"),
        *("--listen-peer-urls", f"{here}:{peer}"),
        *("--initial-advertise-peer-urls", f"{here}:{peer}"),
        *("--initial-cluster", members),
        *("--initial-cluster-state", "existing" if (data / "member").exists() else "new"),
        *("--initial-cluster-token", settings.state),
        *("--heartbeat-interval", "100"),
        *("--election-timeout", "1000"),
        *("--auto-compaction-retention", "1"),
        *("--logger", "zap"),
    ]


def _server(settings: Settings, name: str, env: dict[str, str]) -> Program:
    passwords = read_passwords(settings)
    password = passwords["kinoteka_app"]
    servers = [f"http://{settings.front}:{settings.ports[server + '-metrics']}" for server in SERVERS]
    patronis = [f"http://{settings.address(node)}:{settings.ports['patroni']}" for node in NODES]
    env |= {
        "KINOTEKA_PATRONI_URL": ",".join(patronis),
        "KINOTEKA_MONITOR_URL": settings.url("pmm", passwords["pmm"]),
        "KINOTEKA_INSTANCES": ",".join(servers),
        "DATABASE_URL": settings.url("kinoteka_app", password),
        "DATABASE_READ_URL": settings.url("kinoteka_app", password, "read"),
        "KINOTEKA_LISTEN": f"{settings.front}:{settings.ports[name]}",
        "KINOTEKA_METRICS_LISTEN": f"{settings.front}:{settings.ports[name + '-metrics']}",
        "KINOTEKA_PRODUCTION": "true",
        "KINOTEKA_INTROSPECTION": "true",
        "KINOTEKA_TRUSTED_PROXIES": "127.0.0.0/8",
    }
    # A load test has one address and few users: the limits per client would refuse its requests.
    env |= dict.fromkeys(("KINOTEKA_MUTATIONS_PER_USER", "KINOTEKA_IDEMPOTENCY_KEYS_PER_USER"), "1000000000")
    env |= {
        "KINOTEKA_SIGNUPS_PER_ADDRESS": "1000000",
        "KINOTEKA_LIMIT_REQUESTS_PER_CLIENT": "512",
        "KINOTEKA_LEADER_WAITING_PER_CLIENT": "256",
    }
    return Program([str(Path(settings.bin_dir) / "kinoteka"), "serve", *settings.server_arguments], env, settings.path)


def write_configuration(settings: Settings) -> None:
    """Writes the configuration files of Patroni and HAProxy."""
    ports = {name.upper().replace("-", "_") + "_PORT": str(port) for name, port in settings.ports.items()}
    passwords = {f"PASSWORD_{role.upper()}": password for role, password in read_passwords(settings).items()}
    postgres, patroni = settings.ports["postgres"], settings.ports["patroni"]
    common = (
        ports
        | passwords
        | {
            "SCOPE": SCOPE,
            "FRONT": settings.front,
            "ETCD_HOSTS": ",".join(f"{settings.address(node)}:{settings.ports['etcd']}" for node in NODES),
            "TTL": str(settings.ttl_s),
            "RETRY_TIMEOUT": str(settings.retry_timeout_s),
            "POSTGRES_BIN_DIR": settings.postgres_bin_dir,
            "POSTGRES_SERVERS": "\n".join(
                f"  server {node} {settings.address(node)}:{postgres} check port {patroni}" for node in NODES
            ),
            "KINOTEKA_SERVERS": "\n".join(
                f"  server {name} {settings.front}:{settings.ports[name]} check" for name in SERVERS
            ),
        }
    )
    for node in NODES:
        own = {"NODE": node, "ADDRESS": settings.address(node), "NODE_DIR": str(settings.node_dir(node))}
        _fill("patroni.yml", settings.node_dir(node) / "patroni.yml", common | own)
    _fill("haproxy.cfg", settings.path / "haproxy.cfg", common)


def _fill(name: str, to: Path, words: dict[str, str]) -> None:
    lines = (CONF / name).read_text().splitlines()
    # Comments are left alone: they may mention $WORDS.
    filled = [line if line.lstrip().startswith("#") else string.Template(line).substitute(words) for line in lines]
    write_file(to, "\n".join(filled) + "\n", 0o600)


def patronictl(settings: Settings, arguments: list[str]) -> list[str]:
    """The command line of patronictl, run by the Python of its virtual environment."""
    script = Path(settings.python).parent / "patronictl"
    return [settings.python, str(script), "-c", str(settings.patronictl_file), *arguments]


def client_env(settings: Settings) -> dict[str, str]:
    """The environment of psql and similar clients: passwords come from a file."""
    return os.environ | {"PGPASSFILE": str(settings.pgpass), "PGCONNECT_TIMEOUT": "5", "LC_ALL": "C.UTF-8"}

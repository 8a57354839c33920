"""The command line."""

import argparse
import os
import sys
from pathlib import Path
from typing import Protocol

from . import bring_up, checks, commands, identity, install, monitoring
from .problem import Problem
from .settings import (
    DATABASE,
    DEFAULT_STATE,
    DEPLOY,
    NODES,
    PORTS,
    SERVERS,
    Settings,
    load,
    parse_ports,
    parse_subnet,
)

POSTGRES_BIN_DIR = "/usr/lib/postgresql/15/bin"
SCRIPT = DEPLOY / "local" / "cluster"
KILLABLE = (*NODES, *SERVERS, monitoring.ALL, *monitoring.PROGRAMS)
NAMES = f"n1, n2, n3, k1, k2, {', '.join(monitoring.PROGRAMS)}, or {monitoring.ALL} for all of the monitoring"

ABOUT = """\
Runs a Patroni cluster with Kinoteka on this machine: three etcd, three Patroni with PostgreSQL 15, HAProxy, two servers.

  cluster up                     start it; the first time, create the database, roles, schema and seed
  cluster up --monitoring        ... with Prometheus, exporters and Alertmanager
  cluster status                 show the leader and what runs
  cluster switchover             hand leadership over
  cluster kill n1 --with-etcd    kill a node, as a power failure would
  cluster start n1               ... and start it again
  cluster down                   stop it and keep the data; --wipe deletes the data

The front is http://127.0.0.1:8510/graphql. PostgreSQL is at port 5000 of 127.0.0.1 for writes, at 5001 for reads.
Nodes are n1, n2 and n3 at 127.0.0.11 to 127.0.0.13; servers are k1 and k2. The first `up` creates the passwords:
`cluster psql` uses them, and pgpass in the state directory contains them. docs/cluster.md has a walkthrough.
"""


def main(arguments: list[str]) -> int:
    """Runs a command and returns its exit status."""
    given = build_parser().parse_args(arguments)
    given.state = Path(os.path.abspath(given.state))
    try:
        _become_user(given, arguments)
        return _run(given)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:
        # The reader of the output has closed it, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def build_parser() -> argparse.ArgumentParser:
    """The commands and their flags."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="cluster", description=ABOUT, formatter_class=raw, allow_abbrev=False)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--state",
        metavar="DIR",
        default=os.environ.get("KINOTEKA_CLUSTER_STATE", str(DEFAULT_STATE)),
        help="folder for all files of the cluster; default target/cluster [env: KINOTEKA_CLUSTER_STATE]",
    )
    commands_of = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, about: str) -> argparse.ArgumentParser:
        return commands_of.add_parser(
            name, help=about.partition(".")[0], description=about, parents=[shared], allow_abbrev=False
        )

    _add_up(add("up", "Start the cluster. The first time, create the database, its roles, the schema and a seed."))
    add("install", "Create the virtual environment with Patroni, as the first `up` does.")
    add("down", "Stop the cluster. The data is kept.").add_argument(
        "--wipe", action="store_true", help="delete the data, the logs and the passwords"
    )
    add("status", "Show the members as `patronictl list` does, and what runs.").add_argument(
        "--json", action="store_true", help="print only the members, as JSON; lag is in bytes"
    )
    _add_failures(add)
    to = add("switchover", "Hand leadership over to a replica.")
    to.add_argument("--to", choices=NODES, help="the new leader; default a replica that confirms commits")
    node = add("restart", "Restart PostgreSQL with Patroni: replicas first, then the leader. Or restart a server, which drains first.")
    node.add_argument("node", nargs="?", choices=NODES + SERVERS, help="only this node or server")
    edit = add("edit-config", "Change the cluster's configuration with `patronictl edit-config`, in $EDITOR or with flags.")
    edit.add_argument("arguments", nargs=argparse.REMAINDER, help="flags of edit-config, after --: -- --pg work_mem=8MB --force")
    log = add("logs", "Show a process's log, or list all logs.")
    log.add_argument("name", nargs="?")
    log.add_argument("-n", "--lines", type=int, default=40, metavar="N")
    log.add_argument("-f", "--follow", action="store_true", help="keep showing new lines")
    sql = add("psql", "Run psql on the cluster with the role's password.")
    sql.add_argument("-U", "--role", default="dba", help="dba, kinoteka_app, pmm or postgres; default dba")
    sql.add_argument("--port", choices=("write", "read"), default="write")
    sql.add_argument("-d", "--database", default=DATABASE)
    sql.add_argument("arguments", nargs=argparse.REMAINDER, help="psql's arguments, after --")
    ctl = add("patronictl", "Run patronictl on the cluster.")
    ctl.add_argument("arguments", nargs=argparse.REMAINDER)
    seconds = add("load", "Send load to the servers through the front, with `seeder load`.")
    seconds.add_argument("--seconds", type=int, default=10, metavar="S")
    return parser


def _add_failures(add: "Add") -> None:
    kill = add("kill", "Kill a node's Patroni and PostgreSQL with SIGKILL, or a server.")
    freeze = add("freeze", "Stop a node's processes with SIGSTOP: it keeps its connections and does not respond.")
    thaw = add("thaw", "Let a frozen node continue.")
    for command in (kill, freeze, thaw):
        command.add_argument("node", choices=KILLABLE, metavar="NODE", help=NAMES)
        command.add_argument("--with-etcd", action="store_true", help="its etcd too, as if the machine failed")
    start = add("start", "Start a killed node, server or monitoring program.")
    start.add_argument("node", choices=KILLABLE, metavar="NODE", help=NAMES)
    lag = add("lag", "Stop a replica's replay: it receives changes, but queries do not see them.")
    lag.add_argument("node", choices=NODES, metavar="NODE", help="n1, n2 or n3")
    lag.add_argument("--resume", action="store_true", help="resume the replay")


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--user", help="the user that runs everything if root runs this; default postgres")
    up.add_argument("--subnet", default="127.0.0", help="the addresses' first three numbers; default 127.0.0")
    names = ", ".join(f"{name} {port}" for name, port in PORTS.items())
    up.add_argument("--port", action="append", default=[], metavar="NAME=PORT", help=f"change a port. Defaults: {names}")
    up.add_argument(
        "--bin-dir", metavar="DIR", help="folder of kinoteka and seeder; default the newer of target/release and debug"
    )
    up.add_argument("--postgres-bin-dir", metavar="DIR", default=POSTGRES_BIN_DIR, help="default %(default)s")
    up.add_argument("--ttl", type=int, default=20, metavar="S", help="seconds until a dead leader is replaced; default 20")
    up.add_argument("--size", default="small", choices=("demo", "small", "medium"), help="size of the seed; default small")
    up.add_argument("--no-seed", action="store_true", help="leave the tables empty")
    up.add_argument("--no-servers", action="store_true", help="start only the database cluster")
    up.add_argument(
        "--schema", choices=("migrate", "psql"), default="migrate", help="the program that creates the schema; default migrate"
    )
    up.add_argument("--monitoring", action="store_true", help="also start Prometheus, exporters and Alertmanager")
    up.add_argument("--load", type=int, default=0, metavar="S", help="afterwards send load for S seconds")
    up.add_argument(
        "--server-argument", action="append", default=[], metavar="ARG", help="a flag for both servers: =--flag=x"
    )


class Add(Protocol):
    """The type of the function that adds a command."""

    def __call__(self, name: str, about: str) -> argparse.ArgumentParser:
        """Adds the command."""
        ...


def _become_user(given: argparse.Namespace, arguments: list[str]) -> None:
    """Prepares the files that users share, then drops root."""
    if given.command == "install":
        install.check_programs(POSTGRES_BIN_DIR)
        print(f"Patroni {install.PATRONI} is installed in {Path(install.make_venv()).parents[1]}")
        return
    is_up = given.command == "up"
    if not is_up and not given.state.exists():
        raise Problem(f"no cluster in {given.state}", "`cluster up` creates one; --state selects another folder")
    if is_up:
        checks.check_state_path(given.state)
        if given.monitoring and given.no_servers:
            raise Problem("--monitoring needs the servers", "remove --no-servers")
        install.check_programs(given.postgres_bin_dir, given.monitoring)
        given.bin_dir = install.find_binaries(given.bin_dir)
        given.python = install.make_venv()
    user = identity.choose_user(getattr(given, "user", None), given.state)
    if is_up:
        identity.give_away(given.state, user)
    if user:
        needed = [given.state, SCRIPT, install.VENV / "bin"]
        if is_up:
            needed += [Path(given.bin_dir) / "kinoteka", Path(given.bin_dir) / "seeder"]
        again = _without_user(arguments)
        identity.become(user, str(install.VENV / "bin" / "python3"), str(SCRIPT), again, needed)


def _without_user(arguments: list[str]) -> list[str]:
    """The arguments without `--user`, for the program once it runs as that user. Only `up` has the flag."""
    kept = list(arguments)
    while kept and kept[0] == "up" and "--user" in kept:
        at = kept.index("--user")
        del kept[at : at + 2]
    return [argument for argument in kept if not (kept[0] == "up" and argument.startswith("--user="))]


def _run(given: argparse.Namespace) -> int:
    if given.command == "install":
        return 0
    if given.command == "up":
        _up(given)
        return 0
    settings = load(given.state)
    rest = getattr(given, "arguments", [])
    rest = rest[1:] if rest[:1] == ["--"] else rest
    match given.command:
        case "down":
            commands.down(settings, given.wipe)
        case "status":
            commands.status(settings, given.json)
        case "kill" | "freeze" | "thaw":
            commands.signal_node(settings, given.node, given.command, given.with_etcd)
        case "start":
            commands.start(settings, given.node)
        case "switchover":
            commands.switchover(settings, given.to)
        case "lag":
            commands.lag(settings, given.node, given.resume)
        case "restart":
            commands.restart(settings, given.node)
        case "edit-config":
            commands.edit_config(settings, rest)
        case "logs":
            commands.logs(settings, given.name, given.lines, given.follow)
        case "psql":
            commands.run_psql(settings, given.role, given.port, given.database, rest)
        case "patronictl":
            commands.run_patronictl(settings, rest)
        case "load":
            commands.run_load(settings, given.seconds)
    return 0


def _up(given: argparse.Namespace) -> None:
    settings = Settings(
        state=str(given.state),
        subnet=parse_subnet(given.subnet),
        ports=parse_ports(given.port),
        ttl_s=given.ttl,
        bin_dir=given.bin_dir,
        postgres_bin_dir=given.postgres_bin_dir,
        python=given.python,
        size=given.size,
        server_arguments=tuple(given.server_argument),
        monitoring=given.monitoring,
    )
    for node in NODES:
        settings.node_dir(node).mkdir(mode=0o700, exist_ok=True)
    settings.log_dir.mkdir(exist_ok=True)
    options = bring_up.UpOptions(
        seed=not given.no_seed, by_psql=given.schema == "psql", servers=not given.no_servers, load_s=given.load
    )
    bring_up.up(settings, options)
    print(f"GraphQL: http://{settings.front}:{settings.ports['http']}/graphql")
    print(
        f"psql:    PGPASSFILE={settings.pgpass} psql -h {settings.front} -p {settings.ports['write']} -U dba {DATABASE}"
    )

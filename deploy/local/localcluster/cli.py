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
NAMES = f"n1, n2, n3, k1 or k2; of the monitoring {', '.join(monitoring.PROGRAMS)}, or {monitoring.ALL} for all"

ABOUT = """\
A Patroni cluster with Kinoteka on this machine: three etcd, three Patroni with PostgreSQL 15, HAProxy, two servers.

  cluster up                     start it; from nothing: the database, its roles, the schema, a small seed
  cluster up --monitoring        ... with Prometheus, exporters and Alertmanager
  cluster status                 who leads, what runs
  cluster switchover             hand leadership over
  cluster kill n1 --with-etcd    a node dies as by a power failure
  cluster start n1               ... and comes back
  cluster down                   stop it; the data stays. --wipe removes it

The front is http://127.0.0.1:8510/graphql. PostgreSQL is at port 5000 of 127.0.0.1 for writes, at 5001 for reads.
Nodes are n1, n2 and n3 at 127.0.0.11 to 127.0.0.13; servers are k1 and k2. Passwords are made by the first `up`:
`cluster psql` and the state directory's pgpass have them. docs/cluster.md is a walk.
"""


def main(arguments: list[str]) -> int:
    """Runs a command; its exit status."""
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
        # Whoever read the output has seen enough.
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
        help="where the cluster keeps everything; default target/cluster [env: KINOTEKA_CLUSTER_STATE]",
    )
    commands_of = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, about: str) -> argparse.ArgumentParser:
        return commands_of.add_parser(
            name, help=about.partition(".")[0], description=about, parents=[shared], allow_abbrev=False
        )

    _add_up(add("up", "Start the cluster. From nothing it makes the database, its roles, the schema, and a seed."))
    add("install", "Make the virtual environment with Patroni, as the first `up` does.")
    add("down", "Stop the cluster. The data stays.").add_argument(
        "--wipe", action="store_true", help="remove the data, the logs and the passwords"
    )
    add("status", "Show the members as `patronictl list` does, and what runs.").add_argument(
        "--json", action="store_true", help="the members alone, for programs; lag is in bytes"
    )
    _add_failures(add)
    to = add("switchover", "Hand leadership over to a replica.")
    to.add_argument("--to", choices=NODES, help="which one; default one that counts for commits")
    node = add("restart", "Restart PostgreSQL by Patroni: replicas first, then the leader. Or a server, which drains first.")
    node.add_argument("node", nargs="?", choices=NODES + SERVERS, help="this node alone, or this server")
    edit = add("edit-config", "Change the cluster's configuration by `patronictl edit-config`, in $EDITOR or by flags.")
    edit.add_argument("arguments", nargs=argparse.REMAINDER, help="its flags, after --: -- --pg work_mem=8MB --force")
    log = add("logs", "Show a process's log, or name them all.")
    log.add_argument("name", nargs="?")
    log.add_argument("-n", "--lines", type=int, default=40, metavar="N")
    log.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    sql = add("psql", "Run psql on the cluster, with the role's password.")
    sql.add_argument("-U", "--role", default="dba", help="dba, kinoteka_app, pmm or postgres; default dba")
    sql.add_argument("--port", choices=("write", "read"), default="write")
    sql.add_argument("-d", "--database", default=DATABASE)
    sql.add_argument("arguments", nargs=argparse.REMAINDER, help="psql's own, after --")
    ctl = add("patronictl", "Run patronictl on the cluster.")
    ctl.add_argument("arguments", nargs=argparse.REMAINDER)
    seconds = add("load", "Drive the servers through the front, as `seeder load` does.")
    seconds.add_argument("--seconds", type=int, default=10, metavar="S")
    return parser


def _add_failures(add: "Add") -> None:
    kill = add("kill", "Kill a node's Patroni and PostgreSQL by SIGKILL, or a server.")
    freeze = add("freeze", "Stop a node's processes by SIGSTOP: it holds its connections and answers nothing.")
    thaw = add("thaw", "Let a frozen node go on.")
    for command in (kill, freeze, thaw):
        command.add_argument("node", choices=KILLABLE, metavar="NODE", help=NAMES)
        command.add_argument("--with-etcd", action="store_true", help="its etcd too, as if the machine were gone")
    start = add("start", "Start what was killed of a node, a server, or a program of the monitoring.")
    start.add_argument("node", choices=KILLABLE, metavar="NODE", help=NAMES)
    lag = add("lag", "Stop a replica's replay: it receives everything and shows nothing of it.")
    lag.add_argument("node", choices=NODES, metavar="NODE", help="n1, n2 or n3")
    lag.add_argument("--resume", action="store_true", help="let it go on")


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--user", help="as whom everything runs if this is run as root; default postgres")
    up.add_argument("--subnet", default="127.0.0", help="the addresses' first three numbers; default 127.0.0")
    names = ", ".join(f"{name} {port}" for name, port in PORTS.items())
    up.add_argument("--port", action="append", default=[], metavar="NAME=PORT", help=f"another port. Default: {names}")
    up.add_argument(
        "--bin-dir", metavar="DIR", help="with kinoteka and seeder; default the newer of target/release and debug"
    )
    up.add_argument("--postgres-bin-dir", metavar="DIR", default=POSTGRES_BIN_DIR, help="default %(default)s")
    up.add_argument("--ttl", type=int, default=20, metavar="S", help="how long a dead leader stays; default 20")
    up.add_argument("--size", default="small", choices=("demo", "small", "medium"), help="the seed; default small")
    up.add_argument("--no-seed", action="store_true", help="leave the tables empty")
    up.add_argument("--no-servers", action="store_true", help="the database cluster alone")
    up.add_argument(
        "--schema", choices=("migrate", "psql"), default="migrate", help="who runs the SQL; default migrate"
    )
    up.add_argument("--monitoring", action="store_true", help="also Prometheus, exporters and Alertmanager")
    up.add_argument("--load", type=int, default=0, metavar="S", help="drive the servers for so many seconds afterwards")
    up.add_argument(
        "--server-argument", action="append", default=[], metavar="ARG", help="a flag for both servers: =--flag=x"
    )


class Add(Protocol):
    """The type of what makes a command."""

    def __call__(self, name: str, about: str) -> argparse.ArgumentParser:
        """Makes the command."""
        ...


def _become_user(given: argparse.Namespace, arguments: list[str]) -> None:
    """Prepares what is shared between users, then stops being root."""
    if given.command == "install":
        install.check_programs(POSTGRES_BIN_DIR)
        print(f"Patroni {install.PATRONI} is in {Path(install.make_venv()).parents[1]}")
        return
    is_up = given.command == "up"
    if not is_up and not given.state.exists():
        raise Problem(f"there is no cluster in {given.state}", "`cluster up` makes one; --state names another folder")
    if is_up:
        checks.check_state_path(given.state)
        if given.monitoring and given.no_servers:
            raise Problem("--monitoring watches the servers", "leave out --no-servers")
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
    """The arguments for the program that is the user already. `up` alone takes the flag."""
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

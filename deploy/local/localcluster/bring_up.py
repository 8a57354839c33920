"""Starts a cluster with a seeded database and two servers from scratch, in the order of the write-up."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import checks, control, monitoring, processes, programs, psql, roles, supervisor, web
from .problem import Problem
from .progress import Progress
from .settings import CONF, DATABASE, DEPLOY, NODES, ROOT, SCOPE, SERVERS, Settings

# Several times the measured duration, for busy machines.
WITHIN_S = 90


@dataclass(frozen=True)
class UpOptions:
    """The optional steps of `up`."""

    seed: bool = True
    by_psql: bool = False
    servers: bool = True
    load_s: int = 0


def up(settings: Settings, options: UpOptions) -> None:
    """Starts everything. If a step fails, stops everything."""
    lock = supervisor.take_lock(settings)
    if lock is None:
        raise Problem(
            f"the cluster in {settings.state} is already up", "`cluster status` shows it, `cluster down` stops it"
        )
    progress = Progress()
    ended = processes.end_leftovers(settings)
    if ended:
        print(f"ended {ended} processes left by a killed supervisor")
    checks.check_ports(settings)
    _remove_beginnings(settings)
    roles.make_passwords(settings)
    settings.save()
    programs.write_configuration(settings)
    supervisor.start(settings)
    os.close(lock)
    holder = control.hold(settings)
    try:
        _walk(settings, options, progress)
        control.ask(settings, "settle")
    except BaseException:
        print("stopping all started processes; the data and the logs are kept", file=sys.stderr, flush=True)
        holder.close()
        supervisor.wait_gone(settings)
        raise
    holder.close()
    progress.end("total")
    if options.load_s:
        load(settings, options.load_s)


def _remove_beginnings(settings: Settings) -> None:
    """Removes the files of an `up` that was interrupted before it had a database: Patroni cannot continue from them."""
    begun = [node for node in NODES if (settings.node_dir(node) / "etcd").exists()]
    if begun and not settings.marker.exists():
        print("the last `up` stopped before it had a database: starting from scratch")
        for node in begun:
            shutil.rmtree(settings.node_dir(node))
            settings.node_dir(node).mkdir(mode=0o700)


def _walk(settings: Settings, options: UpOptions, progress: Progress) -> None:
    passwords = programs.read_passwords(settings)
    with progress.step("etcd: three members, healthy"):
        _start_etcd(settings)
    # A new cluster starts with one node, so that only this one restarts for the new settings.
    first = NODES if settings.marker.exists() else NODES[:1]
    with progress.step("Patroni and HAProxy: a leader accepts writes"):
        for node in first:
            control.ask(settings, "start", name=f"patroni-{node}")
        control.ask(settings, "start", name="haproxy")
        _wait_for_leader(settings, first)
        _wait_for_port(settings)
    with progress.step("roles dba, kinoteka_app and pmm; the database, owned by dba"):
        checks.check_extensions(settings)
        roles.make_roles(settings, passwords)
        psql.run_file(settings, "postgres", DEPLOY / "sql" / "database.sql", database="postgres")
        roles.check_passwords(settings)
    with progress.step("patronictl edit-config, then a restart to apply it"):
        configure(settings, len(first))
        settings.marker.touch()
    # The other nodes make their copies while the schema and the rows are created.
    for node in NODES[len(first) :]:
        control.ask(settings, "start", name=f"patroni-{node}")
    with progress.step(f"schema with {'psql -f' if options.by_psql else 'kinoteka migrate up'}, grants"):
        _make_schema(settings, passwords["dba"], options.by_psql)
        roles.grant(settings)
    if options.seed and not _is_seeded(settings):
        with progress.step(f"seeder seed --size {settings.size}"):
            url = settings.url("dba", passwords["dba"])
            run_binary(settings, "seeder", ["seed", "--size", settings.size, "--with-demo-accounts"], url)
    with progress.step("replicas: both stream and confirm commits"):
        _wait(settings, "two streaming replicas", lambda: _is_complete(settings), NODES, "patroni")
        run_patronictl(
            settings, ["edit-config", SCOPE, "--set", f"loop_wait={settings.loop_wait_s}", "--force", "--quiet"]
        )
    if options.servers:
        with progress.step(f"two servers; http://{settings.front}:{settings.ports['http']}/graphql responds"):
            for name in SERVERS:
                control.ask(settings, "start", name=name)
            _wait(settings, "ready server", lambda: _are_ready(settings), SERVERS, "")
            web.wait_for("response from the front", lambda: _front_answers(settings), WITHIN_S, "`cluster logs haproxy`")
    if settings.monitoring:
        address = f"{settings.front}:{settings.ports['prometheus']}"
        with progress.step(f"monitoring: all targets of http://{address} are up"):
            _start_monitoring(settings)


def _wait(settings: Settings, what: str, ask: Callable[[], object], names: tuple[str, ...], kind: str) -> None:
    """Waits for a condition. Fails if one of the named processes has ended."""
    watched = [f"{kind}-{name}" if kind else name for name in names]

    def ask_or_fail() -> object:
        ended = control.ask(settings, "list")["ended"]
        for name in watched:
            if name in ended:
                tail = last_lines(settings, name)
                raise Problem(f"{name} exited ({ended[name]}):\n{tail}", f"`cluster logs {name}` shows more")
        return ask()

    logs = ", ".join(watched)
    web.wait_for(what, ask_or_fail, WITHIN_S, f"see the logs of {logs} in {settings.log_dir}")


def _start_monitoring(settings: Settings) -> None:
    stack = monitoring.stack(settings)
    stack.write()
    names = monitoring.names(settings)
    for name in names:
        control.ask(settings, "start", name=name)
    try:
        _wait(settings, "response from all scrape targets", lambda: not stack.down(), tuple(names), "")
    except Problem as problem:
        down = "; ".join(stack.down())
        raise Problem(f"{problem.what}: {down}" if down else problem.what, problem.remedy) from None


def last_lines(settings: Settings, name: str, count: int = 3) -> str:
    """The end of a process's log."""
    try:
        lines = (settings.log_dir / f"{name}.log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join("    " + line[:300] for line in lines[-count:])


def _start_etcd(settings: Settings) -> None:
    for node in NODES:
        control.ask(settings, "start", name=f"etcd-{node}")
    _wait(settings, "healthy etcd", lambda: not web.etcd_trouble(settings), NODES, "etcd")


def _wait_for_leader(settings: Settings, nodes: tuple[str, ...]) -> None:
    checked = time.monotonic()

    def find_leader() -> str | None:
        nonlocal checked
        if time.monotonic() - checked > 3:
            checked = time.monotonic()
            for node in nodes:
                psql.check_superuser(settings, node)
        return web.leader(settings)

    _wait(settings, "leader", find_leader, nodes, "patroni")


def _wait_for_port(settings: Settings) -> None:
    """HAProxy checks Patroni every half second. Patroni reports the leader shortly before PostgreSQL accepts writes."""

    def is_writable() -> bool:
        try:
            return psql.run(settings, "postgres", "SELECT pg_is_in_recovery()", database="postgres") == "f"
        except Problem as problem:
            if "password" in problem.what:
                raise
            return False

    web.wait_for(
        "PostgreSQL that accepts writes", is_writable, WITHIN_S, "`cluster logs patroni-n1`, `cluster logs haproxy`"
    )


def configure(settings: Settings, members: int) -> None:
    """Applies the write-up's settings and restarts where they need it: replicas first, then the leader."""
    edit = ["edit-config", SCOPE, "--apply", str(CONF / "monitoring.yml"), "--force", "--quiet"]
    run_patronictl(settings, edit)
    if psql.run(settings, "postgres", "SHOW shared_preload_libraries", database="postgres") != "pg_stat_statements":
        web.wait_for("pending restart", lambda: _pending(settings) == members, WITHIN_S, "`cluster status`")
        restart(settings, members)
    for database in ("postgres", DATABASE):
        psql.run(
            settings, "postgres", "CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public", database=database
        )


def _pending(settings: Settings) -> int:
    return sum(member["pending_restart"] for member in web.members(settings))


def restart(settings: Settings, members: int = len(NODES)) -> None:
    """Restarts PostgreSQL on all nodes, replicas first, and waits until the cluster is complete again."""
    for role in ("replica", "primary") if members > 1 else ("primary",):
        run_patronictl(settings, ["restart", SCOPE, "--role", role, "--force"])

    web.wait_for(
        "complete cluster after the restart",
        lambda: _is_complete(settings, members),
        WITHIN_S,
        "`cluster status`, `cluster logs patroni-n1`",
    )
    _wait_for_port(settings)


def _is_complete(settings: Settings, members: int = len(NODES)) -> bool:
    try:
        listed = web.members(settings)
    except Problem:
        return False
    return web.is_complete(listed, members) and not any(member["pending_restart"] for member in listed)


def run_patronictl(settings: Settings, arguments: list[str], within_s: float = WITHIN_S) -> str:
    """Runs patronictl and returns its output."""
    command = programs.patronictl(settings, arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        what = "; ".join(web.etcd_trouble(settings)) or "etcd is healthy"
        raise Problem(
            f"patronictl {arguments[0]} did not finish within {within_s:.0f} s ({what})",
            "patronictl needs two of the three etcd members: `cluster start NODE` starts a killed one",
        ) from None
    # It exits with 0 even if it reports that a restart or a switchover failed.
    if done.returncode or "failed" in done.stdout.lower():
        if trouble := web.etcd_trouble(settings):
            raise Problem(
                f"patronictl {arguments[0]} failed ({'; '.join(trouble)})",
                "`cluster start NODE` starts a killed member",
            )
        lines = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise Problem(f"patronictl {arguments[0]} failed: {lines}", "`cluster status` shows the members")
    return done.stdout


def _make_schema(settings: Settings, password: str, by_psql: bool) -> None:
    url = settings.url("dba", password)
    if by_psql and psql.run(settings, "dba", "SELECT to_regclass('movies') IS NULL") == "t":
        for file in sorted((ROOT / "migration" / "sql" / "postgres").glob("*.up.sql")):
            psql.run_file(settings, "dba", file)
        run_binary(settings, "kinoteka", ["migrate", "adopt"], url)
    else:
        run_binary(settings, "kinoteka", ["migrate", "up"], url)


def _is_seeded(settings: Settings) -> bool:
    """False after an interrupted seed: the seeder then continues it."""
    finished = (
        "SELECT CASE WHEN EXISTS (SELECT FROM seeding_steps) "
        "THEN EXISTS (SELECT FROM seeding_steps WHERE name = 'all_done') ELSE EXISTS (SELECT FROM movies) END"
    )
    return psql.run(settings, "dba", finished) == "t"


def run_binary(settings: Settings, name: str, arguments: list[str], url: str) -> None:
    """Runs the server's program or the seeder and waits for its exit."""
    program = Path(settings.bin_dir) / name
    env = os.environ | {"DATABASE_URL": url}
    log = settings.log_dir / f"{name}-{arguments[0]}.log"
    with open(log, "ab") as output:
        done = subprocess.run(
            [str(program), *arguments], env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    if done.returncode:
        tail = last_lines(settings, log.stem, 4)
        raise Problem(f"{name} {' '.join(arguments)} failed:\n{tail}", f"see {log}")


def load(settings: Settings, seconds: int) -> None:
    """Sends load to the servers through the front. The seeder prints its report."""
    url = f"http://{settings.front}:{settings.ports['http']}/graphql"
    program = str(Path(settings.bin_dir) / "seeder")
    done = subprocess.run([program, "load", "--url", url, "--duration", str(seconds)])
    if done.returncode:
        raise Problem("`seeder load` reported faults", "`cluster logs k1` and `cluster logs k2` may explain them")


def _are_ready(settings: Settings) -> bool:
    return all(status == 200 for status, _ in web.server_states(settings).values())


def _front_answers(settings: Settings) -> bool:
    return web.get(settings.front, settings.ports["http"], "/readyz")[0] == 200

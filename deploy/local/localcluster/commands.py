"""The commands for a cluster that is up."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from typing import Any

from . import bring_up, control, monitoring, processes, programs, psql, supervisor, web
from .problem import Problem
from .settings import NODES, SCOPE, SERVERS, Settings

PARTS = ("patroni", "etcd")
# The server drains for 5 s, then has 10 s (--shutdown-grace-ms). The rest is for busy machines.
SERVER_ENDS_WITHIN_S = 40
SERVER_STARTS_WITHIN_S = 60


def down(settings: Settings, wipe: bool) -> None:
    """Stops everything, including processes left by a killed supervisor."""
    was_up = supervisor.take_lock(settings)
    if was_up is None:
        # A supervisor that is already stopping no longer listens.
        with contextlib.suppress(Problem):
            control.ask(settings, "stop")
        if not supervisor.wait_gone(settings):
            raise Problem("the supervisor does not exit", f"see {settings.log_dir}/supervisor.log")
        print("stopped")
    else:
        os.close(was_up)
        count = processes.end_leftovers(settings)
        print(f"ended {count} processes left by a killed supervisor" if count else "nothing is running")
    if wipe:
        for entry in settings.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        print(f"deleted the contents of {settings.state}")


def status(settings: Settings, as_json: bool) -> None:
    """Prints the members, then the processes and the state that each server reports."""
    if as_json:
        listed = [{key: m[key] for key in ("name", "role", "state", "timeline", "lag")} for m in _members(settings)]
        print(json.dumps({"members": listed} | monitoring.addresses(settings)))
        return
    running = control.ask(settings, "list")
    try:
        print(bring_up.run_patronictl(settings, ["list"], within_s=10), end="")
    except Problem as problem:
        print(problem)
    for node in NODES:
        parts = [_process_state(running, f"{part}-{node}", part) for part in PARTS]
        parts.append("postgres " + ("running" if processes.postgres_of(settings, node) else "not running"))
        print(f"{node} {settings.address(node)}: {', '.join(parts)}")
    front, ports = settings.front, settings.ports
    print(
        f"haproxy {front}: {_process_state(running, 'haproxy', '')}; write {ports['write']}, read {ports['read']}, "
        f"statistics http://{front}:{ports['stats']}/"
    )
    for name, (code, body) in web.server_states(settings).items():
        print(
            f"{name} {front}:{ports[name]}: {_process_state(running, name, '')}; "
            f"/readyz {code or 'no response'} {body.strip()}"
        )
    for line in monitoring.report(settings):
        print(line)
    print(f"GraphQL: http://{front}:{ports['http']}/graphql")


def _members(settings: Settings) -> list[dict[str, Any]]:
    control.ask(settings, "list")
    return web.members(settings)


def _process_state(running: dict[str, Any], name: str, label: str) -> str:
    state = "running" if name in running["running"] else f"ended ({running['ended'].get(name, 'never started')})"
    return f"{label} {state}".strip()


def signal_node(settings: Settings, name: str, how: str, with_etcd: bool) -> None:
    """Kills, freezes or thaws a node, a server or a monitoring program."""
    # A machine's exporter runs on that machine.
    parts = ["patroni"] + (["etcd", "exporter"] if with_etcd else [])
    count = control.ask(settings, "signal", name=name, how=how, parts=parts)["count"]
    done = {"kill": "killed", "freeze": "frozen", "thaw": "thawed"}[how]
    if count == 0:
        raise Problem(f"{name} is not running", f"start it with `cluster start {name}`")
    print(f"{name}: {count} processes {done}")


def start(settings: Settings, name: str) -> None:
    """Starts the killed processes of a node, a server or the monitoring."""
    started = start_missing(settings, name)
    print(f"started {', '.join(started)}" if started else f"{name} is already running")


def start_missing(settings: Settings, name: str) -> list[str]:
    """Starts the processes with this name that are not running, and returns their names."""
    running = control.ask(settings, "list")["running"]
    wanted = monitoring.parts(settings, name)
    if name in NODES:
        wanted = [n for n in programs.names(settings) if n.endswith(f"-{name}")]
    missing = [process for process in wanted if process not in running]
    for process in missing:
        control.ask(settings, "start", name=process)
    return missing


def switchover(settings: Settings, to: str | None) -> None:
    """Hands leadership over and prints patronictl's output."""
    print(hand_over(settings, to), end="")


def hand_over(settings: Settings, to: str | None) -> str:
    """Hands leadership over to the named replica, or to one that confirms commits. Returns patronictl's output."""
    listed = _members(settings)
    leader = next((m["name"] for m in listed if m["role"] == "leader"), None)
    if leader is None:
        raise Problem("the cluster has no leader to switch over from", "wait for the failover; see `cluster status`")
    candidates = [m["name"] for m in listed if m["role"] == "quorum_standby"]
    if to == leader:
        raise Problem(
            f"{to} is already the leader",
            f"use --to with one of {', '.join(candidates)}" if candidates else "no replica is ready: see `cluster status`",
        )
    if not to and not candidates:
        raise Problem("no replica confirms commits", "see `cluster status`; `cluster start NODE` starts a killed one")
    chosen = to or candidates[0]
    arguments = ["switchover", SCOPE, "--leader", leader, "--candidate", chosen, "--force"]
    said = bring_up.run_patronictl(settings, arguments)
    remedy = f"`cluster logs patroni-{chosen}`"
    web.wait_for(f"leader {chosen}", lambda: web.leader(settings) == chosen, 30, remedy)
    return said


def lag(settings: Settings, node: str, resume: bool) -> None:
    """Stops a replica's replay: it keeps the changes that it receives, but queries do not see them."""
    control.ask(settings, "list")
    stop_replay(settings, node, resume)
    print(f"{node} {'replays again' if resume else 'has stopped replaying; continue with --resume'}")


def stop_replay(settings: Settings, node: str, resume: bool) -> None:
    """Freezes or thaws the process that replays. Patroni would undo pg_wal_replay_pause() within loop_wait."""
    startup = processes.startup_of(settings, node)
    if startup is None:
        raise Problem(
            f"{node} does not replay: it is the leader, or it is not running", "`cluster status` lists the replicas"
        )
    startup.signal(supervisor.SIGNALS["thaw" if resume else "freeze"])


def restart(settings: Settings, name: str | None) -> None:
    """Restarts PostgreSQL with Patroni on one node or all (replicas first), or a server without errors for clients."""
    control.ask(settings, "list")
    if name in SERVERS:
        restart_server(settings, name)
        print(f"restarted {name}")
    elif name:
        print(bring_up.run_patronictl(settings, ["restart", SCOPE, name, "--force"]), end="")
    else:
        bring_up.restart(settings)
        print("restarted all members, replicas first")


def restart_server(settings: Settings, name: str) -> None:
    """Drains and stops a server, starts it again, and waits until the front sends it requests."""
    control.ask(settings, "signal", name=name, how="end", parts=[])
    remedy = f"`cluster logs {name}`"
    web.wait_for(
        f"end of {name}", lambda: name not in control.ask(settings, "list")["running"], SERVER_ENDS_WITHIN_S, remedy
    )
    control.ask(settings, "start", name=name)
    web.wait_for(f"{name} in the front", lambda: web.front_uses(settings, name), SERVER_STARTS_WITHIN_S, remedy)


def edit_config(settings: Settings, arguments: list[str]) -> None:
    """Runs `patronictl edit-config` and explains how to restart."""
    control.ask(settings, "list")
    code = subprocess.run(programs.patronictl(settings, ["edit-config", SCOPE, *arguments])).returncode
    if code:
        raise Problem(f"patronictl edit-config failed ({code})")
    print("`cluster patronictl list` shows pending restarts after loop_wait; `cluster restart` does them")


def logs(settings: Settings, name: str | None, lines: int, follow: bool) -> None:
    """Shows the end of a log, or lists all logs."""
    files = sorted(file.stem for file in settings.log_dir.glob("*.log"))
    if name is None:
        print("\n".join(files))
        return
    if name not in files:
        raise Problem(f"unknown log: {name}", f"use one of {', '.join(files)}")
    sys.stdout.flush()
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(settings.log_dir / f"{name}.log")]
    os.execvp("tail", command)


def run_psql(settings: Settings, role: str, port: str, database: str, arguments: list[str]) -> None:
    """Becomes psql."""
    command = psql.arguments(settings, role, database, port) + arguments
    os.execve(command[0], command, programs.client_env(settings))


def run_patronictl(settings: Settings, arguments: list[str]) -> None:
    """Becomes patronictl."""
    command = programs.patronictl(settings, arguments)
    os.execv(command[0], command)


def run_load(settings: Settings, seconds: int) -> None:
    """Sends load to the servers through the front."""
    control.ask(settings, "list")
    bring_up.load(settings, seconds)

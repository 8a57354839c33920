"""The supervisor: the parent of all processes of a cluster.

One thread starts, signals and reaps the processes: each dies with the thread that started it. Requests arrive at a
socket in the state directory, one line of JSON each. `hold` keeps its connection open. If it closes before `settle`,
`up` has failed or was killed, and the supervisor stops everything.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from . import monitoring, processes, programs
from .problem import Problem
from .processes import Process, read_stat
from .settings import NODES, SERVERS, Settings

SOCKET = "control.sock"
SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "thaw": signal.SIGCONT, "end": signal.SIGTERM}
# The time limit for each group of processes in `_stop_all`.
STOP_WITHIN_S = 15
# The last etcd would wait longer for its peers. Its data is already on disk.
STOP_ETCD_WITHIN_S = 2


class Supervisor:
    """Runs the child processes and serves requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.children: dict[str, Process] = {}
        self.ended: dict[str, str] = {}
        self.holder: socket.socket | None = None
        self.is_stopping = False

    def run(self) -> None:
        """Serves requests until a stop request, a signal, or the end of the `hold` connection."""
        processes.adopt_orphans()
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        listener = socket.socket(socket.AF_UNIX)
        path = self.settings.path / SOCKET
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
        self._record()
        while not self.is_stopping:
            watched: list[Any] = [listener, wake_read] + ([self.holder] if self.holder else [])
            ready, _, _ = select.select(watched, [], [])
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                self._reap()
            if listener in ready:
                connection, _ = listener.accept()
                self._serve(connection)
            if self.holder in ready:
                say("`up` exited before the cluster was complete: stopping")
                self.is_stopping = True
        listener.close()
        path.unlink(missing_ok=True)
        self._stop_all()

    def _note_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self.is_stopping = True

    def _serve(self, connection: socket.socket) -> None:
        """Answers one request. Clients belong to the same user and are fast."""
        connection.settimeout(2)
        try:
            request = json.loads(connection.makefile("r").readline())
            answer = {"ok": True, **self._obey(request, connection)}
        except Problem as problem:
            answer = {"ok": False, "what": problem.what, "remedy": problem.remedy}
        except (OSError, ValueError, KeyError, TypeError) as error:
            answer = {"ok": False, "what": f"{type(error).__name__}: {error}", "remedy": ""}
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps(answer).encode() + b"\n")
        if connection is not self.holder:
            connection.close()

    def _obey(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        match request["do"]:
            case "hold":
                self.holder = connection
            case "settle":
                if self.holder:
                    self.holder.close()
                self.holder = None
            case "start":
                self._start(request["name"])
            case "signal":
                return {"count": self._signal(request["name"], request["how"], request["parts"])}
            case "list":
                return {
                    "running": {n: p.pid for n, p in self.children.items()},
                    "ended": self.ended,
                    "pid": os.getpid(),
                }
            case "stop":
                self.is_stopping = True
            case other:
                raise ValueError(f"unknown request: {other}")
        return {}

    def _start(self, name: str) -> None:
        if name in self.children:
            raise Problem(f"{name} is already running")
        known = programs.names(self.settings)
        if name not in known:
            raise Problem(f"unknown process: {name}", f"use one of {', '.join(known)}")
        program = programs.program(self.settings, name)
        child = processes.spawn(program.argv, program.env, program.cwd, self.settings.log_dir / f"{name}.log")
        # `_reap` reaps it, not subprocess.
        child.returncode = 0
        self.children[name] = Process(child.pid, read_stat(child.pid)[0])
        self.ended.pop(name, None)
        say(f"started {name}, {child.pid}")
        self._record()

    def _record(self) -> None:
        pids = {"supervisor": os.getpid()} | {name: child.pid for name, child in self.children.items()}
        processes.record(self.settings, pids)

    def _reap(self) -> None:
        """Reaps children and adopted orphans that have exited."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, child in list(self.children.items()):
                if child.pid == pid:
                    code = os.waitstatus_to_exitcode(status)
                    how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
                    say(f"{name} exited: {how}")
                    self.ended[name] = how
                    del self.children[name]
                    self._record()

    def _signal(self, name: str, how: str, parts: list[str]) -> int:
        """Signals all processes of parts of a node, or of another program."""
        pids: set[int] = set()
        for part in [f"{part}-{name}" for part in parts] if name in NODES else monitoring.parts(self.settings, name):
            if part in self.children:
                pids |= processes.in_group(self.children[part].pid)
        if "patroni" in parts and name in NODES:
            pids |= processes.descendants(processes.postgres_of(self.settings, name))
        pids -= {os.getpid()}
        found = [Process(pid, read_stat(pid)[0]) for pid in pids]
        found = [process for process in found if process.is_alive()]
        for process in found:
            process.signal(SIGNALS[how])
        if how == "kill":
            self._wait(found, 5)
        say(f"{how} {name} ({', '.join(parts)}): {len(found)} processes")
        return len(found)

    def _stop_all(self) -> None:
        """Stops monitoring, servers, HAProxy, Patroni with PostgreSQL, then etcd. Kills what does not stop."""
        say("stopping")
        for process in processes.leftovers(self.settings):
            process.signal(signal.SIGCONT)
        for kinds in (tuple(monitoring.names(self.settings)), SERVERS, ("haproxy",), ("patroni-",), ("etcd-",)):
            group = [child for name, child in self.children.items() if name.startswith(kinds)]
            for child in group:
                child.signal(signal.SIGTERM)
            self._wait(group, STOP_ETCD_WITHIN_S if "etcd-" in kinds else STOP_WITHIN_S)
            if "patroni-" in kinds:
                self._stop_postmasters()
        killed = processes.end_leftovers(self.settings)
        self._reap()
        say(f"stopped; {killed} processes had to be killed")

    def _stop_postmasters(self) -> None:
        """Stops postmasters whose Patroni was killed earlier."""
        left = [pid for node in NODES for pid in processes.postgres_of(self.settings, node)]
        masters = [Process(pid, read_stat(pid)[0]) for pid in left if read_stat(pid)[2] not in left]
        for master in masters:
            master.signal(signal.SIGINT)
        self._wait(masters, STOP_WITHIN_S)

    def _wait(self, waited: list[Process], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(process.is_alive() for process in waited) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        self._reap()


def say(text: str) -> None:
    """Writes a line to the supervisor's log."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def take_lock(settings: Settings) -> int | None:
    """Takes the lock that a supervisor holds while it runs. None if another process holds it."""
    lock = os.open(settings.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def wait_gone(settings: Settings) -> bool:
    """Waits until the supervisor has stopped everything and exited. False on a timeout."""
    deadline = time.monotonic() + 5 * STOP_WITHIN_S
    while (lock := take_lock(settings)) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    os.close(lock)
    return True


def start(settings: Settings) -> None:
    """Forks a supervisor, which inherits the caller's lock. Returns in the caller."""
    if os.fork():
        return
    try:
        os.setsid()
        os.chdir(settings.path)
        with open(settings.log_dir / "supervisor.log", "ab") as log, open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        Supervisor(settings).run()
    except BaseException as error:
        print(f"supervisor: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)

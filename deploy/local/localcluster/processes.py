"""Starts, finds and signals the processes of a cluster. None outlives its supervisor.

A process is ours if its environment names our state directory, if it was recorded with its start time, or if it is a
PostgreSQL process in one of our data directories. Process names are never used.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .problem import Problem
from .settings import NODES, Settings, write_file

MARK = "KINOTEKA_CLUSTER"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Process:
    """A process, identified by its start time too: the system reuses process ids."""

    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether it is running. A zombie is not."""
        return read_stat(self.pid)[:2] == (self.start, True)

    def signal(self, number: int) -> None:
        """Sends a signal if the id still belongs to this process."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def read_stat(pid: int) -> tuple[int, bool, int]:
    """Start time (ticks since boot), whether it is running, and the parent's id. Zeros if the process does not exist."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, False, 0
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[19]), fields[0] not in "ZX", int(fields[1])


def adopt_orphans() -> None:
    """Makes this process the parent of orphaned descendants, such as postmasters."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def spawn(argv: list[str], env: dict[str, str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts a process in its own group. It dies with this process, even if that is killed."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    with open(log, "ab") as output:
        return subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def all_pids() -> list[int]:
    """All process ids of the machine."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]


def descendants(roots: set[int]) -> set[int]:
    """The roots and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        children.setdefault(read_stat(pid)[2], []).append(pid)
    found, todo = set(), list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo.extend(children.get(pid, []))
    return found


def in_group(group: int) -> set[int]:
    """The members of a process group."""
    members = set()
    for pid in all_pids():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == group:
                members.add(pid)
    return members


def postgres_of(settings: Settings, node: str) -> set[int]:
    """The postmaster of a node and its children."""
    return _working_in(settings, {str(settings.data_dir(node))})


def startup_of(settings: Settings, node: str) -> Process | None:
    """The process of a replica that replays changes."""
    for pid in postgres_of(settings, node):
        with contextlib.suppress(OSError):
            if b": startup" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return Process(pid, read_stat(pid)[0])
    return None


def _working_in(settings: Settings, folders: set[str]) -> set[int]:
    """PostgreSQL processes in these data directories. They overwrite their environment with their status."""
    program = os.path.realpath(Path(settings.postgres_bin_dir) / "postgres")
    found = set()
    for pid in all_pids():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") == program and os.readlink(f"/proc/{pid}/cwd") in folders:
                found.add(pid)
    return found


def record(settings: Settings, pids: dict[str, int]) -> None:
    """Records the started processes, so that they are found after the supervisor was killed."""
    known = [{"name": name, "pid": pid, "start": read_stat(pid)[0]} for name, pid in pids.items()]
    write_file(settings.path / "processes.json", json.dumps(known, indent=2) + "\n", 0o644)


def recorded(settings: Settings) -> list[Process]:
    """The recorded processes that are still running, including the supervisor."""
    try:
        known = json.loads((settings.path / "processes.json").read_text())
        processes = [Process(entry["pid"], entry["start"]) for entry in known]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [process for process in processes if process.is_alive()]


def marked_state(pid: int) -> str | None:
    """The state directory of the cluster of a process."""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == MARK.encode():
                return os.fsdecode(value)
    return None


def leftovers(settings: Settings) -> list[Process]:
    """All processes of this cluster with any parent, except the caller."""
    pids = {process.pid for process in recorded(settings)}
    pids |= {pid for pid in all_pids() if marked_state(pid) == settings.state}
    pids |= _working_in(settings, {str(settings.data_dir(node)) for node in NODES})
    pids = descendants(pids) - {os.getpid(), os.getppid()}
    return [process for process in (Process(pid, read_stat(pid)[0]) for pid in pids) if process.is_alive()]


def end_leftovers(settings: Settings) -> int:
    """Ends the processes left by a killed supervisor, and returns their number."""
    count = 0
    deadline = time.monotonic() + 20
    while processes := leftovers(settings):
        count = max(count, len(processes))
        if time.monotonic() > deadline:
            pids = " ".join(str(process.pid) for process in processes)
            raise Problem(f"these processes of {settings.state} do not exit: {pids}", "they may be waiting for a device")
        for process in processes:
            process.signal(signal.SIGKILL)
            process.signal(signal.SIGCONT)
        time.sleep(0.1)
    return count

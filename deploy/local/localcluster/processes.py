"""Processes of a cluster: started so that none outlives its supervisor, found by who they are, and signalled.

A process is ours if its environment names our state directory, if it was recorded with its start time, or if it is a
PostgreSQL process that works in one of our data directories. Names are never searched for.
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
    """A process: its number alone may be another's by now."""

    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        return read_stat(self.pid)[:2] == (self.start, True)

    def signal(self, number: int) -> None:
        """Sends a signal if it is still this process."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def read_stat(pid: int) -> tuple[int, bool, int]:
    """When a process was started (ticks since boot), whether it runs, and its parent. Zeros if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, False, 0
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[19]), fields[0] not in "ZX", int(fields[1])


def adopt_orphans() -> None:
    """Makes this process the parent of the orphans among its descendants, as postmasters become."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def spawn(argv: list[str], env: dict[str, str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts a process in a group of its own, which dies with this one even if it is killed."""
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
    """Every process of the machine."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]


def descendants(roots: set[int]) -> set[int]:
    """The roots and all that they have started."""
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
    """The process of a replica that replays what it receives."""
    for pid in postgres_of(settings, node):
        with contextlib.suppress(OSError):
            if b": startup" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return Process(pid, read_stat(pid)[0])
    return None


def _working_in(settings: Settings, folders: set[str]) -> set[int]:
    """PostgreSQL processes in these data directories. They overwrite their environment to show what they do."""
    program = os.path.realpath(Path(settings.postgres_bin_dir) / "postgres")
    found = set()
    for pid in all_pids():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") == program and os.readlink(f"/proc/{pid}/cwd") in folders:
                found.add(pid)
    return found


def record(settings: Settings, pids: dict[str, int]) -> None:
    """Writes down who was started, for whoever comes after a supervisor that was killed."""
    known = [{"name": name, "pid": pid, "start": read_stat(pid)[0]} for name, pid in pids.items()]
    write_file(settings.path / "processes.json", json.dumps(known, indent=2) + "\n", 0o644)


def recorded(settings: Settings) -> list[Process]:
    """Those of the last supervisor that still run, itself among them."""
    try:
        known = json.loads((settings.path / "processes.json").read_text())
        processes = [Process(entry["pid"], entry["start"]) for entry in known]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [process for process in processes if process.is_alive()]


def marked_state(pid: int) -> str | None:
    """The state directory of the cluster that a process belongs to."""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == MARK.encode():
                return os.fsdecode(value)
    return None


def leftovers(settings: Settings) -> list[Process]:
    """All processes of this cluster, whoever their parent is. The caller is none of them."""
    pids = {process.pid for process in recorded(settings)}
    pids |= {pid for pid in all_pids() if marked_state(pid) == settings.state}
    pids |= _working_in(settings, {str(settings.data_dir(node)) for node in NODES})
    pids = descendants(pids) - {os.getpid(), os.getppid()}
    return [process for process in (Process(pid, read_stat(pid)[0]) for pid in pids) if process.is_alive()]


def end_leftovers(settings: Settings) -> int:
    """Ends what a supervisor that was killed has left, and says how many processes that were."""
    count = 0
    deadline = time.monotonic() + 20
    while processes := leftovers(settings):
        count = max(count, len(processes))
        if time.monotonic() > deadline:
            pids = " ".join(str(process.pid) for process in processes)
            raise Problem(f"these processes of {settings.state} do not end: {pids}", "are they stuck in a device?")
        for process in processes:
            process.signal(signal.SIGKILL)
            process.signal(signal.SIGCONT)
        time.sleep(0.1)
    return count

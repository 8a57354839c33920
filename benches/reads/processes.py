"""The programs of the benchmark: they end with it, and their resource usage is read from /proc."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """An error that stops the benchmark, with a message for the user."""


class Folder:
    """A folder under /tmp that is deleted at the end."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="kinoteka-bench-")
        # PostgreSQL writes there as another user.
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *_):
        # A process may still be writing the end of its log.
        for _ in range(50):
            shutil.rmtree(self.path, ignore_errors=True)
            if not os.path.exists(self.path):
                return
            time.sleep(0.1)


def carry_out(name, work):
    """Calls `work` with a temporary folder and prints its result. Returns the exit status."""
    # SIGTERM also ends the programs of the benchmark.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Folder() as folder:
            print(work(folder))
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    return 0


class Program:
    """A running program with its children. Its output is in a file."""

    def __init__(self, name, command, log, environment=None, user=None, stop_signal=signal.SIGTERM):
        self.name, self.log, self.stop_signal = name, Path(log), stop_signal
        # If the benchmark is killed, the kernel ends the program.
        wrapper = ["setpriv", "--pdeathsig", signal.Signals(stop_signal).name.removeprefix("SIG")]
        if user:
            wrapper += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
        with open(log, "wb") as output:
            self.popen = subprocess.Popen(
                wrapper + [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd="/",
                # Ctrl-C only reaches the benchmark, which then stops its programs in order.
                start_new_session=True,
            )

    def wait_for(self, pattern, seconds=60):
        """Waits until the output contains `pattern`, and returns its first group."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            output = self.log.read_text(errors="replace")
            if found := re.search(pattern, output):
                return found.group(1) if found.groups() else found.group()
            if self.popen.poll() is not None:
                raise Failure(f"{self.name} ended with status {self.popen.returncode}:\n{output[-3000:]}")
            time.sleep(0.05)
        raise Failure(f"{self.name} did not start within {seconds} s:\n{self.log.read_text(errors='replace')[-3000:]}")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(self.stop_signal)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def cpu_seconds(self):
        """Processor time of the program and its children, including ended ones."""
        ticks = 0
        for pid in family(self.popen.pid):
            fields = read_stat(pid)
            if fields:
                # utime and stime; cutime and cstime for children that have ended.
                ticks += sum(map(int, fields[11:15]))
        return ticks / TICKS_PER_SECOND

    def forget_peak(self):
        """Resets the peak of memory."""
        for pid in family(self.popen.pid):
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5")
            except OSError:
                pass

    def peak_bytes(self):
        """The sum of the processes' peaks of resident memory."""
        return sum(status_bytes(pid, "VmHWM") for pid in family(self.popen.pid))

    def resident_bytes(self):
        return sum(status_bytes(pid, "VmRSS") for pid in family(self.popen.pid))


def read_stat(pid):
    """The fields of /proc/PID/stat from the third on; None if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def status_bytes(pid, key):
    try:
        found = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def family(root):
    """The process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := read_stat(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry))
    pids, todo = [], [root]
    while todo:
        pid = todo.pop()
        pids.append(pid)
        todo += children.get(pid, [])
    return pids


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

"""Runs `seeder load` with a history during the run, and `seeder check` at the end."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from localcluster import processes
from localcluster.problem import Problem
from localcluster.settings import Settings

# The load reads its changes back and waits for listeners. Requests in flight end within --retry-for.
END_WITHIN_S = 180.0
CHECK_WITHIN_S = 300.0


class Load:
    """A running load. It dies with this program."""

    def __init__(self, settings: Settings, folder: Path, url: str, rate: float, listeners: int) -> None:
        self.settings = settings
        self.history = folder / "history.jsonl"
        self.log = folder / "load.log"
        self.seeder = str(Path(settings.bin_dir) / "seeder")
        arguments = ["load", "--url", url, "--rate", str(rate), "--listeners", str(listeners)]
        arguments += ["--history", str(self.history), "--json"]
        env = {"PATH": os.environ["PATH"], processes.MARK: settings.state}
        child = processes.spawn([self.seeder, *arguments], env, folder, self.log)
        self.child = child

    def check_alive(self) -> None:
        """Fails if the load has ended."""
        if self.child.poll() is not None:
            raise Problem(f"the load exited ({self.child.returncode}):\n{self._tail()}", f"see {self.log}")

    def stop(self) -> dict[str, Any]:
        """Ends the load as after its time, and returns its report."""
        self.check_alive()
        self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Problem(f"the load did not end within {END_WITHIN_S:.0f} s", f"see {self.log}") from None
        for line in reversed(self.log.read_text(errors="replace").splitlines()):
            if line.startswith("{"):
                report: dict[str, Any] = json.loads(line)
                return report
        raise Problem(f"the load ended without a report:\n{self._tail()}", f"see {self.log}")

    def kill(self) -> None:
        """Kills the load."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def check(self) -> dict[str, Any]:
        """The report of `seeder check` on the history."""
        command = [self.seeder, "check", "--json", str(self.history)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_WITHIN_S)
        try:
            report: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            reason = done.stderr.strip() or f"exit status {done.returncode}"
            raise Problem(f"seeder check cannot check the history: {reason}", f"see {self.log}") from None
        return report

    def _tail(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join("    " + line[:300] for line in lines[-4:])


def make_folder(settings: Settings) -> Path:
    """Creates a folder in the state directory for the files of a run."""
    folder = settings.path / "failover" / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(mode=0o700, parents=True)
    return folder

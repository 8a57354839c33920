"""The progress of `up`: its current step, and how long each step took."""

import contextlib
import sys
import time
from collections.abc import Iterator


class Progress:
    """Prints a line for each step, with its duration at the end."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Prints the step when it starts, and its duration when it ends."""
        is_terminal = sys.stdout.isatty()
        if is_terminal:
            print(f"  ...    {what}", end="", flush=True)
        begun = time.monotonic()
        try:
            yield
        except BaseException:
            if is_terminal:
                print(flush=True)
            print(f"  failed {what}", flush=True)
            raise
        line = f"{time.monotonic() - begun:6.1f} s {what}"
        print(f"\r{line}" if is_terminal else line, flush=True)

    def end(self, what: str) -> None:
        """Prints the total time."""
        print(f"{time.monotonic() - self.begun:6.1f} s {what}", flush=True)

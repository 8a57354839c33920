"""Requests to the supervisor."""

import json
import socket
import time
from typing import Any

from . import processes, supervisor
from .problem import Problem
from .settings import Settings


def _connect(settings: Settings) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    # The supervisor may be waiting for processes to end.
    connection.settimeout(30)
    try:
        connection.connect(str(settings.path / supervisor.SOCKET))
    except OSError:
        connection.close()
        left = len(processes.leftovers(settings))
        what = f"; a killed supervisor left {left} processes, which `up` and `down` end" if left else ""
        raise Problem(f"the cluster in {settings.state} is not up{what}", "start it with `cluster up`") from None
    return connection


def _ask(connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile("r").readline())
    except (OSError, ValueError):
        raise Problem(
            "the supervisor does not respond", "`cluster logs supervisor` may say why; `cluster down` stops it"
        ) from None
    if not answer["ok"]:
        raise Problem(answer["what"], answer["remedy"])
    return answer


def ask(settings: Settings, do: str, **arguments: Any) -> dict[str, Any]:
    """Sends a request to the supervisor and returns its response."""
    with _connect(settings) as connection:
        return _ask(connection, {"do": do, **arguments})


def hold(settings: Settings) -> socket.socket:
    """A connection that stops the cluster when it closes before `settle`. Waits for a starting supervisor."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection = _connect(settings)
            break
        except Problem:  # the supervisor does not listen yet
            if time.monotonic() > deadline:
                raise Problem("the supervisor does not start", f"see {settings.log_dir}/supervisor.log") from None
            time.sleep(0.02)
    _ask(connection, {"do": "hold"})
    return connection

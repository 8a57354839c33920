"""HTTP requests to Patroni, etcd and the servers, and waiting for their state."""

import csv
import http.client
import io
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from .problem import Problem
from .settings import NODES, SERVERS, Settings

Answer = TypeVar("Answer")


def get(address: str, port: int, path: str, timeout_s: float = 2.0) -> tuple[int, str]:
    """Status and body. Without a response, the status is 0 and the body is the reason."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error) or type(error).__name__
    finally:
        connection.close()


def patroni(settings: Settings, node: str, path: str) -> tuple[int, str]:
    """Status and body of a request to a node's Patroni."""
    return get(settings.address(node), settings.ports["patroni"], path)


def members(settings: Settings) -> list[dict[str, Any]]:
    """The members, as reported by the first Patroni that responds.

    Roles are Patroni's: leader, quorum_standby, replica. The lag is in bytes; None for the leader or if it is unknown.
    """
    reasons = []
    for node in NODES:
        status, body = patroni(settings, node, "/cluster")
        if status != 200:
            reasons.append(f"{node}: {body.strip()[:60] or status}")
            continue
        listed = json.loads(body).get("members", [])
        return sorted((_member(entry) for entry in listed), key=lambda member: str(member["name"]))
    raise Problem(
        f"no Patroni responds at port {settings.ports['patroni']} ({'; '.join(reasons)})",
        "`cluster status` shows what runs; `cluster start NODE` starts a node; `cluster logs patroni-n1` shows more",
    )


def _member(entry: dict[str, Any]) -> dict[str, Any]:
    lag = entry.get("lag")
    return {
        "name": entry["name"],
        "role": entry["role"],
        "state": entry["state"],
        "timeline": entry.get("timeline"),
        "lag": lag if isinstance(lag, int) else None,
        "pending_restart": bool(entry.get("pending_restart")),
    }


def leader(settings: Settings) -> str | None:
    """The node whose Patroni reports that it is the leader."""
    for node in NODES:
        if patroni(settings, node, "/primary")[0] == 200:
            return node
    return None


def is_complete(listed: list[dict[str, Any]], count: int = len(NODES)) -> bool:
    """Whether the cluster has a leader, and all other members stream and confirm commits."""
    leaders = [m for m in listed if m["role"] == "leader" and m["state"] == "running"]
    standbys = [m for m in listed if m["role"] == "quorum_standby" and m["state"] == "streaming"]
    return len(leaders) == 1 and len(standbys) == count - 1


def etcd_trouble(settings: Settings) -> list[str]:
    """The faults of each etcd; empty if all are healthy."""
    trouble = []
    for node in NODES:
        status, body = get(settings.address(node), settings.ports["etcd"], "/health")
        if status != 200 or '"true"' not in body:
            trouble.append(f"etcd-{node}: {body.strip()[:60] if status == 0 else 'no quorum'}")
    return trouble


def server_states(settings: Settings) -> dict[str, tuple[int, str]]:
    """The response of each server's /readyz."""
    return {name: get(settings.front, settings.ports[name], "/readyz") for name in SERVERS}


def front_uses(settings: Settings, name: str) -> bool:
    """Whether HAProxy sends requests to a server, according to its statistics."""
    _, table = get(settings.front, settings.ports["stats"], "/;csv")
    rows = csv.DictReader(io.StringIO(table.removeprefix("# ")))
    return any(row["pxname"] == "servers" and row["svname"] == name and row["status"] == "UP" for row in rows)


def wait_for(what: str, ask: Callable[[], Answer | None], seconds: float, remedy: str) -> Answer:
    """Calls `ask` until it returns something true."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > deadline:
            raise Problem(f"no {what} after {seconds:.0f} s", remedy)
        time.sleep(0.1)

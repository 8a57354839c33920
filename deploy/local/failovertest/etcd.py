"""etcd's own leadership, through its JSON gateway: Debian's etcd-server does not include etcdctl."""

import http.client
import json
from typing import Any

from localcluster import web
from localcluster.problem import Problem
from localcluster.settings import NODES, Settings


def _call(settings: Settings, node: str, path: str, body: dict[str, str]) -> dict[str, Any]:
    connection = http.client.HTTPConnection(settings.address(node), settings.ports["etcd"], timeout=5)
    try:
        connection.request("POST", f"/v3/maintenance/{path}", json.dumps(body))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Problem(f"etcd of {node} does not respond: {error}", f"see `cluster logs etcd-{node}`") from None
    finally:
        connection.close()


def _leader(settings: Settings) -> tuple[str, dict[str, str]]:
    """The node whose etcd leads, and the ids of all members."""
    ids, leader = {}, ""
    for node in NODES:
        status = _call(settings, node, "status", {})
        ids[node] = status["header"]["member_id"]
        leader = status["leader"]
    return next((node for node, member in ids.items() if member == leader), NODES[0]), ids


def move_leadership(settings: Settings, to: tuple[str, ...]) -> None:
    """Makes the etcd of one of these nodes the leader, if none of them is."""
    leader, ids = _leader(settings)
    if leader in to:
        return
    _call(settings, leader, "transfer-leadership", {"targetID": ids[to[0]]})
    web.wait_for(f"leader of etcd among {to}", lambda: _leader(settings)[0] in to, 10, f"`cluster logs etcd-{to[0]}`")

"""Polls the nodes several times a second: which accepts writes, which confirms commits, and since when."""

import json
import threading
import time

from localcluster import web
from localcluster.problem import Problem
from localcluster.settings import NODES, SERVERS, Settings

from .measure import LeaderChange

EVERY_S = 0.1
SYNCHRONOUS = ("quorum", "sync")
# A frozen node accepts connections but does not respond.
ANSWER_WITHIN_S = 2.0
# Twice the time that a returning node needs on a busy machine.
COMPLETE_WITHIN_S = 120.0


class Watch:
    """Polls each node in its own thread, since a frozen node delays its poll."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Which node accepts writes, and which also has a replica that confirms commits.
        self.changes: list[LeaderChange] = []
        self.commits: list[LeaderChange] = []
        self._leads = dict.fromkeys(NODES, False)
        self._commits = dict.fromkeys(NODES, False)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        for node in NODES:
            threading.Thread(target=self._follow, args=(node,), daemon=True).start()

    def stop(self) -> None:
        """Ends the threads."""
        self._stopped.set()

    def leader(self) -> str | None:
        """The node that accepts writes. None if no node does, or several do."""
        leading = [node for node, leads in self._leads.items() if leads]
        return leading[0] if len(leading) == 1 else None

    def new_leader(self, old: str, since: float) -> LeaderChange | None:
        """The first moment at which another node accepts writes."""
        changes = (change for change in list(self.changes) if change.at >= since and change.leads and change.node != old)
        return next(changes, None)

    def _follow(self, node: str) -> None:
        address, port = self.settings.address(node), self.settings.ports["patroni"]
        while not self._stopped.wait(EVERY_S):
            _, body = web.get(address, port, "/patroni", ANSWER_WITHIN_S)
            leads, commits = read_node(body)
            with self._lock:
                for now, known, changes in ((leads, self._leads, self.changes), (commits, self._commits, self.commits)):
                    if now != known[node]:
                        known[node] = now
                        changes.append(LeaderChange(time.monotonic(), node, now))


def read_node(body: str) -> tuple[bool, bool]:
    """Whether PostgreSQL is out of recovery according to Patroni, and whether it also has a synchronous replica.

    Patroni's /primary returns 200 a moment before the former.
    """
    try:
        said = json.loads(body)
        leads = said["state"] == "running" and "location" in said["xlog"]
        replicas = said.get("replication", [])
        return leads, leads and any(r["state"] == "streaming" and r["sync_state"] in SYNCHRONOUS for r in replicas)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False, False


def trouble(settings: Settings) -> list[str]:
    """The reasons why the cluster is not complete."""
    found = web.etcd_trouble(settings)
    try:
        listed = web.members(settings)
        if not web.is_complete(listed) or len({member["timeline"] for member in listed}) != 1:
            found += [", ".join(f"{m['name']} {m['role']} {m['state']} on timeline {m['timeline']}" for m in listed)]
    except Problem as problem:
        found.append(problem.what)
    for name, (status, body) in web.server_states(settings).items():
        if status != 200 or not body.startswith("full"):
            found.append(f"{name}: /readyz {status or 'no response'} {body.strip()[:80]}")
    if web.get(settings.front, settings.ports["http"], "/livez")[0] != 200:
        found.append("the front does not respond")
    return found


def wait_complete(settings: Settings, within_s: float = COMPLETE_WITHIN_S) -> None:
    """Waits for a complete cluster: etcd, a leader with two replicas that confirm commits, both servers."""
    deadline = time.monotonic() + within_s
    while found := trouble(settings):
        if time.monotonic() > deadline:
            names = ", ".join((*NODES, *SERVERS))
            raise Problem(
                f"the cluster is not complete after {within_s:.0f} s: {'; '.join(found)}",
                f"see `cluster status`; `cluster start NODE` starts a killed one of {names}",
            )
        time.sleep(0.2)

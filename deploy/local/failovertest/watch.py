"""What the nodes say of themselves, several times a second: who takes writes, whose commits are answered, since when."""

import json
import threading
import time

from localcluster import web
from localcluster.problem import Problem
from localcluster.settings import NODES, SERVERS, Settings

from .measure import Turn

EVERY_S = 0.1
SYNCHRONOUS = ("quorum", "sync")
# A node that is frozen accepts connections and says nothing.
ANSWER_WITHIN_S = 2.0
# Twice what a node needs that comes back on a busy machine.
WHOLE_WITHIN_S = 120.0


class Watch:
    """A thread for each node, since one that is frozen holds up whoever asks it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Who takes writes, and who has a replica that confirms commits, too.
        self.turns: list[Turn] = []
        self.commits: list[Turn] = []
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
        """The node that takes writes; none if there is no such node, or if there are two."""
        leading = [node for node, leads in self._leads.items() if leads]
        return leading[0] if len(leading) == 1 else None

    def new_leader(self, old: str, since: float) -> Turn | None:
        """The first turn of another node to take writes."""
        turns = (turn for turn in list(self.turns) if turn.at >= since and turn.leads and turn.node != old)
        return next(turns, None)

    def _follow(self, node: str) -> None:
        address, port = self.settings.address(node), self.settings.ports["patroni"]
        while not self._stopped.wait(EVERY_S):
            _, body = web.get(address, port, "/patroni", ANSWER_WITHIN_S)
            leads, commits = read_node(body)
            with self._lock:
                for now, known, turns in ((leads, self._leads, self.turns), (commits, self._commits, self.commits)):
                    if now != known[node]:
                        known[node] = now
                        turns.append(Turn(time.monotonic(), node, now))


def read_node(body: str) -> tuple[bool, bool]:
    """Whether what Patroni says is that of a PostgreSQL which is out of recovery, and which has a synchronous replica.

    Patroni's /primary is 200 a moment before the first.
    """
    try:
        said = json.loads(body)
        leads = said["state"] == "running" and "location" in said["xlog"]
        replicas = said.get("replication", [])
        return leads, leads and any(r["state"] == "streaming" and r["sync_state"] in SYNCHRONOUS for r in replicas)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False, False


def trouble(settings: Settings) -> list[str]:
    """What keeps the cluster from being whole."""
    found = web.etcd_trouble(settings)
    try:
        listed = web.members(settings)
        if not web.is_whole(listed) or len({member["timeline"] for member in listed}) != 1:
            found += [", ".join(f"{m['name']} {m['role']} {m['state']} of timeline {m['timeline']}" for m in listed)]
    except Problem as problem:
        found.append(problem.what)
    for name, (status, body) in web.server_states(settings).items():
        if status != 200 or not body.startswith("full"):
            found.append(f"{name}: /readyz {status or 'silent'} {body.strip()[:80]}")
    if web.get(settings.front, settings.ports["http"], "/livez")[0] != 200:
        found.append("the front does not answer")
    return found


def wait_whole(settings: Settings, within_s: float = WHOLE_WITHIN_S) -> None:
    """Waits until everything is there: etcd, a leader with two replicas that count for commits, both servers."""
    deadline = time.monotonic() + within_s
    while found := trouble(settings):
        if time.monotonic() > deadline:
            names = ", ".join((*NODES, *SERVERS))
            raise Problem(
                f"after {within_s:.0f} s the cluster is not whole: {'; '.join(found)}",
                f"`cluster status`; `cluster start NODE` starts what was killed of {names}",
            )
        time.sleep(0.2)

"""What is done to the cluster, and what must not come of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from localcluster import bring_up, commands, control, web
from localcluster.settings import NODES, SERVERS, Settings

from . import etcd
from .measure import Turn
from .watch import Watch

# What follows a death is to be seen before the dead come back.
AFTERWARDS_S = 3.0


@dataclass
class Scene:
    """An event that is under way."""

    settings: Settings
    watch: Watch
    leader: str
    begun: float
    # When the dead began to come back.
    back_at: float | None = None
    turn: Turn | None = None

    @property
    def standbys(self) -> list[str]:
        """The nodes that followed when it began."""
        return [node for node in NODES if node != self.leader]

    def signal(self, how: str, name: str, *parts: str) -> None:
        """Kills, freezes or thaws parts of a node, or a server."""
        control.ask(self.settings, "signal", name=name, how=how, parts=list(parts))

    def start(self, *names: str) -> None:
        """Starts what was killed of nodes, or servers."""
        self.back_at = time.monotonic()
        for name in names:
            commands.start_missing(self.settings, name)

    def thaw(self, node: str) -> None:
        """Lets a frozen node go on."""
        self.back_at = time.monotonic()
        self.signal("thaw", node, "patroni")

    def await_leader(self) -> None:
        """Waits until another node takes writes."""
        within_s = 2 * self.settings.ttl_s + 30
        remedy = "`cluster logs patroni-n1` and its like say why"
        self.turn = web.wait_for(
            "new leader", lambda: self.watch.new_leader(self.leader, self.begun), within_s, remedy
        )


def heal(settings: Settings) -> None:
    """Undoes what an event that was interrupted has done."""
    for node in NODES:
        control.ask(settings, "signal", name=node, how="thaw", parts=["patroni", "etcd"])
    for name in (*NODES, "haproxy", *SERVERS):
        commands.start_missing(settings, name)


def _do_nothing(_scene: Scene) -> None:
    time.sleep(5)


def _switchover(scene: Scene) -> None:
    commands.hand_over(scene.settings, None)
    scene.await_leader()
    scene.back_at = time.monotonic()


def _kill_leader(scene: Scene) -> None:
    _kill(scene, "patroni")


def _kill_leader_and_etcd(scene: Scene) -> None:
    # The worst case: the next leader of etcd gives the lease its whole time again.
    etcd.move_leadership(scene.settings, (scene.leader,))
    _kill(scene, "patroni", "etcd")


def _kill(scene: Scene, *parts: str) -> None:
    scene.begun = time.monotonic()
    scene.signal("kill", scene.leader, *parts)
    scene.await_leader()
    time.sleep(AFTERWARDS_S)
    scene.start(scene.leader)


def _freeze_leader(scene: Scene) -> None:
    # A frozen leader of etcd 3.4 that goes on may revoke leases that others have renewed since (etcd #15247).
    # Then the old leader takes the key back.
    etcd.move_leadership(scene.settings, tuple(scene.standbys))
    scene.begun = time.monotonic()
    scene.signal("freeze", scene.leader, "patroni")
    scene.await_leader()
    time.sleep(AFTERWARDS_S)
    scene.thaw(scene.leader)


def _kill_standbys(count: int, seconds: float) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        for node in scene.standbys[:count]:
            scene.signal("kill", node, "patroni")
        time.sleep(seconds)
        scene.start(*scene.standbys[:count])

    return act


def _freeze_standby(scene: Scene) -> None:
    node = scene.standbys[0]
    scene.signal("freeze", node, "patroni")
    time.sleep(15)
    scene.thaw(node)


def _lose_etcd(scene: Scene) -> None:
    for node in scene.standbys:
        scene.signal("kill", node, "etcd")
    time.sleep(30)
    scene.start(*scene.standbys)


def _kill_server(scene: Scene) -> None:
    scene.signal("kill", SERVERS[0])
    time.sleep(AFTERWARDS_S)
    scene.start(SERVERS[0])


def _restart_servers(scene: Scene) -> None:
    for name in SERVERS:
        commands.restart_server(scene.settings, name)


def _restart_all(scene: Scene) -> None:
    bring_up.restart(scene.settings)


def _lag(scene: Scene) -> None:
    commands.stop_replay(scene.settings, scene.standbys[0], resume=False)
    time.sleep(10)
    scene.back_at = time.monotonic()
    commands.stop_replay(scene.settings, scene.standbys[0], resume=True)


@dataclass(frozen=True)
class Event:
    """An event of the test."""

    name: str
    about: str
    act: Callable[[Scene], None]
    # There is a new leader once the old one's lease is over, and so many seconds.
    leader_dies: bool = False
    election_s: float = 0.0
    # Clients with keys must not notice.
    is_planned: bool = False


EVENTS = {
    event.name: event
    for event in (
        Event("nothing", "5 s in which nothing happens", _do_nothing, is_planned=True),
        Event("switchover", "leadership is handed over by patronictl", _switchover, is_planned=True),
        Event("leader-killed", "kill -9 of the leader's Patroni and PostgreSQL", _kill_leader, True),
        Event("leader-and-etcd-killed", "the same with its etcd, which led etcd", _kill_leader_and_etcd, True, 3.0),
        Event("leader-frozen", "SIGSTOP of Patroni and PostgreSQL, until 3 s after the new leader", _freeze_leader, True),
        Event("standby-killed", "kill -9 of a standby for 8 s", _kill_standbys(1, 8)),
        Event("standby-frozen", "SIGSTOP of a standby for 15 s", _freeze_standby),
        Event("standbys-killed", "kill -9 of both standbys for 16 s", _kill_standbys(2, 16)),
        Event("etcd-lost", "kill -9 of two of the three etcd for 30 s", _lose_etcd),
        Event("server-killed", "kill -9 of a server for 3 s", _kill_server),
        Event("servers-restarted", "each server is drained and started again", _restart_servers, is_planned=True),
        Event("all-restarted", "PostgreSQL is restarted everywhere, replicas first", _restart_all),
        Event("replica-lags", "a replica replays nothing for 10 s", _lag),
    )
}
SHORT = ("switchover", "leader-killed", "server-killed")
PLANNED = ("switchover", "servers-restarted")

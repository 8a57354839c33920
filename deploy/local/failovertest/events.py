"""The events of the test."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from localcluster import bring_up, commands, control, web
from localcluster.settings import NODES, SERVERS, Settings

from . import etcd
from .measure import LeaderChange
from .watch import Watch

# How long killed parts stay down after a failover, so that its effects are seen.
AFTERWARDS_S = 3.0


@dataclass
class Scene:
    """A running event."""

    settings: Settings
    watch: Watch
    leader: str
    begun: float
    # When the killed or frozen part was started again.
    back_at: float | None = None
    change: LeaderChange | None = None

    @property
    def standbys(self) -> list[str]:
        """The nodes that were replicas when the event began."""
        return [node for node in NODES if node != self.leader]

    def signal(self, how: str, name: str, *parts: str) -> None:
        """Kills, freezes or thaws parts of a node, or a server."""
        control.ask(self.settings, "signal", name=name, how=how, parts=list(parts))

    def start(self, *names: str) -> None:
        """Starts killed nodes or servers."""
        self.back_at = time.monotonic()
        for name in names:
            commands.start_missing(self.settings, name)

    def thaw(self, node: str) -> None:
        """Lets a frozen node continue."""
        self.back_at = time.monotonic()
        self.signal("thaw", node, "patroni")

    def await_leader(self) -> None:
        """Waits until another node accepts writes."""
        within_s = 2 * self.settings.ttl_s + 30
        remedy = "see `cluster logs patroni-n1` and those of the other nodes"
        self.change = web.wait_for(
            "new leader", lambda: self.watch.new_leader(self.leader, self.begun), within_s, remedy
        )


def heal(settings: Settings) -> None:
    """Repairs the cluster after an interrupted event."""
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
    # The worst case: etcd's next leader renews the lease for its full time.
    etcd.move_leadership(scene.settings, (scene.leader,))
    _kill(scene, "patroni", "etcd")


def _kill(scene: Scene, *parts: str) -> None:
    scene.begun = time.monotonic()
    scene.signal("kill", scene.leader, *parts)
    scene.await_leader()
    time.sleep(AFTERWARDS_S)
    scene.start(scene.leader)


def _freeze_leader(scene: Scene) -> None:
    # A thawed leader of etcd 3.4 may revoke leases that others have renewed meanwhile (etcd #15247). The old leader
    # would then take the key back.
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
    # The leader is replaced after its lease, plus `election_s` for an election of etcd.
    leader_dies: bool = False
    election_s: float = 0.0
    # Mutations with keys must not notice the event.
    is_planned: bool = False


EVENTS = {
    event.name: event
    for event in (
        Event("nothing", "nothing happens for 5 s", _do_nothing, is_planned=True),
        Event("switchover", "patronictl hands leadership over", _switchover, is_planned=True),
        Event("leader-killed", "kill -9 of the leader's Patroni and PostgreSQL", _kill_leader, True),
        Event("leader-and-etcd-killed", "the same, with etcd's leader on the same node", _kill_leader_and_etcd, True, 3.0),
        Event("leader-frozen", "SIGSTOP of Patroni and PostgreSQL, until 3 s after the new leader", _freeze_leader, True),
        Event("standby-killed", "kill -9 of a standby for 8 s", _kill_standbys(1, 8)),
        Event("standby-frozen", "SIGSTOP of a standby for 15 s", _freeze_standby),
        Event("standbys-killed", "kill -9 of both standbys for 16 s", _kill_standbys(2, 16)),
        Event("etcd-lost", "kill -9 of two of the three etcd for 30 s", _lose_etcd),
        Event("server-killed", "kill -9 of a server for 3 s", _kill_server),
        Event("servers-restarted", "each server is drained and restarted", _restart_servers, is_planned=True),
        Event("all-restarted", "PostgreSQL is restarted on all nodes, replicas first", _restart_all),
        Event("replica-lags", "a replica stops replaying for 10 s", _lag),
    )
}
SHORT = ("switchover", "leader-killed", "server-killed")
PLANNED = ("switchover", "servers-restarted")

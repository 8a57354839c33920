"""A run: one load and one probe, under which the events follow one another."""

import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcluster import psql
from localcluster.problem import Problem
from localcluster.settings import Settings

from . import events, load, measure
from .events import EVENTS, Event, Scene
from .judge import EventReport, Targets
from .measure import FEED, MUTATIONS, READS
from .probe import Probe
from .report import RunReport
from .watch import Watch, wait_whole

# A member whom the load does not use.
PROBE_LOGIN = "load45"
LISTENERS = 2
# Errors of a load to which nothing happens: a movie that was ordered already, a publication that was just deleted.
ORDINARY = ("CONFLICT", "NOT_FOUND")
# Before the first event, and after each one.
QUIET_S = 2.0


@dataclass(frozen=True)
class Options:
    """What to run."""

    names: tuple[str, ...]
    rate: float = 10.0
    load_rate: float = 10.0
    password: str = "kinoteka-demo"
    # Planned work alone: no mutation without a key, and no error for anybody.
    is_planned: bool = False
    slack_s: float = 0.0


@dataclass
class Played:
    """An event that is over."""

    event: Event
    scene: Scene
    begin: float
    end: float
    whole_at: float


@dataclass
class Run:
    """What is there while it runs."""

    settings: Settings
    options: Options
    folder: Path
    watch: Watch = field(init=False)
    played: list[Played] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Watch(self.settings)

    def play(self, probe: Probe, loading: load.Load) -> None:
        """Does the events, each on a whole cluster."""
        for name in self.options.names:
            wait_whole(self.settings)
            leader = web_leader(self.watch)
            event, begin = EVENTS[name], time.monotonic()
            print(f"{time.strftime('%H:%M:%S')} {name}: {event.about}; {leader} leads", flush=True)
            scene = Scene(self.settings, self.watch, leader, begin)
            event.act(scene)
            wait_whole(self.settings)
            whole_at = time.monotonic()
            time.sleep(QUIET_S)
            loading.check_alive()
            if probe.failure:
                raise Problem(f"the probe has failed: {probe.failure!r}")
            self.played.append(Played(event, scene, begin, time.monotonic(), whole_at))

    def report(self, probe: Probe, loaded: dict[str, Any], checked: dict[str, Any], found: Counter[int]) -> RunReport:
        """Judges what was seen."""
        targets = Targets(self.settings.ttl_s, self.options.slack_s)
        reports = []
        for played in self.played:
            report = self._report_event(played, probe, found)
            is_planned = played.event.is_planned or self.options.is_planned
            report.missed = targets.missed(report, played.event.leader_dies, is_planned, played.event.election_s)
            reports.append(report)
        missed = [f"seeder check: {kind}: {count}" for kind, count in checked["faults"]["counts"].items() if count]
        missed += [f"seeder check has not judged {what}" for what, is_so in checked["checked"].items() if not is_so]
        if probe.feed.expired:
            missed.append(f"{probe.feed.expired} cursors of listeners expired: history was lost")
        losses = measure.find_losses(probe.shots, found, probe.feed.hearings, LISTENERS, 0, float("inf"))
        missed += [f"{len(n)} {name.replace('_', ' ')} in all" for name, n in vars(losses).items() if n]
        failed = {code: count for code, count in loaded["total"]["errors"].items() if code not in ORDINARY}
        if self.options.is_planned and failed:
            missed.append(f"actions of the load failed: {failed}")
        return RunReport(reports, loaded, checked, missed)

    def _report_event(self, played: Played, probe: Probe, found: Counter[int]) -> EventReport:
        begin, end, scene = played.begin, played.end, played.scene
        kinds = {
            kind: measure.report_kind((shot for shot in probe.shots if shot.kind == kind), begin, end)
            for kind in probe.kinds
        }
        kinds[FEED] = measure.report_feed(probe.feed.hearings, LISTENERS, begin, end)
        report = EventReport(
            played.event.name,
            end - begin,
            kinds,
            measure.find_losses(probe.shots, found, probe.feed.hearings, LISTENERS, begin, end),
            measure.longest_without_leader(self.watch.commits, begin, end),
            rejoin_s=played.whole_at - scene.back_at if scene.back_at is not None else None,
        )
        if scene.turn:
            commits = [turn.at for turn in self.watch.commits if turn.leads and turn.at >= scene.turn.at]
            at = min(commits, default=end)
            heard = [hearing.at - at for hearing in probe.feed.hearings if hearing.at >= at]
            report.new_leader_s, report.commits_s = scene.turn.at - scene.begun, at - scene.begun
            report.recovery_s = {
                "mutations": measure.first_success(probe.shots, MUTATIONS, at),
                FEED: min(heard, default=None),
            }
        return report


def web_leader(watch: Watch) -> str:
    """The node that takes writes, once the watch has seen it."""
    deadline = time.monotonic() + 10
    while not (leader := watch.leader()):
        if time.monotonic() > deadline:
            raise Problem("no node takes writes, or several do", "`cluster status`")
        time.sleep(0.1)
    return leader


def run(settings: Settings, options: Options) -> RunReport:
    """Runs everything. Leaves the cluster whole, also after a failure."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    wait_whole(settings)
    folder = load.make_folder(settings)
    front = (settings.front, settings.ports["http"])
    kinds = (*READS, "keyed") if options.is_planned else (*READS, *MUTATIONS)
    probe = Probe(front, options.rate, kinds, LISTENERS)
    loading = load.Load(settings, folder, f"http://{front[0]}:{front[1]}/graphql", options.load_rate, LISTENERS)
    current = Run(settings, options, folder)
    try:
        probe.start(PROBE_LOGIN, options.password)
        time.sleep(QUIET_S)
        loading.check_alive()
        current.play(probe, loading)
        print(f"{time.strftime('%H:%M:%S')} the load ends and reads back what it has made", flush=True)
        probe.stop()
        loaded = loading.stop()
    except BaseException:
        events.heal(settings)
        raise
    finally:
        probe.stop()
        loading.kill()
        current.watch.stop()
    return current.report(probe, loaded, loading.check(), find_comments(settings, probe))


def find_comments(settings: Settings, probe: Probe) -> Counter[int]:
    """How often each comment of the probe is in the database."""
    mark = f"probe {probe.run} "
    rows = psql.run(settings, "dba", f"SELECT comment FROM comments WHERE comment LIKE '{mark}%'")
    return Counter(int(row.removeprefix(mark)) for row in rows.splitlines())

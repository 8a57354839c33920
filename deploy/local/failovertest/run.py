"""A run: the events, one after another, under one load and one probe."""

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
from .watch import Watch, wait_complete

# A demo account that the load does not use.
PROBE_LOGIN = "load45"
LISTENERS = 2
# Errors of a load without failures: a movie was already ordered, a publication was just deleted.
ORDINARY = ("CONFLICT", "NOT_FOUND")
# The pause before the first event and after each one.
QUIET_S = 2.0


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    names: tuple[str, ...]
    rate: float = 10.0
    load_rate: float = 10.0
    password: str = "kinoteka-demo"
    # Only planned work: no mutations without a key, and no errors at all.
    is_planned: bool = False
    slack_s: float = 0.0


@dataclass
class FinishedEvent:
    """A finished event."""

    event: Event
    scene: Scene
    begin: float
    end: float
    complete_at: float


@dataclass
class Run:
    """The state of a run."""

    settings: Settings
    options: Options
    folder: Path
    watch: Watch = field(init=False)
    finished: list[FinishedEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Watch(self.settings)

    def play(self, probe: Probe, loading: load.Load) -> None:
        """Runs the events, each on a complete cluster."""
        for name in self.options.names:
            wait_complete(self.settings)
            leader = current_leader(self.watch)
            event, begin = EVENTS[name], time.monotonic()
            print(f"{time.strftime('%H:%M:%S')} {name}: {event.about}; {leader} leads", flush=True)
            scene = Scene(self.settings, self.watch, leader, begin)
            event.act(scene)
            wait_complete(self.settings)
            complete_at = time.monotonic()
            time.sleep(QUIET_S)
            loading.check_alive()
            if probe.failure:
                raise Problem(f"the probe failed: {probe.failure!r}")
            self.finished.append(FinishedEvent(event, scene, begin, time.monotonic(), complete_at))

    def report(self, probe: Probe, loaded: dict[str, Any], checked: dict[str, Any], found: Counter[int]) -> RunReport:
        """Compares the results with the targets."""
        targets = Targets(self.settings.ttl_s, self.options.slack_s)
        reports = []
        for finished in self.finished:
            report = self._report_event(finished, probe, found)
            is_planned = finished.event.is_planned or self.options.is_planned
            report.missed = targets.missed(report, finished.event.leader_dies, is_planned, finished.event.election_s)
            reports.append(report)
        missed = [f"seeder check: {kind}: {count}" for kind, count in checked["faults"]["counts"].items() if count]
        missed += [f"seeder check did not check {what}" for what, is_so in checked["checked"].items() if not is_so]
        if probe.feed.expired:
            missed.append(f"{probe.feed.expired} cursors of listeners expired: history was lost")
        losses = measure.find_losses(probe.requests, found, probe.feed.deliveries, LISTENERS, 0, float("inf"))
        missed += [f"{len(n)} {name.replace('_', ' ')} in total" for name, n in vars(losses).items() if n]
        failed = {code: count for code, count in loaded["total"]["errors"].items() if code not in ORDINARY}
        if self.options.is_planned and failed:
            missed.append(f"actions of the load failed: {failed}")
        return RunReport(reports, loaded, checked, missed)

    def _report_event(self, finished: FinishedEvent, probe: Probe, found: Counter[int]) -> EventReport:
        begin, end, scene = finished.begin, finished.end, finished.scene
        kinds = {
            kind: measure.report_kind((request for request in probe.requests if request.kind == kind), begin, end)
            for kind in probe.kinds
        }
        kinds[FEED] = measure.report_feed(probe.feed.deliveries, LISTENERS, begin, end)
        report = EventReport(
            finished.event.name,
            end - begin,
            kinds,
            measure.find_losses(probe.requests, found, probe.feed.deliveries, LISTENERS, begin, end),
            measure.longest_without_leader(self.watch.commits, begin, end),
            rejoin_s=finished.complete_at - scene.back_at if scene.back_at is not None else None,
        )
        if scene.change:
            commits = [change.at for change in self.watch.commits if change.leads and change.at >= scene.change.at]
            at = min(commits, default=end)
            heard = [delivery.at - at for delivery in probe.feed.deliveries if delivery.at >= at]
            report.new_leader_s, report.commits_s = scene.change.at - scene.begun, at - scene.begun
            report.recovery_s = {
                "mutations": measure.first_success(probe.requests, MUTATIONS, at),
                FEED: min(heard, default=None),
            }
        return report


def current_leader(watch: Watch) -> str:
    """The node that accepts writes, once the watch has seen it."""
    deadline = time.monotonic() + 10
    while not (leader := watch.leader()):
        if time.monotonic() > deadline:
            raise Problem("no node accepts writes, or several do", "see `cluster status`")
        time.sleep(0.1)
    return leader


def run(settings: Settings, options: Options) -> RunReport:
    """Runs everything. Leaves the cluster complete, also after a failure."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    wait_complete(settings)
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
        print(f"{time.strftime('%H:%M:%S')} the load ends and reads its changes back", flush=True)
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
    """Counts each comment of the probe in the database."""
    mark = f"probe {probe.run} "
    rows = psql.run(settings, "dba", f"SELECT comment FROM comments WHERE comment LIKE '{mark}%'")
    return Counter(int(row.removeprefix(mark)) for row in rows.splitlines())

"""The targets, and which of them an event missed."""

from dataclasses import dataclass, field

from .measure import FEED, MUTATIONS, READS, KindReport, Losses

# --request-timeout-ms of the servers, plus time for the network.
REQUEST_MAX_S = 10.0 + 1.0
READ_MAX_S = 2.0
# In addition to Patroni's ttl.
FAILOVER_MAX_S = 2.0
RECOVERY_MAX_S = 1.0
# In addition to the time without a leader.
PLANNED_MAX_S = 1.0


@dataclass
class EventReport:
    """An event as seen by clients."""

    name: str
    seconds: float
    kinds: dict[str, KindReport]
    losses: Losses
    # The longest time without a leader whose commits a replica confirms.
    leaderless_s: float
    # From the event to the new leader; from the event to the first replica that confirms its commits; from there to the
    # first success by kind; and from the return of the killed part to the complete cluster.
    new_leader_s: float | None = None
    commits_s: float | None = None
    recovery_s: dict[str, float | None] = field(default_factory=dict)
    rejoin_s: float | None = None
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Targets:
    """The targets for an event."""

    ttl_s: int
    # Added to time limits, for busy machines.
    slack_s: float = 0.0

    def missed(
        self, report: EventReport, leader_dies: bool, is_planned: bool, election_s: float = 0.0
    ) -> list[str]:
        """The missed targets, one sentence each. `election_s`, the time of etcd's election, is added to Patroni's ttl."""
        missed = [f"{len(numbers)} {name.replace('_', ' ')}" for name, numbers in vars(report.losses).items() if numbers]
        missed += self._of_answers(report)
        if leader_dies:
            missed += self._of_failover(report, election_s)
        if is_planned:
            missed += self._of_planned_work(report)
        if leader_dies or report.new_leader_s is not None:
            missed += [
                f"{kind}: first success {_seconds(took)} after the new leader could commit"
                for kind, took in report.recovery_s.items()
                if took is None or took > RECOVERY_MAX_S + self.slack_s
            ]
        return missed

    def _of_answers(self, report: EventReport) -> list[str]:
        missed = []
        for kind, of in report.kinds.items():
            if kind in READS and of.errors:
                missed.append(f"{kind}: {sum(of.errors.values())} failed")
            elif of.errors.get("INTERNAL"):
                missed.append(f"{kind}: {of.errors['INTERNAL']} INTERNAL")
            limit = READ_MAX_S if kind in READS else REQUEST_MAX_S
            if of.longest_s > limit + self.slack_s:
                missed.append(f"{kind}: a request took {_seconds(of.longest_s)}")
        return missed

    def _of_failover(self, report: EventReport, election_s: float) -> list[str]:
        limit = self.ttl_s + election_s + FAILOVER_MAX_S + self.slack_s
        kinds = {kind: of for kind, of in report.kinds.items() if kind in (*MUTATIONS, FEED)}
        return [f"{kind}: outage of {_seconds(of.outage_s)}" for kind, of in kinds.items() if of.outage_s > limit]

    def _of_planned_work(self, report: EventReport) -> list[str]:
        missed = []
        limit = report.leaderless_s + PLANNED_MAX_S + self.slack_s
        if (keyed := report.kinds.get("keyed")) is not None:
            if keyed.errors:
                missed.append(f"keyed: {sum(keyed.errors.values())} failed")
            if keyed.longest_s > limit:
                missed.append(
                    f"keyed: a request took {_seconds(keyed.longest_s)}, but only {_seconds(report.leaderless_s)} were without a leader"
                )
        return missed


def _seconds(time: float | None) -> str:
    return "never" if time is None else f"{time:.1f} s"

"""The result: a table in Markdown for people, JSON for programs."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .judge import EventReport
from .measure import FEED, MUTATIONS, READS

TITLES = {
    "anonymous": "anonymous reads",
    "signed-in": "signed-in reads",
    "keyed": "mutations with a key",
    "unkeyed": "mutations without",
    FEED: "feed",
}
KINDS = (*READS, *MUTATIONS, FEED)
# Of `seeder check`; --json has more.
FAULTS_SHOWN = 20


@dataclass
class RunReport:
    """The result of a run."""

    events: list[EventReport]
    # The reports of `seeder load` and `seeder check`.
    load: dict[str, Any]
    checked: dict[str, Any]
    # Missed targets of the run as a whole.
    missed: list[str] = field(default_factory=list)

    def is_good(self) -> bool:
        """Whether all targets were met."""
        return not self.missed and not any(event.missed for event in self.events)

    def to_json(self) -> str:
        """All numbers, as JSON."""
        return json.dumps(dataclasses.asdict(self) | {"good": self.is_good()}, indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """The table and the missed targets."""
        lines = [table(self.events), "", self._checker(), self._load()]
        lines += [f"fault: {fault['text']}, lines {fault['lines']}" for fault in self.checked["faults"]["first"][:FAULTS_SHOWN]]
        lines += [f"missed: {event.name}: {what}" for event in self.events for what in event.missed]
        lines += [f"missed: {what}" for what in self.missed]
        return "\n".join([*lines, "all targets met" if self.is_good() else "TARGETS MISSED"])

    def _checker(self) -> str:
        counts, faults = self.checked["counts"], self.checked["faults"]
        return (
            f"seeder check: {counts['calls']} calls, {counts['events']} events, {counts['things']} things, "
            f"{counts['reads']} values read by sessions; {faults['total']} faults"
        )

    def _load(self) -> str:
        total, again = self.load["total"], self.load["sentAgain"]
        codes = ", ".join(f"{code} {count}" for code, count in again["codes"].items())
        outages = ", ".join(f"{kind} {of['longest']:.1f} s" for kind, of in self.load["outages"]["byKind"].items())
        return (
            f"seeder load: {total['done']} actions, {again['count']} requests sent again{f' ({codes})' if codes else ''}; "
            f"longest outages that it saw: {outages or 'none'}"
        )


def table(events: Iterable[EventReport]) -> str:
    """A row for each event. The number for a kind is the longest time without a success, in seconds."""
    events = list(events)
    kinds = [kind for kind in KINDS if any(kind in event.kinds for event in events)]
    head = ["event", *(TITLES[kind] for kind in kinds), "errors", "longest request"]
    head += ["lost / twice", "new leader, its first replica after", "first mutation, event after that", "rejoined in"]
    rows = [head, ["---"] * len(head), *(_row(event, kinds) for event in events)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(event: EventReport, kinds: list[str]) -> list[str]:
    cells = [f"{event.kinds[kind].outage_s:.1f}" if kind in event.kinds else "" for kind in kinds]
    longest_s, kind = max((event.kinds[kind].longest_s, kind) for kind in kinds if kind in event.kinds)
    losses = event.losses
    back = [event.recovery_s.get(kind) for kind in ("mutations", FEED)]
    return [
        event.name,
        *cells,
        errors(event) or "none",
        f"{longest_s:.1f} ({TITLES[kind]})",
        f"{len(losses.lost) + len(losses.unheard)} / {len(losses.twice) + len(losses.heard_twice)}",
        f"{_number(event.new_leader_s)}, {_number(event.commits_s)}" if event.new_leader_s is not None else "-",
        ", ".join(_number(one) for one in back) if event.new_leader_s is not None else "-",
        _number(event.rejoin_s),
    ]


def errors(event: EventReport) -> str:
    """Errors by kind and code."""
    codes: dict[str, Counter[str]] = {kind: Counter(of.errors) for kind, of in event.kinds.items() if of.errors}
    return "; ".join(
        f"{TITLES[kind]}: {', '.join(f'{count} {code}' for code, count in of.most_common())}"
        for kind, of in codes.items()
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"

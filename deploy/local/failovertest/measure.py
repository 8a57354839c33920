"""The arithmetic: what requests and events add up to. Times are seconds of one clock that does not jump."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

READS = ("anonymous", "signed-in")
MUTATIONS = ("keyed", "unkeyed")
FEED = "feed"
# After these a change may have been made. A code in parentheses is that of `extensions.outcome`.
UNKNOWN = ("INTERNAL", "no answer", "connection", "HTTP", "not JSON")


@dataclass(frozen=True)
class Shot:
    """A request. It was due at a moment of the schedule; its time counts from there, whenever it was sent."""

    kind: str
    number: int
    due: float
    end: float
    # What went wrong; empty after a success.
    code: str = ""

    @property
    def took(self) -> float:
        """How long the client waited."""
        return self.end - self.due


@dataclass(frozen=True)
class Hearing:
    """A listener got the event of a comment of the probe."""

    listener: int
    number: int
    at: float


@dataclass(frozen=True)
class Turn:
    """From this moment on a node takes writes, or does so no more."""

    at: float
    node: str
    leads: bool


@dataclass
class KindReport:
    """What became of the requests of one kind."""

    sent: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    # The longest time in which none succeeded.
    outage_s: float = 0.0
    longest_s: float = 0.0


@dataclass
class Losses:
    """What the probe knows of its own comments."""

    # Acknowledged, and not there.
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    # The answer said that nothing was done, and it is there.
    refused_present: list[int] = field(default_factory=list)
    # There, and a listener has not heard of it, or more than once.
    unheard: list[int] = field(default_factory=list)
    heard_twice: list[int] = field(default_factory=list)

    def total(self) -> int:
        """How many faults these are."""
        return sum(len(numbers) for numbers in vars(self).values())


def longest_gap(moments: Iterable[float], begin: float, end: float) -> float:
    """The longest time without any of these moments, from begin to end."""
    inside = sorted(moment for moment in moments if begin <= moment <= end)
    return max(later - earlier for earlier, later in zip([begin, *inside], [*inside, end], strict=True))


def report_kind(shots: Iterable[Shot], begin: float, end: float) -> KindReport:
    """What became of requests that were due in a window, or ended in it."""
    shots = list(shots)
    due = [shot for shot in shots if begin <= shot.due < end]
    return KindReport(
        sent=len(due),
        errors=dict(Counter(shot.code for shot in due if shot.code)),
        outage_s=longest_gap((shot.end for shot in shots if not shot.code), begin, end),
        longest_s=max((shot.took for shot in due), default=0.0),
    )


def report_feed(hearings: Iterable[Hearing], listeners: int, begin: float, end: float) -> KindReport:
    """The same of events. The listener that had to wait longest counts."""
    of = [[hearing.at for hearing in hearings if hearing.listener == one] for one in range(listeners)]
    return KindReport(
        sent=sum(begin <= at <= end for moments in of for at in moments),
        outage_s=max(longest_gap(moments, begin, end) for moments in of),
    )


def is_unknown(code: str) -> bool:
    """Whether a change may have been made that failed so."""
    return code.endswith("(UNKNOWN)") or code.startswith(UNKNOWN)


def find_losses(
    shots: Iterable[Shot], found: Counter[int], hearings: Iterable[Hearing], listeners: int, begin: float, end: float
) -> Losses:
    """Compares what mutations of a window were told with what is in the database and what listeners heard."""
    losses = Losses()
    heard = Counter((hearing.listener, hearing.number) for hearing in hearings)
    for shot in shots:
        if shot.kind not in MUTATIONS or not begin <= shot.due < end:
            continue
        there = found[shot.number]
        times = [heard[(one, shot.number)] for one in range(listeners)]
        for numbers, is_so in [
            (losses.lost, not shot.code and not there),
            (losses.twice, there > 1),
            (losses.refused_present, shot.code and not is_unknown(shot.code) and there),
            (losses.unheard, there and 0 in times),
            (losses.heard_twice, max(times, default=0) > 1),
        ]:
            if is_so:
                numbers.append(shot.number)
    return losses


def first_success(shots: Iterable[Shot], kinds: tuple[str, ...], after: float) -> float | None:
    """How long after a moment a request first succeeded."""
    ends = [shot.end for shot in shots if shot.kind in kinds and not shot.code and shot.end >= after]
    return min(ends) - after if ends else None


def longest_without_leader(turns: Iterable[Turn], begin: float, end: float) -> float:
    """The longest time in which no node took writes."""
    longest, since, leading = 0.0, begin, set[str]()
    for turn in [*sorted(turns, key=lambda turn: turn.at), Turn(end, "the end", True)]:
        if turn.leads:
            if not leading:
                longest = max(longest, min(turn.at, end) - max(since, begin))
            leading.add(turn.node)
        elif turn.node in leading:
            leading.remove(turn.node)
            since = turn.at
    return longest

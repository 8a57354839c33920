"""The arithmetic on requests and events. Times are seconds of one monotonic clock."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

READS = ("anonymous", "signed-in")
MUTATIONS = ("keyed", "unkeyed")
FEED = "feed"
# After these errors, the change may have happened. A code in parentheses is `extensions.outcome`.
UNKNOWN = ("INTERNAL", "no answer", "connection", "HTTP", "not JSON")


@dataclass(frozen=True)
class ProbeRequest:
    """A request of the probe. Its time counts from the moment at which it was due, whenever it was sent."""

    kind: str
    number: int
    due: float
    end: float
    # The error; empty after a success.
    code: str = ""

    @property
    def took(self) -> float:
        """How long the client waited."""
        return self.end - self.due


@dataclass(frozen=True)
class Delivery:
    """The delivery of a probe's comment to a listener."""

    listener: int
    number: int
    at: float


@dataclass(frozen=True)
class LeaderChange:
    """The moment at which a node starts or stops accepting writes."""

    at: float
    node: str
    leads: bool


@dataclass
class KindReport:
    """The results of the requests of one kind."""

    sent: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    # The longest time without a success.
    outage_s: float = 0.0
    longest_s: float = 0.0


@dataclass
class Losses:
    """The faults that the probe found in its own comments."""

    # Acknowledged, but not in the database.
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    # In the database, although the response said that nothing was done.
    refused_present: list[int] = field(default_factory=list)
    # In the database, but a listener did not receive it, or received it more than once.
    unheard: list[int] = field(default_factory=list)
    heard_twice: list[int] = field(default_factory=list)

    def total(self) -> int:
        """The number of faults."""
        return sum(len(numbers) for numbers in vars(self).values())


def longest_gap(moments: Iterable[float], begin: float, end: float) -> float:
    """The longest time between two of these moments, from begin to end."""
    inside = sorted(moment for moment in moments if begin <= moment <= end)
    return max(later - earlier for earlier, later in zip([begin, *inside], [*inside, end], strict=True))


def report_kind(requests: Iterable[ProbeRequest], begin: float, end: float) -> KindReport:
    """The results of requests that were due in a window, or ended in it."""
    requests = list(requests)
    due = [request for request in requests if begin <= request.due < end]
    return KindReport(
        sent=len(due),
        errors=dict(Counter(request.code for request in due if request.code)),
        outage_s=longest_gap((request.end for request in requests if not request.code), begin, end),
        longest_s=max((request.took for request in due), default=0.0),
    )


def report_feed(deliveries: Iterable[Delivery], listeners: int, begin: float, end: float) -> KindReport:
    """The same for events. The listener that waited longest counts."""
    of = [[delivery.at for delivery in deliveries if delivery.listener == one] for one in range(listeners)]
    return KindReport(
        sent=sum(begin <= at <= end for moments in of for at in moments),
        outage_s=max(longest_gap(moments, begin, end) for moments in of),
    )


def is_unknown(code: str) -> bool:
    """Whether a change may have happened in spite of this error."""
    return code.endswith("(UNKNOWN)") or code.startswith(UNKNOWN)


def find_losses(
    requests: Iterable[ProbeRequest],
    found: Counter[int],
    deliveries: Iterable[Delivery],
    listeners: int,
    begin: float,
    end: float,
) -> Losses:
    """Compares the responses to mutations of a window with the database and with the listeners' events."""
    losses = Losses()
    heard = Counter((delivery.listener, delivery.number) for delivery in deliveries)
    for request in requests:
        if request.kind not in MUTATIONS or not begin <= request.due < end:
            continue
        there = found[request.number]
        times = [heard[(one, request.number)] for one in range(listeners)]
        for numbers, is_so in [
            (losses.lost, not request.code and not there),
            (losses.twice, there > 1),
            (losses.refused_present, request.code and not is_unknown(request.code) and there),
            (losses.unheard, there and 0 in times),
            (losses.heard_twice, max(times, default=0) > 1),
        ]:
            if is_so:
                numbers.append(request.number)
    return losses


def first_success(requests: Iterable[ProbeRequest], kinds: tuple[str, ...], after: float) -> float | None:
    """The time from a moment to the first success after it."""
    ends = [request.end for request in requests if request.kind in kinds and not request.code and request.end >= after]
    return min(ends) - after if ends else None


def longest_without_leader(changes: Iterable[LeaderChange], begin: float, end: float) -> float:
    """The longest time in which no node accepted writes."""
    longest, since, leading = 0.0, begin, set[str]()
    for change in [*sorted(changes, key=lambda change: change.at), LeaderChange(end, "the end", True)]:
        if change.leads:
            if not leading:
                longest = max(longest, min(change.at, end) - max(since, begin))
            leading.add(change.node)
        elif change.node in leading:
            leading.remove(change.node)
            since = change.at
    return longest

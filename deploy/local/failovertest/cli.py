"""The command line."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from localcluster import control, identity, install
from localcluster.problem import Problem
from localcluster.settings import DEFAULT_STATE, DEPLOY, NODES, load

from .events import EVENTS, PLANNED, SHORT
from .run import Options, run

SCRIPT = DEPLOY / "local" / "failover"
CLUSTER = DEPLOY / "local" / "cluster"

ABOUT = """\
Breaks the local cluster under load in every way that it must survive, and measures what clients see.

  failover                         all events, one after another; about six minutes
  failover --short                 a switchover, a killed leader, a killed server; less than three minutes
  failover --events leader-frozen  only these events, comma-separated
  failover --planned 10            ten switchovers and ten rolling restarts, which no client may notice

It uses the running cluster (`cluster up`). If none is running, it starts one and stops it at the end. `seeder load
--history` runs all the time. A probe also sends requests through the front at a steady rate, each once, without
retries: anonymous reads, signed-in reads, and mutations with and without an idempotency key. Two listeners follow the
feed. An event begins when the cluster is complete: a leader, two replicas that confirm commits, three etcd, both servers.

For each kind of request, the table shows the longest time without a success, in seconds. At 10 requests a second it is
0.1 to 0.2 when nothing happens. Times count from the moment at which a request was due. Further columns:

  - errors by code, and the longest request
  - comments lost or duplicated
  - seconds until another node accepted writes, and until a replica confirmed its commits
  - seconds from there to the first mutation and the first event
  - seconds from the return of the killed or frozen part to a complete cluster

Exit status: 0 if all targets are met, 1 if one is missed, 2 if the test could not run. The targets:

  - nothing is lost or duplicated, and `seeder check` finds no fault
  - no read fails or takes more than 2 s
  - mutations and feed recover within ttl + 2 s of a leader's death (ttl + 5 s if etcd's leader dies with it), and
    within 1 s of the moment at which the new leader can commit
  - in planned work, mutations with keys get no errors

docs/failover.md explains the numbers.

"""


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    about = ABOUT + "events:\n" + "\n".join(f"  {event.name:<23} {event.about}" for event in EVENTS.values())
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="failover", description=about, formatter_class=raw, allow_abbrev=False)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--short", action="store_true", help=f"only {', '.join(SHORT)}")
    which.add_argument("--events", type=_names, metavar="A,B", help="only these events, in this order")
    which.add_argument("--planned", type=_count, metavar="N", help="only N switchovers and N rolling restarts")
    parser.add_argument("--json", metavar="FILE", help="also write all numbers to this file")
    parser.add_argument("--rate", type=_rate, default=10.0, metavar="R", help="requests of each kind per second; default 10")
    parser.add_argument("--load-rate", type=_rate, default=10.0, metavar="R", help="actions of the load per second; default 10")
    parser.add_argument(
        "--slack", type=float, default=0.0, metavar="S", help="seconds to add to each time limit, for a busy machine"
    )
    parser.add_argument(
        "--state",
        metavar="DIR",
        default=os.environ.get("KINOTEKA_CLUSTER_STATE", str(DEFAULT_STATE)),
        help="the cluster's state folder; default target/cluster [env: KINOTEKA_CLUSTER_STATE]",
    )
    parser.add_argument("--json-descriptor", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--then-down", action="store_true", help=argparse.SUPPRESS)
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in EVENTS:
            raise argparse.ArgumentTypeError(f"unknown event {name!r}; --help lists the events")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("must be a number from 1 to 1000")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 1 <= rate <= 200:
        raise argparse.ArgumentTypeError("must be a number from 1 to 200")
    return rate


def main(arguments: list[str]) -> int:
    """Runs the test and returns its exit status."""
    given = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _main(given, arguments)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    return 2


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _main(given: argparse.Namespace, arguments: list[str]) -> int:
    state = Path(os.path.abspath(given.state))
    descriptor = given.json_descriptor
    if given.json and descriptor is None:
        # Opened with this user's rights, before the program becomes another user.
        descriptor = os.open(given.json, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.set_inheritable(descriptor, True)
    if not _is_up(state):
        subprocess.run([str(CLUSTER), "up", "--state", str(state), "--size", "demo"], check=False)
        if not _is_up(state):
            raise Problem("the cluster does not start", "`cluster up` prints the reason")
        given.then_down = True
    if user := identity.choose_user(None, state):
        again = [*arguments, "--state", str(state)]
        again += ["--then-down"] if given.then_down else []
        again += [f"--json-descriptor={descriptor}"] if descriptor is not None else []
        python = str(install.VENV / "bin" / "python3")
        identity.become(user, python, str(SCRIPT), again, [state, SCRIPT, install.VENV / "bin"])
    settings = load(state)
    try:
        report = run(settings, _options(given))
    finally:
        if given.then_down:
            subprocess.run([str(CLUSTER), "down", "--state", str(state)], check=False)
    print(report.to_text(), flush=True)
    if descriptor is not None:
        with open(descriptor, "w") as file:
            file.write(report.to_json() + "\n")
    return 0 if report.is_good() else 1


def _is_up(state: Path) -> bool:
    with contextlib.suppress(Problem):
        control.ask(load(state), "list")
        return True
    return False


def _options(given: argparse.Namespace) -> Options:
    names = given.events or (SHORT if given.short else tuple(EVENTS))
    if given.planned:
        names = PLANNED * given.planned
    return Options(
        names, given.rate, given.load_rate, is_planned=given.planned is not None, slack_s=given.slack
    )

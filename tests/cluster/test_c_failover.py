"""The failover test: its arithmetic, its handling of malformed responses, and its short form."""

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

from .support import ROOT, ClusterCase, takes_long

sys.path.insert(0, str(ROOT / "deploy" / "local"))

from failovertest import measure, report, wire  # noqa: E402
from failovertest.events import EVENTS, SHORT  # noqa: E402
from failovertest.judge import EventReport, Targets  # noqa: E402
from failovertest.measure import Delivery, KindReport, Losses, ProbeRequest, LeaderChange  # noqa: E402
from failovertest.probe import Probe, read_answer  # noqa: E402
from failovertest.watch import read_node, wait_complete  # noqa: E402
from localcluster.problem import Problem  # noqa: E402
from localcluster.settings import Settings  # noqa: E402

PROGRAM = str(ROOT / "deploy" / "local" / "failover")
PAGE = (ROOT / "docs" / "failover.md").read_text()


class Arithmetic(unittest.TestCase):
    """Needs no cluster."""

    def test_an_outage_is_the_longest_time_without_a_success(self) -> None:
        self.assertEqual(measure.longest_gap([], 10, 14), 4)
        self.assertEqual(measure.longest_gap([9, 11, 11.5, 13, 20], 10, 14), 1.5)
        self.assertEqual(measure.longest_gap([10.5], 10, 14), 3.5)

    def test_requests_count_from_the_moment_they_were_due(self) -> None:
        requests = [
            ProbeRequest("keyed", 1, due=9.9, end=10.1),
            ProbeRequest("keyed", 2, due=10.5, end=10.7, code="UNAVAILABLE"),
            ProbeRequest("keyed", 3, due=11.0, end=13.0),
            ProbeRequest("keyed", 4, due=12.0, end=14.5),
        ]
        of = measure.report_kind(requests, 10, 14)
        self.assertEqual((of.sent, of.errors), (3, {"UNAVAILABLE": 1}))
        # A waiting request is not an error, and not a success before its end.
        self.assertAlmostEqual(of.outage_s, 2.9)
        self.assertAlmostEqual(of.longest_s, 2.5)

    def test_the_listener_that_waits_longest_counts(self) -> None:
        deliveries = [Delivery(0, 1, 11), Delivery(0, 2, 12), Delivery(0, 3, 13), Delivery(1, 1, 11), Delivery(1, 3, 13)]
        of = measure.report_feed(deliveries, 2, 10, 14)
        self.assertEqual((of.sent, of.outage_s), (5, 2))
        self.assertEqual(measure.report_feed([], 2, 10, 14).outage_s, 4)

    def test_lost_and_duplicated_comments_are_found(self) -> None:
        codes = {1: "", 2: "", 3: "UNAVAILABLE (NOTHING)", 4: "UNAVAILABLE (UNKNOWN)", 5: "", 6: "connection closed"}
        requests = [ProbeRequest("unkeyed", number, number, number, code) for number, code in codes.items()]
        found = Counter({2: 2, 3: 1, 4: 1, 5: 1})
        heard = [Delivery(0, 2, 1), Delivery(0, 3, 1), Delivery(0, 4, 1), Delivery(0, 4, 1)]
        losses = measure.find_losses(requests, found, heard, 1, 0, 99)
        self.assertEqual(
            losses, Losses(lost=[1], twice=[2], refused_present=[3], unheard=[5], heard_twice=[4])
        )
        self.assertEqual(losses.total(), 5)
        # Reads and requests that were due at another time do not count.
        self.assertEqual(measure.find_losses(requests, found, heard, 1, 50, 99).total(), 0)
        self.assertEqual(measure.find_losses([ProbeRequest("anonymous", 1, 1, 1)], found, heard, 1, 0, 99).total(), 0)

    def test_unknown_outcomes_are_told_from_known_ones(self) -> None:
        for code in ("UNAVAILABLE (UNKNOWN)", "TIMEOUT (UNKNOWN)", "INTERNAL", "no answer", "connection closed", "HTTP 503"):
            self.assertTrue(measure.is_unknown(code), code)
        for code in ("UNAVAILABLE", "UNAVAILABLE (NOTHING)", "TIMEOUT", "payload NOT_FOUND"):
            self.assertFalse(measure.is_unknown(code), code)

    def test_a_time_without_a_leader_lasts_until_the_next_one(self) -> None:
        changes = [
            LeaderChange(1, "n1", True),
            LeaderChange(10, "n1", False),
            LeaderChange(13, "n2", True),
            LeaderChange(20, "n2", False),
        ]
        self.assertEqual(measure.longest_without_leader(changes, 5, 15), 3)
        self.assertEqual(measure.longest_without_leader(changes, 11, 15), 2)
        self.assertEqual(measure.longest_without_leader(changes, 5, 12), 2)
        self.assertEqual(measure.longest_without_leader(changes, 14, 25), 5)
        self.assertEqual(measure.longest_without_leader(changes[:1], 5, 15), 0)
        # With two leaders at the same time, there is always a leader.
        both = [LeaderChange(1, "n1", True), LeaderChange(9, "n2", True), LeaderChange(10, "n1", False)]
        self.assertEqual(measure.longest_without_leader(both, 5, 15), 0)

    def test_the_first_success_after_a_moment_counts(self) -> None:
        requests = [
            ProbeRequest("keyed", 1, 1, 9),
            ProbeRequest("keyed", 2, 9, 11, "INTERNAL"),
            ProbeRequest("unkeyed", 3, 5, 12),
        ]
        self.assertEqual(measure.first_success(requests, measure.MUTATIONS, 10), 2)
        self.assertIsNone(measure.first_success(requests, measure.MUTATIONS, 13))

    def test_patroni_reports_who_accepts_writes_and_who_can_commit(self) -> None:
        leader = '{"state": "running", "xlog": {"location": 1}, "replication": [{"state": "%s", "sync_state": "%s"}]}'
        self.assertEqual(read_node(leader % ("streaming", "quorum")), (True, True))
        self.assertEqual(read_node(leader % ("catchup", "quorum")), (True, False))
        self.assertEqual(read_node(leader % ("streaming", "async")), (True, False))
        self.assertEqual(read_node('{"state": "running", "role": "primary", "xlog": {"location": 1}}'), (True, False))
        for said in ('{"state": "running", "xlog": {"received_location": 1}}', '{"state": "starting"}', "[]", "no", "1"):
            self.assertEqual(read_node(said), (False, False), said)


class Judgement(unittest.TestCase):
    """Needs no cluster."""

    def event(self, **given: object) -> EventReport:
        kinds = {kind: KindReport(20, outage_s=0.1, longest_s=0.1) for kind in (*measure.READS, *measure.MUTATIONS, "feed")}
        return EventReport("leader-killed", 30, kinds, Losses(), 0.0, **given)

    def missed(self, event: EventReport, dies: bool = False, planned: bool = False) -> list[str]:
        return Targets(20).missed(event, dies, planned)

    def test_an_event_that_nobody_notices_misses_nothing(self) -> None:
        self.assertEqual(self.missed(self.event(), dies=True, planned=True), [])

    def test_each_target_is_checked_on_both_sides(self) -> None:
        cases = [
            (lambda e: e.losses.lost.append(7), "1 lost", ()),
            (lambda e: e.losses.twice.append(7), "1 twice", ()),
            (lambda e: e.losses.refused_present.append(7), "1 refused present", ()),
            (lambda e: e.losses.heard_twice.append(7), "1 heard twice", ()),
            (lambda e: e.kinds["anonymous"].errors.update(UNAVAILABLE=2), "anonymous: 2 failed", ()),
            (lambda e: e.kinds["keyed"].errors.update(INTERNAL=2), "keyed: 2 INTERNAL", ()),
            (lambda e: setattr(e.kinds["signed-in"], "longest_s", 2.1), "signed-in: a request took 2.1 s", ()),
            (lambda e: setattr(e.kinds["unkeyed"], "longest_s", 11.1), "unkeyed: a request took 11.1 s", ()),
            (lambda e: setattr(e.kinds["feed"], "outage_s", 22.1), "feed: outage of 22.1 s", ("dies",)),
            (lambda e: setattr(e, "recovery_s", {"feed": None}), "feed: first success never after the new leader could commit", ("dies",)),
            (lambda e: setattr(e, "recovery_s", {"feed": 1.1}), "feed: first success 1.1 s after the new leader could commit", ("dies",)),
            (lambda e: e.kinds["keyed"].errors.update(UNAVAILABLE=1), "keyed: 1 failed", ("planned",)),
            (lambda e: setattr(e.kinds["keyed"], "longest_s", 1.1), "keyed: a request took 1.1 s", ("planned",)),
        ]
        for change, words, how in cases:
            event = self.event()
            change(event)
            found = self.missed(event, dies="dies" in how, planned="planned" in how)
            self.assertEqual(len(found), 1, found)
            self.assertIn(words, found[0])
        event = self.event(recovery_s={"feed": 1.0, "mutations": 0.9})
        event.kinds["signed-in"].longest_s, event.kinds["unkeyed"].longest_s, event.kinds["feed"].outage_s = 2, 11, 22
        event.kinds["unkeyed"].errors["UNAVAILABLE (UNKNOWN)"] = 3
        self.assertEqual(self.missed(event, dies=True, planned=True), [])

    def test_slack_is_only_added_to_times(self) -> None:
        event = self.event()
        event.kinds["signed-in"].longest_s = 4.9
        self.assertEqual(Targets(20, slack_s=3).missed(event, False, False), [])
        event.losses.lost.append(1)
        self.assertEqual(Targets(20, slack_s=3).missed(event, False, False), ["1 lost"])

    def test_the_table_has_a_row_for_each_event(self) -> None:
        event = self.event(new_leader_s=19.5, commits_s=19.75, recovery_s={"mutations": 0.25, "feed": 0.5}, rejoin_s=4.0)
        event.kinds["keyed"] = KindReport(400, {"UNAVAILABLE (NOTHING)": 12, "HTTP 502": 1}, 20.1, 8.25)
        lines = report.table([event]).splitlines()
        self.assertEqual(
            lines[2],
            "| leader-killed | 0.1 | 0.1 | 20.1 | 0.1 | 0.1 | mutations with a key: 12 UNAVAILABLE (NOTHING), 1 HTTP 502 "
            "| 8.2 (mutations with a key) | 0 / 0 | 19.5, 19.8 | 0.2, 0.5 | 4.0 |",
        )
        self.assertEqual([line.count("|") for line in lines], [lines[0].count("|")] * 3)


class Nonsense(unittest.TestCase):
    """Servers that do not respond as the probe expects."""

    def answer(self, said: bytes) -> tuple[str, int]:
        """The address of a server that sends this to every client."""
        loop, started = asyncio.new_event_loop(), threading.Event()
        address: list[tuple[str, int]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1 << 16)
            writer.write(said)
            writer.close()

        async def begin() -> None:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            address.append(server.sockets[0].getsockname())
            started.set()

        def run() -> None:
            loop.run_until_complete(begin())
            loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        self.addCleanup(lambda: loop.call_soon_threadsafe(loop.stop))
        self.assertTrue(started.wait(10))
        return address[0]

    def test_responses_of_other_servers_are_errors(self) -> None:
        for status, body, code in [
            (200, b"<html>", "not JSON"),
            (503, b"<html>", "HTTP 503"),
            (200, b"[]", "not JSON of GraphQL"),
            (200, b"{}", "not JSON of GraphQL"),
            (200, b'{"errors": [{}]}', "not JSON of GraphQL"),
            (503, b'{"errors": [{"extensions": {"code": "UNAVAILABLE", "outcome": "NOTHING"}}]}', "UNAVAILABLE (NOTHING)"),
            (200, b'{"data": {"movies": null}}', ""),
        ]:
            self.assertEqual(read_answer(status, body)[0], code, body)
        probe = Probe(("127.0.0.1", 1), 1, measure.READS, 1)
        for kind in (*measure.READS, *measure.MUTATIONS):
            for data in (None, [], {}, {"movies": None, "viewer": None, "addComment": None}):
                self.assertEqual(probe._judge(kind, 1, data), "wrong data")

    def test_a_probe_does_not_start_against_another_server(self) -> None:
        for said, words in [
            (b"", "closed without a response"),
            (b"220 mail.example\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", "closed during a response"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "not JSON of GraphQL"),
        ]:
            with self.subTest(said=said), self.assertRaises(Problem) as caught:
                Probe(self.answer(said), 1, measure.READS, 1).start("load1", "x")
            self.assertIn(words, caught.exception.what)

    def test_an_incomplete_cluster_is_reported_with_its_missing_parts(self) -> None:
        with self.assertRaises(Problem) as caught:
            wait_complete(Settings(state="/nowhere", subnet="127.0.99"), within_s=0.1)
        for words in ("not complete", "etcd-n1: ", "no Patroni responds", "k2: /readyz no response", "the front does not respond"):
            self.assertIn(words, caught.exception.what)
        self.assertIn("`cluster start NODE`", caught.exception.remedy)

    def test_streams_are_read_event_by_event(self) -> None:
        async def read() -> list[tuple[str, str, str]]:
            async def body():
                for part in (b": hi\n\nevent: next\nid: a\nda", b'ta: {"x": 1}\n\n', b"event: complete\ndata:\n\n"):
                    yield part

            return [event async for event in wire.events(body())]

        self.assertEqual(asyncio.run(read()), [("next", "a", '{"x": 1}'), ("complete", "", "")])


class Page(unittest.TestCase):
    """docs/failover.md."""

    def test_every_event_is_in_the_table_of_the_page(self) -> None:
        for name in EVENTS:
            self.assertTrue(f"| {name} |" in PAGE, name)

    def test_flags_are_checked(self) -> None:
        for flags, words in [
            (["--events", "flood"], "unknown event 'flood'"),
            (["--planned", "0"], "from 1 to 1000"),
            (["--rate", "x"], "from 1 to 200"),
            (["--short", "--planned", "1"], "not allowed with"),
        ]:
            done = subprocess.run([PROGRAM, *flags], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)


class Failover(ClusterCase):
    """On the shared cluster."""

    def run_failover(self, *flags: str) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "failover.json")
            done = subprocess.run(
                [PROGRAM, *flags, "--json", str(file)], capture_output=True, text=True, timeout=1200
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            print(done.stdout, file=sys.stderr)
            return json.loads(file.read_text())

    def test_the_short_form_loses_nothing(self) -> None:
        self.wait_complete()
        begun = time.monotonic()
        # With slack, since all of this runs on a machine with two cores.
        result = self.run_failover("--short", "--slack", "3")
        self.assertLess(time.monotonic() - begun, 180)
        self.assertTrue(result["good"])
        self.assertEqual([event["name"] for event in result["events"]], list(SHORT))
        self.assertGreater(result["checked"]["counts"]["calls"], 100)
        self.assertEqual(result["checked"]["faults"]["total"], 0)
        self.wait_complete()

    @takes_long
    def test_the_other_events_lose_nothing(self) -> None:
        rest = ",".join(name for name in EVENTS if name not in SHORT)
        self.assertTrue(self.run_failover("--events", rest, "--slack", "3")["good"])

    @takes_long
    def test_planned_work_is_invisible(self) -> None:
        self.assertTrue(self.run_failover("--planned", "3", "--slack", "3")["good"])

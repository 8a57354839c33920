"""The end of the shared cluster: etcd and Patroni away, the supervisor killed, passwords that do not fit, wiped."""

import json
import os
import signal
from pathlib import Path

from .support import STATE, SUBNET, ClusterCase, holds, takes_long, wait_for


class End(ClusterCase):
    """In this order."""

    def pid_of(self, name: str) -> int:
        known = json.loads(Path(STATE, "processes.json").read_text())
        return next(entry["pid"] for entry in known if entry["name"] == name)

    @takes_long
    def test_1_without_etcd_the_commands_name_what_is_away(self) -> None:
        self.wait_whole()
        for node in ("n1", "n2"):
            os.kill(self.pid_of(f"etcd-{node}"), signal.SIGKILL)
        wait_for("notice", lambda: "etcd ended (SIGKILL)" in self.run_ok("status"))
        self.assert_refused(["switchover"], "etcd-n1: ", "etcd-n3: no quorum", "`cluster start NODE`")
        for node in ("n1", "n2"):
            self.run_ok("start", node)
        self.wait_whole()

    @takes_long
    def test_2_without_patroni_the_commands_say_so(self) -> None:
        for node in ("n1", "n2", "n3"):
            self.run_ok("kill", node)
        self.assert_refused(["status", "--json"], "no Patroni answers at port 8008", "`cluster start NODE`")
        self.assert_refused(["kill", "n1"], "nothing of n1 runs")
        for node in ("n1", "n2", "n3"):
            self.run_ok("start", node)
        self.wait_whole()

    @takes_long
    def test_3_up_goes_on_where_a_killed_supervisor_has_ended(self) -> None:
        os.kill(self.pid_of("supervisor"), signal.SIGKILL)
        self.assertIn("that a killed supervisor had left", self.run_ok("up", "--subnet", SUBNET, "--no-servers"))
        self.wait_whole()
        self.assertEqual(self.sql("SELECT count(*) > 0 FROM users"), "t")

    def test_4_down_ends_what_a_killed_supervisor_has_left(self) -> None:
        os.kill(self.pid_of("supervisor"), signal.SIGKILL)
        self.assertNotEqual(holds(STATE), [], "postmasters are left")
        self.assert_refused(["status"], "is not up; a supervisor that was killed has left")
        self.assertIn("that a killed supervisor had left", self.run_ok("down"))
        self.assertEqual(holds(STATE), [])

    @takes_long
    def test_5_passwords_that_do_not_fit_the_data_are_named(self) -> None:
        file = Path(STATE, "passwords.json")
        right = file.read_text()
        file.write_text(json.dumps(json.loads(right) | {"postgres": "wrong"}))
        up = ["up", "--subnet", SUBNET, "--no-servers"]
        self.assert_refused(up, "PostgreSQL does not accept the password of postgres", "passwords.json")
        file.unlink()
        self.assert_refused(up, "passwords.json is gone, but the data that it opens is there")
        self.assertEqual(holds(STATE), [])

    def test_6_down_removes_what_it_is_told_to(self) -> None:
        self.run_ok("down", "--wipe")
        self.assertEqual(os.listdir(STATE), [])
        self.assert_refused(["down"], "there is no cluster in")

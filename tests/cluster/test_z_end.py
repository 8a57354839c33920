"""The end of the shared cluster: no etcd, no Patroni, a killed supervisor, wrong passwords, then deletion."""

import json
import os
import signal
from pathlib import Path

from .support import STATE, SUBNET, ClusterCase, holds, takes_long, wait_for


class End(ClusterCase):
    """The tests run in this order."""

    def pid_of(self, name: str) -> int:
        known = json.loads(Path(STATE, "processes.json").read_text())
        return next(entry["pid"] for entry in known if entry["name"] == name)

    @takes_long
    def test_1_without_etcd_the_commands_name_the_missing_members(self) -> None:
        self.wait_complete()
        for node in ("n1", "n2"):
            os.kill(self.pid_of(f"etcd-{node}"), signal.SIGKILL)
        wait_for("notice", lambda: "etcd ended (SIGKILL)" in self.run_ok("status"))
        self.assert_refused(["switchover"], "etcd-n1: ", "etcd-n3: no quorum", "`cluster start NODE`")
        for node in ("n1", "n2"):
            self.run_ok("start", node)
        self.wait_complete()

    @takes_long
    def test_2_without_patroni_the_commands_name_the_cause(self) -> None:
        for node in ("n1", "n2", "n3"):
            self.run_ok("kill", node)
        self.assert_refused(["status", "--json"], "no Patroni responds at port 8008", "`cluster start NODE`")
        self.assert_refused(["kill", "n1"], "n1 is not running")
        for node in ("n1", "n2", "n3"):
            self.run_ok("start", node)
        self.wait_complete()

    @takes_long
    def test_3_up_continues_after_a_killed_supervisor(self) -> None:
        os.kill(self.pid_of("supervisor"), signal.SIGKILL)
        self.assertIn("left by a killed supervisor", self.run_ok("up", "--subnet", SUBNET, "--no-servers"))
        self.wait_complete()
        self.assertEqual(self.sql("SELECT count(*) > 0 FROM users"), "t")

    def test_4_down_ends_processes_left_by_a_killed_supervisor(self) -> None:
        os.kill(self.pid_of("supervisor"), signal.SIGKILL)
        self.assertNotEqual(holds(STATE), [], "postmasters are left")
        self.assert_refused(["status"], "is not up; a killed supervisor left")
        self.assertIn("left by a killed supervisor", self.run_ok("down"))
        self.assertEqual(holds(STATE), [])

    @takes_long
    def test_5_wrong_or_missing_passwords_are_reported(self) -> None:
        file = Path(STATE, "passwords.json")
        right = file.read_text()
        file.write_text(json.dumps(json.loads(right) | {"postgres": "wrong"}))
        up = ["up", "--subnet", SUBNET, "--no-servers"]
        self.assert_refused(up, "PostgreSQL does not accept the password of postgres", "passwords.json")
        file.unlink()
        self.assert_refused(up, "passwords.json is missing, but the data that needs it exists")
        self.assertEqual(holds(STATE), [])

    def test_6_down_with_wipe_deletes_everything(self) -> None:
        self.run_ok("down", "--wipe")
        self.assertEqual(os.listdir(STATE), [])
        self.assert_refused(["down"], "no cluster in")

"""The steps of docs/cluster.md: seed, load, configuration, switchover, a killed leader and its return."""

import json
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

from .support import ROOT, STATE, SUBNET, ClusterCase, cluster, takes_long, wait_for

FRONT = f"http://{SUBNET}.1:8510"


class Walk(ClusterCase):
    """The tests run in this order."""

    def ask(self, query: str) -> dict:
        request = Request(
            f"{FRONT}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=20) as response:
            return json.load(response)["data"]

    def test_1_status_lists_the_members_as_patroni_does(self) -> None:
        leader = self.wait_complete()
        listed = self.members()
        self.assertEqual([m["name"] for m in listed], ["n1", "n2", "n3"])
        self.assertEqual({frozenset(m) for m in listed}, {frozenset(("name", "role", "state", "timeline", "lag"))})
        self.assertEqual([m["lag"] for m in listed if m["name"] == leader], [None])
        self.assertTrue(all(isinstance(m["lag"], int) for m in listed if m["name"] != leader), listed)
        table = self.run_ok("status")
        self.assertIn("| Member | Host", table)
        self.assertRegex(table, rf"\| {leader} +\| {SUBNET}\.1\d +\| Leader")
        self.assertIn("k2 " + SUBNET, table)

    def test_2_the_database_matches_the_write_up(self) -> None:
        owner = "SELECT pg_get_userbyid(datdba), shobj_description(oid, 'pg_database') FROM pg_database"
        self.assertRegex(self.sql(owner + " WHERE datname = 'kinoteka'"), r"^dba\|БД КИНОТЕКА - Каталог данных")
        not_owned = (
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> 'dba'::regrole"
        )
        self.assertEqual(self.sql(f"{not_owned} AND relname NOT LIKE 'pg_stat_statements%'"), "0")
        self.assertEqual(self.sql("SELECT count(*) FROM users"), "353")
        for setting, value in [
            ("shared_preload_libraries", "pg_stat_statements"),
            ("track_activity_query_size", "2kB"),
            ("pg_stat_statements.track", "all"),
            ("track_io_timing", "on"),
        ]:
            self.assertEqual(self.sql(f"SHOW {setting}", "pmm"), value)
        self.assertRegex(self.sql("SHOW synchronous_standby_names", "postgres"), r"^ANY 1 \(n\d,n\d\)$")
        self.assertEqual(self.sql("SELECT count(*) > 0 FROM pg_stat_statements", "pmm"), "t")

    def test_3_roles_have_their_rights_and_no_others(self) -> None:
        powers = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
        powerful = f"SELECT count(*) FROM pg_roles WHERE rolname IN ('dba', 'kinoteka_app', 'pmm') AND ({powers})"
        self.assertEqual(self.sql(powerful), "0")
        self.assertEqual(self.sql("SELECT count(*) FROM pg_class WHERE relowner = 'kinoteka_app'::regrole"), "0")
        self.assertEqual(self.sql("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'pmm'"), "10")
        for role, statement in [
            ("kinoteka_app", "CREATE TABLE mine (id int)"),
            ("kinoteka_app", "CREATE TEMPORARY TABLE mine (id int)"),
            ("kinoteka_app", "ALTER TABLE tags ADD mine int"),
            ("kinoteka_app", "DELETE FROM users"),
            ("kinoteka_app", "DELETE FROM audit_log"),
            ("pmm", "SELECT * FROM users"),
            ("pmm", "CREATE TABLE mine (id int)"),
        ]:
            done = cluster("psql", "-U", role, "--", "-X", "-c", statement)
            self.assertRegex(done.stderr, "permission denied|must be owner", f"{role}: {statement}")

    def test_4_migrate_without_rights_reports_a_current_schema(self) -> None:
        passwords = json.loads(Path(STATE, "passwords.json").read_text())
        self.assertIn("nothing to apply", self.migrate("up", "kinoteka_app", passwords, 5000))
        # A standby by its own address: the read port may lead to the leader.
        replica = "n2" if self.wait_complete() != "n2" else "n3"
        for command, role in [("up", "kinoteka_app"), ("down", "dba")]:
            said = self.migrate(command, role, passwords, 5432, replica)
            self.assertIn("is a standby, which cannot be written to: name the leader", said)

    def migrate(self, command: str, role: str, passwords: dict[str, str], port: int, node: str = "") -> str:
        host = f"{SUBNET}.{'1' + node[1:] if node else '1'}"
        url = f"postgres://{role}:{passwords[role]}@{host}:{port}/kinoteka"
        program = str(ROOT / "target" / "debug" / "kinoteka")
        done = subprocess.run(
            [program, "migrate", command, "--database-url", url], capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    def test_5_no_password_is_in_a_statement_or_a_log(self) -> None:
        state = Path(STATE)
        passwords = json.loads((state / "passwords.json").read_text())
        self.assertEqual(len(passwords), 6)
        seen = self.sql("SELECT string_agg(query, chr(10)) FROM pg_stat_statements", "postgres")
        for log in (state / "log").iterdir():
            seen += log.read_text(errors="replace")
        for role, password in passwords.items():
            self.assertNotIn(password, seen, role)

    def test_6_load_through_the_front_has_no_faults(self) -> None:
        self.run_ok("load", "--seconds", "4")

    @takes_long
    def test_7_edit_config_changes_the_configuration(self) -> None:
        self.run_ok("edit-config", "--", "--pg", "work_mem=8MB", "--pg", "max_connections=101", "--force", "--quiet")
        pending = "SELECT count(*) FROM pg_settings WHERE pending_restart"
        wait_for("pending restart", lambda: self.sql(pending, "postgres") != "0")
        self.run_ok("restart")
        self.wait_complete()
        self.assertEqual(self.sql("SELECT current_setting('work_mem') || current_setting('max_connections')"), "8MB101")

    def test_8_leadership_is_handed_over(self) -> None:
        before = self.wait_complete()
        self.assertIn("Successfully switched over", self.run_ok("switchover"))
        after = self.wait_complete()
        self.assertNotEqual(after, before)
        wait_for("answer", lambda: self.ask("{ movies(first: 1) { nodes { id } } }")["movies"]["nodes"])

    def test_9_a_replica_without_replay_falls_behind_until_it_resumes(self) -> None:
        leader = self.wait_complete()
        replica = "n1" if leader != "n1" else "n2"
        self.run_ok("lag", replica)
        try:
            self.sql("UPDATE tags SET title = title")
            lag = "SELECT replay_lsn < sent_lsn FROM pg_stat_replication WHERE application_name = '{}'"
            wait_for("lag", lambda: self.sql(lag.format(replica), "postgres") == "t")
        finally:
            self.run_ok("lag", replica, "--resume")
        wait_for("replay", lambda: self.sql(lag.format(replica), "postgres") == "f")
        self.assert_refused(["lag", leader], f"{leader} does not replay: it is the leader")

    def test_9_then_a_killed_leader_is_replaced_and_rejoins(self) -> None:
        leader = self.wait_complete()
        self.sql("CREATE TABLE walked (id int)")
        self.run_ok("kill", leader, "--with-etcd")
        new = wait_for("new leader", lambda: self.leader() not in (None, leader) and self.leader())
        self.assertEqual(wait_for("write", lambda: self.try_write()), "INSERT 0 1")
        self.assertIn(f"{leader} {SUBNET}", self.run_ok("status"))
        self.run_ok("start", leader)
        self.assertEqual(self.wait_complete(), new)
        self.sql("DROP TABLE walked")
        wait_for("ready servers", lambda: self.run_ok("status").count("/readyz 200") == 2)
        self.run_ok("load", "--seconds", "3")

    def try_write(self) -> str:
        done = cluster("psql", "--", "-X", "-c", "INSERT INTO walked VALUES (1)")
        return done.stdout.strip() if done.returncode == 0 else ""

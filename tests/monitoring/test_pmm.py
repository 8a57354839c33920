"""The registration against a stand-in for pmm-admin, and the form of the alert templates."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import yaml

from names import ROOT

REGISTER = ROOT / "deploy/pmm/register"
TEMPLATES = ROOT / "deploy/pmm/alert-templates"
EVERYTHING = [
    "--server-url", "https://pmm.example:443", "--node-name", "n1", "--node-address", "10.0.0.1", "--insecure",
    "--postgresql", "127.0.0.1:5432", "--patroni", "8008", "--etcd", "2379", "--haproxy", "7000",
    "--server", "k1=8611", "--server", "k2=8612",
]  # fmt: skip


class Registration(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = Path(folder.name) / "state.json"

    def register(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(__file__).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        secrets = {"PMM_ADMIN_PASSWORD": "adm1n-secret", "PMM_PG_PASSWORD": "pg-secret"}
        env = {**os.environ, "PATH": path, "PMM_STATE": str(self.state), **secrets, **env}
        return subprocess.run([REGISTER, *arguments], env=env, capture_output=True, text=True, timeout=60)

    def registered(self, *arguments: str, **env: str) -> dict[str, Any]:
        done = self.register(*arguments, **env)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        state: dict[str, Any] = json.loads(self.state.read_text())
        return state

    def test_a_machine_is_registered_with_everything_on_it(self) -> None:
        state = self.registered(*EVERYTHING)
        self.assertEqual(state["node"]["server_url"], "https://admin:adm1n-secret@pmm.example:443")
        self.assertEqual(
            [state["node"][name] for name in ("node_address", "node_type", "node_name")], ["10.0.0.1", "generic", "n1"]
        )
        services = state["services"]
        self.assertEqual(list(services), ["n1-postgresql", "n1-patroni", "n1-etcd", "n1-haproxy", "k1", "k2"])
        for name, service in services.items():
            self.assertEqual((service["cluster"], service["environment"]), ("main", "production"), name)
        postgresql = services["n1-postgresql"]
        self.assertEqual(postgresql["query_source"], "pgstatements")
        self.assertEqual(postgresql["replication_set"], "main")
        self.assertEqual((postgresql["username"], postgresql["password"]), ("pmm", "pg-secret"))
        self.assertEqual(postgresql["address"], "127.0.0.1:5432")
        groups = {
            name: (service["group"], service["listen_port"]) for name, service in services.items() if "group" in service
        }
        expected = {
            "n1-patroni": ("patroni", "8008"),
            "n1-etcd": ("etcd", "2379"),
            "k1": ("kinoteka", "8611"),
            "k2": ("kinoteka", "8612"),
        }
        self.assertEqual(groups, expected)

    def test_it_can_be_run_again(self) -> None:
        self.registered(*EVERYTHING)
        again = self.registered(*EVERYTHING, "--environment", "staging", "--cluster", "second")
        self.assertEqual({one["environment"] for one in again["services"].values()}, {"staging"})

    def test_a_machine_with_only_servers(self) -> None:
        state = self.registered(
            "--server-url", "https://pmm:443", "--server", "k1=8611", PMM_PG_PASSWORD="", PMM_TOKEN="glsa_x"
        )
        self.assertEqual(list(state["services"]), ["k1"])
        self.assertEqual(state["node"]["server_url"], "https://service_token:glsa_x@pmm:443")

    def test_a_dry_run_changes_nothing_and_shows_no_password(self) -> None:
        done = self.register(*EVERYTHING, "--dry-run", PATH=os.environ["PATH"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(self.state.exists())
        self.assertNotIn("secret", done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 7)
        self.assertIn(
            "pmm-admin add haproxy --cluster=main --environment=production --listen-port=7000 n1-haproxy", done.stdout
        )

    def test_the_page_shows_the_output_of_a_dry_run(self) -> None:
        page = (ROOT / "docs/monitoring.md").read_text()
        command = re.search(r"deploy/pmm/register (--server-url.*?)\n```", page, re.DOTALL)
        assert command is not None
        arguments = command[1].replace("\\\n", " ").split()
        done = self.register(*arguments, "--node-name", "node0", "--dry-run")
        self.assertIn(f"```\n{done.stdout}```\n", page)

    def test_bad_input_is_refused_before_any_change(self) -> None:
        url = ["--server-url", "https://pmm:443"]
        cases: list[tuple[list[str], dict[str, str], str]] = [
            ([], {}, "--server-url is required"),
            (["--server-url", "http://pmm"], {}, "must begin with https://"),
            (["--server-url", "https://a:b@pmm"], {}, "contains credentials"),
            (url, {"PMM_ADMIN_PASSWORD": ""}, "set PMM_TOKEN"),
            (url, {"PMM_ADMIN_PASSWORD": "a@b"}, "the credentials contain one of"),
            ([*url, "--postgresql", "127.0.0.1:5432"], {"PMM_PG_PASSWORD": ""}, "PMM_PG_PASSWORD"),
            ([*url, "--postgresql", "127.0.0.1"], {}, "is not HOST:PORT"),
            ([*url, "--patroni", "x"], {}, "x is not a port"),
            ([*url, "--server", "8611"], {}, "is not NAME=PORT"),
            ([*url, "--patroni"], {}, "has no value"),
            ([*url, "--nonsense", "x"], {}, "unknown argument --nonsense"),
            (url, {"PATH": "/usr/bin:/bin"}, "pmm-admin not found"),
        ]
        for arguments, env, message in cases:
            done = self.register(*arguments, **env)
            self.assertEqual(done.returncode, 2, message)
            self.assertIn(message, done.stderr)
            self.assertFalse(self.state.exists(), message)

    def test_the_stand_in_refuses_undocumented_arguments(self) -> None:
        for arguments in (["add", "external", "--group=x"], ["add", "postgresql", "--nonsense"], ["ad"]):
            command = [sys.executable, Path(__file__).parent / "pmm-admin", *arguments]
            done = subprocess.run(
                command, env={**os.environ, "PMM_STATE": str(self.state)}, capture_output=True, timeout=30
            )
            self.assertEqual(done.returncode, 2, arguments)


class AlertTemplates(unittest.TestCase):
    def test_they_are_valid_for_pmm(self) -> None:
        known = {"name", "version", "summary", "expr", "params", "for", "severity", "labels", "annotations"}
        severities = {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}
        files = list(TEMPLATES.iterdir())
        self.assertGreater(len(files), 15)
        for file in files:
            (template,) = yaml.safe_load(file.read_text())["templates"]
            self.assertLessEqual(set(template), known, file.name)
            self.assertEqual(template["version"], 1)
            self.assertIn(template["severity"], severities)
            self.assertRegex(template["for"], r"^\d+[smh]$")
            names = [param["name"] for param in template.get("params", [])]
            self.assertEqual("[[ .threshold ]]" in template["expr"], "threshold" in names, file.name)
            for param in template.get("params", []):
                self.assertEqual(param["type"], "float")
                self.assertIsInstance(param["value"], float)


if __name__ == "__main__":
    unittest.main()

"""The dashboards match their source and use existing metrics."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from names import ROOT, exported_names
from evaluate import expressions, fill, named_metrics

SOURCE = ROOT / "deploy/monitoring/source"
DASHBOARDS = sorted((ROOT / "deploy/monitoring/dashboards").glob("*.json"))


class Dashboards(unittest.TestCase):
    def test_committed_files_match_their_source(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, SOURCE / "generate.py", folder], check=True, timeout=60)
            for part in ("monitoring/dashboards", "pmm/alert-templates"):
                made = {file.name: file.read_text() for file in (Path(folder) / part).iterdir()}
                committed = {file.name: file.read_text() for file in (ROOT / "deploy" / part).iterdir()}
                self.assertEqual(set(made), set(committed))
                for name, text in made.items():
                    self.assertTrue(text == committed[name], f"{part}/{name} is not up to date: run scripts/dashboards")

    def test_the_source_matches_the_types_of_the_sdk(self) -> None:
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", "/dev/null"]
        files = [SOURCE, *SOURCE.parent.glob("*.py")]
        done = subprocess.run([*command, *files], cwd=SOURCE, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_metric_is_exported(self) -> None:
        exported = exported_names()
        for file in DASHBOARDS:
            for title, expression in expressions(json.loads(file.read_text())):
                self.assertEqual(named_metrics(expression) - exported, set(), f"{file.name}: {title}")

    def test_no_dashboard_uses_patroni_master(self) -> None:
        # Patroni 4 does not export it.
        for file in DASHBOARDS:
            self.assertNotIn("patroni_master", file.read_text())

    def test_each_panel_has_a_description(self) -> None:
        for file in DASHBOARDS:
            for panel in json.loads(file.read_text())["panels"]:
                if panel["type"] != "row":
                    self.assertRegex(panel.get("description", ""), r"\.$", f"{file.name}: {panel['title']}")

    def test_pmm_has_its_variables(self) -> None:
        for file in DASHBOARDS:
            dashboard = json.loads(file.read_text())
            names = [variable["name"] for variable in dashboard["templating"]["list"]]
            expected = ["interval", "environment", "cluster"] if file.name.startswith("pmm-") else ["cluster"]
            self.assertEqual(names[: len(expected) + 1], ["datasource", *expected], file.name)

    def test_names_are_found_in_expressions(self) -> None:
        found = {
            'sum by (node_name) (rate(pg_up{node_name="patroni_x"}[5m])) or up == 0': {"pg_up", "up"},
            "max(patroni_primary{scope=~'a'} + on (node_name) process_open_fds)": {
                "patroni_primary",
                "process_open_fds",
            },
            "vector(0)": set(),
        }
        for expression, names in found.items():
            self.assertEqual(named_metrics(expression), names)

    def test_an_unknown_variable_is_reported(self) -> None:
        self.assertEqual(fill('up{a=~"$a",b="${b}"}', {"a": "x", "b": "y"}), 'up{a=~"x",b="y"}')
        with self.assertRaisesRegex(ValueError, "unknown variable cluster"):
            fill('up{cluster="$cluster"}', {})


if __name__ == "__main__":
    unittest.main()

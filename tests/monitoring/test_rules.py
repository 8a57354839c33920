"""Each fault fires its alerts and no others. promtool evaluates the rules over the series of a healthy cluster, with one
fault after five minutes."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from faults import AFTER, FAULT_AT, FAULTS, STEP, Fault, healthy
from names import ROOT, exported_names
from evaluate import named_metrics

RULES = ROOT / "deploy/monitoring/rules.yml"


def rules() -> dict[str, dict]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_of(fault: Fault) -> dict:
    """A promtool test: checks all alerts before the fault, early in it, and when they must fire."""
    series = []
    for name, (before, after) in healthy().items():
        changed = fault.values.get(name)
        if changed is not None:
            after = changed if "x" in changed else f"{changed}x{fault.samples}" if changed != "stale" else "stale"
        elif fault.samples != AFTER:
            after = after.rpartition("x")[0] + f"x{fault.samples}"
        series.append({"series": name, "values": f"{before} {after}"})
    checks = []
    for alert, rule in rules().items():
        fired = [
            {"exp_labels": exp_labels(rule, labels), "exp_annotations": {**rule["annotations"], "summary": summary}}
            for name, (labels, summary) in fault.alerts.items()
            if name.split()[0] == alert
        ]
        for second, expected in ((-5, []), (fault.not_yet, []), (fault.by, fired)):
            # The check before the fault is that of a healthy cluster.
            time = f"{FAULT_AT + second}s"
            checks.append({"eval_time": time, "alertname": alert, "exp_alerts": expected})
    return {"name": fault.says, "interval": f"{STEP}s", "input_series": series, "alert_rule_test": checks}


def exp_labels(rule: dict, labels: str) -> dict[str, str]:
    return {**rule["labels"], **dict(re.findall(r'(\w+)="([^"]*)"', labels))}


class Rules(unittest.TestCase):
    maxDiff = None

    def test_each_alert_fires_only_at_its_fault(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rules_test.yml"
            tests = [test_of(fault) for fault in FAULTS]
            content = {"rule_files": [str(RULES)], "evaluation_interval": f"{STEP}s", "tests": tests}
            # JSON is YAML.
            file.write_text(json.dumps(content))
            done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_alert_has_a_fault(self) -> None:
        covered = {name.split()[0] for fault in FAULTS for name in fault.alerts}
        self.assertEqual(covered, set(rules()))

    def test_faults_change_series_that_exist(self) -> None:
        for fault in FAULTS:
            self.assertLessEqual(set(fault.values), set(healthy()), fault.says)

    def test_each_alert_links_to_its_remedy(self) -> None:
        page = (ROOT / "docs/monitoring.md").read_text()
        anchors = {
            re.sub(r"[^\w -]", "", line.lstrip("# ")).replace(" ", "-").lower()
            for line in page.splitlines()
            if line.startswith("#")
        }
        for name, rule in rules().items():
            path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            self.assertEqual((path, anchor), ("docs/monitoring.md", name.lower()))
            self.assertIn(anchor, anchors)

    def test_each_metric_is_exported(self) -> None:
        exported = exported_names()
        for name, rule in rules().items():
            self.assertEqual(named_metrics(rule["expr"]) - exported, set(), name)

    def test_no_rule_uses_patroni_master(self) -> None:
        # Patroni 4 does not export it.
        self.assertNotIn("patroni_master", RULES.read_text())


if __name__ == "__main__":
    unittest.main()

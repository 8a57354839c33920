#!/usr/bin/env python3
"""Writes the dashboards, and PMM's alert templates from rules.yml. scripts/dashboards runs it.

`generate.py FOLDER` writes into that folder instead of deploy/.
"""

import json
import re
import sys
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from cluster import CLUSTER
from database import DATABASE
from feed import FEED
from node import NODE
from panels import PLAIN, PMM, build
from service import SERVICE

PAGES = (SERVICE, FEED, CLUSTER, DATABASE, NODE)

DEPLOY = Path(__file__).resolve().parents[2]


def main() -> None:
    deploy = Path(sys.argv[1]) if len(sys.argv) > 1 else DEPLOY
    for folder, files in (("monitoring/dashboards", dashboards()), ("pmm/alert-templates", alert_templates())):
        (deploy / folder).mkdir(parents=True, exist_ok=True)
        for old in (deploy / folder).glob("*.*"):
            old.unlink()
        for name, text in files.items():
            (deploy / folder / name).write_text(text)


def dashboards() -> dict[str, str]:
    return {
        f"{flavour.prefix}{page.name}.json": json.dumps(build(page, flavour), cls=JSONEncoder, indent=1, sort_keys=True)
        + "\n"
        for flavour in (PLAIN, PMM)
        for page in PAGES
    }


def alert_templates() -> dict[str, str]:
    rules = yaml.safe_load((DEPLOY / "monitoring/rules.yml").read_text())
    return {
        f"{snake(rule['alert'])}.yml": yaml.safe_dump(
            {"templates": [alert_template(rule)]}, sort_keys=False, width=120, allow_unicode=True
        )
        for group in rules["groups"]
        for rule in group["rules"]
    }


def alert_template(rule: dict[str, object]) -> dict[str, object]:
    """A rule as a PMM template. A threshold at its end becomes a parameter, which users set when they create an alert."""
    expr, annotations = str(rule["expr"]), rule["annotations"]
    assert isinstance(annotations, dict) and isinstance(rule["labels"], dict)
    template = {
        "name": f"kinoteka_{snake(str(rule['alert']))}",
        "version": 1,
        "summary": re.sub("(?<=[a-z])(?=[A-Z])", " ", str(rule["alert"])).capitalize(),
        "expr": expr,
    }
    # Comparisons with 0 or 1 test a condition and have no threshold.
    limit = re.fullmatch(r"(.* [<>] )(\d+\.\d+|\d\d+)", expr, re.DOTALL)
    if limit is not None:
        template["expr"] = limit[1] + "[[ .threshold ]]"
        about = {"name": "threshold", "summary": "Threshold", "type": "float", "value": float(limit[2])}
        template["params"] = [about]
    template["for"] = rule.get("for", "0s")
    template["severity"] = rule["labels"]["severity"]
    template["annotations"] = {
        "summary": annotations["summary"],
        "description": f"What to do: {annotations['runbook_url']}",
    }
    return template


def snake(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    main()

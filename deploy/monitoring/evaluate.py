#!/usr/bin/env python3
"""Evaluates every expression of every dashboard against a Prometheus, and lists those without data.

    evaluate.py http://127.0.0.1:9090

Run it after an upgrade of an exporter, to find panels that a renamed metric made empty. Some counters appear with their
first event, so the servers need load that also causes an error, hits a limit, and opens and closes a socket. Exits with
1 if a panel has no data.
"""

import json
import math
import re
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

DASHBOARDS = Path(__file__).resolve().parent / "dashboards"

# Variables that Grafana sets itself.
BUILT_IN = {"__rate_interval": "1m", "__interval": "15s", "__range": "5m", "interval": "1m"}

EXPORTERS = "kinoteka|patroni|pg|etcd|haproxy|node|process"
# Labels that look like metrics.
LABELS = {"node_name"}


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus server."""

    url: str

    def get(self, path: str, **params: str) -> Any:
        """The data of a response.

        Raises `ValueError` with the reason if the server refuses.
        """
        query = urlencode({name.rstrip("_"): value for name, value in params.items()})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise ValueError(json.loads(error.read() or b"{}").get("error", str(error))) from error

    def names(self) -> set[str]:
        """The names of all series."""
        return set(self.get("label/__name__/values"))

    def label_values(self, label: str, series: str) -> list[str]:
        """The current values of a label of some series."""
        found = self.get("query", query=f"count by ({label}) ({series})")["result"]
        return sorted(one["metric"][label] for one in found if label in one["metric"])

    def has_data(self, expression: str) -> bool:
        """Whether the expression has data now."""
        answer = self.get("query", query=expression)
        if answer["resultType"] == "scalar":
            return not math.isnan(float(answer["result"][1]))
        return any(not math.isnan(float(one["value"][1])) for one in answer["result"])


def named_metrics(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names."""
    bare = re.sub(r'"(\\.|[^"\\])*"', '""', expression)
    bare = re.sub(r"\{[^{}]*\}", "", bare)
    return set(re.findall(rf"\b(?:{EXPORTERS})_\w+\b|\bup\b", bare)) - LABELS


def expressions(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The title of each panel with each of its expressions."""
    for panel in dashboard["panels"]:
        for part in (panel, *panel.get("panels", [])):
            for target in part.get("targets", []):
                yield part["title"], target["expr"]


def fill(text: str, values: dict[str, str]) -> str:
    """Replaces variables in a text by their values. Raises `ValueError` for an unknown variable."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise ValueError(f"unknown variable {name}")
        return values[name]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)


def choices(dashboard: dict[str, Any], prometheus: Prometheus) -> Iterator[dict[str, str]]:
    """The values of the variables: all together if several can be selected, otherwise one after another."""
    several: dict[str, str] = {}
    single: dict[str, list[str]] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        query = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        if query is None:
            raise ValueError(f"variable {variable['name']} is not a label_values query: {variable['query']}")
        found = prometheus.label_values(query[2], fill(query[1], several))
        if not found:
            raise ValueError(f"variable {variable['name']} has no values: {variable['query']}")
        if variable.get("multi"):
            several[variable["name"]] = "|".join(map(re.escape, found)).replace("\\", "\\\\")
        else:
            single[variable["name"]] = found
    for values in product(*single.values()):
        yield {**BUILT_IN, **several, **dict(zip(single, values))}


def evaluate(url: str, files: Sequence[Path]) -> tuple[int, list[str]]:
    """The number of evaluated expressions, and the faults: dashboard, panel, expression and reason."""
    prometheus = Prometheus(url)
    names = prometheus.names()
    evaluated, problems = 0, []
    for file in files:
        dashboard = json.loads(file.read_text())
        try:
            every_choice = list(choices(dashboard, prometheus))
        except ValueError as error:
            problems.append(f"{file.name}: {error}")
            continue
        for title, expression in expressions(dashboard):
            evaluated += 1
            problem = find_problem(prometheus, names, expression, every_choice)
            if problem:
                problems.append(f"{file.name}: {title}: {problem}\n    {expression}")
    return evaluated, problems


def find_problem(
    prometheus: Prometheus, names: set[str], expression: str, every_choice: Sequence[dict[str, str]]
) -> str | None:
    missing = named_metrics(expression) - names
    if missing:
        return f"not exported: {', '.join(sorted(missing))}"
    for values in every_choice:
        try:
            if not prometheus.has_data(fill(expression, values)):
                return "no data"
        except ValueError as error:
            return str(error)
    return None


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    evaluated, problems = evaluate(sys.argv[1], sorted(DASHBOARDS.glob("*.json")))
    print("\n".join(problems), file=sys.stderr)
    print(f"{evaluated} expressions evaluated, {len(problems)} without data")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

"""The existing metrics: those in the recorded exports, and those that the server registers."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = Path(__file__).parent / "exports"
sys.path.insert(0, str(ROOT / "deploy/monitoring"))

# Metrics of Prometheus itself, and of the files that jobs write for the node exporter (docs/monitoring.md).
WRITTEN = {"up", "kinoteka_backup_completed_timestamp_seconds"}


def exported_names() -> set[str]:
    """All names of series."""
    recorded: set[str] = set().union(*(recorded_names(file.stem) for file in EXPORTS.glob("*.prom")))
    return recorded | unrecorded_names() | WRITTEN


def unrecorded_names() -> set[str]:
    """The possible series names of metrics that the server registers but that are not in the recorded export."""
    recorded = recorded_names("kinoteka")
    return set().union(*(forms for forms in registered_names().values() if not forms & recorded))


def registered_names() -> dict[str, set[str]]:
    """The metrics that the server's source registers, with the possible names of their series."""
    names = {}
    for file in (ROOT / "crates/telemetry/src").rglob("*.rs"):
        source = file.read_text()
        for name in re.findall(r'register\(\s*"(\w+)"', source):
            names[name] = {f"kinoteka_{name}", f"kinoteka_{name}_total", f"kinoteka_{name}_info", name}
        for name, unit in re.findall(r'register_with_unit\(\s*"(\w+)",[^;]*?Unit::(\w+)', source):
            bases = [f"kinoteka_{name}_{unit.lower()}", f"{name}_{unit.lower()}"]
            names[name] = {f"{base}{part}" for base in bases for part in ("", "_total", "_bucket", "_count", "_sum")}
    return names


def recorded_names(export: str) -> set[str]:
    """The series names of one recorded export."""
    return {re.split(r"[{ ]", line)[0] for line in (EXPORTS / f"{export}.prom").read_text().splitlines()}


def queried_names() -> set[str]:
    """The metrics that the PostgreSQL exporter derives from queries.yml, and the names of its queries."""
    names = set()
    query = ""
    for line in (ROOT / "deploy/monitoring/queries.yml").read_text().splitlines():
        if found := re.match(r"(\w+):$", line):
            query = found[1]
            names.add(query)
        elif found := re.match(r"  - (\w+): \{", line):
            names.add(f"{query}_{found[1]}")
    return names

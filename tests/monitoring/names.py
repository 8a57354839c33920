"""Which metrics exist: those of the recorded exports, and those that the server registers."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = Path(__file__).parent / "exports"
sys.path.insert(0, str(ROOT / "deploy/monitoring"))

# Metrics of Prometheus itself, and of files that jobs write for the node exporter (docs/monitoring.md has them).
WRITTEN = {"up", "kinoteka_backup_completed_timestamp_seconds"}


def exported_names() -> set[str]:
    """All names of series."""
    recorded = set()
    for file in EXPORTS.glob("*.prom"):
        recorded |= {re.split(r"[{ ]", line)[0] for line in file.read_text().splitlines()}
    registered = set()
    for forms in registered_names().values():
        # What was recorded has its one right form.
        if not forms & recorded:
            registered |= forms
    return recorded | registered | WRITTEN


def registered_names() -> dict[str, set[str]]:
    """What the server's source registers, with the names that its series may have."""
    names = {}
    for file in (ROOT / "crates/telemetry/src").rglob("*.rs"):
        source = file.read_text()
        for name in re.findall(r'register\(\s*"(\w+)"', source):
            names[name] = {f"kinoteka_{name}", f"kinoteka_{name}_total"}
        for name, unit in re.findall(r'register_with_unit\(\s*"(\w+)",[^;]*?Unit::(\w+)', source):
            base = f"kinoteka_{name}_{unit.lower()}"
            names[name] = {base} | {f"{base}_{part}" for part in ("total", "bucket", "count", "sum")}
    return names

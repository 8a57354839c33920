"""Every alert fires at its fault, and nothing else does: promtool evaluates the rules over series of a healthy cluster
in which one thing goes wrong after five minutes."""

import json
import re
import subprocess
import tempfile
import unittest
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from names import ROOT, exported_names
from evaluate import named_metrics

RULES = ROOT / "deploy/monitoring/rules.yml"
STEP = 5
# Samples before and after the fault.
BEFORE, AFTER = 60, 60
FAULT_AT = BEFORE * STEP


def gauge(value: float) -> tuple[str, str]:
    """A constant."""
    return (f"{value}x{BEFORE - 1}", f"{value}x{AFTER}")


def counter(a_second: float) -> tuple[str, str]:
    """A count that rises steadily."""
    step = a_second * STEP
    return (f"0+{step}x{BEFORE - 1}", f"{step * BEFORE}+{step}x{AFTER}")


def node(name: str, **more: str) -> str:
    labels = {"cluster": "main", "node_name": name, **more}
    return ",".join(f'{key}="{value}"' for key, value in labels.items())


def server(name: str, **more: str) -> str:
    return node("local", service_name=name, **more)


def healthy() -> dict[str, tuple[str, str]]:
    """A leader, a replica, two servers: all is well."""
    series = {}
    for name, leads in (("n1", 1), ("n2", 0)):
        series |= {
            f"patroni_primary{{{node(name)}}}": gauge(leads),
            f"patroni_postgres_running{{{node(name)}}}": gauge(1),
            f"patroni_postgres_streaming{{{node(name)}}}": gauge(1 - leads),
            f"patroni_postgres_timeline{{{node(name)}}}": gauge(3),
            f"patroni_failsafe_mode_is_active{{{node(name)}}}": gauge(0),
            f"patroni_xlog_paused{{{node(name)}}}": gauge(0),
            f"patroni_xlog_received_location{{{node(name)}}}": counter(0 if leads else 1000),
            f"patroni_xlog_replayed_location{{{node(name)}}}": counter(0 if leads else 1000),
            f"kinoteka_pg_replica_replay_lag_seconds{{{node(name)}}}": gauge(0),
            f"pg_exporter_last_scrape_error{{{node(name)}}}": gauge(0),
            f"kinoteka_pg_rights_monitors{{{node(name)}}}": gauge(1),
            f"up{{{node(name, external_group='patroni')}}}": gauge(1),
            f"up{{{node(name, external_group='etcd')}}}": gauge(1),
            f"up{{{node(name, service_type='postgresql')}}}": gauge(1),
        }
    for name in ("k1", "k2"):
        series |= {
            f"up{{{server(name, external_group='kinoteka')}}}": gauge(1),
            f"kinoteka_feed_connected{{{server(name)}}}": gauge(1),
            f"kinoteka_feed_polls_total{{{server(name)}}}": counter(10),
            f"kinoteka_feed_horizon_age_seconds{{{server(name)}}}": gauge(0),
            f"kinoteka_operation_duration_seconds_count{{{server(name)}}}": counter(100),
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='0.5')}}}": counter(100),
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='2.5')}}}": counter(100),
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='+Inf')}}}": counter(100),
            # Clients' own errors are no fault of ours; 4 % of the others are below the limit.
            f"kinoteka_errors_total{{{server(name, code='BAD_USER_INPUT')}}}": counter(50),
            f"kinoteka_errors_total{{{server(name, code='UNAVAILABLE')}}}": counter(4),
            f"kinoteka_pool_connections_in_use{{{server(name, pool='write')}}}": gauge(7),
            f"kinoteka_pool_connections_max{{{server(name, pool='write')}}}": gauge(8),
            # SQLite's one connection for changes is always in use.
            f"kinoteka_pool_connections_in_use{{{server(name, pool='one')}}}": gauge(1),
            f"kinoteka_pool_connections_max{{{server(name, pool='one')}}}": gauge(1),
        }
    replica = node("n1", application_name="n2")
    slot = node("n1", slot_name="n2")
    disk = node("n1", fstype="ext4", mountpoint="/")
    memory = node("n1", fstype="tmpfs", mountpoint="/run")
    return series | {
        # Each of these is at the limit, and not beyond it.
        f"kinoteka_pg_lag_replay_lag_bytes{{{replica}}}": gauge(16777216),
        f"kinoteka_pg_slot_kept_bytes{{{slot}}}": gauge(1073741824),
        f"node_filesystem_avail_bytes{{{disk}}}": gauge(10),
        f"node_filesystem_size_bytes{{{disk}}}": gauge(100),
        f"node_filesystem_avail_bytes{{{memory}}}": gauge(0),
        f"node_filesystem_size_bytes{{{memory}}}": gauge(100),
        'kinoteka_backup_completed_timestamp_seconds{node_name="n1"}': gauge(0),
    }


@dataclass(frozen=True)
class Fault:
    """What goes wrong: values that series have from the fault on, and the alerts that must fire."""

    says: str
    values: dict[str, str]
    # Alert -> its labels, without severity, and its summary.
    alerts: dict[str, tuple[str, str]]
    # Seconds after the fault at which nothing fires yet, and at which all of `alerts` do.
    not_yet: int = 5
    by: int = 120
    # Samples after the fault.
    samples: int = field(default=AFTER)


FAULTS = [
    Fault(
        "the leader's lock is gone",
        {f"patroni_primary{{{node('n1')}}}": "0"},
        {
            "NoLeader": ('cluster="main"', "No member of the cluster is the leader: nothing can be written"),
            # In the series alone: Patroni's own replica would stream.
            "ReplicaNotStreaming": (node("n1"), "n1 receives no WAL from the leader"),
        },
    ),
    Fault(
        "no Patroni answers",
        {f"patroni_primary{{{node(name)}}}": "stale" for name in ("n1", "n2")}
        | {f"up{{{node(name, external_group='patroni')}}}": "0" for name in ("n1", "n2")},
        {"NoLeader": ("", "No member of the cluster is the leader: nothing can be written")}
        | {
            f"MemberDown {name}": (node(name, external_group="patroni"), f"Patroni of {name} does not answer")
            for name in ("n1", "n2")
        },
    ),
    Fault(
        "a second leader",
        {f"patroni_primary{{{node('n2')}}}": "1"},
        {
            "TwoLeaders": (
                'cluster="main"',
                "2 members say that they are the leader: acknowledged changes may be lost",
            )
        },
    ),
    Fault(
        "a replica is killed",
        {
            f"up{{{node('n2', external_group='patroni')}}}": "0",
            f"patroni_primary{{{node('n2')}}}": "stale",
            f"patroni_postgres_streaming{{{node('n2')}}}": "stale",
            f"patroni_postgres_running{{{node('n2')}}}": "stale",
            f"patroni_xlog_received_location{{{node('n2')}}}": "stale",
            f"patroni_xlog_replayed_location{{{node('n2')}}}": "stale",
        },
        {"MemberDown": (node("n2", external_group="patroni"), "Patroni of n2 does not answer")},
    ),
    Fault(
        "PostgreSQL is killed, Patroni is not",
        {f"patroni_postgres_running{{{node('n2')}}}": "0"},
        {"PostgresDown": (node("n2"), "PostgreSQL of n2 does not run")},
    ),
    Fault(
        "a replica does not stream",
        {f"patroni_postgres_streaming{{{node('n2')}}}": "0"},
        {"ReplicaNotStreaming": (node("n2"), "n2 receives no WAL from the leader")},
        not_yet=10,
    ),
    Fault(
        "a replica lags by bytes",
        {f"kinoteka_pg_lag_replay_lag_bytes{{{node('n1', application_name='n2')}}}": "33554432"},
        {"ReplicaLaggingBytes": (node("n1", application_name="n2"), "n2 is 32MiB of WAL behind the leader")},
        not_yet=10,
    ),
    Fault(
        "a replica lags by seconds",
        {f"kinoteka_pg_replica_replay_lag_seconds{{{node('n2')}}}": "11"},
        {"ReplicaLaggingSeconds": (node("n2"), "n2 is 11s behind the leader")},
        not_yet=10,
    ),
    Fault(
        "replay stops while WAL arrives",
        {f"patroni_xlog_replayed_location{{{node('n2')}}}": "300000"},
        {"ReplayStopped": (node("n2"), "n2 receives WAL and does not replay it: its reads are stale")},
        not_yet=20,
    ),
    Fault(
        "replay is paused",
        {f"patroni_xlog_paused{{{node('n2')}}}": "1"},
        {"ReplayStopped": (node("n2"), "n2 receives WAL and does not replay it: its reads are stale")},
        not_yet=0,
    ),
    Fault(
        "nothing is written: a replica that has replayed everything is well",
        {
            f"patroni_xlog_received_location{{{node('n2')}}}": "300000",
            f"patroni_xlog_replayed_location{{{node('n2')}}}": "300000",
        },
        {},
    ),
    Fault(
        "etcd is away",
        {f"patroni_failsafe_mode_is_active{{{node('n1')}}}": "1"},
        {"FailsafeActive": (node("n1"), "n1 cannot reach etcd, and goes on in failsafe mode")},
        not_yet=-5,
    ),
    Fault(
        "a replica is promoted",
        {f"patroni_postgres_timeline{{{node('n2')}}}": "4"},
        {"TimelineChanged": ('cluster="main"', "A new leader was promoted within the last 5 minutes")},
        not_yet=-5,
    ),
    Fault(
        "a slot keeps WAL",
        {f"kinoteka_pg_slot_kept_bytes{{{node('n1', slot_name='n2')}}}": "2147483648"},
        {"SlotKeepsWal": (node("n1", slot_name="n2"), "n1 keeps 2GiB of WAL for slot n2")},
        not_yet=55,
    ),
    Fault(
        "a server is killed",
        {f"up{{{server('k2', external_group='kinoteka')}}}": "0"},
        {"InstanceDown": (server("k2", external_group="kinoteka"), "Server k2 does not answer")},
    ),
    Fault(
        "operations fail",
        {f"kinoteka_errors_total{{{server('k1', code='UNAVAILABLE')}}}": "1200+50x60"},
        {"ErrorRateHigh": ('cluster="main",service_name="k1"', "10% of operations on k1 fail")},
        not_yet=25,
    ),
    Fault(
        "one operation in fifty is slow",
        {
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='0.5')}}}": "30000+490x60"
            for name in ("k1", "k2")
        },
        {"OperationsSlow": ('cluster="main"', "1 % of operations take longer than 1.5s")},
        not_yet=55,
        by=300,
    ),
    Fault(
        "all connections of a pool are in use",
        {f"kinoteka_pool_connections_in_use{{{server('k1', pool='write')}}}": "8"},
        {"PoolExhausted": (server("k1", pool="write"), "All connections of pool write on k1 are in use")},
        not_yet=25,
    ),
    Fault(
        "the feed cannot read",
        {f"kinoteka_feed_connected{{{server('k1')}}}": "0"},
        {"FeedAway": (server("k1"), "The feed of k1 cannot reach the database: listeners get nothing")},
        not_yet=10,
    ),
    Fault(
        "a transaction holds the feed back",
        {f"kinoteka_feed_horizon_age_seconds{{{server('k1')}}}": "11"},
        {"FeedHeldBack": (server("k1"), "Comments wait since 11s behind an open transaction")},
    ),
    Fault(
        "the feeds of all servers hang",
        {f"kinoteka_feed_polls_total{{{server(name)}}}": "3000" for name in ("k1", "k2")},
        {"SequencerAbsent": ('cluster="main"', "No server reads the feed: new comments get no place in it")},
        not_yet=60,
    ),
    Fault(
        "the feed of one server hangs: the other reads on",
        {f"kinoteka_feed_polls_total{{{server('k1')}}}": "3000"},
        {},
    ),
    Fault(
        "an exporter is killed",
        {f"up{{{node('n1', service_type='postgresql')}}}": "0"},
        {
            "ExporterDown": (
                node("n1", service_type="postgresql"),
                " cannot be measured: alerts that need it stay silent",
            )
        },
        not_yet=25,
    ),
    Fault(
        "a query of the exporter fails",
        {f"pg_exporter_last_scrape_error{{{node('n1')}}}": "1"},
        {"ExporterDown": (node("n1"), " cannot be measured: alerts that need it stay silent")},
        not_yet=25,
    ),
    Fault(
        "the exporter's role lost its rights",
        {f"kinoteka_pg_rights_monitors{{{node('n1')}}}": "0"},
        {"ExporterDown": (node("n1"), " cannot be measured: alerts that need it stay silent")},
        not_yet=25,
    ),
    Fault(
        "a disk fills up",
        {f"node_filesystem_avail_bytes{{{node('n1', fstype='ext4', mountpoint='/')}}}": "9"},
        {"DiskFull": (node("n1", fstype="ext4", mountpoint="/"), "9% of / on n1 is left")},
        not_yet=55,
    ),
    Fault(
        "the backup did not run for more than a day",
        {'kinoteka_backup_completed_timestamp_seconds{node_name="n1"}': "-100000"},
        {"BackupOld": ("", "No backup was completed within the last 26 hours")},
        not_yet=3500,
        by=3650,
        samples=750,
    ),
    Fault(
        "no backup is known",
        {'kinoteka_backup_completed_timestamp_seconds{node_name="n1"}': "stale"},
        {"BackupOld": ("", "No backup was completed within the last 26 hours")},
        not_yet=3500,
        by=3650,
        samples=750,
    ),
]


def rules() -> dict[str, dict]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_of(fault: Fault) -> dict:
    """A test in promtool's form: all alerts are looked at, before the fault, early in it, and when they must fire."""
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
            # `alertname` before anything else has happened is the check of a healthy cluster.
            time = f"{FAULT_AT + second}s"
            checks.append({"eval_time": time, "alertname": alert, "exp_alerts": expected})
    return {"name": fault.says, "interval": f"{STEP}s", "input_series": series, "alert_rule_test": checks}


def exp_labels(rule: dict, labels: str) -> dict[str, str]:
    return {**rule["labels"], **dict(re.findall(r'(\w+)="([^"]*)"', labels))}


class Rules(unittest.TestCase):
    maxDiff = None

    def test_each_alert_fires_at_its_fault_alone(self) -> None:
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

    def test_each_alert_leads_to_what_to_do(self) -> None:
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

    def test_no_rule_names_patroni_master(self) -> None:
        # Patroni 4 has no such metric.
        self.assertNotIn("patroni_master", RULES.read_text())


if __name__ == "__main__":
    unittest.main()

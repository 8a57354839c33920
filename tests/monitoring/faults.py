"""The series of a healthy cluster, and faults with the alerts that must fire for each.

Series use promtool's notation: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules.
"""

from dataclasses import dataclass, field

STEP = 5
# Samples before and after the fault.
BEFORE, AFTER = 60, 60
FAULT_AT = BEFORE * STEP


def gauge(value: float) -> tuple[str, str]:
    """A constant value."""
    return (f"{value}x{BEFORE - 1}", f"{value}x{AFTER}")


def counter(a_second: float) -> tuple[str, str]:
    """A steadily rising counter."""
    step = a_second * STEP
    return (f"0+{step}x{BEFORE - 1}", f"{step * BEFORE}+{step}x{AFTER}")


def node(name: str, **more: str) -> str:
    labels = {"cluster": "main", "node_name": name, **more}
    return ",".join(f'{key}="{value}"' for key, value in labels.items())


def server(name: str, **more: str) -> str:
    return node("local", service_name=name, **more)


def healthy() -> dict[str, tuple[str, str]]:
    """A healthy cluster: a leader, a replica and two servers."""
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
            # 1 also on a healthy replica.
            f"pg_exporter_last_scrape_error{{{node(name)}}}": gauge(1 - leads),
            f"pg_up{{{node(name)}}}": gauge(1),
            f"kinoteka_pg_rights_monitors{{{node(name)}}}": gauge(1),
            f"kinoteka_pg_rights_statements{{{node(name)}}}": gauge(1),
            f"up{{{node(name, external_group='patroni')}}}": gauge(1),
            f"up{{{node(name, external_group='etcd')}}}": gauge(1),
            f"up{{{node(name, service_type='postgresql')}}}": gauge(1),
        }
    for name in ("k1", "k2"):
        series |= {
            f"up{{{server(name, external_group='kinoteka')}}}": gauge(1),
            f"kinoteka_leader_known{{{server(name)}}}": gauge(1),
            f"kinoteka_leader_timeline{{{server(name)}}}": gauge(3),
            f"kinoteka_feed_connected{{{server(name)}}}": gauge(1),
            f"kinoteka_feed_polls_total{{{server(name)}}}": counter(10),
            f"kinoteka_feed_horizon_age_seconds{{{server(name)}}}": gauge(0),
            f"kinoteka_operation_duration_seconds_count{{{server(name)}}}": counter(100),
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='0.5')}}}": counter(100),
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='2.5')}}}": counter(100),
            f"kinoteka_operation_duration_seconds_bucket{{{server(name, le='+Inf')}}}": counter(100),
            # Clients' errors do not count; 4 % of the others are below the limit.
            f"kinoteka_errors_total{{{server(name, code='BAD_USER_INPUT')}}}": counter(50),
            f"kinoteka_errors_total{{{server(name, code='UNAVAILABLE')}}}": counter(4),
            f"kinoteka_pool_connections_in_use{{{server(name, pool='write')}}}": gauge(7),
            f"kinoteka_pool_connections_max{{{server(name, pool='write')}}}": gauge(8),
            # SQLite's one connection for changes is always in use.
            f"kinoteka_pool_connections_in_use{{{server(name, pool='one')}}}": gauge(1),
            f"kinoteka_pool_connections_max{{{server(name, pool='one')}}}": gauge(1),
        }
    # Only the leader: a replica without reads has no statements.
    series[f"kinoteka_pg_statements_calls{{{node('n1', queryid='1')}}}"] = counter(10)
    replica = node("n1", application_name="n2")
    slot = node("n1", slot_name="n2")
    disk = node("n1", fstype="ext4", mountpoint="/")
    memory = node("n1", fstype="tmpfs", mountpoint="/run")
    return series | {
        # Each of these is exactly at its limit.
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
    """A fault: the values of series from the fault on, and the alerts that must fire."""

    says: str
    values: dict[str, str]
    # Alert -> its labels without severity, and its summary.
    alerts: dict[str, tuple[str, str]]
    # Seconds after the fault at which no alert fires yet, and at which all of `alerts` do.
    not_yet: int = 5
    by: int = 120
    # Samples after the fault.
    samples: int = field(default=AFTER)


def unmeasured(whose: str) -> dict[str, tuple[str, str]]:
    return {"ExporterDown": (whose, " cannot be monitored: alerts that need it cannot fire")}


FAULTS = [
    Fault(
        "the leader's lock is lost",
        {f"patroni_primary{{{node('n1')}}}": "0"},
        {
            "NoLeader": ('cluster="main"', "The cluster has no leader: nothing can be written"),
            # Only in these series: Patroni's own replica would stream.
            "ReplicaNotStreaming": (node("n1"), "n1 receives no WAL from the leader"),
        },
    ),
    Fault(
        "no Patroni responds",
        {f"patroni_primary{{{node(name)}}}": "stale" for name in ("n1", "n2")}
        | {f"up{{{node(name, external_group='patroni')}}}": "0" for name in ("n1", "n2")},
        {"NoLeader": ("", "The cluster has no leader: nothing can be written")}
        | {
            f"MemberDown {name}": (node(name, external_group="patroni"), f"Patroni on {name} does not respond")
            for name in ("n1", "n2")
        },
    ),
    Fault(
        "a second leader",
        {f"patroni_primary{{{node('n2')}}}": "1"},
        {
            "TwoLeaders": (
                'cluster="main"',
                "2 members report that they are the leader: acknowledged changes may be lost",
            ),
            # Only in these series: a leader has statements.
            "ExporterDown": (node("n2"), " cannot be monitored: alerts that need it cannot fire"),
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
        {"MemberDown": (node("n2", external_group="patroni"), "Patroni on n2 does not respond")},
    ),
    Fault(
        "PostgreSQL is killed, Patroni is not",
        {f"patroni_postgres_running{{{node('n2')}}}": "0"},
        {"PostgresDown": (node("n2"), "PostgreSQL on n2 is not running")},
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
        {"ReplayStopped": (node("n2"), "n2 receives WAL but does not replay it: its reads are stale")},
        not_yet=20,
    ),
    Fault(
        "replay is paused",
        {f"patroni_xlog_paused{{{node('n2')}}}": "1"},
        {"ReplayStopped": (node("n2"), "n2 receives WAL but does not replay it: its reads are stale")},
        not_yet=0,
    ),
    Fault(
        "nothing is written: a replica that has replayed everything is healthy",
        {
            f"patroni_xlog_received_location{{{node('n2')}}}": "300000",
            f"patroni_xlog_replayed_location{{{node('n2')}}}": "300000",
        },
        {},
    ),
    Fault(
        "etcd is down",
        {f"patroni_failsafe_mode_is_active{{{node('n1')}}}": "1"},
        {"FailsafeActive": (node("n1"), "n1 cannot reach etcd and continues in failsafe mode")},
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
        {"InstanceDown": (server("k2", external_group="kinoteka"), "Server k2 does not respond")},
    ),
    Fault(
        "a server writes to a leader on another timeline",
        {f"kinoteka_leader_timeline{{{server('k1')}}}": "4"},
        {"InstancesDisagree": ('cluster="main"', "Servers disagree about the leader of the database")},
        not_yet=10,
    ),
    Fault(
        "only one server finds no leader",
        {f"kinoteka_leader_known{{{server('k1')}}}": "0"},
        {"InstancesDisagree": ('cluster="main"', "Servers disagree about the leader of the database")},
        not_yet=10,
    ),
    Fault(
        "no server finds a leader: they agree",
        {f"kinoteka_leader_known{{{server(name)}}}": "0" for name in ("k1", "k2")},
        {},
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
        {"FeedAway": (server("k1"), "The feed of k1 cannot reach the database: listeners get no comments")},
        not_yet=10,
    ),
    Fault(
        "a transaction holds the feed back",
        {f"kinoteka_feed_horizon_age_seconds{{{server('k1')}}}": "11"},
        {"FeedHeldBack": (server("k1"), "Comments have waited for 11s behind an open transaction")},
    ),
    Fault(
        "the feeds of all servers hang",
        {f"kinoteka_feed_polls_total{{{server(name)}}}": "3000" for name in ("k1", "k2")},
        {"SequencerAbsent": ('cluster="main"', "No server reads the feed: listeners get no new comments")},
        not_yet=60,
    ),
    Fault(
        "the feed of one server hangs: the other one continues",
        {f"kinoteka_feed_polls_total{{{server('k1')}}}": "3000"},
        {},
    ),
    Fault(
        "an exporter is killed",
        {f"up{{{node('n1', service_type='postgresql')}}}": "0"},
        unmeasured(node("n1", service_type="postgresql")),
        not_yet=25,
    ),
    Fault(
        "the exporter cannot log in",
        {f"pg_up{{{node('n1')}}}": "0"},
        unmeasured(node("n1")),
        not_yet=25,
    ),
    Fault(
        "the exporter's database lacks pg_stat_statements",
        {f"kinoteka_pg_rights_statements{{{node('n2')}}}": "0"},
        unmeasured(node("n2")),
        not_yet=25,
    ),
    Fault(
        "the exporter's query of statements fails",
        {f"kinoteka_pg_statements_calls{{{node('n1', queryid='1')}}}": "stale"},
        unmeasured(node("n1")),
        not_yet=25,
    ),
    Fault(
        "the exporter's role lost its rights",
        {f"kinoteka_pg_rights_monitors{{{node('n1')}}}": "0"},
        unmeasured(node("n1")),
        not_yet=25,
    ),
    Fault(
        "a disk fills up",
        {f"node_filesystem_avail_bytes{{{node('n1', fstype='ext4', mountpoint='/')}}}": "9"},
        {"DiskFull": (node("n1", fstype="ext4", mountpoint="/"), "Only 9% of / on n1 is free")},
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

"""The dashboard of one member of the cluster."""

from cluster import ROLE, STREAMING
from panels import Page, lines, number

NODE = Page(
    "node",
    "a node in trouble",
    "The symptoms of one member of the cluster. docs/monitoring.md has the remedies.",
    ("node_name", "patroni_version"),
    False,
    [
        (
            "Symptoms",
            [
                number("Patroni responds", "1 if it does.", 'max(up{@,external_group="patroni"})', red_below=1),
                number("PostgreSQL runs", "1 if it does.", "max(patroni_postgres_running{@})", red_below=1),
                number(
                    "Leads or streams",
                    "1 if it is the leader or receives WAL.",
                    "max(patroni_primary{@} or patroni_postgres_streaming{@})",
                    red_below=1,
                ),
                number(
                    "Not replayed",
                    "WAL that it has received but not replayed.",
                    "max(patroni_xlog_received_location{@} - patroni_xlog_replayed_location{@})",
                    "bytes",
                    red=16 * 2**20,
                ),
                number(
                    "Behind", "Age of the last transaction that it replayed.", "max(kinoteka_pg_replica_replay_lag_seconds{@})", "s", red=10
                ),
                number(
                    "Disk left",
                    "Of the fullest file system.",
                    'min(node_filesystem_avail_bytes{#,fstype!~"tmpfs|ramfs"} / node_filesystem_size_bytes)',
                    "percentunit",
                    red_below=0.1,
                ),
            ],
        ),
        (
            "Replication",
            [
                ROLE,
                STREAMING,
                lines(
                    "Position in the WAL",
                    "Received and replayed. If only the first one rises, replay has stopped.",
                    "bytes",
                    ("patroni_xlog_received_location{@}", "received"),
                    ("patroni_xlog_replayed_location{@}", "replayed"),
                    ("patroni_xlog_location{@}", "written"),
                ),
                lines(
                    "Behind",
                    "Age of the last transaction that it replayed.",
                    "s",
                    ("kinoteka_pg_replica_replay_lag_seconds{@}", "{{node_name}}"),
                ),
            ],
        ),
        (
            "Its environment",
            [
                lines(
                    "Last contact with etcd",
                    "How long ago Patroni last reached it.",
                    "s",
                    ("time() - patroni_dcs_last_seen{@}", "{{name}}"),
                ),
                lines(
                    "Connections",
                    "By state.",
                    "short",
                    ("sum by (state) (pg_stat_activity_count{@}) > 0", "{{state}}"),
                ),
                lines("Waits", "What backends wait for.", "short", ("kinoteka_pg_waits_backends{@}", "{{event_type}}")),
                lines(
                    "CPU",
                    "Of all cores.",
                    "percentunit",
                    ('1 - avg by (node_name) (rate(node_cpu_seconds_total{#,mode="idle"}[@]))', "busy"),
                    ('avg by (node_name) (rate(node_cpu_seconds_total{#,mode="iowait"}[@]))', "waits for disks"),
                ),
                lines(
                    "Memory",
                    "Memory of the machine.",
                    "bytes",
                    ("node_memory_MemTotal_bytes{#}", "all"),
                    ("node_memory_MemAvailable_bytes{#}", "available"),
                ),
                lines(
                    "Disks",
                    "Read and written.",
                    "Bps",
                    ("sum by (node_name) (rate(node_disk_read_bytes_total{#}[@]))", "read"),
                    ("sum by (node_name) (rate(node_disk_written_bytes_total{#}[@]))", "written"),
                ),
            ],
        ),
    ],
)

"""The dashboard of the cluster."""

from panels import Page, lines, number, states

ROLE = states(
    "Roles",
    "The role that Patroni reports for each member.",
    "2 * patroni_primary{@} + patroni_replica{@}",
    "{{name}}",
    (2, "leader", "green"),
    (1, "replica", "blue"),
    (0, "neither", "red"),
)
STREAMING = states(
    "Receives WAL",
    "Whether each replica streams from the leader.",
    "patroni_postgres_streaming{@} + 2 * patroni_primary{@}",
    "{{name}}",
    (2, "leader", "green"),
    (1, "streams", "blue"),
    (0, "does not stream", "red"),
)

CLUSTER = Page(
    "cluster",
    "cluster",
    "Patroni, replication, etcd and HAProxy.",
    None,
    False,
    [
        (
            "Now",
            [
                number("Leaders", "Always one.", "sum(patroni_primary{@})", red_below=1),
                number(
                    "Streaming replicas",
                    "All members except the leader should stream.",
                    "sum(patroni_postgres_streaming{@})",
                    red_below=1,
                ),
                number("Timeline", "Rises with each promotion.", "max(patroni_postgres_timeline{@})"),
                number(
                    "Longest lag",
                    "The most WAL that a replica has not replayed.",
                    "max(kinoteka_pg_lag_replay_lag_bytes{@})",
                    "bytes",
                    red=16 * 2**20,
                ),
                number(
                    "etcd members", "Members of etcd that see its leader.", "sum(etcd_server_has_leader{@})", red_below=2
                ),
                number(
                    "Failsafe", "Members that continue without etcd.", "sum(patroni_failsafe_mode_is_active{@})", red=1
                ),
            ],
        ),
        (
            "Members",
            [
                ROLE,
                STREAMING,
                lines(
                    "Timeline",
                    "A member on an older timeline cannot follow the leader.",
                    "short",
                    ("patroni_postgres_timeline{@}", "{{name}}"),
                ),
                lines(
                    "Promotions",
                    "Within the last hour.",
                    "short",
                    ("changes((max by (cluster) (patroni_postgres_timeline{@}))[1h:10s])", "{{cluster}}"),
                ),
                lines(
                    "Lag in bytes",
                    "WAL that a replica has not replayed, as the leader sees it.",
                    "bytes",
                    ("kinoteka_pg_lag_replay_lag_bytes{@}", "{{application_name}} ({{sync_state}})"),
                ),
                lines(
                    "Lag in seconds",
                    "Age of the last replayed transaction; 0 when everything received is replayed.",
                    "s",
                    ("kinoteka_pg_replica_replay_lag_seconds{@}", "{{node_name}}"),
                ),
                lines(
                    "WAL kept for slots",
                    "It grows while a replica is down.",
                    "bytes",
                    ("kinoteka_pg_slot_kept_bytes{@}", "{{node_name}}: {{slot_name}}"),
                ),
                lines(
                    "WAL written",
                    "By the leader.",
                    "Bps",
                    ("rate(patroni_xlog_location{@}[@]) and patroni_primary{@} == 1", "{{name}}"),
                ),
            ],
        ),
        (
            "Seen from the servers",
            [
                states(
                    "Leader known",
                    "Whether a server has a database that accepts changes.",
                    "kinoteka_leader_known{@}",
                    "{{service_name}}",
                    (1, "yes", "green"),
                    (0, "no", "red"),
                ),
                lines(
                    "The leader's timeline",
                    "If servers differ, they write to different leaders.",
                    "short",
                    ("kinoteka_leader_timeline{@}", "{{service_name}}"),
                ),
                lines(
                    "Lag of the replica",
                    "The lag of the replica from which a server reads.",
                    "s",
                    ("kinoteka_replica_lag_seconds{@}", "{{service_name}}"),
                ),
                lines(
                    "Failovers and their effects",
                    "Failovers in the last hour; retried reads and mutations; sessions read without a leader.",
                    "short",
                    ("increase(kinoteka_failovers_total{@}[1h])", "{{service_name}}: failovers"),
                    ("rate(kinoteka_read_retries_total{@}[@])", "{{service_name}}: retried reads/s"),
                    (
                        "rate(kinoteka_sessions_from_replica_total{@}[@])",
                        "{{service_name}}: sessions from a replica/s",
                    ),
                    ("rate(kinoteka_mutations_repeated_total{@}[@])", "{{service_name}}: repeated mutations/s"),
                    ("rate(kinoteka_leader_fallbacks_total{@}[@])", "{{service_name}}: reads from the leader/s"),
                ),
                lines(
                    "Stale responses",
                    "Responses with x-kinoteka-stale: they may lack changes that the request should see.",
                    "ops",
                    ("rate(kinoteka_stale_answers_total{@}[@])", "{{service_name}}"),
                ),
                lines(
                    "Waits for a replica",
                    "99 % of the reads that waited for a replica to catch up waited at most this long.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (service_name, le) "
                        "(rate(kinoteka_replica_wait_seconds_bucket{@}[@]))) >= 0 or vector(0)",
                        "{{service_name}}",
                    ),
                ),
                lines(
                    "Mutations without a known outcome",
                    "Mutations whose clients got the outcome UNKNOWN.",
                    "ops",
                    ("rate(kinoteka_mutations_unknown_total{@}[@])", "{{service_name}}"),
                ),
                lines(
                    "Waits for a leader",
                    "99 % of the mutations that waited for a leader waited at most this long.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (service_name, le) "
                        "(rate(kinoteka_mutation_leader_wait_seconds_bucket{@}[@]))) >= 0 or vector(0)",
                        "{{service_name}}",
                    ),
                ),
            ],
        ),
        (
            "Patroni and etcd",
            [
                lines(
                    "Last contact with etcd",
                    "How long ago Patroni last reached it.",
                    "s",
                    ("time() - patroni_dcs_last_seen{@}", "{{name}}"),
                ),
                states(
                    "Pending restart",
                    "Members with parameters that need a restart.",
                    "patroni_pending_restart{@}",
                    "{{name}}",
                    (1, "pending", "yellow"),
                    (0, "no", "green"),
                ),
                lines(
                    "etcd: leader changes",
                    "Within the last hour.",
                    "short",
                    ("changes(etcd_server_leader_changes_seen_total{@}[1h])", "{{node_name}}"),
                ),
                lines(
                    "etcd: time to sync its log",
                    "99 % take at most this long. Slow disks can cost Patroni its leader.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (node_name, le) "
                        "(rate(etcd_disk_wal_fsync_duration_seconds_bucket{@}[@])))",
                        "{{node_name}}",
                    ),
                ),
            ],
        ),
        (
            "HAProxy",
            [
                lines(
                    "Servers up",
                    "By proxy: the leader for writes, the replicas for reads.",
                    "short",
                    ('sum by (proxy) (haproxy_server_status{@,state="UP"})', "{{proxy}}"),
                ),
                lines(
                    "Sessions",
                    "By proxy and server.",
                    "short",
                    ("haproxy_server_current_sessions{@}", "{{proxy}} {{server}}"),
                ),
                lines(
                    "Responses by status",
                    "Of the HTTP front.",
                    "reqps",
                    ("sum by (proxy, code) (rate(haproxy_backend_http_responses_total{@}[@]))", "{{proxy}} {{code}}"),
                ),
                lines(
                    "Connection errors and retries",
                    "Connections that HAProxy could not open, and its retries.",
                    "ops",
                    ("sum by (proxy) (rate(haproxy_backend_connection_errors_total{@}[@]))", "{{proxy}}: errors"),
                    ("sum by (proxy) (rate(haproxy_backend_retry_warnings_total{@}[@]))", "{{proxy}}: retries"),
                ),
            ],
        ),
    ],
)

"""The dashboard of the cluster."""

from panels import Page, lines, number, states

ROLE = states(
    "Roles",
    "What Patroni says of each member.",
    "2 * patroni_primary{@} + patroni_replica{@}",
    "{{name}}",
    (2, "leader", "green"),
    (1, "replica", "blue"),
    (0, "neither", "red"),
)
STREAMING = states(
    "Receives WAL",
    "Whether each member streams; the leader does not need to.",
    "patroni_postgres_streaming{@} + 2 * patroni_primary{@}",
    "{{name}}",
    (2, "leader", "green"),
    (1, "streams", "blue"),
    (0, "does not", "red"),
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
                    "Replicas that stream",
                    "As many as there are members beside the leader.",
                    "sum(patroni_postgres_streaming{@})",
                    red_below=1,
                ),
                number("Timeline", "Rises with each promotion.", "max(patroni_postgres_timeline{@})"),
                number(
                    "Longest lag",
                    "WAL that a replica has not replayed.",
                    "max(kinoteka_pg_lag_replay_lag_bytes{@})",
                    "bytes",
                    red=16 * 2**20,
                ),
                number(
                    "etcd members", "Those that see a leader of etcd.", "sum(etcd_server_has_leader{@})", red_below=2
                ),
                number(
                    "Failsafe", "Members that go on without etcd.", "sum(patroni_failsafe_mode_is_active{@})", red=1
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
                    "A member on an older timeline cannot follow.",
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
                    "Age of what a replica replays; 0 while it has replayed all that it received.",
                    "s",
                    ("kinoteka_pg_replica_replay_lag_seconds{@}", "{{node_name}}"),
                ),
                lines(
                    "WAL kept for slots",
                    "A replica that is away lets it grow.",
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
            "As the servers see it",
            [
                states(
                    "Finds a leader",
                    "Whether a server has a database that takes changes.",
                    "kinoteka_leader_known{@}",
                    "{{service_name}}",
                    (1, "yes", "green"),
                    (0, "no", "red"),
                ),
                lines(
                    "The leader's timeline",
                    "Servers that differ write to different leaders.",
                    "short",
                    ("kinoteka_leader_timeline{@}", "{{service_name}}"),
                ),
                lines(
                    "Lag of the replica",
                    "How far the replica that a server reads from is behind.",
                    "s",
                    ("kinoteka_replica_lag_seconds{@}", "{{service_name}}"),
                ),
                lines(
                    "Failovers and what they cost",
                    "Changes of the timeline within the last hour; what was sent again; sessions read without a leader.",
                    "short",
                    ("increase(kinoteka_failovers_total{@}[1h])", "{{service_name}}: failovers"),
                    ("rate(kinoteka_read_retries_total{@}[@])", "{{service_name}}: reads sent again a second"),
                    (
                        "rate(kinoteka_sessions_from_replica_total{@}[@])",
                        "{{service_name}}: sessions from a replica a second",
                    ),
                    ("rate(kinoteka_mutations_repeated_total{@}[@])", "{{service_name}}: mutations sent again a second"),
                    ("rate(kinoteka_leader_fallbacks_total{@}[@])", "{{service_name}}: reads from the leader a second"),
                ),
                lines(
                    "Stale answers",
                    "Answers with x-kinoteka-stale: they may lack what the request had to see.",
                    "ops",
                    ("rate(kinoteka_stale_answers_total{@}[@])", "{{service_name}}"),
                ),
                lines(
                    "Waits for a replica",
                    "99 % of the reads that waited until a replica had what they had to see did so for at most this long.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (service_name, le) "
                        "(rate(kinoteka_replica_wait_seconds_bucket{@}[@]))) >= 0 or vector(0)",
                        "{{service_name}}",
                    ),
                ),
                lines(
                    "Mutations without a known outcome",
                    "Clients were told that they may have been done or not.",
                    "ops",
                    ("rate(kinoteka_mutations_unknown_total{@}[@])", "{{service_name}}"),
                ),
                lines(
                    "Waits for a leader",
                    "99 % of the mutations that waited for a database that takes changes did so for at most this long.",
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
                    "Last seen etcd",
                    "How long ago Patroni last reached it.",
                    "s",
                    ("time() - patroni_dcs_last_seen{@}", "{{name}}"),
                ),
                states(
                    "Pending restart",
                    "Members whose parameters wait for a restart.",
                    "patroni_pending_restart{@}",
                    "{{name}}",
                    (1, "pending", "yellow"),
                    (0, "no", "green"),
                ),
                lines(
                    "etcd: changes of its leader",
                    "Within the last hour.",
                    "short",
                    ("changes(etcd_server_leader_changes_seen_total{@}[1h])", "{{node_name}}"),
                ),
                lines(
                    "etcd: time to sync its log",
                    "99 % take at most this long. Slow disks make Patroni lose its leader.",
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
                    "By proxy: one for writes, the replicas for reads.",
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
                    "HAProxy could not reach a server.",
                    "ops",
                    ("sum by (proxy) (rate(haproxy_backend_connection_errors_total{@}[@]))", "{{proxy}}: errors"),
                    ("sum by (proxy) (rate(haproxy_backend_retry_warnings_total{@}[@]))", "{{proxy}}: retries"),
                ),
            ],
        ),
    ],
)

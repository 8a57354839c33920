"""The dashboard of PostgreSQL."""

from panels import Page, lines, ranking

DATABASE = Page(
    "database",
    "database",
    "PostgreSQL: connections, transactions, waits, reads and writes, statements.",
    ("node_name", "pg_up"),
    True,
    [
        (
            "Connections and transactions",
            [
                lines(
                    "Connections",
                    "By state.",
                    "short",
                    ("sum by (node_name, state) (pg_stat_activity_count{@}) > 0", "{{node_name}} {{state}}"),
                ),
                lines(
                    "Connections in use",
                    "Of max_connections.",
                    "percentunit",
                    (
                        "sum by (node_name) (pg_stat_activity_count{@}) "
                        "/ max by (node_name) (pg_settings_max_connections{@})",
                        "{{node_name}}",
                    ),
                ),
                lines(
                    "Transactions",
                    "Committed and rolled back.",
                    "ops",
                    ('rate(pg_stat_database_xact_commit{@,datname="kinoteka"}[@])', "{{node_name}}: committed"),
                    ('rate(pg_stat_database_xact_rollback{@,datname="kinoteka"}[@])', "{{node_name}}: rolled back"),
                ),
                lines(
                    "Longest transaction",
                    "Old transactions prevent the cleanup of dead rows.",
                    "s",
                    ("max by (node_name) (pg_stat_activity_max_tx_duration{@})", "{{node_name}}"),
                ),
                lines(
                    "Waits",
                    "What backends wait for; CPU means that they do not wait.",
                    "short",
                    ("kinoteka_pg_waits_backends{@}", "{{node_name}} {{event_type}}"),
                ),
                lines(
                    "Deadlocks and conflicts",
                    "A conflict cancels a query on a replica that blocks replay.",
                    "ops",
                    ('rate(pg_stat_database_deadlocks{@,datname="kinoteka"}[@])', "{{node_name}}: deadlocks"),
                    ('rate(pg_stat_database_conflicts{@,datname="kinoteka"}[@])', "{{node_name}}: conflicts"),
                ),
            ],
        ),
        (
            "Reads and writes",
            [
                lines(
                    "Cache hits",
                    "Share of block reads served from PostgreSQL's memory.",
                    "percentunit",
                    (
                        'rate(pg_stat_database_blks_hit{@,datname="kinoteka"}[@]) / '
                        '(rate(pg_stat_database_blks_hit{@,datname="kinoteka"}[@]) '
                        '+ rate(pg_stat_database_blks_read{@,datname="kinoteka"}[@]))',
                        "{{node_name}}",
                    ),
                ),
                lines(
                    "Block I/O time",
                    "Milliseconds per second. Needs track_io_timing.",
                    "ms",
                    ('rate(pg_stat_database_blk_read_time{@,datname="kinoteka"}[@])', "{{node_name}}: reads"),
                    ('rate(pg_stat_database_blk_write_time{@,datname="kinoteka"}[@])', "{{node_name}}: writes"),
                ),
                lines(
                    "Rows",
                    "Fetched and changed.",
                    "ops",
                    ('rate(pg_stat_database_tup_fetched{@,datname="kinoteka"}[@])', "{{node_name}}: fetched"),
                    ('rate(pg_stat_database_tup_inserted{@,datname="kinoteka"}[@])', "{{node_name}}: inserted"),
                    ('rate(pg_stat_database_tup_updated{@,datname="kinoteka"}[@])', "{{node_name}}: updated"),
                    ('rate(pg_stat_database_tup_deleted{@,datname="kinoteka"}[@])', "{{node_name}}: deleted"),
                ),
                lines(
                    "Size",
                    "Size of the database, and bytes written to temporary files per second.",
                    "bytes",
                    ('pg_database_size_bytes{@,datname="kinoteka"}', "{{node_name}}"),
                    ('rate(pg_stat_database_temp_bytes{@,datname="kinoteka"}[@])', "{{node_name}}: temporary/s"),
                ),
            ],
        ),
        (
            "Statements",
            [
                ranking(
                    "Statements by time",
                    "Seconds of execution per second, without utility statements.",
                    "s",
                    "topk(10, sum by (node_name, query) (rate(kinoteka_pg_statements_seconds{@}[@])))",
                ),
                lines(
                    "Time of the top statements",
                    "Seconds of execution per second, and of block I/O.",
                    "s",
                    ("sum by (node_name) (rate(kinoteka_pg_statements_seconds{@}[@]))", "{{node_name}}"),
                    ("sum by (node_name) (rate(kinoteka_pg_statements_io_seconds{@}[@]))", "{{node_name}}: blocks"),
                ),
                lines(
                    "Calls and rows of the top statements",
                    "Per second.",
                    "ops",
                    ("sum by (node_name) (rate(kinoteka_pg_statements_calls{@}[@]))", "{{node_name}}: calls"),
                    ("sum by (node_name) (rate(kinoteka_pg_statements_rows{@}[@]))", "{{node_name}}: rows"),
                ),
            ],
        ),
    ],
)

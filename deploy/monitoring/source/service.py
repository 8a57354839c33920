"""The dashboard of the servers."""

from panels import Page, lines, number

OPERATIONS = "kinoteka_operation_duration_seconds"

SERVICE = Page(
    "service",
    "service",
    "Requests to the servers: how many, how many fail, how long they take.",
    ("service_name", "kinoteka_build_info"),
    True,
    [
        (
            "Now",
            [
                number("Servers up", "Servers that answer.", "sum(up{@})", red_below=1),
                number("Operations", "GraphQL operations a second.", f"sum(rate({OPERATIONS}_count{{@}}[@]))", "ops"),
                number(
                    "Failed",
                    "Operations that failed for a reason of ours: INTERNAL, UNAVAILABLE or TIMEOUT.",
                    '(sum(rate(kinoteka_errors_total{@,code=~"INTERNAL|UNAVAILABLE|TIMEOUT"}[@])) or vector(0))'
                    f" / sum(rate({OPERATIONS}_count{{@}}[@]))",
                    "percentunit",
                    red=0.05,
                ),
                number(
                    "99 % within",
                    "All but 1 % of operations take at most this long.",
                    f"histogram_quantile(0.99, sum by (le) (rate({OPERATIONS}_bucket{{@}}[@])))",
                    "s",
                    red=1,
                ),
                number("In flight", "HTTP requests being answered.", "sum(kinoteka_http_requests_in_flight{@})"),
                number(
                    "Busiest pool",
                    "Connections in use, of those that the pool may have.",
                    "max(kinoteka_pool_connections_in_use{@} / (kinoteka_pool_connections_max{@} > 1))",
                    "percentunit",
                    red=1,
                ),
            ],
        ),
        (
            "Rate",
            [
                lines(
                    "Operations by name",
                    "The first 64 names have series of their own; the others are counted as other.",
                    "ops",
                    (f"sum by (operation) (rate({OPERATIONS}_count{{@}}[@]))", "{{operation}}"),
                ),
                lines(
                    "Responses by status",
                    "Of /graphql. 499: the client left first.",
                    "reqps",
                    ('sum by (status) (rate(kinoteka_http_requests_total{@,path="/graphql"}[@]))', "{{status}}"),
                ),
                lines(
                    "Operations by server",
                    "A server that gets less than the others is slow, or the balancer holds it back.",
                    "ops",
                    (f"sum by (service_name) (rate({OPERATIONS}_count{{@}}[@]))", "{{service_name}}"),
                ),
                lines(
                    "Open sockets",
                    "WebSockets and event streams.",
                    "short",
                    ("sum by (service_name, kind) (kinoteka_sockets_open{@})", "{{service_name}} {{kind}}"),
                ),
            ],
        ),
        (
            "Errors and limits",
            [
                lines(
                    "Errors by code",
                    "INTERNAL and UNAVAILABLE are ours; the others are mostly the clients'.",
                    "ops",
                    ("sum by (code) (rate(kinoteka_errors_total{@}[@])) or vector(0)", "{{code}}"),
                ),
                lines(
                    "Limits hit",
                    "What a limit refused or ended, by its flag.",
                    "ops",
                    ("sum by (limit) (rate(kinoteka_limits_hit_total{@}[@])) or vector(0)", "{{limit}}"),
                    ("sum(rate(kinoteka_requests_refused_total{@}[@]))", "refused: no room"),
                ),
                lines(
                    "Ended sockets",
                    "By how they ended: 1013 is a listener that does not keep up.",
                    "ops",
                    ("sum by (end) (rate(kinoteka_sockets_closed_total{@}[@])) or vector(0)", "{{end}}"),
                ),
                lines(
                    "Lost log lines",
                    "Lines that nobody read in time.",
                    "ops",
                    ("sum by (service_name) (rate(kinoteka_log_lines_dropped_total{@}[@]))", "{{service_name}}"),
                ),
            ],
        ),
        (
            "Duration",
            [
                lines(
                    "Operations",
                    "Half, 95 % and 99 % of operations take at most this long.",
                    "s",
                    *(
                        (f"histogram_quantile({share}, sum by (le) (rate({OPERATIONS}_bucket{{@}}[@])))", name)
                        for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
                    ),
                ),
                lines(
                    "99 % of operations by name",
                    "Names with requests only.",
                    "s",
                    (
                        f"histogram_quantile(0.99, sum by (operation, le) (rate({OPERATIONS}_bucket{{@}}[@])))",
                        "{{operation}}",
                    ),
                ),
                lines(
                    "SQL statements",
                    "99 % take at most this long, without the wait for a connection.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (service_name, le) "
                        "(rate(kinoteka_statement_duration_seconds_bucket{@}[@])))",
                        "{{service_name}}",
                    ),
                ),
                lines(
                    "SQL statements a second",
                    "Failed ones too.",
                    "ops",
                    ("sum(rate(kinoteka_statement_duration_seconds_count{@}[@]))", "all"),
                    ("sum(rate(kinoteka_statements_failed_total{@}[@]))", "failed"),
                ),
            ],
        ),
        (
            "Resources",
            [
                lines(
                    "Database connections",
                    "In use, by server and pool.",
                    "short",
                    ("kinoteka_pool_connections_in_use{@}", "{{service_name}} {{pool}}"),
                    ("kinoteka_pool_connections_max{@}", "{{service_name}} {{pool}}, at most"),
                ),
                lines("Memory", "In RAM.", "bytes", ("process_resident_memory_bytes{@}", "{{service_name}}")),
                lines(
                    "CPU", "Of one core.", "percentunit", ("rate(process_cpu_seconds_total{@}[@])", "{{service_name}}")
                ),
                lines(
                    "Open files",
                    "Of those allowed. Near 100 %, connections are refused.",
                    "percentunit",
                    ("process_open_fds{@} / process_max_fds{@}", "{{service_name}}"),
                ),
                lines(
                    "Documents found in the cache",
                    "Few are found when clients write values into documents, or the cache is small.",
                    "percentunit",
                    (
                        "sum(rate(kinoteka_document_cache_hits_total{@}[@])) / "
                        "(sum(rate(kinoteka_document_cache_hits_total{@}[@])) "
                        "+ sum(rate(kinoteka_document_cache_misses_total{@}[@])))",
                        "found",
                    ),
                ),
                lines(
                    "Cached documents",
                    "Memory, by estimate.",
                    "bytes",
                    ("kinoteka_document_cache_bytes{@}", "{{service_name}}"),
                ),
            ],
        ),
    ],
)

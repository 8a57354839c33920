"""The dashboard of the servers."""

from panels import Page, lines, number

OPERATIONS = "kinoteka_operation_duration_seconds"

SERVICE = Page(
    "service",
    "service",
    "Requests to the servers: rate, failures and duration.",
    ("service_name", "kinoteka_build_info"),
    True,
    [
        (
            "Now",
            [
                number("Servers up", "Servers that respond.", "sum(up{@})", red_below=1),
                number("Operations", "GraphQL operations per second.", f"sum(rate({OPERATIONS}_count{{@}}[@]))", "ops"),
                number(
                    "Failed",
                    "Share of operations that failed in the server: INTERNAL, UNAVAILABLE or TIMEOUT.",
                    '(sum(rate(kinoteka_errors_total{@,code=~"INTERNAL|UNAVAILABLE|TIMEOUT"}[@])) or vector(0))'
                    f" / sum(rate({OPERATIONS}_count{{@}}[@]))",
                    "percentunit",
                    red=0.05,
                ),
                number(
                    "99 % within",
                    "99 % of operations take at most this long.",
                    f"histogram_quantile(0.99, sum by (le) (rate({OPERATIONS}_bucket{{@}}[@])))",
                    "s",
                    red=1,
                ),
                number("In flight", "HTTP requests in progress.", "sum(kinoteka_http_requests_in_flight{@})"),
                number(
                    "Busiest pool",
                    "Share of the pool's connections that are in use.",
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
                    "The first 64 names have their own series. The others count as \"other\".",
                    "ops",
                    (f"sum by (operation) (rate({OPERATIONS}_count{{@}}[@]))", "{{operation}}"),
                ),
                lines(
                    "Responses by status",
                    "Responses of /graphql. 499 means that the client disconnected first.",
                    "reqps",
                    ('sum by (status) (rate(kinoteka_http_requests_total{@,path="/graphql"}[@]))', "{{status}}"),
                ),
                lines(
                    "Operations by server",
                    "If one server gets less, it is slow, or the load balancer avoids it.",
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
                    "INTERNAL and UNAVAILABLE are faults of the server. The others are mostly faults of clients.",
                    "ops",
                    ("sum by (code) (rate(kinoteka_errors_total{@}[@])) or vector(0)", "{{code}}"),
                ),
                lines(
                    "Limits hit",
                    "Requests and connections that a limit refused or closed, by its flag.",
                    "ops",
                    ("sum by (limit) (rate(kinoteka_limits_hit_total{@}[@])) or vector(0)", "{{limit}}"),
                    ("sum(rate(kinoteka_requests_refused_total{@}[@]))", "refused: no free slot"),
                ),
                lines(
                    "Closed sockets",
                    "By close code. 1013 is a listener that does not keep up.",
                    "ops",
                    ("sum by (end) (rate(kinoteka_sockets_closed_total{@}[@])) or vector(0)", "{{end}}"),
                ),
                lines(
                    "Dropped log lines",
                    "Lines that the reader of the log did not read in time.",
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
                    "Only names with requests.",
                    "s",
                    (
                        f"histogram_quantile(0.99, sum by (operation, le) (rate({OPERATIONS}_bucket{{@}}[@])))",
                        "{{operation}}",
                    ),
                ),
                lines(
                    "SQL statements",
                    "99 % take at most this long, without waiting for a connection.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (service_name, le) "
                        "(rate(kinoteka_statement_duration_seconds_bucket{@}[@])))",
                        "{{service_name}}",
                    ),
                ),
                lines(
                    "SQL statements per second",
                    "Including failed statements.",
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
                lines("Memory", "Resident memory.", "bytes", ("process_resident_memory_bytes{@}", "{{service_name}}")),
                lines(
                    "CPU", "Of one core.", "percentunit", ("rate(process_cpu_seconds_total{@}[@])", "{{service_name}}")
                ),
                lines(
                    "Open files",
                    "Share of the limit. Near 100 %, connections are refused.",
                    "percentunit",
                    ("process_open_fds{@} / process_max_fds{@}", "{{service_name}}"),
                ),
                lines(
                    "Hits of the document cache",
                    "Low if clients write values into documents, or if the cache is too small.",
                    "percentunit",
                    (
                        "sum(rate(kinoteka_document_cache_hits_total{@}[@])) / "
                        "(sum(rate(kinoteka_document_cache_hits_total{@}[@])) "
                        "+ sum(rate(kinoteka_document_cache_misses_total{@}[@])))",
                        "hits",
                    ),
                ),
                lines(
                    "Cached documents",
                    "Estimated memory.",
                    "bytes",
                    ("kinoteka_document_cache_bytes{@}", "{{service_name}}"),
                ),
            ],
        ),
    ],
)

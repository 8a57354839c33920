"""The dashboard of the feed of comments."""

from panels import Page, lines, number, states

FEED = Page(
    "feed",
    "feed",
    "The feed of comments: listeners, and the delay of comments.",
    ("service_name", "kinoteka_build_info"),
    True,
    [
        (
            "Now",
            [
                number("Listeners", "Subscriptions to the feed.", "sum(kinoteka_feed_listeners{@})"),
                number(
                    "Connected",
                    "Servers whose feed reads the database.",
                    "sum(kinoteka_feed_connected{@})",
                    red_below=1,
                ),
                number(
                    "Deliveries",
                    "Results delivered to listeners per second.",
                    "sum(rate(kinoteka_feed_deliveries_total{@}[@]))",
                    "ops",
                ),
                number(
                    "99 % within",
                    "From writing a comment to delivering it to listeners.",
                    "histogram_quantile(0.99, sum by (le) (rate(kinoteka_feed_delivery_delay_seconds_bucket{@}[@])))",
                    "s",
                    red=1,
                ),
                number(
                    "Held back",
                    "How long the first comment has waited behind an open transaction; 0 in the order of ticks.",
                    "max(kinoteka_feed_horizon_age_seconds{@})",
                    "s",
                    red=10,
                ),
            ],
        ),
        (
            "Delivery",
            [
                lines(
                    "Delay",
                    "From writing a comment to delivering it to listeners.",
                    "s",
                    *(
                        (
                            f"histogram_quantile({share}, sum by (le) "
                            "(rate(kinoteka_feed_delivery_delay_seconds_bucket{@}[@])))",
                            name,
                        )
                        for share, name in ((0.5, "p50"), (0.99, "p99"))
                    ),
                ),
                lines(
                    "Deliveries",
                    "Results delivered to listeners, by server.",
                    "ops",
                    ("sum by (service_name) (rate(kinoteka_feed_deliveries_total{@}[@]))", "{{service_name}}"),
                ),
                lines(
                    "Listeners",
                    "By server. The listeners of a group share one execution.",
                    "short",
                    ("kinoteka_feed_listeners{@}", "{{service_name}}"),
                    ("kinoteka_feed_groups{@}", "{{service_name}}, groups"),
                ),
                lines(
                    "Slow listeners",
                    "Closed because their clients read too slowly.",
                    "ops",
                    ("sum by (service_name) (rate(kinoteka_feed_listeners_lagged_total{@}[@]))", "{{service_name}}"),
                ),
                lines(
                    "Held back",
                    "How long the first comment has waited behind an open transaction; 0 in the order of ticks.",
                    "s",
                    ("kinoteka_feed_horizon_age_seconds{@}", "{{service_name}}"),
                ),
                lines(
                    "Ticks",
                    "A tick assigns new comments their positions in the feed. Any server makes ticks, but only for new comments.",
                    "ops",
                    ("sum by (service_name) (rate(kinoteka_feed_ticks_total{@}[@]))", "{{service_name}}"),
                ),
                states(
                    "Order",
                    "Rows on SQLite, and after an upgrade until kinoteka migrate finish. In this order an open transaction delays "
                    "comments.",
                    "kinoteka_feed_by_tick{@}",
                    "{{service_name}}",
                    (1, "ticks", "green"),
                    (0, "rows", "yellow"),
                ),
                lines(
                    "Polls",
                    "Queries for new events.",
                    "ops",
                    ("sum by (service_name) (rate(kinoteka_feed_polls_total{@}[@]))", "{{service_name}}"),
                ),
                lines(
                    "Results sent",
                    "Over all WebSockets and event streams.",
                    "ops",
                    ("sum by (service_name) (rate(kinoteka_results_sent_total{@}[@]))", "{{service_name}}"),
                ),
                lines(
                    "Open subscriptions", "By server.", "short", ("kinoteka_subscriptions_open{@}", "{{service_name}}")
                ),
            ],
        ),
    ],
)

//! The SQL that reads the feed. Every statement sees the current order, the position and its events in one snapshot.
//!
//! The columns of each: [`HistoryRow`]. The parameters of statements that read from a position: [`bind`].

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

/// A row of every statement: the state of the feed, and an event if there is one.
pub(super) struct HistoryRow {
    pub(super) epoch: String,
    /// Whether the order is by ticks.
    pub(super) by_tick: bool,
    pub(super) intact: bool,
    /// Seconds.
    pub(super) waiting: Option<f64>,
    /// Tick, transaction, row and stamp; `None` for the start position.
    pub(super) edge: Option<[i64; 4]>,
    pub(super) event: Option<EventRow>,
}

/// An event.
pub(super) struct EventRow {
    /// Tick, transaction, row and stamp.
    pub(super) position: [i64; 4],
    /// Seconds.
    pub(super) age: f64,
    pub(super) kind: String,
    pub(super) comment: i32,
    pub(super) movie: Option<i32>,
    pub(super) publication: Option<i32>,
}

macro_rules! read_rows {
    ($($row:ty),*) => {$(
        impl FromRow<'_, $row> for HistoryRow {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                let position = |first: usize| -> Result<Option<[i64; 4]>, sqlx::Error> {
                    let Some(tick) = row.try_get(first)? else { return Ok(None) };
                    Ok(Some([tick, row.try_get(first + 1)?, row.try_get(first + 2)?, row.try_get(first + 3)?]))
                };
                let event = match position(8)? {
                    None => None,
                    Some(position) => Some(EventRow {
                        position,
                        age: row.try_get(12)?,
                        kind: row.try_get(13)?,
                        comment: row.try_get(14)?,
                        movie: row.try_get(15)?,
                        publication: row.try_get(16)?,
                    }),
                };
                Ok(Self {
                    epoch: row.try_get(0)?,
                    by_tick: row.try_get(1)?,
                    intact: row.try_get(2)?,
                    waiting: row.try_get(3)?,
                    edge: position(4)?,
                    event,
                })
            }
        }
    )*};
}

read_rows!(PgRow, SqliteRow);

/// Maximum number of ticks that one statement searches.
macro_rules! ticks_max {
    () => {
        "1000"
    };
}

/// The events of tick `t` with a condition and an order. Late ones have lower numbers than the others.
macro_rules! events_of_tick {
    ($condition:literal, $order:literal, $limit:literal, $from:literal) => {
        concat!(
            "SELECT * FROM (
                (SELECT * FROM comment_events WHERE xact = ANY (t.late) AND ",
            $condition,
            " ORDER BY ",
            $order,
            " LIMIT ",
            $limit,
            ") UNION ALL
                (SELECT * FROM comment_events WHERE xact >= ",
            $from,
            " AND xact < pg_snapshot_xmax(t.snapshot)
                    AND pg_visible_in_snapshot(xact, t.snapshot) AND ",
            $condition,
            " ORDER BY ",
            $order,
            " LIMIT ",
            $limit,
            ")
            ) AS of_tick ORDER BY ",
            $order,
            " LIMIT ",
            $limit
        )
    };
}

/// The columns of an event on PostgreSQL.
macro_rules! event_columns {
    ($tick:literal, $stamp:literal) => {
        concat!(
            $tick,
            ", event.xact::text::bigint, event.id, ",
            $stamp,
            ", extract(epoch FROM clock_timestamp() - event.at)::float8,
            event.kind, event.comment_id, event.movie_id, event.publication_id"
        )
    };
}

/// The page after the position ($1, $2, $3), by ticks. It is intact if the position's tick exists with its mark, or
/// its event with its time, which is then of the first tick; and if no later tick is missing.
pub(super) const READ_TICKS: &str = concat!(
    "SELECT feed.epoch, feed.ordering = 'TICK',
        CASE
            WHEN $5::bigint IS NOT NULL THEN EXISTS (SELECT FROM comment_ticks WHERE tick = $1 AND mark = $5)
                OR feed.floor_tick = $1 AND feed.floor_mark = $5
                    AND ($2::text::xid8, $3) >= (feed.floor_xact, feed.floor_id)
            WHEN $4::bigint IS NOT NULL THEN coalesce(
                (SELECT extract(epoch FROM at) * 1000000 = $4 FROM comment_events WHERE xact = $2::text::xid8 AND id = $3),
                feed.floor_xact = $2::text::xid8 AND feed.floor_id = $3 AND extract(epoch FROM feed.floor_at) * 1000000 = $4
            ) AND coalesce(
                (SELECT pg_visible_in_snapshot($2::text::xid8, snapshot) FROM comment_ticks WHERE tick = $1), true
            )
            ELSE true
        END AND (
            $6::bigint IS NULL OR feed.floor_tick >= $6 OR EXISTS (SELECT FROM comment_ticks WHERE tick = $6 AND mark = $7)
        ) AND CASE
            WHEN ahead.number = 0 THEN $1 = feed.floor_tick OR $1 = 1 AND feed.floor_tick = 0
            ELSE ahead.last - ahead.first + 1 = ahead.number
                AND (ahead.first = $1 OR ahead.first = $1 + 1 AND feed.floor_tick = $1)
        END,
        NULL::float8,
        ahead.last, 9223372036854775807, 9223372036854775807, (SELECT mark FROM comment_ticks WHERE tick = ahead.last), ",
    event_columns!("event.tick", "event.mark"),
    "
    FROM comment_feed AS feed
    CROSS JOIN LATERAL (
        SELECT min(tick) AS first, max(tick) AS last, count(*) AS number
        FROM (SELECT tick FROM comment_ticks WHERE tick >= $1 ORDER BY tick LIMIT ",
    ticks_max!(),
    ") AS ticks
    ) AS ahead
    LEFT JOIN LATERAL (
        SELECT t.tick, t.mark, of_tick.*
        FROM (SELECT * FROM comment_ticks WHERE tick >= $1 ORDER BY tick LIMIT ",
    ticks_max!(),
    ") AS t
        CROSS JOIN LATERAL (",
    events_of_tick!(
        "(t.tick > $1 OR (xact, id) > ($2::text::xid8, $3)) AND ($9 OR movie_id = $10 OR publication_id = $11)
            AND ($12::boolean IS NULL OR (kind = 'ADDED') = $12)",
        "xact, id",
        "$8",
        "greatest(t.from_xact, CASE WHEN t.tick = $1 THEN $2::text::xid8 END)"
    ),
    ") AS of_tick
        ORDER BY t.tick, of_tick.xact, of_tick.id LIMIT $8
    ) AS event ON true
    ORDER BY event.tick, event.xact, event.id"
);

/// The same by transactions. Everything below the oldest running transaction of the snapshot is complete: whatever
/// commits later started later, above it.
pub(super) const READ_TRANSACTIONS: &str = concat!(
    "SELECT feed.epoch, feed.ordering = 'TICK',
        $5::bigint IS NULL AND $6::bigint IS NULL AND $7::bigint IS NULL AND $1::bigint = 1 AND ($4::bigint IS NULL OR coalesce(
            (SELECT extract(epoch FROM at) * 1000000 = $4 FROM comment_events WHERE xact = $2::text::xid8 AND id = $3),
            feed.floor_xact = $2::text::xid8 AND feed.floor_id = $3
                AND extract(epoch FROM feed.floor_at) * 1000000 = $4
        )),
        (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM comment_events
         WHERE xact >= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xact, id LIMIT 1),
        1::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0::bigint, 0::bigint, ",
    event_columns!(
        "CASE WHEN event.id IS NOT NULL THEN 1::bigint END",
        "(extract(epoch FROM event.at) * 1000000)::bigint"
    ),
    "
    FROM comment_feed AS feed
    LEFT JOIN LATERAL (
        SELECT * FROM comment_events
        WHERE (xact, id) > ($2::text::xid8, $3) AND xact < pg_snapshot_xmin(pg_current_snapshot())
            AND ($9 OR movie_id = $10 OR publication_id = $11) AND ($12::boolean IS NULL OR (kind = 'ADDED') = $12)
        ORDER BY xact, id LIMIT $8
    ) AS event ON true
    ORDER BY event.xact, event.id"
);

/// The same on SQLite, by rows.
pub(super) const READ_SQLITE: &str = "
    SELECT feed.epoch, false,
        ?5 IS NULL AND ?6 IS NULL AND ?7 IS NULL AND ?1 = 1 AND (?4 IS NULL OR coalesce(
            (SELECT CAST(round((julianday(at) - 2440587.5) * 86400000) AS INTEGER) * 1000 = ?4
             FROM comment_events WHERE id = ?3),
            feed.floor_id = ?3
                AND CAST(round((julianday(feed.floor_at) - 2440587.5) * 86400000) AS INTEGER) * 1000 = ?4
        )),
        NULL, 1, 0 * length(?2), coalesce((SELECT max(id) FROM comment_events), 0), 0,
        CASE WHEN event.id IS NOT NULL THEN 1 END, 0, event.id,
        CAST(round((julianday(event.at) - 2440587.5) * 86400000) AS INTEGER) * 1000,
        (julianday('now') - julianday(event.at)) * 86400.0,
        event.kind, event.comment_id, event.movie_id, event.publication_id
    FROM comment_feed AS feed
    LEFT JOIN (
        SELECT * FROM comment_events
        WHERE id > ?3 AND (?9 OR movie_id = ?10 OR publication_id = ?11) AND (?12 IS NULL OR (kind = 'ADDED') = ?12)
        ORDER BY id LIMIT ?8
    ) AS event ON true
    ORDER BY event.id";

/// The newest $1 events by ticks. The edge is where the stored ones begin.
pub(super) const NEWEST_TICKS: &str = concat!(
    "SELECT feed.epoch, feed.ordering = 'TICK', true, NULL::float8,
        feed.floor_tick, feed.floor_xact::text::bigint, feed.floor_id, feed.floor_mark, ",
    event_columns!("event.tick", "event.mark"),
    "
    FROM comment_feed AS feed
    LEFT JOIN LATERAL (
        SELECT t.tick, t.mark, of_tick.*
        FROM (SELECT * FROM comment_ticks ORDER BY tick DESC LIMIT $1) AS t
        CROSS JOIN LATERAL (",
    events_of_tick!("true", "xact DESC, id DESC", "$1", "t.from_xact"),
    ") AS of_tick
        ORDER BY t.tick DESC, of_tick.xact DESC, of_tick.id DESC LIMIT $1
    ) AS event ON true
    ORDER BY event.tick, event.xact, event.id"
);

/// The newest $1 events by transactions.
pub(super) const NEWEST_TRANSACTIONS: &str = concat!(
    "SELECT feed.epoch, feed.ordering = 'TICK', true, NULL::float8,
        1::bigint, feed.floor_xact::text::bigint, feed.floor_id, (extract(epoch FROM feed.floor_at) * 1000000)::bigint, ",
    event_columns!(
        "CASE WHEN event.id IS NOT NULL THEN 1::bigint END",
        "(extract(epoch FROM event.at) * 1000000)::bigint"
    ),
    "
    FROM comment_feed AS feed
    LEFT JOIN LATERAL (
        SELECT * FROM comment_events WHERE xact < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xact DESC, id DESC LIMIT $1
    ) AS event ON true
    ORDER BY event.xact, event.id"
);

/// The newest ?1 events on SQLite.
pub(super) const NEWEST_SQLITE: &str = "
    SELECT feed.epoch, false, true, NULL,
        1, 0, feed.floor_id, CAST(round((julianday(feed.floor_at) - 2440587.5) * 86400000) AS INTEGER) * 1000,
        CASE WHEN event.id IS NOT NULL THEN 1 END, 0, event.id,
        CAST(round((julianday(event.at) - 2440587.5) * 86400000) AS INTEGER) * 1000,
        (julianday('now') - julianday(event.at)) * 86400.0,
        event.kind, event.comment_id, event.movie_id, event.publication_id
    FROM comment_feed AS feed
    LEFT JOIN (SELECT * FROM comment_events ORDER BY id DESC LIMIT ?1) AS event ON true
    ORDER BY event.id";

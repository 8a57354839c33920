//! The feed's tables on both databases: the only place that has their SQL, but for what
//! [`retention`](super::retention) removes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use db::Db;
use migration::connect;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgListener;
use sqlx::{Executor, PgConnection, PgPool, Postgres, Sqlite, SqlitePool};

use super::event::{About, Event, EventKind, Mark, Position, Topic};

/// Connections of the feed's own, apart from those of requests: the tail's two, and as many more for
/// listeners that catch up.
pub const CONNECTIONS_MAX: u32 = 4;

/// How long whoever catches up waits for one of them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The channel of wake-up hints between instances.
const CHANNEL: &str = "kinoteka_comments";

/// Where the feed is read: the database that is written to, never a replica.
#[derive(Clone, Debug)]
pub enum Source {
    /// PostgreSQL.
    Postgres(PgPool),
    /// A SQLite file.
    Sqlite(SqlitePool),
}

/// A connection for reading.
#[derive(Debug)]
pub enum FeedConnection {
    /// To PostgreSQL.
    Postgres(PoolConnection<Postgres>),
    /// To a SQLite file.
    Sqlite(PoolConnection<Sqlite>),
}

/// What follows a place in the feed, and how things stand there.
#[derive(Debug)]
pub struct HistoryPage {
    /// The feed's epoch.
    pub epoch: Arc<str>,
    /// Whether the event that was asked from is in the history, or all before it and nothing behind it
    /// was removed.
    pub intact: bool,
    /// For how long the first event has waited that is committed and may not be read yet, because
    /// something before it might still be.
    pub waiting: Option<Duration>,
    /// Nothing will be added up to here, unless a crash undoes the transactions that this counts. For
    /// [`FeedConnection::read_newest`]: where `events` begin.
    pub edge: Mark,
    /// The events in order.
    pub events: Vec<Event>,
}

/// What one row of every statement holds: epoch, intact, seconds of waiting, the edge's mark; then
/// an event's mark, age in seconds, kind, comment, movie, publication.
type HistoryRow = (
    String,
    bool,
    Option<f64>,
    i64,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<f64>,
    Option<String>,
    Option<i32>,
    Option<i32>,
    Option<i32>,
);

/// The page behind $1, $2, $3. Everything is seen in one snapshot, and what is below its oldest
/// running transaction is complete: whoever committed later began later, above it.
const READ_POSTGRES: &str = "
    SELECT feed.epoch,
        coalesce(
            (SELECT extract(epoch FROM at) * 1000000 = $3 FROM comment_events WHERE xact = $1::text::xid8 AND id = $2),
            feed.floor_xact = $1::text::xid8 AND feed.floor_id = $2
                AND extract(epoch FROM feed.floor_at) * 1000000 = $3
        ),
        (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM comment_events
         WHERE xact >= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xact, id LIMIT 1),
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0::bigint, 0::bigint,
        event.xact::text::bigint, event.id, (extract(epoch FROM event.at) * 1000000)::bigint,
        extract(epoch FROM clock_timestamp() - event.at)::float8,
        event.kind, event.comment_id, event.movie_id, event.publication_id
    FROM comment_feed AS feed
    LEFT JOIN LATERAL (
        SELECT * FROM comment_events
        WHERE (xact, id) > ($1::text::xid8, $2) AND xact < pg_snapshot_xmin(pg_current_snapshot())
            AND ($5 OR movie_id = $6 OR publication_id = $7) AND ($8::boolean IS NULL OR (kind = 'ADDED') = $8)
        ORDER BY xact, id LIMIT $4
    ) AS event ON true
    ORDER BY event.xact, event.id";

const READ_SQLITE: &str = "
    SELECT feed.epoch,
        coalesce(
            (SELECT CAST(round((julianday(at) - 2440587.5) * 86400000) AS INTEGER) * 1000 = ?3
             FROM comment_events WHERE id = ?2),
            feed.floor_id = ?2
                AND CAST(round((julianday(feed.floor_at) - 2440587.5) * 86400000) AS INTEGER) * 1000 = ?3
        ),
        NULL, 0 * length(?1), coalesce((SELECT max(id) FROM comment_events), 0), 0,
        0, event.id, CAST(round((julianday(event.at) - 2440587.5) * 86400000) AS INTEGER) * 1000,
        (julianday('now') - julianday(event.at)) * 86400.0,
        event.kind, event.comment_id, event.movie_id, event.publication_id
    FROM comment_feed AS feed
    LEFT JOIN (
        SELECT * FROM comment_events
        WHERE id > ?2 AND (?5 OR movie_id = ?6 OR publication_id = ?7) AND (?8 IS NULL OR (kind = 'ADDED') = ?8)
        ORDER BY id LIMIT ?4
    ) AS event ON true
    ORDER BY event.id";

const NEWEST_POSTGRES: &str = "
    SELECT feed.epoch, true, NULL::float8,
        feed.floor_xact::text::bigint, feed.floor_id, (extract(epoch FROM feed.floor_at) * 1000000)::bigint,
        event.xact::text::bigint, event.id, (extract(epoch FROM event.at) * 1000000)::bigint,
        extract(epoch FROM clock_timestamp() - event.at)::float8,
        event.kind, event.comment_id, event.movie_id, event.publication_id
    FROM comment_feed AS feed
    LEFT JOIN LATERAL (
        SELECT * FROM comment_events WHERE xact < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xact DESC, id DESC LIMIT $1
    ) AS event ON true
    ORDER BY event.xact, event.id";

const NEWEST_SQLITE: &str = "
    SELECT feed.epoch, true, NULL,
        0, feed.floor_id, CAST(round((julianday(feed.floor_at) - 2440587.5) * 86400000) AS INTEGER) * 1000,
        0, event.id, CAST(round((julianday(event.at) - 2440587.5) * 86400000) AS INTEGER) * 1000,
        (julianday('now') - julianday(event.at)) * 86400.0,
        event.kind, event.comment_id, event.movie_id, event.publication_id
    FROM comment_feed AS feed
    LEFT JOIN (SELECT * FROM comment_events ORDER BY id DESC LIMIT ?1) AS event ON true
    ORDER BY event.id";

/// Whether the events carry the numbers of this database's own transactions. A copy into another
/// database has another home; numbers that are yet to come are nobody's of here.
const IS_HOME: &str = "
    SELECT home = system_identifier || '/' || pg_database.oid
        AND NOT EXISTS (SELECT FROM comment_events WHERE xact >= pg_snapshot_xmax(pg_current_snapshot()))
    FROM comment_feed, pg_control_system(), pg_database WHERE datname = current_database()";

const MOVE_HOME: &str = "
    UPDATE comment_feed SET home = system_identifier || '/' || pg_database.oid,
        epoch = left(replace(gen_random_uuid()::text, '-', ''), 12),
        floor_xact = DEFAULT, floor_id = DEFAULT, floor_at = DEFAULT
    FROM pg_control_system(), pg_database WHERE datname = current_database()";

/// Settings of every connection: reads by the index even where statistics are stale, and hints that
/// wait for no disk.
const SETTINGS: &str = "
    SELECT set_config('jit', 'off', false), set_config('enable_seqscan', 'off', false),
        set_config('synchronous_commit', 'off', false), set_config('statement_timeout', '10s', false)";

/// Refuses a standby, as after a failover: what it has not received yet, others were told already.
async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(SETTINGS).await?;
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection).await?;
    match is_standby {
        true => Err(sqlx::Error::Configuration("the feed is read from the primary, and this is a standby".into())),
        false => Ok(()),
    }
}

/// A connection to a replica of PostgreSQL.
///
/// # Errors
/// It cannot be reached.
pub async fn of_replica(db: &Db) -> Result<FeedConnection, sqlx::Error> {
    Ok(FeedConnection::Postgres(db.read.connections().get_postgres_connection_pool().acquire().await?))
}

impl Source {
    /// The feed of the database that `db` writes to. Nothing is asked of it yet.
    pub fn new(db: &Db) -> Self {
        match db.write.get_database_backend() {
            DbBackend::Sqlite => {
                let options = (*db.read.connections().get_sqlite_connection_pool().connect_options()).clone();
                let pool =
                    connect::pool_options::<Sqlite>().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE_TIMEOUT);
                Self::Sqlite(pool.connect_lazy_with(options))
            }
            _ => {
                let options = (*db.write.get_postgres_connection_pool().connect_options()).clone();
                let pool = connect::pool_options::<Postgres>()
                    .max_connections(CONNECTIONS_MAX)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .after_connect(|connection, _| Box::pin(prepare(connection)))
                    .before_acquire(|_, state| {
                        Box::pin(async move { Ok(!connect::is_outdated(state.age, connect::Lifetime::LONG)) })
                    });
                Self::Postgres(pool.connect_lazy_with(options.application_name("kinoteka feed")))
            }
        }
    }

    /// A connection that reads.
    ///
    /// # Errors
    /// The database cannot be reached, or all connections are in use.
    pub async fn connect(&self) -> Result<FeedConnection, sqlx::Error> {
        Ok(match self {
            Self::Postgres(pool) => FeedConnection::Postgres(pool.acquire().await?),
            Self::Sqlite(pool) => FeedConnection::Sqlite(pool.acquire().await?),
        })
    }

    /// A connection to hear the hints of other instances with; SQLite has none.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn listen(&self) -> Result<Option<PgListener>, sqlx::Error> {
        let Self::Postgres(pool) = self else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(listener))
    }

    /// The settings of connections to PostgreSQL and the statement that reads the feed there, for
    /// whoever looks at its plan.
    pub fn explain() -> (&'static str, &'static str) {
        (SETTINGS, READ_POSTGRES)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl FeedConnection {
    /// What follows `after`: at most `limit` events, of the topic if there is one. Of a topic with some of the changes
    /// all changes come.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn read(&mut self, after: Mark, topic: Option<Topic>, limit: i64) -> Result<HistoryPage, sqlx::Error> {
        let about = topic.and_then(|topic| topic.about);
        let (movie, publication) = match about {
            Some(About::Movie(id)) => (Some(id), None),
            Some(About::Publication(id)) => (None, Some(id)),
            None => (None, None),
        };
        let added = topic.and_then(|topic| topic.kinds.are_added());
        let Position { xact, id } = after.position;
        macro_rules! rows {
            ($sql:expr, $connection:expr) => {
                sqlx::query_as::<_, HistoryRow>($sql)
                    .bind(xact.to_string())
                    .bind(id)
                    .bind(after.at_us)
                    .bind(limit)
                    .bind(about.is_none())
                    .bind(movie)
                    .bind(publication)
                    .bind(added)
                    .fetch_all(&mut **$connection)
                    .await?
            };
        }
        page(match self {
            Self::Postgres(connection) => rows!(READ_POSTGRES, connection),
            Self::Sqlite(connection) => rows!(READ_SQLITE, connection),
        })
    }

    /// The newest events, `limit` at most. `edge` is the event before them, or up to where events were
    /// removed.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn read_newest(&mut self, limit: usize) -> Result<HistoryPage, sqlx::Error> {
        let more = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
        let mut page = page(match self {
            Self::Postgres(connection) => {
                sqlx::query_as(NEWEST_POSTGRES).bind(more).fetch_all(&mut **connection).await?
            }
            Self::Sqlite(connection) => sqlx::query_as(NEWEST_SQLITE).bind(more).fetch_all(&mut **connection).await?,
        })?;
        if page.events.len() > limit {
            page.edge = page.events.remove(0).mark;
        }
        // Some instance may have read them as soon as they were there.
        for event in &mut page.events {
            event.read = event.written;
        }
        Ok(page)
    }

    /// Hints to other instances that there is something new.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn notify(&mut self) -> Result<(), sqlx::Error> {
        if let Self::Postgres(connection) = self {
            sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut **connection).await?;
        }
        Ok(())
    }

    /// Gives the connection up rather than back: it has failed.
    pub fn discard(self) {
        match self {
            Self::Postgres(connection) => drop(connection.detach()),
            Self::Sqlite(connection) => drop(connection.detach()),
        }
    }
}

/// Begins a new epoch if the events are another database's, as after a restore from a dump; says
/// whether it did.
///
/// # Errors
/// Whatever the database answers; a standby refuses.
pub async fn settle(db: &DatabaseConnection) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(false);
    }
    let txn = migration::begin(db).await?;
    let statement = |sql: &str| Statement::from_string(DbBackend::Postgres, sql);
    // Of several instances that start, one does it.
    let locked = "SELECT id FROM comment_feed FOR UPDATE";
    let is_home = async || -> Result<bool, DbErr> {
        let row = txn.query_one_raw(statement(IS_HOME)).await?;
        row.map_or(Ok(true), |row| row.try_get_by_index(0))
    };
    if is_home().await? {
        return txn.rollback().await.map(|()| false);
    }
    txn.query_one_raw(statement(locked)).await?;
    if is_home().await? {
        return txn.rollback().await.map(|()| false);
    }
    txn.execute_raw(statement(MOVE_HOME)).await?;
    txn.execute_raw(statement("DELETE FROM comment_events")).await?;
    txn.commit().await.map(|()| true)
}

fn page(rows: Vec<HistoryRow>) -> Result<HistoryPage, sqlx::Error> {
    let now = Instant::now();
    let lost = || sqlx::Error::Configuration("comment_feed has no row; run `kinoteka migrate adopt`".into());
    let first = rows.first().ok_or_else(lost)?;
    let mut page = HistoryPage {
        epoch: first.0.as_str().into(),
        intact: first.1,
        waiting: first.2.map(seconds),
        edge: Mark { position: Position { xact: first.3, id: first.4 }, at_us: first.5 },
        events: Vec::with_capacity(rows.len()),
    };
    page.events.extend(rows.into_iter().filter_map(|row| event(row, now)));
    Ok(page)
}

/// None for what is no event: the row of an empty page.
fn event(row: HistoryRow, now: Instant) -> Option<Event> {
    let (_, _, _, _, _, _, xact, id, at_us, age, kind, comment, movie, publication) = row;
    let about = movie.map(About::Movie).or(publication.map(About::Publication))?;
    Some(Event {
        mark: Mark { position: Position { xact: xact?, id: id? }, at_us: at_us? },
        kind: EventKind::parse(&kind?)?,
        comment: comment?,
        about,
        written: now.checked_sub(seconds(age?)).unwrap_or(now),
        read: now,
    })
}

/// A clock that was set back gives negative ages.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

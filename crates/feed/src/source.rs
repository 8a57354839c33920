//! The feed's tables on both databases: connections that read them and make ticks. [`statements`] has the SQL that
//! reads; [`retention`](super::retention) removes events.

mod settle;
mod statements;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use db::Db;
use migration::connect;
use sea_orm::DbBackend;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgListener;
use sqlx::{Executor, PgConnection, PgPool, Postgres, Sqlite, SqlitePool};

pub use self::settle::settle;
use self::statements::{EventRow, HistoryRow};
use super::event::{About, Event, EventKind, Mark, Position, Stamp, Topic};

/// Maximum number of connections of the feed, besides those of requests: two of the tail, and two for listeners that
/// catch up.
pub const CONNECTIONS_MAX: u32 = 4;

/// How long a listener that catches up waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The channel of hints between instances.
const CHANNEL: &str = "kinoteka_comments";

/// The database of the feed: the one that accepts changes, never a replica.
#[derive(Clone, Debug)]
pub enum Source {
    /// PostgreSQL.
    Postgres(PgPool, OrderHint),
    /// A SQLite file.
    Sqlite(SqlitePool),
}

/// A connection for reading.
#[derive(Debug)]
pub enum FeedConnection {
    /// To PostgreSQL.
    Postgres(PoolConnection<Postgres>, OrderHint),
    /// To a SQLite file.
    Sqlite(PoolConnection<Sqlite>),
}

/// Whether ticks were the order when last read. Each statement checks it; this only saves a second read.
#[derive(Clone, Debug, Default)]
pub struct OrderHint(Arc<AtomicBool>);

/// The order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOrder {
    /// By rows. On PostgreSQL: by transactions, up to the oldest running one. On SQLite: as they were written.
    Rows,
    /// By ticks, and by rows within a tick.
    Ticks,
}

/// A position to read from.
#[derive(Clone, Copy, Debug)]
pub struct ReadFrom {
    /// Events after it are read.
    pub position: Position,
    /// Its stamp; `None` if it is known to be in the history.
    pub stamp: Option<Stamp>,
    /// A tick with its mark that must also exist.
    pub tick: Option<(i64, i64)>,
}

impl From<Mark> for ReadFrom {
    fn from(Mark { position, stamp }: Mark) -> Self {
        Self { position, stamp: Some(stamp), tick: None }
    }
}

/// The events after a position in the feed, and the state of the feed.
#[derive(Debug)]
pub struct HistoryPage {
    /// The feed's epoch.
    pub epoch: Arc<str>,
    /// The order of the events.
    pub order: FeedOrder,
    /// Whether the start position is in the history, and no later event was removed.
    pub intact: bool,
    /// How long the first committed event has waited that cannot be read yet, because an earlier one may still
    /// come. Always
    /// `None` with ticks.
    pub waiting: Option<Duration>,
    /// With ticks: `events` is complete up to here if it has fewer than the limit. By rows: no event will be added
    /// up to here, unless a crash undoes the transactions that this counts. For [`FeedConnection::read_newest`]:
    /// where `events` begins.
    pub edge: Mark,
    /// The events in order.
    pub events: Vec<Event>,
}

/// The state of the feed after its last tick.
#[derive(Clone, Debug)]
pub struct TickRow {
    /// The feed's epoch.
    pub epoch: Arc<str>,
    /// The order. By rows there are no ticks.
    pub order: FeedOrder,
    /// The last tick; 0 before the first.
    pub tick: i64,
    /// Its mark.
    pub mark: i64,
    /// Whether this call made it.
    pub made: bool,
    /// The timeline of the server's history.
    pub timeline: Arc<str>,
}

impl TickRow {
    /// The position after the tick.
    pub fn end(&self) -> Mark {
        Mark { position: Position::end_of(self.tick), stamp: Stamp::Tick(self.mark) }
    }
}

/// Settings of every connection. Reads use the index, in its order, even with stale statistics, and are planned
/// once. A tick may be read as soon as it is committed, so it and its events must be safe by then. A stricter
/// isolation level does not allow a tick.
const SETTINGS: &str = "
    SELECT set_config('jit', 'off', false), set_config('enable_seqscan', 'off', false), set_config('enable_sort', 'off', false),
        set_config('plan_cache_mode', 'force_generic_plan', false), set_config('statement_timeout', '10s', false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";

/// A commit that waits for a standby and is cancelled becomes visible before the standby has it.
const NEVER_STOP: &str = "SET statement_timeout = 0";

/// Fetch all rows: the tick is committed when the last message of the statement arrives.
const TICK: &str = "SELECT epoch, ordering, tick, mark, made, timeline FROM comment_feed_tick()";

/// Epoch, order, tick, mark, whether it was made now, and timeline.
type TickColumns = (Option<String>, Option<String>, Option<i64>, Option<i64>, bool, String);

/// A hint does not wait for the disk.
const NOTIFY: &str = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')";

/// Refuses a standby, as after a failover: others may have received events that it lacks.
async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(SETTINGS).await?;
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection).await?;
    match is_standby {
        true => Err(sqlx::Error::Configuration("the feed needs the leader, but this server is a standby".into())),
        false => Ok(()),
    }
}

/// A connection to a replica of PostgreSQL.
///
/// # Errors
/// It cannot be reached.
pub async fn of_replica(db: &Db) -> Result<FeedConnection, sqlx::Error> {
    let connection = db.read.connections().get_postgres_connection_pool().acquire().await?;
    Ok(FeedConnection::Postgres(connection, OrderHint::default()))
}

impl Source {
    /// The feed of the database that `db` writes to. Does not connect yet.
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
                let pool = pool.connect_lazy_with(options.application_name("kinoteka feed"));
                Self::Postgres(pool, OrderHint::default())
            }
        }
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// The database cannot be reached, or all connections are in use.
    pub async fn connect(&self) -> Result<FeedConnection, sqlx::Error> {
        Ok(match self {
            Self::Postgres(pool, hint) => FeedConnection::Postgres(pool.acquire().await?, hint.clone()),
            Self::Sqlite(pool) => FeedConnection::Sqlite(pool.acquire().await?),
        })
    }

    /// A connection that receives the hints of other instances; `None` on SQLite.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn listen(&self) -> Result<Option<PgListener>, sqlx::Error> {
        let Self::Postgres(pool, _) = self else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(listener))
    }

    /// The settings of connections to PostgreSQL and the statement that reads the feed, to inspect its plan.
    pub fn explain() -> (&'static str, &'static str) {
        (SETTINGS, statements::READ_TICKS)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool, _) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl FeedConnection {
    /// Prepares this connection for [`tick`](Self::tick). Do not return it to the pool.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn prepare_to_tick(&mut self) -> Result<(), sqlx::Error> {
        if let Self::Postgres(connection, _) = self {
            connection.execute(NEVER_STOP).await?;
        }
        Ok(())
    }

    /// Gives committed events without a position one in a new tick, and returns the state of the feed after that.
    /// Several instances may do this simultaneously. `None` on SQLite.
    ///
    /// # Errors
    /// Any error of the database. The tick may have been made.
    pub async fn tick(&mut self) -> Result<Option<TickRow>, sqlx::Error> {
        let Self::Postgres(connection, hint) = self else { return Ok(None) };
        // All columns are null if the feed has lost its row.
        let rows: Vec<TickColumns> = sqlx::query_as(TICK).fetch_all(&mut **connection).await?;
        let row = rows.into_iter().next().ok_or_else(no_feed)?;
        let (Some(epoch), Some(ordering), Some(tick), Some(mark), made, timeline) = row else { return Err(no_feed()) };
        let order = if ordering == "TICK" { FeedOrder::Ticks } else { FeedOrder::Rows };
        hint.set(order);
        Ok(Some(TickRow { epoch: epoch.into(), order, tick, mark, made, timeline: timeline.into() }))
    }

    /// The events after a position, at most `limit`, of the topic if there is one, in the current order. For a
    /// topic with some kinds of changes, all changes are returned.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn read(
        &mut self,
        from: impl Into<ReadFrom>,
        topic: Option<Topic>,
        limit: i64,
    ) -> Result<HistoryPage, sqlx::Error> {
        let from = from.into();
        let about = topic.and_then(|topic| topic.about);
        let (movie, publication) = match about {
            Some(About::Movie(id)) => (Some(id), None),
            Some(About::Publication(id)) => (None, Some(id)),
            None => (None, None),
        };
        let added = topic.and_then(|topic| topic.kinds.are_added());
        let Position { tick, xact, id } = from.position;
        let (at_us, mark) = match from.stamp {
            Some(Stamp::At(at_us)) => (Some(at_us), None),
            Some(Stamp::Tick(mark)) => (None, Some(mark)),
            None => (None, None),
        };
        macro_rules! rows {
            ($sql:expr, $connection:expr) => {
                sqlx::query_as::<_, HistoryRow>($sql)
                    .bind(tick)
                    .bind(xact.to_string())
                    .bind(id)
                    .bind(at_us)
                    .bind(mark)
                    .bind(from.tick.map(|(tick, _)| tick))
                    .bind(from.tick.map(|(_, mark)| mark))
                    .bind(limit)
                    .bind(about.is_none())
                    .bind(movie)
                    .bind(publication)
                    .bind(added)
                    .fetch_all(&mut **$connection)
                    .await?
            };
        }
        match self {
            Self::Sqlite(connection) => page(rows!(statements::READ_SQLITE, connection), from.position),
            Self::Postgres(connection, hint) => loop {
                let order = hint.get();
                let sql =
                    if order == FeedOrder::Ticks { statements::READ_TICKS } else { statements::READ_TRANSACTIONS };
                let page = page(rows!(sql, connection), from.position)?;
                if page.order == order {
                    return Ok(page);
                }
                hint.set(page.order);
            },
        }
    }

    /// The newest events, at most `limit`. `edge` is the event before them, or the position up to which events were
    /// removed.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn read_newest(&mut self, limit: usize) -> Result<HistoryPage, sqlx::Error> {
        let more = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
        let nowhere = Position::of_row(0, 0);
        let mut page = match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query_as(statements::NEWEST_SQLITE).bind(more).fetch_all(&mut **connection).await?;
                page(rows, nowhere)?
            }
            Self::Postgres(connection, hint) => loop {
                let order = hint.get();
                let by_tick = order == FeedOrder::Ticks;
                let sql = if by_tick { statements::NEWEST_TICKS } else { statements::NEWEST_TRANSACTIONS };
                let page = page(sqlx::query_as(sql).bind(more).fetch_all(&mut **connection).await?, nowhere)?;
                if page.order == order {
                    break page;
                }
                hint.set(page.order);
            },
        };
        if page.events.len() > limit {
            page.edge = page.events.remove(0).mark;
        }
        // Another instance may have read them immediately.
        for event in &mut page.events {
            event.read = event.written;
        }
        Ok(page)
    }

    /// Notifies other instances of new events.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn notify(&mut self) -> Result<(), sqlx::Error> {
        if let Self::Postgres(connection, _) = self {
            sqlx::query(NOTIFY).bind(CHANNEL).execute(&mut **connection).await?;
        }
        Ok(())
    }

    /// Closes the connection instead of returning it to the pool: it has failed.
    pub fn discard(self) {
        match self {
            Self::Postgres(connection, _) => drop(connection.detach()),
            Self::Sqlite(connection) => drop(connection.detach()),
        }
    }
}

impl OrderHint {
    fn get(&self) -> FeedOrder {
        if self.0.load(Ordering::Relaxed) { FeedOrder::Ticks } else { FeedOrder::Rows }
    }

    fn set(&self, order: FeedOrder) {
        self.0.store(order == FeedOrder::Ticks, Ordering::Relaxed);
    }
}

fn no_feed() -> sqlx::Error {
    sqlx::Error::Configuration("comment_feed has no row; run `kinoteka migrate adopt`".into())
}

fn page(rows: Vec<HistoryRow>, from: Position) -> Result<HistoryPage, sqlx::Error> {
    let now = Instant::now();
    let first = rows.first().ok_or_else(no_feed)?;
    let order = if first.by_tick { FeedOrder::Ticks } else { FeedOrder::Rows };
    let mark = |[tick, xact, id, stamp]: [i64; 4]| Mark {
        position: Position { tick, xact, id },
        stamp: if first.by_tick { Stamp::Tick(stamp) } else { Stamp::At(stamp) },
    };
    let edge = first.edge.map_or(Mark { position: from, stamp: Stamp::At(0) }, mark);
    let (epoch, intact, waiting) = (first.epoch.as_str().into(), first.intact, first.waiting.map(seconds));
    let events = rows.iter().filter_map(|row| event(row.event.as_ref()?, &mark, now)).collect();
    Ok(HistoryPage { epoch, order, intact, waiting, edge, events })
}

fn event(row: &EventRow, mark: &impl Fn([i64; 4]) -> Mark, now: Instant) -> Option<Event> {
    Some(Event {
        mark: mark(row.position),
        kind: EventKind::parse(&row.kind)?,
        comment: row.comment,
        about: row.movie.map(About::Movie).or(row.publication.map(About::Publication))?,
        written: now.checked_sub(seconds(row.age)).unwrap_or(now),
        read: now,
    })
}

/// If the clock was set back, ages are negative.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

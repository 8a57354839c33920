//! Opening the pools, and what they take.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use migration::Commits;
use migration::connect::{
    self, Access, DatabaseUrl, Generation, Lifetime, PoolSettings, PostgresPool, Timeouts, Writer,
};
use request::quota::Quota;
use sea_orm::DatabaseConnection;
use sqlx::postgres::PgConnectOptions;

use super::cluster::{Cluster, Watched};
use super::place::{Place, Sight};
use super::{Db, LeaderQueue, LeaderWait, Observer, ReadPool, TURNS, Writes, most_of, writers_max_per_client};

/// Connections for looking up sessions: each look-up takes well under a millisecond.
const SESSION_CONNECTIONS: u32 = 3;

/// Connections for looking at a server: one at how it is, one at its schema and rights.
const WATCHERS: u32 = 2;

/// The pools of an open database.
struct Pools {
    leader: Place,
    replica: Option<Place>,
    sessions: Option<Place>,
    cluster: Cluster,
    commits: Commits,
    /// Changes at a time.
    writers: u64,
}

impl Db {
    /// Opens a database for writes, and for reads its replica or, on SQLite, the file again. A
    /// statement that takes longer than `timeouts` allow is stopped. `observer` sees all statements. The pools of
    /// PostgreSQL connect when they are used: a server may be away at the moment.
    ///
    /// # Errors
    /// When a SQLite file cannot be opened: the flag, the database and the remedy.
    pub async fn open(
        url: &DatabaseUrl,
        read_url: Option<&DatabaseUrl>,
        pool: PoolSettings,
        timeouts: Timeouts,
        observer: Option<Observer>,
    ) -> anyhow::Result<Self> {
        let Pools { leader, replica, sessions, cluster, commits, writers } = match (url, read_url) {
            (DatabaseUrl::Postgres(options), None) => postgres(url, options, None, pool, timeouts, observer),
            (DatabaseUrl::Postgres(options), Some(DatabaseUrl::Postgres(replica))) => {
                postgres(url, options, Some(replica), pool, timeouts, observer)
            }
            (DatabaseUrl::Sqlite(_), None | Some(DatabaseUrl::Sqlite(_))) => {
                sqlite(url, read_url, pool, timeouts, observer).await?
            }
            _ => bail!("--database-read-url: another kind of database cannot be a replica of the {url}"),
        };
        let shared = replica.is_none();
        let read = match &replica {
            Some(replica) => {
                let other = matches!(url, DatabaseUrl::Postgres(_)).then(|| leader.clone());
                ReadPool::new(replica.clone(), other, pool)
            }
            None => ReadPool::new(leader.clone(), None, pool),
        };
        let sessions = match sessions {
            Some(place) => ReadPool::new(place, None, PoolSettings { connections_max: SESSION_CONNECTIONS, ..pool })
                .with_stand_in(replica.is_some()),
            None => read.clone(),
        };
        Ok(Self {
            write: leader.pool.clone(),
            read,
            sessions,
            writes: Writes::new(leader.generation.clone()),
            leader_queue: LeaderQueue::new(cluster.clone(), LeaderWait::NONE),
            cluster,
            leader,
            replica,
            commits,
            shared,
            writers: Quota::new(TURNS, writers, writers_max_per_client(writers)),
            snapshots: super::snapshot::turns(pool.connections_max),
            acquire_timeout: pool.acquire_timeout,
        })
    }
}

fn postgres(
    url: &DatabaseUrl,
    options: &PgConnectOptions,
    replica: Option<&PgConnectOptions>,
    settings: PoolSettings,
    timeouts: Timeouts,
    observer: Option<Observer>,
) -> Pools {
    let place = |options, access, connections_max, lifetime, sight: &Sight| {
        let generation = Generation::default();
        let settings = PoolSettings { connections_max, ..settings };
        let pool =
            PostgresPool { access, settings, timeouts: Some(timeouts), lifetime, generation: generation.clone() };
        Place {
            pool: observed(connect::open_lazy(options, pool), &observer),
            generation,
            sight: sight.clone(),
            reach: Arc::default(),
        }
    };
    let watched = |name, options, places: &[&Place]| {
        let own = Generation::default();
        let settings = PoolSettings { connections_max: WATCHERS, ..settings };
        let (access, lifetime) = (Access::Read, Lifetime::SHORT);
        let pool = PostgresPool { access, settings, timeouts: Some(timeouts), lifetime, generation: own.clone() };
        Watched {
            pool: connect::open_lazy(options, pool),
            own,
            generations: places.iter().map(|place| place.generation.clone()).collect(),
            sight: places[0].sight.clone(),
            name,
        }
    };
    let max = settings.connections_max;
    let (led, followed) = (Sight::default(), Sight::default());
    let leader = place(options, Access::Write, max, Lifetime::LONG, &led);
    let sessions = place(options, Access::Write, SESSION_CONNECTIONS, Lifetime::LONG, &led);
    let replica = replica.map(|options| (options, place(options, Access::Read, max, Lifetime::SHORT, &followed)));
    let cluster = Cluster::new(
        watched(format!("the leader (--database-url, {url})"), options, &[&leader, &sessions]),
        replica
            .as_ref()
            .map(|(options, replica)| watched("the replica (--database-read-url)".to_owned(), options, &[replica])),
    );
    let replica = replica.map(|(_, place)| place);
    Pools { leader, replica, sessions: Some(sessions), cluster, commits: Commits::default(), writers: most_of(max) }
}

async fn sqlite(
    url: &DatabaseUrl,
    read_url: Option<&DatabaseUrl>,
    settings: PoolSettings,
    timeouts: Timeouts,
    observer: Option<Observer>,
) -> anyhow::Result<Pools> {
    let Writer { db, commits } = connect::open_writer(url, settings, Some(timeouts)).await.context("--database-url")?;
    let flag = if read_url.is_some() { "--database-read-url" } else { "--database-url" };
    let open = async |settings| {
        connect::open_timed(read_url.unwrap_or(url), Access::Read, settings, Some(timeouts)).await.context(flag)
    };
    let place =
        |pool| Place { pool, generation: Generation::default(), sight: Sight::default(), reach: Arc::default() };
    let leader = place(observed(db, &observer));
    let replica = place(observed(open(settings).await?, &observer));
    let pool = open(PoolSettings { connections_max: 1, ..settings }).await?;
    let (own, sight) = (Generation::default(), leader.sight.clone());
    let cluster = Cluster::new(Watched { pool, own, generations: Vec::new(), sight, name: url.to_string() }, None);
    Ok(Pools { leader, replica: Some(replica), sessions: None, cluster, commits, writers: 1 })
}

fn observed(mut pool: DatabaseConnection, observer: &Option<Observer>) -> DatabaseConnection {
    if let Some(observer) = observer.clone() {
        pool.set_metric_callback(move |info| observer(info));
    }
    pool
}

/// Files that connections to the database take at most: those of the pools, with `connections_max` each, and
/// `more` of others.
pub fn files(url: &DatabaseUrl, replica: bool, connections_max: u32, more: u32) -> u64 {
    let (connections_max, more) = (u64::from(connections_max), u64::from(more));
    match url {
        // One more each is made to see whether the database can be reached, and others to see how it is.
        DatabaseUrl::Postgres(_) => {
            (connections_max + 1 + u64::from(WATCHERS)) * if replica { 2 } else { 1 }
                + u64::from(SESSION_CONNECTIONS)
                + more
        }
        // The database and its log, each opened by every connection, and the log's index.
        DatabaseUrl::Sqlite(_) => (2 + connections_max + more) * 2 + 1,
    }
}

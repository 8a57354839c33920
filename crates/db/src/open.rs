//! Opens the pools, and computes what they need.

use anyhow::{Context as _, bail};
use migration::Commits;
use migration::connect::{
    self, Access, Arrivals, DatabaseUrl, Generation, Lifetime, PoolSettings, PostgresPool, Timeouts, Writer,
};
use request::quota::Quota;
use sea_orm::DatabaseConnection;
use sqlx::postgres::PgConnectOptions;

use super::cluster::{Cluster, WatchedServer};
use super::place::{Liveness, Place};
use super::replicas::{self, Replicas};
use super::{Db, LeaderQueue, LeaderWait, Observer, ReadPool, TURNS, Writes, most_of, writers_max_per_client};

/// Connections for looking up sessions. Each look-up takes well under a millisecond.
const SESSION_CONNECTIONS: u32 = 3;

/// Connections for looking at a server: one for its state, one for its schema and rights.
const WATCHERS: u32 = 2;

/// The pools of an open database.
struct Pools {
    leader: Place,
    replica: Option<Place>,
    sessions: Option<Place>,
    replicas: Option<Replicas>,
    cluster: Cluster,
    commits: Commits,
    /// The maximum number of concurrent changes.
    writers: u64,
}

impl Db {
    /// Opens a database for writes. For reads, opens its replica or, on SQLite, the file again. A statement that takes
    /// longer than `timeouts` allow is stopped. `observer` sees all statements. The pools of PostgreSQL connect when
    /// they are first used: a server may be down at start.
    ///
    /// # Errors
    /// A SQLite file cannot be opened: the flag, the database and the remedy.
    pub async fn open(
        url: &DatabaseUrl,
        read_url: Option<&DatabaseUrl>,
        pool: PoolSettings,
        timeouts: Timeouts,
        observer: Option<Observer>,
    ) -> anyhow::Result<Self> {
        let Pools { leader, replica, sessions, replicas, cluster, commits, writers } = match (url, read_url) {
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
                ReadPool::new(replica.clone(), other, replicas.clone(), pool)
            }
            None => ReadPool::new(leader.clone(), None, None, pool),
        };
        let sessions = match sessions {
            Some(place) => {
                ReadPool::new(place, None, None, PoolSettings { connections_max: SESSION_CONNECTIONS, ..pool })
                    .with_stand_in(replica.is_some())
            }
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
            replicas,
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
    let place = |options, connections_max, liveness: &Liveness| {
        let generation = Generation::default();
        let settings = PoolSettings { connections_max, ..settings };
        let pool = pool_of(Access::Write, settings, timeouts, &generation, None);
        Place::new(observed(connect::open_lazy(options, pool), &observer), generation, liveness.clone())
    };
    let watched = |name, options, places: &[&Place]| {
        let own = Generation::default();
        let settings = PoolSettings { connections_max: WATCHERS, ..settings };
        WatchedServer {
            pool: connect::open_lazy(options, pool_of(Access::Read, settings, timeouts, &own, None)),
            own,
            generations: places.iter().map(|place| place.generation.clone()).collect(),
            liveness: places[0].liveness.clone(),
            name,
        }
    };
    let max = settings.connections_max;
    let (led, followed) = (Liveness::default(), Liveness::default());
    let (leader, sessions) = (place(options, max, &led), place(options, SESSION_CONNECTIONS, &led));
    let replica = replica.map(|options| {
        let generation = Generation::default();
        let replicas = ask_replicas(options, &generation, settings, timeouts);
        let pool = pool_of(Access::Read, settings, timeouts, &generation, Some(replicas.arrivals()));
        let pool = observed(connect::open_lazy(options, pool), &observer);
        (options, Place::new(pool, generation, followed.clone()), replicas)
    });
    let cluster = Cluster::new(
        watched(format!("the leader (--database-url, {url})"), options, &[&leader, &sessions]),
        replica
            .as_ref()
            .map(|(options, replica, _)| watched("the replica (--database-read-url)".to_owned(), options, &[replica])),
        replica.as_ref().map(|(.., replicas)| replicas.clone()),
    );
    let (replica, replicas) = replica.map(|(_, place, replicas)| (place, replicas)).unzip();
    let (sessions, commits) = (Some(sessions), Commits::default());
    Pools { leader, replica, sessions, replicas, cluster, commits, writers: most_of(max) }
}

fn pool_of(
    access: Access,
    settings: PoolSettings,
    timeouts: Timeouts,
    generation: &Generation,
    arrivals: Option<Arrivals>,
) -> PostgresPool {
    let lifetime = if access == Access::Write { Lifetime::LONG } else { Lifetime::SHORT };
    PostgresPool { access, settings, timeouts: Some(timeouts), lifetime, generation: generation.clone(), arrivals }
}

/// The servers behind the read URL, with connections to poll each of them.
fn ask_replicas(
    options: &PgConnectOptions,
    generation: &Generation,
    settings: PoolSettings,
    timeouts: Timeouts,
) -> Replicas {
    let (options, settings) = (options.clone(), PoolSettings { connections_max: 1, ..settings });
    let poller = move || {
        let pool = pool_of(Access::Read, settings, timeouts, &Generation::default(), None);
        connect::open_lazy(&options, PostgresPool { lifetime: Lifetime::LONG, ..pool })
    };
    Replicas::new(generation.clone(), Box::new(poller))
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
    let open = async |settings, generation: &Generation| {
        connect::open_reader(read_url.unwrap_or(url), settings, Some(timeouts), generation).await.context(flag)
    };
    let place = |pool, generation| Place::new(pool, generation, Liveness::default());
    let leader = place(observed(db, &observer), Generation::default());
    let (read, own) = (Generation::default(), Generation::default());
    let replica = place(observed(open(settings, &read).await?, &observer), read);
    let pool = open(PoolSettings { connections_max: 1, ..settings }, &own).await?;
    let liveness = leader.liveness.clone();
    let cluster =
        Cluster::new(WatchedServer { pool, own, generations: Vec::new(), liveness, name: url.to_string() }, None, None);
    Ok(Pools { leader, replica: Some(replica), sessions: None, replicas: None, cluster, commits, writers: 1 })
}

fn observed(mut pool: DatabaseConnection, observer: &Option<Observer>) -> DatabaseConnection {
    if let Some(observer) = observer.clone() {
        pool.set_metric_callback(move |info| observer(info));
    }
    pool
}

/// The maximum number of files that connections to the database use: those of the pools, with `connections_max` each,
/// and `more` others.
pub fn files(url: &DatabaseUrl, replica: bool, connections_max: u32, more: u32) -> u64 {
    let (connections_max, more) = (u64::from(connections_max), u64::from(more));
    match url {
        // Each pool needs one more to test whether the database can be reached, and others to look at its state.
        DatabaseUrl::Postgres(_) => {
            let asking = if replica { replicas::CONNECTIONS_MAX as u64 } else { 0 };
            (connections_max + 1 + u64::from(WATCHERS)) * if replica { 2 } else { 1 }
                + u64::from(SESSION_CONNECTIONS)
                + asking
                + more
        }
        // The database and its log, each opened by every connection, and the log's index.
        DatabaseUrl::Sqlite(_) => (2 + connections_max + more) * 2 + 1,
    }
}

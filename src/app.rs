//! Assembles the parts: opens the database, updates the schema, serves until it is stopped.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use futures_util::future::BoxFuture;
use migration::connect::{self, Access, DatabaseUrl, Timeouts};
use sea_orm::Statement;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::account::{AccountServices, Sessions};
use crate::config::ServeArgs;
use crate::db::{self, Db};
use crate::executor::Executor;
use crate::feed::{self, Feed};
use crate::health::Health;
use crate::http;
use crate::kit::changes::WriteRates;
use crate::kit::idempotency;
use crate::kit::upkeep::{self, Sweep};
use crate::library::Backends;
use crate::status::{Gatherer, InstanceSources};
use crate::{comment, library, metrics, open_files, publication, start, telemetry};

/// A request that times out gets its response before its statement is stopped, so that the error is always the same.
const STATEMENT_RESPITE: Duration = Duration::from_millis(250);

/// The expired rows that the server deletes.
pub const SWEEPS: &[Sweep] = &[
    |db, now| Box::pin(Sessions::remove_expired(db, now)),
    |db, now| Box::pin(idempotency::forget(db, now)),
    |db, _| Box::pin(publication::remove_deleted(db)),
];

/// Called with every SQL statement after it ran.
pub type StatementObserver = Arc<dyn Fn(&Statement) + Send + Sync>;

/// A server that is ready to run: the database is open, its schema current, the port bound.
pub struct Application {
    db: Db,
    feed: Feed,
    listener: TcpListener,
    operations: Option<TcpListener>,
    introspection: bool,
    accounts: AccountServices,
    writes: WriteRates,
    sessions: Sessions,
    transport: http::HttpSettings,
    health: Health,
    overview: Option<Arc<Gatherer>>,
    drain: Duration,
    grace: Duration,
}

impl Application {
    /// Opens the database, migrates and fills it according to the settings, and binds the port.
    ///
    /// # Errors
    /// The reason why the server cannot start, with the flag to change or the command to run.
    // Boxed here and below: each crate that polls an unboxed one would compile it again, with everything that it calls.
    pub fn build(args: &ServeArgs, observer: Option<StatementObserver>) -> BoxFuture<'_, anyhow::Result<Self>> {
        Box::pin(Self::open(args, observer))
    }

    async fn open(args: &ServeArgs, observer: Option<StatementObserver>) -> anyhow::Result<Self> {
        metrics::set_build(env!("CARGO_PKG_VERSION"), env!("KINOTEKA_COMMIT"));
        // This comes first, because a failure here costs nothing.
        let listener = listen("--listen", args.listen).await?;
        let operations = match args.metrics_listen {
            Some(address) => Some(listen("--metrics-listen", address).await?),
            None => None,
        };
        let url = args.database.url()?;
        let read_url =
            args.database_read_url.as_deref().map(|url| db::parse_url("--database-read-url", url)).transpose()?;
        let limits = fit_open_files(args, &url, read_url.is_some())?;
        let db = open_database(args, &url, read_url.as_ref(), observer).await?.with_leader_wait(args.leader_wait());
        db.set_replica_limits(args.replicas());
        let health = Health::new(db.clone());
        health.look().await;
        let feed = Feed::start(&db, args.feed()).await?;
        tracing::info!("using the {url}");
        let grace = Duration::from_millis(args.shutdown_grace_ms);
        let accounts = args.accounts.open()?;
        let demo = match args.demo && args.ide() && !args.production {
            true => start::find_demo_login(&db, &accounts).await?,
            false => None,
        };
        let transport = http::HttpSettings {
            limits,
            cors_origins: args.cors_origins.clone(),
            trusted_proxies: args.trusted_proxies.clone(),
            ide: args.ide(),
            demo,
            metrics: operations.is_none(),
        };
        let overview = match args.status {
            true => {
                let own = InstanceSources::Own(listener.local_addr()?.to_string(), Arc::new(health.clone()));
                Some(Arc::new(Gatherer::new(args.sources.sources(own)?)?))
            }
            false => None,
        };
        if args.production {
            start::warn_of_demo_accounts(&db, &accounts).await?;
        }
        let sessions = Sessions::new(&db, &accounts);
        Ok(Self {
            db,
            feed,
            listener,
            operations,
            introspection: args.introspection(),
            accounts,
            writes: args.accounts.writes(),
            sessions,
            transport,
            health,
            overview,
            drain: args.drain(),
            grace,
        })
    }

    /// The address that the server listens on.
    ///
    /// # Errors
    /// The operating system failed.
    pub fn address(&self) -> anyhow::Result<std::net::SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// The operators' address, if any.
    ///
    /// # Errors
    /// The operating system failed.
    pub fn metrics_address(&self) -> anyhow::Result<Option<std::net::SocketAddr>> {
        Ok(self.operations.as_ref().map(TcpListener::local_addr).transpose()?)
    }

    /// The backends of the engine of [`library`](crate::library).
    pub fn library(&self) -> Backends {
        library::backends(&self.db, &self.feed, &self.accounts, &self.writes)
    }

    /// The engine and its backends.
    fn executor(&self) -> anyhow::Result<Executor> {
        let engine = library::engine(&self.transport.limits, self.introspection).context("the schema is not valid")?;
        let contexts = Arc::new(library::DomainContexts::new(self.library()));
        Ok(Executor { engine: Arc::new(engine), contexts })
    }

    /// Serves until `stop` resolves, then lets running requests finish within the grace period.
    ///
    /// # Errors
    /// The schema cannot be served.
    pub fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> BoxFuture<'static, anyhow::Result<()>> {
        self.run_until(Box::pin(stop))
    }

    fn run_until(self, stop: BoxFuture<'static, ()>) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(self.serve(stop))
    }

    async fn serve(self, stop: BoxFuture<'static, ()>) -> anyhow::Result<()> {
        let health = self.health.clone();
        let status: Arc<dyn http::Status> = Arc::new(health.clone());
        let executor = self.executor()?;
        let services = http::HttpServices {
            subscribe: Arc::new(feed::SharedExecutor::new(
                executor.clone(),
                Arc::clone(&self.feed.hub),
                comment::subscription::read_root_field,
            )),
            authenticate: Arc::new(self.sessions),
            executor,
            overview: self.overview.map(|overview| overview as Arc<dyn http::Overview>),
        };
        let router = http::router(services, &status, &self.transport);
        let upkeep = upkeep::run(self.db.clone(), SWEEPS, upkeep::FIRST);
        let trial = upkeep::try_to_write(self.db.clone(), |db, now| Box::pin(idempotency::write_and_forget(db, now)));
        let operations = serve_operations(self.operations, http::operations_router(&status), &self.transport);
        let feed = self.feed;
        let hub = Arc::clone(&feed.hub);
        let (watch, drain) = (self.health.watch(), self.drain);
        let (stopped, wait_stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = http::serve(self.listener, router, &self.transport, async move {
            stop.await;
            health.stop();
            if !drain.is_zero() {
                tracing::info!("stopping: no longer ready, serving for another {drain:?}");
                tokio::time::sleep(drain).await;
            }
            hub.stop();
            tracing::info!("stopping: no new connections, running requests finish");
            let _ = stopped.send(());
        });
        let too_late = async {
            // An error means that the server ended by itself, and this select with it.
            let _ = wait_stopped.await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::select! {
            () = serve => {}
            // Until the very end, so that operators can watch the shutdown.
            () = operations => {}
            () = upkeep => {}
            () = watch => {}
            () = trial => {}
            () = too_late => tracing::warn!("the grace period is over: open connections are dropped"),
        }
        // A connection to a frozen server never becomes free.
        let close = async {
            feed.close().await;
            self.db.close().await
        };
        if timeout(Duration::from_secs(1), close).await.is_err() {
            tracing::warn!("database connections were still in use");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Updates the schema and opens the pools. If either the leader or the replica is away, the other one is checked.
async fn open_database(
    args: &ServeArgs,
    url: &DatabaseUrl,
    read_url: Option<&DatabaseUrl>,
    observer: Option<StatementObserver>,
) -> anyhow::Result<Db> {
    let (pool, timeouts, observer) = (args.pool(), timeouts(args), Some(observe(observer)));
    // Migrating and filling have no timeout: the pools for requests are opened later.
    let has_leader = match connect::open(url, Access::Write, pool).await {
        Ok(owner) => {
            start::prepare(&owner, url, args).await?;
            owner.close().await?;
            true
        }
        Err(error) if error.is_away() && read_url.is_some() && !args.demo && !args.migrate => {
            tracing::warn!("starting read-only, until a database accepts changes: {error}");
            false
        }
        Err(error) => return Err(error).context("--database-url"),
    };
    if let Some(read_url) = read_url {
        match connect::open(read_url, Access::Read, pool).await {
            Ok(replica) => {
                start::check_replica(&replica, read_url).await?;
                replica.close().await?;
            }
            Err(error) if error.is_away() && has_leader => {
                tracing::warn!("reading from the leader, until the replica is available: {error}");
            }
            Err(error) => return Err(error).context("--database-read-url"),
        }
    }
    Db::open(url, read_url, pool, timeouts, observer).await
}

/// Counts every statement.
fn observe(observer: Option<StatementObserver>) -> db::Observer {
    Arc::new(move |info| {
        telemetry::count_statement();
        metrics::count_statement(info.elapsed, info.failed);
        if let Some(observer) = &observer {
            observer(info.statement);
        }
    })
}

async fn listen(flag: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another {flag}, or stop the program that uses it"))
}

/// Serves operators, if they have an address. Never returns.
async fn serve_operations(listener: Option<TcpListener>, router: Router, settings: &http::HttpSettings) {
    match listener {
        Some(listener) => http::serve(listener, router, settings, std::future::pending()).await,
        None => std::future::pending().await,
    }
}

/// A request that waits for a lock gets an error before it times out.
fn timeouts(args: &ServeArgs) -> Timeouts {
    let request = Duration::from_millis(args.limits.request_timeout_ms);
    Timeouts { statement: request + STATEMENT_RESPITE, lock: args.lock_timeout() }
}

/// The minimum number of connections for one address if few files can be opened: a browser opens six.
const CONNECTIONS_PER_CLIENT_MIN: u64 = 8;

/// The limits, with no more connections than files allow. One address then has the same part of them.
fn fit_open_files(args: &ServeArgs, url: &DatabaseUrl, replica: bool) -> anyhow::Result<http::Limits> {
    let addresses = if args.metrics_listen.is_some() { 2 } else { 1 };
    let needs = open_files::Needs {
        connections: args.limits.limit_connections * addresses,
        database: db::files(url, replica, args.database_connections, feed::CONNECTIONS_MAX),
    };
    let limit_connections = open_files::reserve(needs)? / addresses;
    Ok(fit_connections(&args.limits, limit_connections))
}

fn fit_connections(limits: &http::Limits, limit_connections: u64) -> http::Limits {
    let per_client = limits.limit_connections_per_client;
    let part = per_client * limit_connections / limits.limit_connections;
    let limit_connections_per_client = part.max(CONNECTIONS_PER_CLIENT_MIN).min(per_client);
    http::Limits { limit_connections, limit_connections_per_client, ..limits.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_few_files_an_address_keeps_its_part_of_the_connections() {
        let fit = |limit_connections, limit_connections_per_client, room| {
            let limits = http::Limits { limit_connections, limit_connections_per_client, ..http::Limits::DEFAULT };
            let fitted = fit_connections(&limits, room);
            assert_eq!(fitted.limit_connections, room);
            fitted.limit_connections_per_client
        };
        assert_eq!(fit(20_000, 5_000, 20_000), 5_000);
        assert_eq!(fit(20_000, 5_000, 4_000), 1_000);
        assert_eq!(fit(20_000, 5_000, 20), CONNECTIONS_PER_CLIENT_MIN);
        assert_eq!(fit(20_000, 3, 20), 3);
        // If one address may have all connections, it still may.
        assert_eq!(fit(20_000, 20_000, 20), 20);
    }
}

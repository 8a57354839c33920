//! Pools disable the driver's background upkeep, which may loop forever: see `migration::connect::pool_options`.

use std::time::Duration;

use kinoteka::db::Db;
use kinoteka::feed::Source;
use migration::connect::{PoolSettings, Timeouts};
use sea_orm::{DatabaseConnection, DbBackend};
use sqlx::Database;
use sqlx::pool::PoolOptions;

use crate::support::database::{Backend, TestDatabase};

on_both!(no_pool_runs_background_upkeep);

async fn no_pool_runs_background_upkeep(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let pool = PoolSettings { connections_max: 2, acquire_timeout: Duration::from_secs(10) };
    let timeouts = Timeouts { statement: Duration::from_secs(10), lock: Duration::from_secs(10) };
    let db = Db::open(&database.url.parse().unwrap(), None, pool, timeouts, None).await.unwrap();
    for connections in [&db.write, db.read.connections(), &database.connect().await] {
        assert_idle_pool(connections);
    }
    match Source::new(&db) {
        Source::Postgres(pool, _) => assert_idle(pool.options()),
        Source::Sqlite(pool) => assert_idle(pool.options()),
    }
    db.close().await.unwrap();
}

fn assert_idle_pool(connections: &DatabaseConnection) {
    match connections.get_database_backend() {
        DbBackend::Postgres => assert_idle(connections.get_postgres_connection_pool().options()),
        _ => assert_idle(connections.get_sqlite_connection_pool().options()),
    }
}

/// Without these settings, nothing runs in the background.
fn assert_idle<DB: Database>(options: &PoolOptions<DB>) {
    let times = (options.get_idle_timeout(), options.get_max_lifetime(), options.get_min_connections());
    assert_eq!(times, (None, None, 0));
}

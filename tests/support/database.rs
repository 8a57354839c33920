//! A database for each test, on either backend.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::postgres;

/// The two databases on which everything must work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    Sqlite,
}

impl From<Backend> for DbBackend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Postgres => Self::Postgres,
            Backend::Sqlite => Self::Sqlite,
        }
    }
}

/// An empty database. It is deleted with this value (on PostgreSQL, with the server).
pub struct TestDatabase {
    pub url: String,
    _folder: Option<TempDir>,
}

/// A database that is filled once and then copied.
struct Template {
    demo_accounts: Option<u32>,
    postgres: OnceCell<TestDatabase>,
    /// The file's bytes, since the file of a static would never be removed.
    sqlite: OnceCell<Vec<u8>>,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl TestDatabase {
    /// Creates a database without tables.
    pub async fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite(None),
            Backend::Postgres => Self::postgres("template0").await,
        }
    }

    /// Creates a database with the current schema and no rows.
    pub async fn migrated(backend: Backend) -> Self {
        let database = Self::empty(backend).await;
        let db = database.connect().await;
        migration::up(&db, None).await.expect("the migration runs");
        db.close().await.expect("the connection closes");
        database
    }

    /// Creates a copy of a database with the demo seed.
    pub async fn seeded(backend: Backend) -> Self {
        static TEMPLATE: Template = Template::new(None);
        TEMPLATE.copy(backend).await
    }

    /// Creates a copy of one with the demo accounts too, and with four members for load.
    pub async fn seeded_with_accounts(backend: Backend) -> Self {
        static TEMPLATE: Template = Template::new(Some(4));
        TEMPLATE.copy(backend).await
    }

    fn sqlite(content: Option<&Vec<u8>>) -> Self {
        let folder = tempfile::Builder::new().prefix("kinoteka-sqlite-").tempdir().expect("a temporary folder");
        let file = folder.path().join("kinoteka.db");
        if let Some(content) = content {
            std::fs::write(&file, content).expect("the file is written");
        }
        Self { url: format!("sqlite://{}?mode=rwc", file.display()), _folder: Some(folder) }
    }

    /// The path of a SQLite database.
    fn sqlite_file(&self) -> &str {
        self.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc")
    }

    async fn postgres(template: &str) -> Self {
        let name = format!("test_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        // Two tests can copy a template simultaneously only if it has no connections, so each
        // uses its own connection to another database.
        let admin = connect_to(&postgres::url("postgres")).await.expect("the server answers");
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("the database is made");
        admin.close().await.expect("the connection closes");
        Self { url: postgres::url(&name), _folder: None }
    }

    /// Connects with one plain connection, without the server's settings.
    pub async fn connect(&self) -> DatabaseConnection {
        connect_to(&self.url).await.expect("the database answers")
    }
}

/// Connects with one plain connection, and waits at most for `patience`.
#[expect(clippy::disallowed_methods, reason = "without these times nothing loops: see `migration::connect`")]
pub async fn connect_within(url: &str, patience: Duration) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(patience).sqlx_logging(false).idle_timeout(None).max_lifetime(None);
    Database::connect(options).await
}

/// Connects with one plain connection, without the server's settings.
pub async fn connect_to(url: &str) -> Result<DatabaseConnection, DbErr> {
    connect_within(url, Duration::from_secs(30)).await
}

/// Runs a query of one text column.
pub async fn read_texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

impl Template {
    const fn new(demo_accounts: Option<u32>) -> Self {
        Self { demo_accounts, postgres: OnceCell::const_new(), sqlite: OnceCell::const_new() }
    }

    async fn copy(&self, backend: Backend) -> TestDatabase {
        match backend {
            Backend::Sqlite => {
                let original = self.sqlite.get_or_init(async || {
                    let filled = self.fill(backend).await;
                    std::fs::read(filled.sqlite_file()).expect("the file is there")
                });
                TestDatabase::sqlite(Some(original.await))
            }
            Backend::Postgres => {
                let original = self.postgres.get_or_init(|| self.fill(backend)).await;
                TestDatabase::postgres(original.url.rsplit_once('/').expect("a URL names its database").1).await
            }
        }
    }

    async fn fill(&self, backend: Backend) -> TestDatabase {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        let options = seeding::SeedOptions { demo_accounts: self.demo_accounts, ..Default::default() };
        seeding::seed(&db, &options, |_: seeding::SeedEvent| {}).await.expect("the seeder runs");
        db.close().await.expect("the connection closes");
        database
    }
}

//! What is dropped for the load is restored unchanged.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::program::{STEPS, command, seed_well};
use crate::support::database::{Backend, TestDatabase};

on_both!(deferred_indexes_are_restored_unchanged);

/// Changes that a database administrator may have made by hand.
const BY_HAND: [&str; 7] = [
    "COMMENT ON INDEX comments_user_id_idx IS 'Кто что написал'",
    "COMMENT ON CONSTRAINT users_email_key ON users IS 'Почта'",
    "CREATE UNIQUE INDEX \"Кто когда\" ON users (fio DESC NULLS LAST, created_at, id) WHERE bio IS NOT NULL",
    "ALTER TABLE comments CLUSTER ON comments_movie_id_idx",
    "ALTER TABLE movies DISABLE TRIGGER movie_titles_fold",
    "ALTER TABLE publications ENABLE ALWAYS TRIGGER publication_titles_fold",
    "ALTER INDEX users_rating_unique_pk2 SET (fillfactor = 70)",
];

async fn deferred_indexes_are_restored_unchanged(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    if backend == Backend::Postgres {
        for sql in BY_HAND {
            db.execute_unprepared(sql).await.unwrap();
        }
    }
    let before = catalogue(&db).await;
    assert!(before.iter().any(|line| line.contains("users_rating_unique_pk2")), "{before:#?}");
    assert_eq!(seed_well(&database, &["--defer-indexes"]), STEPS);
    assert_eq!(catalogue(&db).await, before);
    assert_eq!(pending(&db).await, 0);
}

/// After kill -9, dropped objects can be restored without continuing the seed.
#[tokio::test(flavor = "multi_thread")]
async fn restore_completes_a_killed_run() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    let before = catalogue(&db).await;
    let mut args = crate::program::SECONDS.to_vec();
    args.push("--defer-indexes");
    let (mut child, _) = crate::program::seed_until(&database, &args, "load_users..OK");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(pending(&db).await > 50);
    let restored = command(&database, "restore", &[]).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    assert!(String::from_utf8(restored.stdout).unwrap().starts_with("restored "));
    assert_eq!(catalogue(&db).await, before);
}

/// All indexes, constraints and triggers with their properties, as lines in order.
pub async fn catalogue(db: &DatabaseConnection) -> Vec<String> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT format('index %s, clustered %s, comment %L, options %s, statistics %s', pg_get_indexdef(i.oid),
                 indisclustered, obj_description(i.oid, 'pg_class'), i.reloptions,
                 (SELECT array_agg(attstattarget) FROM pg_attribute WHERE attrelid = i.oid)) AS line
             FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid
             WHERE i.relnamespace = 'public'::regnamespace
             UNION ALL
             SELECT format('constraint %s on %s: %s, valid %s, index %s, comment %L', conname, conrelid::regclass,
                 pg_get_constraintdef(oid), convalidated, conindid::regclass, obj_description(oid, 'pg_constraint'))
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace
             UNION ALL
             SELECT format('trigger %s, enabled %s', pg_get_triggerdef(oid), tgenabled)
             FROM pg_trigger WHERE NOT tgisinternal
             ORDER BY line"
        }
        _ => {
            "SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || coalesce(sql, '') AS line
             FROM sqlite_schema ORDER BY line"
        }
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    // Statistics that ANALYZE collects are not part of the schema.
    let lines = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
    lines.filter(|line| !line.contains("sqlite_stat")).collect()
}

/// The number of objects that are still dropped.
pub async fn pending(db: &DatabaseConnection) -> i64 {
    match db.get_database_backend() {
        DbBackend::Postgres => crate::content::count(db, "seeding_restores").await,
        _ => 0,
    }
}

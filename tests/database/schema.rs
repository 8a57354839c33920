//! Compares the migrated database with the facts: tables, columns, keys, indexes, comments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};

use crate::catalogue::{read_columns, read_foreign_keys, read_indexes, read_texts};
use crate::facts::{self, DATABASE_COMMENT, FOREIGN_KEYS, INDEXES, POSTGRES_TABLES, SIDE_TABLES, TABLES};
use crate::support::database::{Backend, TestDatabase};

/// Tables with an additional index on SQLite: its unique key on expressions cannot be used for look-ups.
const SQLITE_ONLY: &str = "users_rating_movie_id_idx";

/// The table with which SQLite folds texts. PostgreSQL uses a function.
const SQLITE_FOLDING: [&str; 4] = ["fold_letters", "folded_texts", "texts_as_written", "texts_to_search"];

on_both![
    the_tables_are_the_sixteen_and_the_side_tables,
    columns_equal_the_facts,
    foreign_keys_equal_the_facts,
    the_named_indexes_equal_the_facts,
    every_foreign_key_has_an_index_that_begins_with_it,
    every_missing_trigger_is_named,
];

async fn the_tables_are_the_sixteen_and_the_side_tables(backend: Backend) {
    let (_database, db) = migrated(backend).await;
    let mut found: BTreeSet<_> = read_columns(&db, backend).await.into_keys().collect();
    if backend == Backend::Sqlite {
        assert!(SQLITE_FOLDING.iter().all(|name| found.remove(*name)));
        // Full-text search has one table and several internal ones.
        found.retain(|table| !table.contains("_trigram") && !table.starts_with("publication_words_"));
    }
    for table in POSTGRES_TABLES {
        assert_eq!(found.remove(*table), backend == Backend::Postgres, "{table}");
    }
    assert_eq!(TABLES.len(), 16);
    let known = TABLES.iter().map(|(name, _)| *name).chain(SIDE_TABLES.iter().copied());
    assert_eq!(found, known.map(str::to_owned).collect());
}

async fn columns_equal_the_facts(backend: Backend) {
    let (_database, db) = migrated(backend).await;
    let found = read_columns(&db, backend).await;
    for (table, lines) in TABLES {
        let expected: Vec<_> = match backend {
            Backend::Postgres => lines.iter().map(|&line| line.to_owned()).collect(),
            Backend::Sqlite => facts::columns().filter(|column| column.table == *table).map(sqlite_column).collect(),
        };
        assert_eq!(found[*table], expected, "columns of {table}");
    }
}

fn sqlite_column(column: facts::Column) -> String {
    let null = if column.nullable { "" } else { " not null" };
    let default = if column.default { " default" } else { "" };
    format!("{}{null}{default}", column.name)
}

async fn foreign_keys_equal_the_facts(backend: Backend) {
    let (_database, db) = migrated(backend).await;
    let expected: Vec<_> = FOREIGN_KEYS
        .iter()
        .map(|&key| match backend {
            Backend::Postgres => key.to_owned(),
            // Deferred to the end of the transaction, so that a whole thread can be deleted at once.
            Backend::Sqlite => key.replace("comments restrict", "comments no action"),
        })
        .collect();
    let found = read_foreign_keys(&db, backend).await;
    assert_eq!(keep_sixteen(found, |key| key.split_once('.').unwrap().0), expected);
}

async fn the_named_indexes_equal_the_facts(backend: Backend) {
    let (_database, db) = migrated(backend).await;
    let found = read_indexes(&db, backend).await;
    assert_eq!(INDEXES.len(), 35);
    for (name, definition) in INDEXES {
        let expected = match (backend, *name) {
            (Backend::Postgres, _) => Some((*definition).to_owned()),
            // An integer primary key is the table itself, and SQLite has no GIN.
            (Backend::Sqlite, _) if name.ends_with("_pkey") => None,
            (Backend::Sqlite, "publications_text_gin_idx") => None,
            (Backend::Sqlite, "users_rating_unique_pk2") => {
                Some("unique users_rating btree (?, ?, user_id)".to_owned())
            }
            (Backend::Sqlite, _) => Some((*definition).to_owned()),
        };
        assert_eq!(found.get(*name), expected.as_ref(), "index {name}");
    }
}

async fn every_foreign_key_has_an_index_that_begins_with_it(backend: Backend) {
    let (_database, db) = migrated(backend).await;
    let indexes = read_indexes(&db, backend).await;
    for key in read_foreign_keys(&db, backend).await {
        let (table, column) = key.split(' ').next().unwrap().split_once('.').unwrap();
        // On SQLite, a key of one integer is the table itself.
        let is_key = format!("SELECT '' FROM pragma_table_info('{table}') WHERE name = '{column}' AND pk = 1");
        if backend == Backend::Sqlite && !read_texts(&db, &is_key).await.is_empty() {
            continue;
        }
        let begins = |definition: &String| {
            let definition = definition.trim_start_matches("unique ");
            definition.starts_with(&format!("{table} btree ({column},"))
                || definition.starts_with(&format!("{table} btree ({column})"))
        };
        assert!(indexes.values().any(begins), "{table}.{column} has no index");
    }
}

#[tokio::test]
async fn the_other_indexes_are_the_same_on_both() {
    let postgres = other_indexes(Backend::Postgres).await;
    let mut sqlite = other_indexes(Backend::Sqlite).await;
    assert!(sqlite.remove(SQLITE_ONLY).is_some());
    assert!(postgres.len() >= 20, "step 0002 is missing: {postgres:?}");
    assert_eq!(postgres, sqlite);
}

async fn other_indexes(backend: Backend) -> BTreeMap<String, String> {
    let (_database, db) = migrated(backend).await;
    let mut indexes = read_indexes(&db, backend).await;
    indexes.retain(|name, definition| {
        let table = definition.trim_start_matches("unique ").split(' ').next().unwrap();
        INDEXES.iter().all(|(named, _)| named != name) && is_of_sixteen(table)
    });
    indexes
}

#[tokio::test]
async fn postgres_unique_keys_are_constraints_and_no_other_index_is_unique() {
    let (_database, db) = migrated(Backend::Postgres).await;
    let constraints = read_texts(
        &db,
        "SELECT conname::text || ' ' || contype::text || CASE WHEN condeferrable THEN ' deferrable' ELSE '' END
         FROM pg_constraint
         WHERE contype IN ('p', 'u') AND conrelid <> 'seaql_migrations'::regclass
           AND connamespace = 'public'::regnamespace
         ORDER BY conname COLLATE \"C\"",
    )
    .await;
    let expected: Vec<_> = INDEXES
        .iter()
        .filter(|(_, definition)| definition.starts_with("unique "))
        .map(|(name, _)| {
            let primary = name.ends_with("_pkey") || *name == "tags_title_key";
            format!("{name} {}", if primary { 'p' } else { 'u' })
        })
        .collect();
    let of_sixteen: Vec<_> = constraints
        .into_iter()
        .filter(|line| INDEXES.iter().any(|(name, _)| line.starts_with(&format!("{name} "))))
        .collect();
    assert_eq!(of_sixteen, expected);
    let surplus = other_indexes(Backend::Postgres).await;
    assert!(surplus.values().all(|definition| !definition.starts_with("unique ")), "{surplus:?}");
}

#[tokio::test]
async fn postgres_has_the_database_comment_and_one_on_every_table() {
    let (_database, db) = migrated(Backend::Postgres).await;
    let comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";
    assert_eq!(read_texts(&db, comment).await, [DATABASE_COMMENT]);
    let silent = "SELECT relname::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'seaql_migrations'
          AND coalesce(obj_description(oid, 'pg_class'), '') = ''";
    assert_eq!(read_texts(&db, silent).await, [""; 0]);
}

#[tokio::test]
async fn sqlite_tables_are_strict_and_never_reuse_an_id() {
    let (_database, db) = migrated(Backend::Sqlite).await;
    for (table, _) in TABLES {
        let flags = format!(
            "SELECT strict || ' ' || (sql LIKE '%PRIMARY KEY AUTOINCREMENT%')
             FROM pragma_table_list AS t JOIN sqlite_schema AS s USING (name) WHERE s.name = '{table}'"
        );
        let ids = i32::from(*table != "tags");
        assert_eq!(read_texts(&db, &flags).await, [format!("1 {ids}")], "{table}");
    }
}

/// One page documents everything that is not in the facts.
#[tokio::test]
async fn the_schema_page_names_everything_beyond_the_facts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_database, db) = migrated(Backend::Postgres).await;
    let mut names = read_texts(
        &db,
        "SELECT conname::text FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
         UNION SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
         UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')",
    )
    .await;
    names.extend(read_indexes(&db, Backend::Postgres).await.into_keys().filter(|name| !name.ends_with("_pkey")));
    let (_database, db) = migrated(Backend::Sqlite).await;
    names.extend(read_texts(&db, "SELECT name FROM sqlite_schema WHERE type = 'trigger'").await);
    names.extend(read_indexes(&db, Backend::Sqlite).await.into_keys());
    names.retain(|name| !name.starts_with("sqlite_"));
    names.extend(TABLES.iter().map(|(table, _)| (*table).to_owned()));
    names.extend(SIDE_TABLES.iter().chain(POSTGRES_TABLES).map(|table| (*table).to_owned()));
    let missing: BTreeSet<_> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/schema.md does not name {missing:?}");
}

async fn every_missing_trigger_is_named(backend: Backend) {
    let (_database, db) = migrated(backend).await;
    let all = match backend {
        Backend::Postgres => {
            "SELECT format('%s ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal"
        }
        Backend::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'trigger'",
    };
    assert_eq!(migration::silent_triggers(&db).await.unwrap(), [""; 0]);
    for trigger in read_texts(&db, all).await {
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared(&format!("DROP TRIGGER {trigger}")).await.unwrap();
        let name = trigger.split(' ').next().unwrap();
        assert_eq!(migration::silent_triggers(&txn).await.unwrap(), [format!("{name} is missing")]);
        txn.rollback().await.unwrap();
    }
}

async fn migrated(backend: Backend) -> (TestDatabase, DatabaseConnection) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    (database, db)
}

fn is_of_sixteen(table: &str) -> bool {
    TABLES.iter().any(|(name, _)| *name == table)
}

fn keep_sixteen(lines: Vec<String>, table: impl Fn(&str) -> &str) -> Vec<String> {
    lines.into_iter().filter(|line| is_of_sixteen(table(line))).collect()
}

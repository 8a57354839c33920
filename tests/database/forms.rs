//! Column by column: lengths, NULLs, keys, and the texts in which SQLite stores dates and times.

use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ConnectionTrait, Statement};

use crate::catalogue::read_texts;
use crate::facts::{self, Column, FOREIGN_KEYS};
use crate::fixture::{Fixture, Rule, expect_refusals};
use crate::support::database::{Backend, TestDatabase};

/// Columns that cannot be set alone because of another rule: see [`crate::checks`].
const BOUND: &[&str] = &[
    "comments.parent_id",
    "comments.movie_id",
    "comments.publication_id",
    "users_rating.movie_id",
    "users_rating.publication_id",
];

on_both![
    texts_can_have_the_length_of_their_column_and_no_more,
    null_is_refused_where_the_facts_forbid_it,
    null_is_accepted_where_the_facts_allow_it,
    a_dangling_key_is_refused_in_every_column,
];

async fn texts_can_have_the_length_of_their_column_and_no_more(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    // The letters of the age rating are checked, not counted.
    let texts = || facts::columns().filter(|column| column.length_max().is_some() && column.name != "rars");
    assert_eq!(texts().count(), 18);
    for column in texts() {
        // Letters of two bytes, because characters count and not bytes.
        let sql = set(&column, &format!("'{}'", "ё".repeat(column.length_max().unwrap())));
        fixture.peek(&sql, "SELECT ''").await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let cases = texts().map(|column| {
        let max = column.length_max().unwrap();
        let rule = Rule::Length(format!("{}.{}", column.table, column.name), max);
        ("too long".to_owned(), set(&column, &format!("'{}'", "ё".repeat(max + 1))), rule)
    });
    expect_refusals(&fixture, cases).await;
}

async fn null_is_refused_where_the_facts_forbid_it(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    let required = facts::columns().filter(|column| !column.nullable && !column.identity);
    let cases = required.map(|column| {
        let rule = Rule::NotNull(format!("{}.{}", column.table, column.name));
        ("no value".to_owned(), set(&column, "NULL"), rule)
    });
    expect_refusals(&fixture, cases).await;
}

async fn null_is_accepted_where_the_facts_allow_it(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    for column in facts::columns().filter(|column| column.nullable && !is_bound(column)) {
        let sql = set(&column, "NULL");
        fixture.peek(&sql, "SELECT ''").await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

async fn a_dangling_key_is_refused_in_every_column(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    let is_key =
        |column: &Column| FOREIGN_KEYS.iter().any(|key| key.starts_with(&format!("{}.{} ", column.table, column.name)));
    let cases = facts::columns().filter(|column| is_key(column) && !is_bound(column)).map(|column| {
        let rule = Rule::Key(format!("{}_{}_fkey", column.table, column.name));
        ("a key to nothing".to_owned(), set(&column, "100000"), rule)
    });
    expect_refusals(&fixture, cases).await;
}

#[tokio::test]
async fn only_postgres_assigns_ids() {
    let fixture = Fixture::new(Backend::Postgres).await;
    let rule = Rule::Says("cannot insert a non-DEFAULT value into column \"id\"", "");
    let sql = "INSERT INTO movies (id, title, duration) VALUES (77, 'Зеркало', 108)";
    expect_refusals(&fixture, [("an id of one's own".to_owned(), sql.to_owned(), rule)]).await;
}

/// `pg_restore --data-only` empties the search path, and the triggers still fire.
#[tokio::test]
async fn postgres_checks_replies_under_any_search_path() {
    let fixture = Fixture::new(Backend::Postgres).await;
    fixture.run("SET search_path = ''").await.unwrap();
    let reply = "INSERT INTO public.comments (comment, parent_id, movie_id) VALUES ('Да', 1, 3)";
    fixture.peek(reply, "SELECT ''").await.unwrap();
    let astray = reply.replace("1, 3", "1, 4");
    let rule = Rule::Check("comments_parent_subject_check".to_owned());
    expect_refusals(&fixture, [("a reply on another movie".to_owned(), astray, rule)]).await;
}

/// Columns with a unique name.
const NAMES: [(&str, &str); 6] = [
    ("tags", "title"),
    ("person_position", "title"),
    ("cinema_online", "title"),
    ("publications_category", "title"),
    ("users", "username"),
    ("users", "email"),
];

#[tokio::test]
async fn postgres_composes_names_whoever_writes_them() {
    let fixture = Fixture::new(Backend::Postgres).await;
    for (table, column) in NAMES {
        let row = if table == "tags" { "title = 'Драма'" } else { "id = 1" };
        let update = format!("UPDATE {table} SET {column} = 'и\u{306}' WHERE {row}");
        let read = format!("SELECT {column} FROM {table} WHERE {column} LIKE '%й%'");
        assert_eq!(fixture.peek(&update, &read).await.unwrap(), "й", "{table}.{column}");
    }
    let twin = "INSERT INTO tags (title) VALUES ('Чай'), ('Чаи\u{306}')";
    let rule = Rule::Unique("tags_title_key", "tags.title");
    expect_refusals(&fixture, [("a twin".to_owned(), twin.to_owned(), rule)]).await;
}

/// SQLite does not normalize texts.
#[tokio::test]
async fn the_seeder_writes_composed_names() {
    let database = TestDatabase::seeded_with_accounts(Backend::Sqlite).await;
    let db = database.connect().await;
    let others =
        [("persons", "last_name || first_name"), ("users", "fio"), ("movies", "title || title_original || tags")];
    for (table, column) in NAMES.into_iter().chain(others) {
        let names = read_texts(&db, &format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL")).await;
        let is_composed = |name: &&String| kinoteka::kit::spelling::compose(name) == **name;
        assert!(!names.is_empty() && names.iter().all(|name| is_composed(&name)), "{table}: {column}");
    }
}

#[tokio::test]
async fn sqlite_stores_times_in_one_form() {
    let fixture = Fixture::new(Backend::Sqlite).await;
    let times = || facts::columns().filter(|column| column.kind == "timestamptz");
    assert_eq!(times().count(), 8);
    let right = [
        "2024-05-01T12:00:00+00:00",
        "2024-05-01T12:00:00.123+00:00",
        "2024-05-01T12:00:00.123456+00:00",
        "2024-02-29T23:59:59.999999+00:00",
        "0001-01-01T00:00:00+00:00",
    ];
    let wrong = [
        "2024-05-01T12:00:00+03:00",
        "2024-05-01T12:00:00-00:00",
        "2024-05-01T12:00:00Z",
        "2024-05-01T12:00:00",
        "2024-05-01 12:00:00+00:00",
        "2024-05-01T12:00:00 +00:00",
        "2024-05-01T12:00:00.+00:00",
        "2024-05-01T12:00+00:00",
        "2024-05-01T12:00:60+00:00",
        "2024-05-01T24:00:00+00:00",
        "2024-02-30T12:00:00+00:00",
        "2023-02-29T12:00:00+00:00",
        "2024-5-1T12:00:00+00:00",
        "2024-05-01+00:00",
        "+00:00",
        "now",
        "вчера",
        "",
    ];
    expect_forms(&fixture, times().collect(), &right, &wrong).await;
}

#[tokio::test]
async fn sqlite_stores_dates_in_one_form() {
    let fixture = Fixture::new(Backend::Sqlite).await;
    let dates: Vec<_> = facts::columns().filter(|column| column.kind == "date").collect();
    assert_eq!(dates.len(), 5);
    // The end must be after the beginning.
    fixture.run("UPDATE users SET created_at = '1900-01-01'").await.unwrap();
    let right = ["1960-02-29", "1999-12-31", "2000-02-29"];
    let wrong = [
        "1960-02-30",
        "1900-02-29",
        "1999-04-31",
        "1999-13-01",
        "1999-1-1",
        "1999-01-01T00:00:00",
        "1999-01-01 ",
        "01.02.1999",
        "1951545",
        "",
    ];
    expect_forms(&fixture, dates, &right, &wrong).await;
}

async fn expect_forms(fixture: &Fixture, columns: Vec<Column>, right: &[&str], wrong: &[&str]) {
    for column in &columns {
        for value in right {
            let sql = set(column, &format!("'{value}'"));
            fixture.peek(&sql, "SELECT ''").await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }
    let mut surprises = Vec::new();
    for column in &columns {
        let rule = Rule::Check(format!("{}_{}_form", column.table, column.name));
        for value in wrong {
            match fixture.peek(&set(column, &format!("'{value}'")), "SELECT ''").await {
                Err(error) if rule.explains(&error, Backend::Sqlite) => {}
                // SQLite refuses to read the clock in a check, which also prevents the value.
                Err(error) if *value == "now" && error.to_string().contains("non-deterministic use of") => {}
                other => surprises.push(format!("{rule:?}: '{value}': {other:?}")),
            }
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// An instant has one text, whoever writes it. Otherwise equal keys would differ.
#[tokio::test]
async fn sqlite_time_defaults_write_what_the_program_writes() {
    let fixture = Fixture::new(Backend::Sqlite).await;
    let defaults = read_texts(
        &fixture.db,
        "SELECT c.dflt_value FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND c.dflt_value LIKE '%strftime%'",
    )
    .await;
    assert!(defaults.len() > facts::columns().filter(|c| c.kind == "timestamptz" && c.default).count());
    for instant in ["2024-05-01T12:00:00Z", "2024-05-01T12:00:00.120Z", "2024-05-01T12:00:00.007Z"] {
        let instant: DateTimeUtc = instant.parse().unwrap();
        for default in &defaults {
            assert!(default.contains("'now'"), "{default}");
            let then = format!("'{}'", instant.format("%F %T%.3f"));
            let text = read_texts(&fixture.db, &format!("SELECT {}", default.replace("'now'", &then))).await;
            assert_eq!(text, [as_the_program_writes(&fixture, instant).await]);
        }
    }
}

/// The text that the database library stores for an instant.
async fn as_the_program_writes(fixture: &Fixture, instant: DateTimeUtc) -> String {
    let backend = fixture.db.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, "SELECT CAST($1 AS TEXT)", [instant.into()]);
    let row = fixture.db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

fn is_bound(column: &Column) -> bool {
    BOUND.contains(&format!("{}.{}", column.table, column.name).as_str())
}

/// Sets one column of the first row; a tag's row is its title.
fn set(column: &Column, value: &str) -> String {
    let row = if column.table == "tags" { "title = 'Драма'" } else { "id = 1" };
    format!("UPDATE {} SET {} = {value} WHERE {row}", column.table, column.name)
}

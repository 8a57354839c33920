//! The side tables follow their source rows, whoever writes them.

use std::process::Command;
use std::time::Duration;

use kinoteka::kit::fold::fold;
use migration::connect::{Access, DatabaseUrl, PoolSettings, open};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::catalogue::read_texts;
use crate::facts::SIDE_TABLES;
use crate::support::database::{Backend, TestDatabase};
use crate::support::postgres::find_programs;

on_both![
    totals_equal_the_ratings,
    tags_equal_the_arrays,
    folded_texts_equal_folded_searches,
    folded_texts_follow_their_originals,
    a_tombstone_empties_its_comment,
];

/// Subjects whose totals do not match their ratings or are missing.
const DRIFT: &str = "
    SELECT coalesce(subjects.kind || subjects.id, 'totals ' || totals.id)
    FROM (
        SELECT 'movie ' AS kind, movies.id, movies.id AS movie, NULL AS publication FROM movies
        UNION ALL SELECT 'publication ', publications.id, NULL, publications.id FROM publications
    ) AS subjects
    FULL JOIN rating_totals AS totals
        ON coalesce(totals.movie_id, -totals.publication_id) = coalesce(subjects.movie, -subjects.publication)
    LEFT JOIN (
        SELECT coalesce(movie_id, -publication_id) AS subject, sum(rating) AS total, count(*) AS given,
            sum(CASE WHEN rating = 1 THEN 1 ELSE 0 END) AS given_1,
            sum(CASE WHEN rating = 2 THEN 1 ELSE 0 END) AS given_2,
            sum(CASE WHEN rating = 3 THEN 1 ELSE 0 END) AS given_3,
            sum(CASE WHEN rating = 4 THEN 1 ELSE 0 END) AS given_4,
            sum(CASE WHEN rating = 5 THEN 1 ELSE 0 END) AS given_5
        FROM users_rating GROUP BY coalesce(movie_id, -publication_id)
    ) AS ratings ON ratings.subject = coalesce(subjects.movie, -subjects.publication)
    WHERE subjects.id IS NULL OR totals.id IS NULL
        OR totals.given_1 <> coalesce(ratings.given_1, 0)
        OR totals.given_2 <> coalesce(ratings.given_2, 0)
        OR totals.given_3 <> coalesce(ratings.given_3, 0)
        OR totals.given_4 <> coalesce(ratings.given_4, 0)
        OR totals.given_5 <> coalesce(ratings.given_5, 0)
        OR coalesce(totals.average, -1) <> coalesce(cast(round(1000.0 * ratings.total / ratings.given) AS integer), -1)";

async fn totals_equal_the_ratings(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let rated = "SELECT CAST(count(*) AS text) FROM rating_totals WHERE average IS NOT NULL";
    assert!(read_texts(&db, rated).await[0].parse::<i32>().unwrap() > 300, "the seed has ratings");
    expect_none(&db, "the seed", DRIFT).await;
    for change in [
        "INSERT INTO movies (title, duration) VALUES ('Без оценок', 90), ('Тоже', 91)",
        "DELETE FROM users_rating WHERE user_id = 3",
        "INSERT INTO users_rating (rating, user_id, movie_id)
            SELECT 1 + id % 5, 3, id FROM movies WHERE id BETWEEN 1 AND 40",
        "INSERT INTO users_rating (rating, user_id, publication_id)
            SELECT 1 + id % 5, 3, id FROM publications WHERE id BETWEEN 1 AND 40",
        "UPDATE users_rating SET rating = 6 - rating WHERE user_id = 3",
        "UPDATE users_rating SET created_at = created_at",
        // To another subject, of the same kind and of the other.
        "UPDATE users_rating SET movie_id = 300 WHERE user_id = 3 AND movie_id = 7",
        "UPDATE users_rating SET movie_id = NULL, publication_id = 100 WHERE user_id = 3 AND movie_id = 8",
        "DELETE FROM users_rating WHERE rating = 3",
        "DELETE FROM publications WHERE id = 12",
        "DELETE FROM awards WHERE movie_id = 9",
        "DELETE FROM user_movie_orders WHERE movie_id = 9",
        "DELETE FROM movies WHERE id = 9",
        "DELETE FROM users_rating",
    ] {
        db.execute_unprepared(change).await.unwrap();
        expect_none(&db, change, DRIFT).await;
    }
    let left = "SELECT 'average' FROM rating_totals WHERE average IS NOT NULL";
    expect_none(&db, "no ratings", left).await;
}

#[tokio::test]
async fn totals_survive_truncate() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let db = database.connect().await;
    for change in [
        "TRUNCATE publications CASCADE",
        "INSERT INTO users_rating (rating, user_id, movie_id) VALUES (5, 1, 1), (4, 2, 1)",
        "TRUNCATE users_rating",
        "INSERT INTO users_rating (rating, user_id, movie_id) VALUES (5, 1, 1)",
        "TRUNCATE movies CASCADE",
    ] {
        db.execute_unprepared(change).await.unwrap();
        expect_none(&db, change, DRIFT).await;
    }
}

/// REPLACE fires delete triggers only with a pragma, which the program sets.
#[tokio::test]
async fn side_tables_follow_a_replace_of_the_program() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let url: DatabaseUrl = database.url.parse().unwrap();
    let db = open(&url, Access::Write, PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(5) })
        .await
        .unwrap();
    for change in [
        "REPLACE INTO users_rating (rating, user_id, movie_id)
            SELECT 6 - rating, user_id, movie_id FROM users_rating WHERE movie_id < 9",
        "REPLACE INTO publications (id, title, text, author, category)
            SELECT id, 'Новое', 'абракадабра', author, category FROM publications WHERE id = 5",
        "UPDATE publications SET text = 'другое' WHERE id = 5",
        "DELETE FROM publications WHERE id = 5",
        "INSERT INTO publication_words (publication_words) VALUES ('integrity-check')",
    ] {
        db.execute_unprepared(change).await.unwrap();
        expect_none(&db, change, DRIFT).await;
    }
}

/// A role that may write a table needs no rights on its side tables, with any search path.
#[tokio::test]
async fn writers_need_no_rights_on_side_tables() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let db = database.connect().await;
    for statement in [
        "CREATE ROLE writer",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON movies, publications, persons, cinema_online, users_rating TO writer",
        "SET ROLE writer",
        "SET search_path = pg_catalog",
        "INSERT INTO public.movies (title, duration, tags) VALUES ('Чужой', 90, '[\"Драма\"]')",
        "UPDATE public.publications SET text = 'Новый текст', tags = '[]' WHERE id = 1",
        "INSERT INTO public.persons (last_name, first_name, country) VALUES ('Ли', 'Ян', 'Китай')",
        "INSERT INTO public.users_rating (rating, user_id, movie_id) SELECT 5, 1, max(id) FROM public.movies",
        "DELETE FROM public.users_rating WHERE user_id = 2",
        "RESET search_path",
        "RESET ROLE",
        "DROP OWNED BY writer",
        "DROP ROLE writer",
    ] {
        db.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    expect_none(&db, "a writer without rights", DRIFT).await;
    assert_eq!(read_texts(&db, "SELECT title FROM movie_titles WHERE title = 'чужой'").await, ["чужой"]);
}

/// Writers that use the same subjects in opposite orders neither deadlock permanently nor lose a
/// rating.
#[tokio::test(flavor = "multi_thread")]
async fn totals_do_not_drift_under_concurrent_writers() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 1..=8 {
        let db = database.connect().await;
        writers.spawn(async move {
            let order = if writer % 2 == 0 { "ASC" } else { "DESC" };
            for round in 0..20 {
                let statement = match round % 3 {
                    0 => format!(
                        "INSERT INTO users_rating (rating, user_id, movie_id)
                         SELECT 1 + (id + {round}) % 5, {writer}, id FROM movies WHERE id <= 30
                         AND id NOT IN (SELECT movie_id FROM users_rating WHERE user_id = {writer} AND movie_id > 0)
                         ORDER BY id {order}"
                    ),
                    1 => format!("UPDATE users_rating SET rating = 6 - rating WHERE user_id = {writer}"),
                    _ => format!("DELETE FROM users_rating WHERE user_id = {writer} AND movie_id % 2 = {}", round % 2),
                };
                db.execute_unprepared(&statement).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    expect_none(&database.connect().await, "concurrent writers", DRIFT).await;
}

async fn tags_equal_the_arrays(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let long = format!("\"{}\"", "я".repeat(57));
    let updates = [
        "SELECT 1".to_owned(),
        "INSERT INTO movies (title, duration, tags) VALUES ('Теги', 90, '[\"Драма\", \"Драма\", \"Ужасы\"]')"
            .to_owned(),
        "INSERT INTO publications (title, text, author, category, tags)
            SELECT 'Теги', 'Текст', author, category, '[]' FROM publications WHERE id = 1"
            .to_owned(),
        "UPDATE movies SET tags = '[\"Шоу\"]' WHERE id = 3".to_owned(),
        "UPDATE movies SET tags = NULL WHERE id = 4".to_owned(),
        "UPDATE publications SET tags = '[\"Шоу\", \"Трэш\"]' WHERE id < 9".to_owned(),
        // Invalid tags.
        format!("UPDATE movies SET tags = '[1, null, [\"Шоу\"], {{\"a\": 1}}, {long}]' WHERE id = 5"),
        "DELETE FROM publications WHERE id = 2".to_owned(),
    ];
    for update in &updates {
        db.execute_unprepared(update).await.unwrap();
        for (table, owner, owners) in
            [("movie_tags", "movie_id", "movies"), ("publication_tags", "publication_id", "publications")]
        {
            let elements = match backend {
                Backend::Postgres => format!(
                    "SELECT DISTINCT id, tag #>> '{{}}' AS tag FROM {owners}, jsonb_array_elements(tags) AS tag
                     WHERE jsonb_typeof(tag) = 'string' AND length(tag #>> '{{}}') <= 56"
                ),
                Backend::Sqlite => format!(
                    "SELECT DISTINCT {owners}.id, tag.value AS tag FROM {owners}, json_each(tags) AS tag
                     WHERE tag.type = 'text' AND length(tag.value) <= 56"
                ),
            };
            let drift = format!(
                "SELECT coalesce(listed.tag, found.tag) FROM ({elements}) AS found
                 FULL JOIN {table} AS listed ON listed.{owner} = found.id AND listed.tag = found.tag
                 WHERE listed.tag IS NULL OR found.tag IS NULL"
            );
            expect_none(&db, update, &drift).await;
        }
    }
    let listed = read_texts(&db, "SELECT tag FROM movie_tags WHERE movie_id = 3").await;
    assert_eq!(listed, ["Шоу"]);
}

/// The database folds stored texts, and the program folds search texts.
async fn folded_texts_equal_folded_searches(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let letters = match backend {
        Backend::Postgres => (0x20..=0xd7ff).chain(0xe000..=0x1ffff).collect::<Vec<u32>>(),
        // The alphabets in docs/schema.md.
        Backend::Sqlite => [0x20..=0x17f, 0x388..=0x3ce, 0x400..=0x45f].into_iter().flatten().collect(),
    };
    let mut titles: Vec<_> = letters.into_iter().filter_map(char::from_u32).map(|c| format!("Ае{c}Σ {c}Ё")).collect();
    titles.extend(["  И\u{306} и\u{306}   Ё е\u{308}\u{a0}за\u{301}мок\t", "ÀÉÎ Ł Ž", ""].map(str::to_owned));
    for titles in titles.chunks(5_000) {
        let rows: Vec<_> = titles.iter().map(|title| format!("('{}', 90)", title.replace('\'', "''"))).collect();
        let insert = format!("INSERT INTO movies (title, duration) VALUES {}", rows.join(", "));
        db.execute_unprepared(&insert).await.unwrap();
    }
    let folded = read_texts(&db, "SELECT title FROM movie_titles ORDER BY movie_id").await;
    assert_eq!(folded.len(), titles.len());
    let different: Vec<_> = titles
        .iter()
        .zip(&folded)
        .filter(|(title, folded)| fold(title) != **folded)
        .map(|(title, folded)| format!("{title:?}: {folded:?}, not {:?}", fold(title)))
        .collect();
    // ICU and Rust have different versions of Unicode, which differ in their newest letters.
    let new = if backend == Backend::Postgres { 100 } else { 0 };
    assert!(different.len() <= new, "{} {different:#?}", different.len());
    let known = different.iter().filter(|text| text.chars().any(|c| ('\u{80}'..'\u{a000}').contains(&c) && c != 'е'));
    assert!(known.count() <= new, "{different:#?}");
}

async fn folded_texts_follow_their_originals(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    for change in [
        "SELECT 1",
        "UPDATE movies SET title = 'Ёлка', title_original = NULL WHERE id < 4",
        "UPDATE movies SET title_original = 'Fir Tree' WHERE id = 3",
        "UPDATE persons SET mid_name = NULL WHERE id < 4",
        "UPDATE persons SET last_name = 'Ёжиков' WHERE id = 3",
        "UPDATE publications SET title = 'Ёлка  и ЕЛИ' WHERE id < 4",
        "UPDATE cinema_online SET title = 'Кино Ё' WHERE id = 1",
        "INSERT INTO persons (last_name, first_name, country) VALUES ('Ли', 'Анг', 'Тайвань')",
        "DELETE FROM publications WHERE id = 3",
        "INSERT INTO movies (title, duration) VALUES ('Ночь', 90)",
        "DELETE FROM movies WHERE title = 'Ночь'",
    ] {
        db.execute_unprepared(change).await.unwrap();
        let rows = read_texts(
            &db,
            "SELECT 'movie ' || movies.id || '|' || movies.title || '|' || coalesce(folded.title, '') FROM movies
             FULL JOIN movie_titles AS folded ON movie_id = movies.id
             UNION ALL SELECT 'original ' || movies.id || '|' || coalesce(title_original, '') || '|' || coalesce(original, '')
             FROM movies JOIN movie_titles AS folded ON movie_id = movies.id
             UNION ALL SELECT 'person ' || persons.id || '|' || last_name || ' ' || first_name || coalesce(' ' || mid_name, '')
                 || '|' || coalesce(name, '')
             FROM persons FULL JOIN person_names ON person_id = persons.id
             UNION ALL SELECT 'publication ' || publications.id || '|' || publications.title || '|' || coalesce(folded.title, '')
             FROM publications FULL JOIN publication_titles AS folded ON publication_id = publications.id
             UNION ALL SELECT 'cinema ' || cinema_online.id || '|' || cinema_online.title || '|' || coalesce(folded.title, '')
             FROM cinema_online FULL JOIN cinema_titles AS folded ON cinema_id = cinema_online.id",
        )
        .await;
        assert!(rows.len() > 2_000, "{}", rows.len());
        for row in rows {
            let parts: Vec<_> = row.split('|').collect();
            assert_eq!(parts[2], fold(parts[1]), "{} after {change}", parts[0]);
        }
    }
}

/// `pg_dump --data-only` contains the side tables too, so its rows meet those of the triggers.
#[tokio::test]
async fn a_dump_of_only_the_data_can_be_restored() {
    let full = TestDatabase::seeded(Backend::Postgres).await;
    let restored = TestDatabase::migrated(Backend::Postgres).await;
    let programs = find_programs();
    let dump = Command::new(programs.join("pg_dump"))
        .args([
            "--data-only",
            "--exclude-table-data=seaql_migrations",
            "--exclude-table-data=schema_steps",
            "--dbname",
            &full.url,
        ])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), dump.stdout).unwrap();
    let restore = Command::new(programs.join("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(file.path())
        .arg(&restored.url)
        .output()
        .unwrap();
    assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
    let (full, restored) = (full.connect().await, restored.connect().await);
    expect_none(&restored, "a restore", DRIFT).await;
    // The feed has events of the restore itself, in a new epoch.
    for table in SIDE_TABLES.iter().filter(|table| !["comment_events", "comment_feed"].contains(table)) {
        // Their own ids are assigned again.
        let rows = format!(
            "SELECT (to_jsonb(t) - CASE WHEN '{table}' = 'rating_totals' THEN 'id' ELSE '' END)::text FROM {table} AS t
             ORDER BY 1"
        );
        assert_eq!(read_texts(&full, &rows).await, read_texts(&restored, &rows).await, "{table}");
    }
}

async fn a_tombstone_empties_its_comment(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let root = "SELECT parent_id FROM comments WHERE parent_id IS NOT NULL ORDER BY parent_id LIMIT 1";
    db.execute_unprepared(&format!("INSERT INTO comment_tombstones (comment_id) {root}")).await.unwrap();
    let emptied = "SELECT comment || coalesce(CAST(user_id AS text), '') FROM comments
        WHERE id IN (SELECT comment_id FROM comment_tombstones)";
    assert_eq!(read_texts(&db, emptied).await, [""]);
    let others = "SELECT CAST(count(*) AS text) FROM comments WHERE comment = ''";
    assert_eq!(read_texts(&db, others).await, ["1"]);
}

async fn expect_none(db: &DatabaseConnection, after: &str, sql: &str) {
    assert_eq!(read_texts(db, sql).await, [""; 0], "after {after}");
}

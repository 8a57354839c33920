//! Values that the schema accepts at the boundary of each rule, and rows that are deleted with another row.

use crate::fixture::Fixture;
use crate::support::database::Backend;

on_both![boundaries_are_accepted, deletions_remove_dependent_rows];

/// Statements at the boundary of what is allowed, and the number of rows that show the result.
const BOUNDARIES: &[(&str, &str, u32)] = &[
    ("UPDATE cinema_online_movie_presence SET discount = 0", "cinema_online_movie_presence WHERE discount = 0", 1),
    ("UPDATE cinema_online_movie_presence SET discount = 100", "cinema_online_movie_presence WHERE discount = 100", 1),
    (
        "UPDATE cinema_online_movie_presence SET price = 99999999.99, rating = 1",
        "cinema_online_movie_presence WHERE price = 99999999.99",
        1,
    ),
    (
        "UPDATE cinema_online_movie_presence SET view_count = 9000000000000000000",
        "cinema_online_movie_presence WHERE view_count = 9000000000000000000",
        1,
    ),
    ("UPDATE user_movie_orders SET price = 0", "user_movie_orders WHERE price = 0", 1),
    ("UPDATE movies SET year = 1880", "movies WHERE year = 1880", 4),
    ("UPDATE movies SET year = 2200", "movies WHERE year = 2200", 4),
    (
        "UPDATE movies SET budget = 0, boxoffice = 9999999999999.99",
        "movies WHERE budget = 0 AND boxoffice = 9999999999999.99",
        4,
    ),
    ("UPDATE movies SET duration = 0, rating = 1", "movies WHERE duration = 0 AND rating = 1", 4),
    ("UPDATE movies SET duration = 2147483647, rating = 5", "movies WHERE duration = 2147483647", 4),
    (
        "UPDATE movies SET rars = '0+';
         UPDATE movies SET rars = CASE id WHEN 1 THEN '6+' WHEN 2 THEN '12+' WHEN 3 THEN '16+' ELSE '18+' END",
        "movies WHERE rars <> '0+'",
        4,
    ),
    (
        "UPDATE movies SET tags = '[]' WHERE id = 1; UPDATE movies SET tags = '[\"Драма\", \"Шоу\"]' WHERE id = 2",
        "movies WHERE tags IS NOT NULL",
        2,
    ),
    (
        "UPDATE users_rating SET rating = 1 WHERE id = 1; UPDATE users_rating SET rating = 5 WHERE id = 2",
        "users_rating WHERE rating IN (1, 5)",
        2,
    ),
    ("INSERT INTO users_rating (rating, user_id, movie_id) VALUES (3, 3, 1), (3, 2, 3)", "users_rating", 4),
    ("UPDATE users SET birthday = '2000-02-29' WHERE id = 1", "users WHERE birthday = '2000-02-29'", 1),
    ("UPDATE users SET created_at = {today}, deleted_at = {today}", "users WHERE deleted_at = {today}", 3),
    ("UPDATE persons SET birthday = {tomorrow}", "persons WHERE birthday IS NOT NULL", 2),
    (
        "UPDATE comments SET comment = 'Иначе', movie_id = 3, parent_id = 1 WHERE id = 2",
        "comments WHERE comment = 'Иначе'",
        1,
    ),
    (
        "INSERT INTO awards (film_award_id, movie_id, nomination_id) VALUES (1, 2, 1)",
        "awards WHERE person_id IS NULL",
        1,
    ),
    ("DELETE FROM comments WHERE id = 2; DELETE FROM comments WHERE id = 1", "comments", 3),
    ("DELETE FROM comments WHERE id IN (3, 4, 5)", "comments", 2),
];

async fn boundaries_are_accepted(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    expect_outcomes(&fixture, BOUNDARIES).await;
}

/// Deletions, and the number of rows of another table that are then left.
const DELETIONS: &[(&str, &str, u32)] = &[
    ("DELETE FROM movies WHERE id = 3", "movie_staff_m2m", 0),
    ("DELETE FROM movies WHERE id = 3", "cinema_online_movie_presence", 0),
    ("DELETE FROM movies WHERE id = 3", "comments WHERE movie_id IS NOT NULL", 0),
    ("DELETE FROM movies WHERE id = 3", "comments", 3),
    ("DELETE FROM movies WHERE id = 3", "users_rating", 1),
    ("DELETE FROM cinema_online WHERE id = 2", "cinema_online_movie_presence", 0),
    ("DELETE FROM publications WHERE id = 1", "comments WHERE publication_id IS NOT NULL", 0),
    ("DELETE FROM publications WHERE id = 1", "users_rating", 1),
    ("DELETE FROM users WHERE id = 3", "users_rating", 0),
    ("DELETE FROM users WHERE id = 3", "comments WHERE user_id IS NULL", 4),
    ("DELETE FROM users WHERE id = 3", "comments", 5),
];

async fn deletions_remove_dependent_rows(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    expect_outcomes(&fixture, DELETIONS).await;
}

async fn expect_outcomes(fixture: &Fixture, cases: &[(&str, &str, u32)]) {
    for (sql, rows, count) in cases {
        let query = format!("SELECT CAST(count(*) AS text) FROM {rows}");
        let seen = fixture.peek(sql, &query).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(seen, count.to_string(), "{sql}; {rows}");
    }
}

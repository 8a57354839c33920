//! Values that the schema refuses, rule by rule, on both databases. See `accepts` for those that it accepts.

use crate::fixture::{Fixture, Rule, expect_refusals};
use crate::support::database::Backend;

on_both![
    invalid_values_are_refused,
    second_rows_of_unique_keys_are_refused,
    rows_in_use_are_not_deleted,
    dangling_keys_are_refused,
];

/// A statement that violates exactly one check, and the check.
const WRONG_VALUES: &[(&str, &str, &str)] = &[
    ("a comment on nothing", "INSERT INTO comments (comment) VALUES ('О чём?')", "comments_subject_check"),
    (
        "a comment on both",
        "INSERT INTO comments (comment, movie_id, publication_id) VALUES ('Обо всём', 3, 1)",
        "comments_subject_check",
    ),
    (
        "a reply on another movie",
        "INSERT INTO comments (comment, parent_id, movie_id) VALUES ('Мимо', 1, 4)",
        "comments_parent_subject_check",
    ),
    (
        "a reply on a publication to a comment on a movie",
        "INSERT INTO comments (comment, parent_id, publication_id) VALUES ('Мимо', 1, 1)",
        "comments_parent_subject_check",
    ),
    (
        "a reply on another publication",
        "INSERT INTO comments (comment, parent_id, publication_id) VALUES ('Мимо', 3, 2)",
        "comments_parent_subject_check",
    ),
    (
        "a reply moved to another movie",
        "UPDATE comments SET movie_id = 4 WHERE id = 2",
        "comments_immutable_subject_check",
    ),
    (
        "a comment moved to another movie",
        "UPDATE comments SET movie_id = 4 WHERE id = 1",
        "comments_immutable_subject_check",
    ),
    (
        "a comment moved to a publication",
        "UPDATE comments SET movie_id = NULL, publication_id = 1 WHERE id = 2",
        "comments_immutable_subject_check",
    ),
    (
        "a reply cut from its parent",
        "UPDATE comments SET parent_id = NULL WHERE id = 2",
        "comments_immutable_subject_check",
    ),
    ("a comment made a reply", "UPDATE comments SET parent_id = 1 WHERE id = 3", "comments_immutable_subject_check"),
    (
        "a reply to a later comment",
        "INSERT INTO comments (comment, parent_id, movie_id) VALUES ('Рано', 100000, 3)",
        "comments_parent_id_check",
    ),
    ("a rating of nothing", "INSERT INTO users_rating (rating, user_id) VALUES (3, 1)", "users_rating_subject_check"),
    (
        "a rating of both",
        "INSERT INTO users_rating (rating, user_id, movie_id, publication_id) VALUES (3, 1, 3, 1)",
        "users_rating_subject_check",
    ),
    (
        "a rating given a second subject",
        "UPDATE users_rating SET publication_id = 2 WHERE id = 1",
        "users_rating_subject_check",
    ),
    ("rating 0", "INSERT INTO users_rating (rating, user_id, movie_id) VALUES (0, 1, 3)", "users_rating_rating_check"),
    ("rating 6", "INSERT INTO users_rating (rating, user_id, movie_id) VALUES (6, 1, 3)", "users_rating_rating_check"),
    ("a movie's rating 0", "UPDATE movies SET rating = 0 WHERE id = 1", "movies_rating_check"),
    ("a movie's rating 6", "UPDATE movies SET rating = 6 WHERE id = 1", "movies_rating_check"),
    ("a negative budget", "UPDATE movies SET budget = -0.01 WHERE id = 1", "movies_budget_check"),
    ("a negative box office", "UPDATE movies SET boxoffice = -0.01 WHERE id = 1", "movies_boxoffice_check"),
    ("a negative duration", "UPDATE movies SET duration = -1 WHERE id = 1", "movies_duration_check"),
    ("the year 1879", "UPDATE movies SET year = 1879 WHERE id = 1", "movies_year_check"),
    ("the year 2201", "UPDATE movies SET year = 2201 WHERE id = 1", "movies_year_check"),
    ("an unknown age mark", "UPDATE movies SET rars = '21+' WHERE id = 1", "movies_rars_check"),
    ("an age mark in other letters", "UPDATE movies SET rars = '18' WHERE id = 1", "movies_rars_check"),
    ("a movie's tags as an object", "UPDATE movies SET tags = '{\"a\": 1}' WHERE id = 1", "movies_tags_check"),
    ("a movie's tags as a text", "UPDATE movies SET tags = '\"Драма\"' WHERE id = 1", "movies_tags_check"),
    ("a movie's tags as a JSON null", "UPDATE movies SET tags = 'null' WHERE id = 1", "movies_tags_check"),
    (
        "a publication's tags as an object",
        "UPDATE publications SET tags = '{}' WHERE id = 1",
        "publications_tags_check",
    ),
    (
        "discount 101",
        "UPDATE cinema_online_movie_presence SET discount = 101 WHERE id = 1",
        "cinema_online_movie_presence_discount_check",
    ),
    (
        "discount -1",
        "UPDATE cinema_online_movie_presence SET discount = -1 WHERE id = 1",
        "cinema_online_movie_presence_discount_check",
    ),
    (
        "a presence's rating 0",
        "UPDATE cinema_online_movie_presence SET rating = 0 WHERE id = 1",
        "cinema_online_movie_presence_rating_check",
    ),
    (
        "a presence's rating 6",
        "UPDATE cinema_online_movie_presence SET rating = 6 WHERE id = 1",
        "cinema_online_movie_presence_rating_check",
    ),
    (
        "a negative price in a cinema",
        "UPDATE cinema_online_movie_presence SET price = -0.01 WHERE id = 1",
        "cinema_online_movie_presence_price_check",
    ),
    (
        "a negative price paid",
        "UPDATE user_movie_orders SET price = -0.01 WHERE id = 1",
        "user_movie_orders_price_check",
    ),
    ("a birthday today", "UPDATE users SET birthday = {today} WHERE id = 1", "users_birthday_check"),
    ("a birthday tomorrow", "UPDATE users SET birthday = {tomorrow} WHERE id = 1", "users_birthday_check"),
    (
        "a newcomer born today",
        "INSERT INTO users (username, email, password, fio, birthday) VALUES ('gleb', 'g@mail.example', 'hash', 'Г', {today})",
        "users_birthday_check",
    ),
    (
        "a user deleted before joining",
        "UPDATE users SET created_at = '2024-05-02', deleted_at = '2024-05-01' WHERE id = 1",
        "users_deleted_at_check",
    ),
];

async fn invalid_values_are_refused(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    let cases = WRONG_VALUES.iter().map(|(claim, sql, name)| case(claim, sql, Rule::Check((*name).to_owned())));
    expect_refusals(&fixture, cases).await;
    expect_refusals(
        &fixture,
        [
            case(
                "broken JSON",
                "UPDATE movies SET tags = '[' WHERE id = 1",
                Rule::Says("type json", "movies_tags_check"),
            ),
            case(
                "a budget of ten trillions",
                "UPDATE movies SET budget = 10000000000000 WHERE id = 1",
                Rule::Says("numeric field overflow", "movies_budget_check"),
            ),
            case(
                "a price of a hundred millions",
                "UPDATE user_movie_orders SET price = 100000000 WHERE id = 1",
                Rule::Says("numeric field overflow", "user_movie_orders_price_check"),
            ),
            case(
                "a duration beyond 32 bits",
                "UPDATE movies SET duration = 2147483648 WHERE id = 1",
                Rule::Says("integer out of range", "movies_duration_check"),
            ),
            case(
                "letters for a number",
                "UPDATE movies SET duration = 'час' WHERE id = 1",
                Rule::Says("invalid input syntax for type integer", "cannot store TEXT value in INTEGER column"),
            ),
            case(
                "no number for an amount",
                "UPDATE movies SET budget = 'NaN' WHERE id = 1",
                Rule::Says("movies_budget_check", "cannot store TEXT value in REAL column"),
            ),
            case(
                "no number for a price",
                "UPDATE cinema_online_movie_presence SET price = 'NaN' WHERE id = 1",
                Rule::Says("cinema_online_movie_presence_price_check", "cannot store TEXT value in REAL column"),
            ),
            case(
                "a broken order number",
                "UPDATE user_movie_orders SET cinema_order_id = '5f2c' WHERE id = 1",
                Rule::Says("invalid input syntax for type uuid", "cannot store TEXT value in BLOB column"),
            ),
        ],
    )
    .await;
}

/// A second row with the same unique key, the key, and its columns as SQLite lists them.
const SECOND_ROWS: &[(&str, &str, &str)] = &[
    (
        "INSERT INTO users_rating (rating, user_id, movie_id) VALUES (1, 3, 3)",
        "users_rating_unique_pk2",
        "index 'users_rating_unique_pk2'",
    ),
    (
        "INSERT INTO users_rating (rating, user_id, publication_id) VALUES (1, 3, 1)",
        "users_rating_unique_pk2",
        "index 'users_rating_unique_pk2'",
    ),
    ("UPDATE users SET username = 'boris' WHERE id = 1", "users_username_key", "users.username"),
    ("UPDATE users SET email = 'boris@mail.example' WHERE id = 1", "users_email_key", "users.email"),
    ("INSERT INTO tags (title) VALUES ('Драма')", "tags_title_key", "tags.title"),
    ("INSERT INTO person_position (title) VALUES ('Режиссёр')", "person_position_title_key", "person_position.title"),
    (
        "INSERT INTO publications_category (title) VALUES ('Обзор')",
        "publications_category_title_key",
        "publications_category.title",
    ),
    (
        "INSERT INTO cinema_online (title, url) VALUES ('Окко', 'https://other.example')",
        "cinema_online_title_key",
        "cinema_online.title",
    ),
    (
        "INSERT INTO cinema_online (title, url) VALUES ('Другой', 'https://okko.example')",
        "cinema_online_url_key",
        "cinema_online.url",
    ),
    (
        "INSERT INTO cinema_online_movie_presence (movie_id, cinema_id, price, rating) VALUES (3, 2, 100, 1)",
        "cinema_online_movie_presence_unique",
        "cinema_online_movie_presence.movie_id, cinema_online_movie_presence.cinema_id",
    ),
    (
        "INSERT INTO awards (film_award_id, movie_id, nomination_id) VALUES (1, 1, 1)",
        "award_nomination_unique_constraint",
        "awards.film_award_id, awards.movie_id, awards.nomination_id",
    ),
    (
        "INSERT INTO user_movie_orders (cinema_order_id, movie_id, user_id, online_cinema_id, price)
         VALUES ({uuid}, 2, 2, 1, 50)",
        "user_movie_orders_m2m_pk2",
        "user_movie_orders.user_id, user_movie_orders.movie_id, user_movie_orders.online_cinema_id",
    ),
];

async fn second_rows_of_unique_keys_are_refused(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    let cases = SECOND_ROWS.iter().map(|(sql, name, columns)| case(name, sql, Rule::Unique(name, columns)));
    expect_refusals(&fixture, cases).await;
}

/// A deletion, and the key that forbids it.
const IN_USE: &[(&str, &str)] = &[
    ("DELETE FROM persons WHERE id = 1", "movie_staff_m2m_person_id_fkey"),
    ("DELETE FROM persons WHERE id = 2", "awards_person_id_fkey"),
    ("DELETE FROM person_position WHERE id = 1", "movie_staff_m2m_position_id_fkey"),
    ("DELETE FROM movies WHERE id = 1", "awards_movie_id_fkey"),
    ("DELETE FROM movies WHERE id = 2", "user_movie_orders_movie_id_fkey"),
    ("DELETE FROM film_award_registry WHERE id = 1", "awards_film_award_id_fkey"),
    ("DELETE FROM film_award_nominations_registry WHERE id = 1", "awards_nomination_id_fkey"),
    ("DELETE FROM users WHERE id = 1", "publications_author_fkey"),
    ("DELETE FROM users WHERE id = 2", "user_movie_orders_user_id_fkey"),
    ("DELETE FROM cinema_online WHERE id = 1", "user_movie_orders_online_cinema_id_fkey"),
    ("DELETE FROM publications_category WHERE id = 1", "publications_category_fkey"),
    ("DELETE FROM comments WHERE id = 1", "comments_parent_id_fkey"),
    ("DELETE FROM comments WHERE id = 4", "comments_parent_id_fkey"),
];

async fn rows_in_use_are_not_deleted(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    expect_refusals(&fixture, IN_USE.iter().map(|(sql, name)| case(name, sql, Rule::Key((*name).to_owned())))).await;
}

/// Rows with a dangling key where [`crate::forms`] cannot set only the column, and the key.
const TO_NOTHING: &[(&str, &str)] = &[
    ("INSERT INTO comments (comment, parent_id, movie_id) VALUES ('Кому?', 0, 3)", "comments_parent_id_fkey"),
    ("INSERT INTO comments (comment, movie_id) VALUES ('О чём?', 100000)", "comments_movie_id_fkey"),
    ("INSERT INTO comments (comment, publication_id) VALUES ('О чём?', 100000)", "comments_publication_id_fkey"),
    ("INSERT INTO users_rating (rating, user_id, movie_id) VALUES (3, 3, 100000)", "users_rating_movie_id_fkey"),
    (
        "INSERT INTO users_rating (rating, user_id, publication_id) VALUES (3, 3, 100000)",
        "users_rating_publication_id_fkey",
    ),
];

async fn dangling_keys_are_refused(backend: Backend) {
    let fixture = Fixture::new(backend).await;
    expect_refusals(&fixture, TO_NOTHING.iter().map(|(sql, name)| case(name, sql, Rule::Key((*name).to_owned()))))
        .await;
}

fn case(claim: &str, sql: &str, rule: Rule) -> (String, String, Rule) {
    (claim.to_owned(), sql.to_owned(), rule)
}

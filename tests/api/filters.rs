//! Filters: results match the rows, on every page of every order.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    filters_of_movies_hold,
    filters_of_persons_hold,
    filters_of_publications_hold,
    filters_of_cinemas_hold,
    invalid_filters_are_named,
);

/// Walks a list with a filter and compares the ids with those that SQL finds.
async fn compare(app: &TestApp, list: &str, type_name: &str, filter: &str, orders: &[&str], sql: &str) {
    let db = app.sql().await;
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    let expected: BTreeSet<_> =
        rows.iter().map(|row| global_id(type_name, row.try_get_by_index::<i32>(0).unwrap())).collect();
    for order in orders {
        let query = format!(
            "query($after: String) {{ list: {list}(filter: {filter}, orderBy: {order}, first: 100, after: $after) {{
             totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let (mut found, mut after, mut count) = (BTreeSet::new(), Value::Null, 0);
        loop {
            let data = app.data(&query, json!({ "after": after })).await;
            let page = &data["list"];
            assert_eq!(page["totalCount"], json!(expected.len()), "{list} {filter} {order}");
            for node in page["nodes"].as_array().unwrap() {
                found.insert(node["id"].as_str().unwrap().to_owned());
                count += 1;
            }
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
        }
        assert_eq!(count, found.len(), "{list} {filter} {order}: no row twice");
        assert_eq!(found, expected, "{list} {filter} {order}");
    }
}

async fn filters_of_movies_hold(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let orders = ["NEWEST", "TITLE", "YEAR", "RATING_DESC", "USER_RATING_DESC", "BOX_OFFICE"];
    let [person, award, cinema] = [global_id("Person", 5), global_id("FilmAward", 3), global_id("Cinema", 2)];
    let person_filter = format!("{{ personId: \"{person}\" }}");
    let award_filter = format!("{{ awardId: \"{award}\" }}");
    let cinema_filter = format!("{{ cinemaId: \"{cinema}\", maxPrice: \"200\" }}");
    let all_filter = format!("{{ year: {{ from: 1970 }}, country: \"Россия\", cinemaId: \"{cinema}\" }}");
    for (filter, sql) in [
        ("{}", "SELECT id FROM movies"),
        ("{ year: { from: 1990, to: 2005 } }", "SELECT id FROM movies WHERE year BETWEEN 1990 AND 2005"),
        ("{ year: { to: 1950 } }", "SELECT id FROM movies WHERE year <= 1950"),
        ("{ year: { from: 1999, to: 1999 } }", "SELECT id FROM movies WHERE year = 1999"),
        ("{ year: { from: 100000 } }", "SELECT id FROM movies WHERE false"),
        ("{ country: \"Россия\" }", "SELECT id FROM movies WHERE country = 'Россия'"),
        ("{ country: \"' OR 1=1 --\" }", "SELECT id FROM movies WHERE false"),
        ("{ rating: { from: 4 } }", "SELECT id FROM movies WHERE rating >= 4"),
        ("{ durationMinutes: { from: 60, to: 100 } }", "SELECT id FROM movies WHERE duration BETWEEN 60 AND 100"),
        ("{ ageRating: [FROM_0, FROM_18] }", "SELECT id FROM movies WHERE rars IN ('0+', '18+')"),
        ("{ ageRating: [] }", "SELECT id FROM movies WHERE false"),
        ("{ maxPrice: \"150.00\" }", "SELECT DISTINCT movie_id FROM cinema_online_movie_presence WHERE price <= 150"),
        ("{ title: \"зИМ\" }", "SELECT id FROM movies WHERE title LIKE '%зим%' OR title LIKE '%Зим%'"),
        ("{ title: \" Зелёный  КОСТЁР \" }", "SELECT id FROM movies WHERE title LIKE '%елёный костёр%'"),
        ("{ title: \"Зе\" }", "SELECT id FROM movies WHERE title LIKE 'Зе%'"),
        (
            "{ title: \"the \" }",
            "SELECT id FROM movies WHERE title_original LIKE '%The%' OR title_original LIKE '%the%'",
        ),
        ("{ title: \"%\" }", "SELECT id FROM movies WHERE false"),
        ("{ title: \"%%%\" }", "SELECT id FROM movies WHERE false"),
        ("{ title: \"___\" }", "SELECT id FROM movies WHERE false"),
        ("{ title: \"\\\"зима\\\" OR\" }", "SELECT id FROM movies WHERE false"),
        ("{ title: \" \" }", "SELECT id FROM movies"),
        (
            "{ title: \"зим\", year: { from: 1990 } }",
            "SELECT id FROM movies WHERE year >= 1990 AND (title LIKE '%зим%' OR title LIKE '%Зим%')",
        ),
        ("{ tags: { all: [\"Драма\"] } }", "SELECT movie_id FROM movie_tags WHERE tag = 'Драма'"),
        (
            "{ tags: { all: [\"Драма\", \"Сериал\", \"Драма\"] } }",
            "SELECT movie_id FROM movie_tags WHERE tag IN ('Драма', 'Сериал') GROUP BY movie_id HAVING count(*) = 2",
        ),
        (
            "{ tags: { any: [\"Шоу\", \"Трэш\", \"Нет такого\"] }, year: { from: 1980 } }",
            "SELECT id FROM movies WHERE year >= 1980
             AND id IN (SELECT movie_id FROM movie_tags WHERE tag IN ('Шоу', 'Трэш'))",
        ),
        (
            "{ tags: { all: [\"Драма\"], any: [\"Шоу\", \"Комедия\"] } }",
            "SELECT movie_id FROM movie_tags AS drama WHERE tag = 'Драма'
             AND movie_id IN (SELECT movie_id FROM movie_tags WHERE tag IN ('Шоу', 'Комедия'))",
        ),
        ("{ tags: { all: [], any: null } }", "SELECT id FROM movies"),
        ("{ tags: { any: [] } }", "SELECT id FROM movies WHERE false"),
        ("{ tags: { all: [\"драма\"] } }", "SELECT id FROM movies WHERE false"),
        (&person_filter, "SELECT DISTINCT movie_id FROM movie_staff_m2m WHERE person_id = 5"),
        (&award_filter, "SELECT DISTINCT movie_id FROM awards WHERE film_award_id = 3"),
        (&cinema_filter, "SELECT movie_id FROM cinema_online_movie_presence WHERE cinema_id = 2 AND price <= 200"),
        (
            &all_filter,
            "SELECT id FROM movies WHERE year >= 1970 AND country = 'Россия'
             AND id IN (SELECT movie_id FROM cinema_online_movie_presence WHERE cinema_id = 2)",
        ),
    ] {
        compare(&app, "movies", "Movie", filter, &orders, sql).await;
    }
}

async fn filters_of_persons_hold(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let position = global_id("PersonPosition", 1);
    let position_filter = format!("{{ positionId: \"{position}\", country: \"Россия\" }}");
    for (filter, sql) in [
        (
            "{ name: \"ИВАН\" }",
            "SELECT id FROM persons WHERE last_name || ' ' || first_name || ' ' || coalesce(mid_name, '') LIKE '%Иван%'
             OR last_name || ' ' || first_name || ' ' || coalesce(mid_name, '') LIKE '%иван%'",
        ),
        (
            "{ name: \"иван Ро\" }",
            "SELECT id FROM (
                 SELECT id, last_name || ' ' || first_name || ' ' || coalesce(mid_name, '') AS name FROM persons
             ) AS named WHERE (name LIKE '%Иван%' OR name LIKE '%иван%') AND (name LIKE '%ро%' OR name LIKE '%Ро%')",
        ),
        (
            "{ name: \"сергей иванов\" }",
            "SELECT id FROM persons WHERE (last_name LIKE '%Иванов%' OR mid_name LIKE 'Иванов%')
             AND (first_name LIKE '%Сергей%' OR last_name LIKE '%Сергей%')",
        ),
        ("{ country: \"Франция\" }", "SELECT id FROM persons WHERE country = 'Франция'"),
        (
            "{ birthYear: { from: 1970, to: 1979 } }",
            "SELECT id FROM persons WHERE birthday >= '1970-01-01' AND birthday <= '1979-12-31'",
        ),
        (
            &position_filter,
            "SELECT id FROM persons WHERE country = 'Россия'
             AND id IN (SELECT person_id FROM movie_staff_m2m WHERE position_id = 1)",
        ),
    ] {
        compare(&app, "persons", "Person", filter, &["OLDEST", "NAME", "BIRTHDAY", "BIRTHDAY_DESC"], sql).await;
    }
}

async fn filters_of_publications_hold(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let [category, author] = [global_id("PublicationCategory", 2), global_id("User", 7)];
    let category_filter = format!("{{ categoryId: \"{category}\" }}");
    let author_filter = format!("{{ authorId: \"{author}\" }}");
    let db = app.sql().await;
    let removed = "SELECT author FROM publications JOIN users ON users.id = author WHERE users.deleted_at IS NOT NULL";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), removed)).await.unwrap().unwrap();
    let removed_filter = format!("{{ authorId: \"{}\" }}", global_id("User", row.try_get_by_index(0).unwrap()));
    for (filter, sql) in [
        (category_filter.as_str(), "SELECT id FROM publications WHERE category = 2"),
        (&author_filter, "SELECT id FROM publications WHERE author = 7"),
        (
            "{ tags: { any: [\"Драма\", \"Комедия\"] } }",
            "SELECT DISTINCT publication_id FROM publication_tags WHERE tag IN ('Драма', 'Комедия')",
        ),
        // A removed user's texts are not revealed.
        (&removed_filter, "SELECT id FROM publications WHERE false"),
        (
            "{ createdFrom: \"2024-01-01T00:00:00Z\", createdBefore: \"2025-01-01T03:00:00+03:00\" }",
            "SELECT id FROM publications WHERE created_at >= '2024-01-01T00:00:00+00:00'
             AND created_at < '2025-01-01T00:00:00+00:00'",
        ),
    ] {
        compare(&app, "publications", "Publication", filter, &["NEWEST", "OLDEST", "TITLE_DESC", "USER_RATING"], sql)
            .await;
    }
}

async fn filters_of_cinemas_hold(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    for (filter, sql) in [
        ("{ title: null }", "SELECT id FROM cinema_online"),
        ("{ title: \"КИНО\" }", "SELECT id FROM cinema_online WHERE title LIKE '%кино%' OR title LIKE '%Кино%'"),
        ("{ title: \"нет такого\" }", "SELECT id FROM cinema_online WHERE false"),
    ] {
        compare(&app, "cinemas", "Cinema", filter, &["TITLE", "TITLE_DESC"], sql).await;
    }
}

async fn invalid_filters_are_named(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let long = "я".repeat(1_001);
    let person = global_id("Person", 1);
    for (list, filter, error) in [
        (
            "movies",
            json!({ "year": { "from": 2000, "to": 1990 } }),
            "filter.year: `from` (2000) is greater than `to` (1990)",
        ),
        ("movies", json!({ "rating": { "from": 5, "to": 1 } }), "filter.rating: `from` (5)"),
        ("movies", json!({ "country": "a\u{0}b" }), "filter.country: contains a NUL"),
        ("movies", json!({ "title": long }), "filter.title: must be at most 1000"),
        ("movies", json!({ "title": "я".repeat(500_000) }), "filter.title: must be at most 1000"),
        ("persons", json!({ "name": "а\u{0}" }), "filter.name: contains a NUL"),
        ("cinemas", json!({ "title": long }), "filter.title: must be at most 1000"),
        ("movies", json!({ "country": long }), "filter.country: must be at most 1000"),
        ("movies", json!({ "tags": { "any": vec!["Драма"; 21] } }), "filter.tags.any: has 21 titles; the limit is 20"),
        ("movies", json!({ "tags": { "all": vec!["Драма"; 1_000] } }), "filter.tags.all: has 1000 titles"),
        ("movies", json!({ "tags": { "all": ["Д\u{0}"] } }), "filter.tags.all: contains a NUL"),
        ("publications", json!({ "tags": { "any": [long] } }), "filter.tags.any: must be at most 1000"),
        ("movies", json!({ "cinemaId": person }), "filter.cinemaId: is the id of a Person"),
        ("movies", json!({ "personId": "?" }), "filter.personId: is not a valid id"),
        ("persons", json!({ "birthYear": { "from": 3, "to": 2 } }), "filter.birthYear: `from` (3)"),
        ("persons", json!({ "birthYear": { "from": -1 } }), "filter.birthYear: -1 is out of range"),
        (
            "publications",
            json!({ "createdFrom": "2025-01-01T00:00:00Z", "createdBefore": "2024-01-01T00:00:00Z" }),
            "filter.createdBefore: is before",
        ),
        ("publications", json!({ "createdFrom": "0000-12-31T00:00:00Z" }), "filter.createdFrom: is out of range"),
        (
            "publications",
            json!({ "createdBefore": "9999-12-31T23:59:59-01:00" }),
            "filter.createdBefore: is out of range",
        ),
    ] {
        let kind = match list {
            "movies" => "MovieFilter",
            "persons" => "PersonFilter",
            "cinemas" => "CinemaFilter",
            _ => "PublicationFilter",
        };
        let query = format!("query($filter: {kind}!) {{ {list}(filter: $filter) {{ totalCount }} }}");
        let errors = app.query(&query, json!({ "filter": filter })).await.errors();
        assert!(errors[0].starts_with(&format!("BAD_USER_INPUT {error}")), "{errors:?}");
    }
}

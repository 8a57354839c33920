//! Mutations of ratings, and their totals.

use async_graphql::futures_util::future::join_all;
use entity::users_rating;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    a_second_rating_replaces_the_first,
    a_removed_rating_is_gone,
    invalid_ratings_are_refused,
    simultaneous_ratings_leave_one,
    totals_never_drift,
);

const SHOWN: &str = "subject { ... on Movie { id userRating { count average } }
    ... on Publication { id userRating { count average } } } rating { id rating createdAt user { id } subject {
    ... on Movie { id viewerRating userRating { count average histogram } }
    ... on Publication { id viewerRating userRating { count average histogram } } } }";

/// A subject without ratings.
async fn unrated(app: &TestApp, type_name: &str) -> String {
    let (table, column) =
        if type_name == "Movie" { ("movies", "movie_id") } else { ("publications", "publication_id") };
    let sql = format!("DELETE FROM users_rating WHERE {column} = (SELECT max(id) FROM {table})");
    let db = app.sql().await;
    db.execute_unprepared(&sql).await.unwrap();
    let sql = format!("SELECT max(id) FROM {table}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    global_id(type_name, row.try_get_by_index(0).unwrap())
}

async fn a_second_rating_replaces_the_first(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("judge", "member").await;
    for type_name in ["Movie", "Publication"] {
        let subject = unrated(&app, type_name).await;
        let payload = user.done("rate", json!({ "subjectId": subject, "rating": 2 }), SHOWN).await;
        let counted = json!({ "id": subject, "userRating": { "count": 1, "average": 2.0 } });
        assert_eq!(payload["subject"], counted, "as docs/mutations.md says");
        let first = payload["rating"].clone();
        assert_eq!((&first["rating"], &first["user"]["id"]), (&json!(2), &json!(global_id("User", user.id))));
        let totals = json!({ "count": 1, "average": 2.0, "histogram": [0, 1, 0, 0, 0] });
        assert_eq!(first["subject"], json!({ "id": subject, "viewerRating": 2, "userRating": totals }));
        let second = user.done("rate", json!({ "subjectId": subject, "rating": 5 }), SHOWN).await["rating"].clone();
        assert_eq!((&second["rating"], &second["id"]), (&json!(5), &first["id"]));
        let totals = json!({ "count": 1, "average": 5.0, "histogram": [0, 0, 0, 0, 1] });
        assert_eq!(second["subject"], json!({ "id": subject, "viewerRating": 5, "userRating": totals }));
    }
}

async fn a_removed_rating_is_gone(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("judge", "member").await;
    let shown = "subject { ... on Movie { id viewerRating userRating { count } } ... on Publication { id viewerRating
        userRating { count } } }";
    for type_name in ["Movie", "Publication"] {
        let subject = unrated(&app, type_name).await;
        let missing = ["NOT_FOUND input.subjectId: you have not rated this movie or publication"];
        assert_eq!(user.refused("removeRating", json!({ "subjectId": subject })).await, missing);
        user.done("rate", json!({ "subjectId": subject, "rating": 4 }), "rating { id }").await;
        let removed = user.done("removeRating", json!({ "subjectId": subject }), shown).await;
        let without = json!({ "id": subject, "viewerRating": null, "userRating": { "count": 0 } });
        assert_eq!(removed["subject"], without);
        assert_eq!(user.refused("removeRating", json!({ "subjectId": subject })).await, missing);
    }
}

async fn invalid_ratings_are_refused(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("judge", "member").await;
    for rating in [0, 6, -1, i32::MAX, i32::MIN] {
        let input = json!({ "subjectId": global_id("Comment", 1), "rating": rating });
        let expected = [
            "BAD_USER_INPUT input.subjectId: is the id of a Comment; pass the id of a Movie or a Publication"
                .to_owned(),
            format!("BAD_USER_INPUT input.rating: {rating} is out of range; use 1 to 5"),
        ];
        assert_eq!(user.refused("rate", input).await, expected);
    }
    let refused = user.refused("rate", json!({ "subjectId": global_id("Movie", 1_000_000), "rating": 1 })).await;
    assert_eq!(
        refused,
        ["NOT_FOUND input.subjectId: the movie or publication does not exist; it may have been deleted"]
    );
    let errors = user.send("rate", json!({ "subjectId": global_id("Movie", 1), "rating": 2.5 }), "").await.errors();
    assert!(errors[0].starts_with("BAD_USER_INPUT "), "{errors:?}");
}

async fn simultaneous_ratings_leave_one(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("judge", "member").await;
    let subject = unrated(&app, "Movie").await;
    let answers = join_all((0..20).map(|number| rate(user.clone(), subject.clone(), 1 + number % 5))).await;
    assert!(answers.iter().all(Vec::is_empty), "{answers:?}");
    let rows = users_rating::Entity::find().filter(users_rating::Column::UserId.eq(user.id));
    assert_eq!(rows.all(&app.sql().await).await.unwrap().len(), 1);
}

async fn rate(user: User, subject: String, rating: i32) -> Vec<String> {
    user.refused("rate", json!({ "subjectId": subject, "rating": rating })).await
}

async fn totals_never_drift(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let users = join_all((0..6).map(|number| {
        let app = &app;
        async move { app.sign_in(&format!("judge{number}"), "member").await }
    }))
    .await;
    let subjects = ["Movie", "Publication"].into_iter().flat_map(|name| (1..=3).map(move |key| global_id(name, key)));
    let subjects: Vec<_> = subjects.collect();
    let busy = users.iter().enumerate().map(|(place, user)| {
        let subjects = &subjects;
        async move {
            for round in 0..30 {
                let subject = &subjects[(place * 7 + round * 5) % subjects.len()];
                if (place + round) % 4 == 3 {
                    // The user may have no rating to remove.
                    user.send("removeRating", json!({ "subjectId": subject }), "").await.problems();
                } else {
                    let rating = 1 + i32::try_from((place + round * 3) % 5).unwrap();
                    assert_eq!(rate(user.clone(), subject.clone(), rating).await, [""; 0]);
                }
            }
        }
    });
    join_all(busy).await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Movie { userRating { histogram count } }
        ... on Publication { userRating { histogram count } } } }";
    let shown = app.data(query, json!({ "ids": subjects })).await;
    let rows = users_rating::Entity::find().all(&app.sql().await).await.unwrap();
    for (subject, shown) in subjects.iter().zip(shown["nodes"].as_array().unwrap()) {
        let (name, key) = kinoteka::kit::id::split(subject).unwrap();
        let of = |row: &users_rating::Model| if name == "Movie" { row.movie_id } else { row.publication_id };
        let given: Vec<_> = rows.iter().filter(|row| of(row) == Some(key)).map(|row| row.rating).collect();
        let histogram: Vec<_> =
            (1..=5).map(|wanted| given.iter().filter(|rating| **rating == wanted).count()).collect();
        let expected: Value = json!({ "histogram": histogram, "count": given.len() });
        assert_eq!(shown["userRating"], expected, "{name} {key}");
    }
    assert!(rows.iter().any(|row| users.iter().any(|user| user.id == row.user_id)), "some ratings are left");
}

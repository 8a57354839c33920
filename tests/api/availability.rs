//! Availability of movies: editors set and remove it.

use async_graphql::futures_util::future::join_all;
use serde_json::{Value, json};

use crate::catalogue::begin;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(availability_is_set_and_removed, simultaneous_changes_leave_one_availability,);

async fn availability_is_set_and_removed(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let shown = "availability { id price rating discountPercent viewCount updatedAt movie { id } cinema { id } }";
    let movie = json!({ "title": "Новый", "durationMinutes": 1 });
    let movie = editor.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    let terms = |price: &str, rest: Value| {
        let mut terms = json!({ "movieId": movie, "cinemaId": global_id("Cinema", 1), "price": price, "rating": 4 });
        for (field, value) in rest.as_object().unwrap() {
            terms[field] = value.clone();
        }
        terms
    };
    let first = editor.done("setAvailability", terms("350", json!({})), shown).await["availability"].clone();
    assert_eq!(
        (&first["price"], &first["discountPercent"], &first["viewCount"]),
        (&json!("350.00"), &json!(0), &Value::Null)
    );
    let rest = json!({ "discountPercent": 30, "viewCount": "5000000000" });
    let second = editor.done("setAvailability", terms("99.90", rest), shown).await["availability"].clone();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(
        (&second["price"], &second["discountPercent"], &second["viewCount"]),
        (&json!("99.90"), &json!(30), &json!("5000000000"))
    );
    let third =
        editor.done("setAvailability", terms("1", json!({ "viewCount": null })), shown).await["availability"].clone();
    assert_eq!(
        (&third["discountPercent"], &third["viewCount"]),
        (&json!(30), &Value::Null),
        "omitted fields keep their values"
    );
    let bad = json!({
        "movieId": movie, "cinemaId": movie, "price": "100000000", "rating": 6, "discountPercent": 101, "viewCount": "-1",
    });
    let expected = [
        "BAD_USER_INPUT input.cinemaId: is the id of a Movie; pass the id of a Cinema",
        "BAD_USER_INPUT input.price: 100000000.00 is out of range; it must be at least 0.00 and less than 100000000",
        "BAD_USER_INPUT input.rating: 6 is out of range; use 1 to 5",
        "BAD_USER_INPUT input.discountPercent: 101 is out of range; use 0 to 100",
        "BAD_USER_INPUT input.viewCount: must not be negative",
    ];
    assert_eq!(editor.refused("setAvailability", bad).await, expected);
    let removed = editor.done("removeAvailability", json!({ "id": first["id"] }), "deletedId").await;
    assert_eq!(removed["deletedId"], first["id"]);
    let refused = editor.refused("removeAvailability", json!({ "id": first["id"] })).await;
    assert_eq!(refused, ["NOT_FOUND input.id: the availability does not exist; it may have been deleted"]);
    let left =
        app.data("query($id: ID!) { movie(id: $id) { availability { totalCount } } }", json!({ "id": movie })).await;
    assert_eq!(left["movie"]["availability"]["totalCount"], 0);
}

async fn simultaneous_changes_leave_one_availability(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let movie = json!({ "title": "Новый", "durationMinutes": 1 });
    let movie = editor.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    let answers = join_all((1..=8).map(|price| {
        let terms = json!({ "movieId": movie, "cinemaId": global_id("Cinema", 1), "price": price, "rating": 4 });
        editor.send("setAvailability", terms, "availability { price }")
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.problems().is_empty()));
    let left =
        app.data("query($id: ID!) { movie(id: $id) { availability { totalCount } } }", json!({ "id": movie })).await;
    assert_eq!(left["movie"]["availability"]["totalCount"], 1);
}

//! Orders: their price, no repeated orders, and no access for others.

use async_graphql::futures_util::future::join_all;
use entity::user_movie_orders as orders;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    an_order_costs_the_price_minus_the_discount,
    a_movie_is_ordered_once_at_a_cinema,
    a_movie_that_is_not_available_cannot_be_ordered,
    orders_are_only_visible_to_their_user,
);

const SHOWN: &str = "order { id number price orderedAt movie { id } cinema { id } }";

async fn an_order_costs_the_price_minus_the_discount(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let cases = [
        ("350.00", 0, "350.00"),
        ("350.00", 15, "297.50"),
        ("99.99", 33, "66.99"),
        // Halves of a kopeck are rounded up.
        ("100.50", 15, "85.43"),
        ("0.05", 50, "0.03"),
        ("99999999.99", 1, "98999999.99"),
        ("450.00", 100, "0.00"),
        ("0.00", 10, "0.00"),
    ];
    for (number, (price, discount, paid)) in cases.into_iter().enumerate() {
        let terms = json!({
            "movieId": global_id("Movie", 5), "cinemaId": global_id("Cinema", 5), "price": price, "rating": 4,
            "discountPercent": discount,
        });
        let set = editor.done("setAvailability", terms, "availability { studentPrice }").await;
        assert_eq!(set["availability"]["studentPrice"], paid);
        let user = app.sign_in(&format!("viewer{number}"), "member").await;
        let input = json!({ "movieId": global_id("Movie", 5), "cinemaId": global_id("Cinema", 5) });
        let order = user.done("orderMovie", input, SHOWN).await["order"].clone();
        assert_eq!(order["price"], paid);
        assert_eq!(
            (&order["movie"]["id"], &order["cinema"]["id"]),
            (&json!(global_id("Movie", 5)), &json!(global_id("Cinema", 5)))
        );
        let number: uuid::Uuid = order["number"].as_str().unwrap().parse().unwrap();
        assert_eq!(number.get_version_num(), 4);
    }
}

async fn a_movie_is_ordered_once_at_a_cinema(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let input = json!({ "movieId": global_id("Movie", 5), "cinemaId": global_id("Cinema", 5) });
    let mut terms = input.clone();
    (terms["price"], terms["rating"]) = (json!("100"), json!(3));
    editor.done("setAvailability", terms, "availability { id }").await;
    let user = app.sign_in("buyer", "member").await;
    let answers = join_all((0..8).map(|_| {
        let (user, input) = (user.clone(), input.clone());
        async move { user.send("orderMovie", input, SHOWN).await.problems() }
    }))
    .await;
    assert_eq!(answers.iter().filter(|problems| problems.is_empty()).count(), 1);
    let again = "CONFLICT input.movieId: you have already ordered this movie from this cinema";
    assert!(answers.iter().filter(|problems| !problems.is_empty()).all(|problems| *problems == [again]), "{answers:?}");
    let rows = orders::Entity::find().filter(orders::Column::UserId.eq(user.id)).all(&app.sql().await).await.unwrap();
    assert_eq!(rows.len(), 1);
}

async fn a_movie_that_is_not_available_cannot_be_ordered(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let user = app.sign_in("buyer", "member").await;
    let new = editor.done("createMovie", json!({ "title": "Новый", "durationMinutes": 90 }), "movie { id }").await;
    let input = json!({ "movieId": new["movie"]["id"], "cinemaId": global_id("Cinema", 5) });
    let refused = user.refused("orderMovie", input).await;
    assert_eq!(refused, ["NOT_FOUND input.cinemaId: the cinema does not offer this movie"]);
    let input = json!({ "movieId": global_id("Movie", 1_000_000), "cinemaId": global_id("Cinema", 1_000_000) });
    let expected = [
        "NOT_FOUND input.movieId: the movie does not exist; it may have been deleted",
        "NOT_FOUND input.cinemaId: the cinema does not exist; it may have been deleted",
    ];
    assert_eq!(user.refused("orderMovie", input).await, expected);
}

async fn orders_are_only_visible_to_their_user(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let row = {
        use sea_orm::QueryOrder;
        let living = entity::users::Entity::find().filter(entity::users::Column::DeletedAt.is_null());
        let with = living.find_also_related(orders::Entity).filter(orders::Column::Id.is_not_null());
        with.order_by_asc(orders::Column::Id).one(&app.sql().await).await.unwrap().unwrap()
    };
    let (user, order) = (row.0, row.1.unwrap());
    let owner = app.sign_in_as(user.id).await;
    let stranger = app.sign_in("stranger", "admin").await;
    let query = "query($user: ID!, $order: ID!) {
        user: node(id: $user) { ... on User { orders(first: 100) { totalCount nodes { id } } } }
        order: node(id: $order) { id ... on Order { number } } orders: nodes(ids: [$order]) { id } }";
    let id = global_id("Order", order.id);
    let ids = json!({ "user": global_id("User", user.id), "order": id });
    let seen = owner.data(query, ids.clone()).await;
    assert_eq!(seen["order"], json!({ "id": id, "number": order.cinema_order_id.to_string() }));
    let listed = seen["user"]["orders"]["nodes"].as_array().unwrap();
    assert!(listed.contains(&json!({ "id": id })) && seen["user"]["orders"]["totalCount"] == listed.len());
    let nothing = json!({ "user": { "orders": null }, "order": null, "orders": [null] });
    assert_eq!(stranger.data(query, ids.clone()).await, nothing);
    assert_eq!(app.data(query, ids.clone()).await, nothing);
    // Also in simultaneous requests, in one batch.
    for _ in 0..20 {
        let answers = join_all([&owner, &stranger, &owner, &stranger].map(|asks| asks.data(query, ids.clone()))).await;
        let orders: Vec<&Value> = answers.iter().map(|answer| &answer["order"]).collect();
        assert!(orders[0] == &seen["order"] && orders[2] == &seen["order"]);
        assert!(orders[1].is_null() && orders[3].is_null());
    }
}

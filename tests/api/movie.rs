//! Movies and their nested lists, compared with the rows.

use entity::{
    awards, cinema_online, cinema_online_movie_presence as presence, film_award_registry, movie_staff_m2m as staff,
    movies, person_position, persons,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    a_movie_matches_its_rows,
    a_person_has_credits_and_awards,
    filters_of_staff_and_availability_hold,
    total_count_respects_the_filter,
    orders_sort_with_nulls_last,
    student_prices_are_rounded_to_kopecks,
    wide_columns_are_read_only_if_selected,
    alphabetical_orders_match_expectations,
);

async fn a_movie_matches_its_rows(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let award = awards::Entity::find().order_by_asc(awards::Column::Id).one(&db).await.unwrap().unwrap();
    let movie = movies::Entity::find_by_id(award.movie_id).one(&db).await.unwrap().unwrap();
    let data = app
        .data(
            "query Film($id: ID!) { movie(id: $id) {
                isbn title originalTitle country year budget boxOffice rating durationMinutes ageRating tags plot
                staff(first: 100) { nodes { character isLead person { lastName firstName midName country birthday bio }
                                            position { title } movie { title } } }
                awards(first: 100) { nodes { award { title description } nomination { title } movie { title } } }
                availability(first: 100) { nodes { price discountPercent rating viewCount cinema { title url } } }
            } }",
            json!({ "id": global_id("Movie", movie.id) }),
        )
        .await;
    let shown = &data["movie"];
    let money = |amount: Option<sea_orm::prelude::Decimal>| amount.map(|amount| format!("{amount:.2}"));
    assert_eq!(shown["isbn"], json!(movie.isbn));
    assert_eq!(shown["title"], json!(movie.title));
    assert_eq!(shown["originalTitle"], json!(movie.title_original));
    assert_eq!(shown["country"], json!(movie.country));
    assert_eq!(shown["year"], json!(movie.year));
    assert_eq!(shown["budget"], json!(money(movie.budget)));
    assert_eq!(shown["boxOffice"], json!(money(movie.boxoffice)));
    assert_eq!(shown["rating"], json!(movie.rating));
    assert_eq!(shown["durationMinutes"], json!(movie.duration));
    assert_eq!(shown["ageRating"], json!(movie.rars.map(|mark| format!("FROM_{}", mark.trim_end_matches('+')))));
    assert_eq!(shown["tags"], movie.tags.unwrap_or(json!([])));
    assert_eq!(shown["plot"], json!(movie.subject));

    let mut members = Vec::new();
    let rows = staff::Entity::find()
        .filter(staff::Column::MovieId.eq(movie.id))
        .order_by_asc(staff::Column::Id)
        .all(&db)
        .await
        .unwrap();
    for row in rows {
        let person = persons::Entity::find_by_id(row.person_id).one(&db).await.unwrap().unwrap();
        let position = person_position::Entity::find_by_id(row.position_id).one(&db).await.unwrap().unwrap();
        members.push(json!({
            "character": row.character, "isLead": row.is_lead_role, "movie": { "title": movie.title },
            "position": { "title": position.title },
            "person": { "lastName": person.last_name, "firstName": person.first_name, "midName": person.mid_name,
                        "country": person.country, "birthday": person.birthday, "bio": person.bio },
        }));
    }
    assert!(!members.is_empty());
    assert_eq!(shown["staff"]["nodes"], Value::Array(members));

    let mut places = Vec::new();
    let rows = presence::Entity::find()
        .filter(presence::Column::MovieId.eq(movie.id))
        .order_by_asc(presence::Column::Id)
        .all(&db)
        .await
        .unwrap();
    for row in rows {
        let cinema = cinema_online::Entity::find_by_id(row.cinema_id).one(&db).await.unwrap().unwrap();
        places.push(json!({
            "price": format!("{:.2}", row.price), "discountPercent": row.discount, "rating": row.rating,
            "viewCount": row.view_count.map(|count| count.to_string()),
            "cinema": { "title": cinema.title, "url": cinema.url },
        }));
    }
    assert_eq!(shown["availability"]["nodes"], Value::Array(places));

    let registered = film_award_registry::Entity::find_by_id(award.film_award_id).one(&db).await.unwrap().unwrap();
    let first = &shown["awards"]["nodes"][0];
    assert_eq!(first["award"], json!({ "title": registered.title, "description": registered.description }));
    assert_eq!(first["movie"]["title"], json!(movie.title));
}

async fn a_person_has_credits_and_awards(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let award = awards::Entity::find().filter(awards::Column::PersonId.is_not_null()).one(&db).await.unwrap().unwrap();
    let person = award.person_id.unwrap();
    let data = app
        .data(
            "query Person($id: ID!) { person(id: $id) {
                id
                credits { totalCount nodes { movie { id } person { id } } }
                awards { totalCount nodes { id movie { id } person { id } } }
            } }",
            json!({ "id": global_id("Person", person) }),
        )
        .await;
    let credits = staff::Entity::find().filter(staff::Column::PersonId.eq(person)).count(&db).await.unwrap();
    let received = awards::Entity::find().filter(awards::Column::PersonId.eq(person)).count(&db).await.unwrap();
    let shown = &data["person"];
    assert_eq!(shown["credits"]["totalCount"], json!(credits));
    assert_eq!(shown["awards"]["totalCount"], json!(received));
    let nodes = shown["awards"]["nodes"].as_array().unwrap();
    assert!(nodes.iter().any(|node| node["movie"]["id"] == json!(global_id("Movie", award.movie_id))));
    assert!(nodes.iter().all(|node| node["person"]["id"] == shown["id"]));
}

async fn filters_of_staff_and_availability_hold(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let lead = staff::Entity::find().filter(staff::Column::IsLeadRole.eq(true)).one(&db).await.unwrap().unwrap();
    let place = presence::Entity::find()
        .filter(presence::Column::MovieId.eq(lead.movie_id))
        .order_by_asc(presence::Column::Price)
        .one(&db)
        .await
        .unwrap()
        .unwrap();
    let query = "query Filtered($id: ID!, $position: ID!, $cinema: ID!, $price: Decimal!) { movie(id: $id) {
        leads: staff(leadOnly: true) { totalCount nodes { isLead } }
        actors: staff(positionId: $position) { totalCount nodes { position { id } } }
        there: availability(cinemaId: $cinema) { totalCount nodes { id } }
        cheap: availability(maxPrice: $price) { totalCount nodes { price } }
        free: availability(maxPrice: \"0\") { totalCount nodes { price } }
    } }";
    let price = format!("{:.2}", place.price);
    let variables = json!({
        "id": global_id("Movie", lead.movie_id), "position": global_id("PersonPosition", lead.position_id),
        "cinema": global_id("Cinema", place.cinema_id), "price": price,
    });
    let data = app.data(query, variables.clone()).await;
    let movie = &data["movie"];
    let of_movie = || staff::Entity::find().filter(staff::Column::MovieId.eq(lead.movie_id));
    let leads = of_movie().filter(staff::Column::IsLeadRole.eq(true)).count(&db).await.unwrap();
    let actors = of_movie().filter(staff::Column::PositionId.eq(lead.position_id)).count(&db).await.unwrap();
    let cheapest = presence::Entity::find()
        .filter(presence::Column::MovieId.eq(lead.movie_id))
        .filter(presence::Column::Price.eq(place.price))
        .count(&db)
        .await
        .unwrap();
    assert_eq!(movie["leads"]["totalCount"], json!(leads));
    assert_eq!(movie["actors"]["totalCount"], json!(actors));
    assert_eq!(movie["there"]["nodes"], json!([{ "id": global_id("Availability", place.id) }]));
    assert_eq!(movie["cheap"]["totalCount"], json!(cheapest));
    assert_eq!(movie["cheap"]["nodes"][0]["price"], json!(price));
    assert_eq!(movie["free"], json!({ "totalCount": 0, "nodes": [] }));
}

async fn total_count_respects_the_filter(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let data = app
        .data("{ movies(first: 0) { totalCount nodes { id } pageInfo { hasNextPage endCursor } } }", json!({}))
        .await;
    let count = movies::Entity::find().count(&db).await.unwrap();
    assert_eq!(
        data["movies"],
        json!({ "totalCount": count, "nodes": [], "pageInfo": { "hasNextPage": true, "endCursor": null } })
    );
}

async fn orders_sort_with_nulls_last(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    for (order, field, descending) in [
        ("YEAR", "year", false),
        ("YEAR_DESC", "year", true),
        ("RATING", "rating", false),
        ("RATING_DESC", "rating", true),
        ("BOX_OFFICE", "boxOffice", false),
        ("BOX_OFFICE_DESC", "boxOffice", true),
    ] {
        let query = format!(
            "query($after: String) {{ movies(first: 100, after: $after, orderBy: {order}) {{
            pageInfo {{ hasNextPage endCursor }} nodes {{ {field} }} }} }}"
        );
        let mut values = Vec::new();
        let mut after = Value::Null;
        loop {
            let data = app.data(&query, json!({ "after": after })).await;
            values.extend(data["movies"]["nodes"].as_array().unwrap().iter().map(|node| number(&node[field])));
            after = data["movies"]["pageInfo"]["endCursor"].clone();
            if data["movies"]["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
        }
        let nulls = values.iter().position(Option::is_none).expect("the seed has movies without the value");
        assert!(values[nulls..].iter().all(Option::is_none), "{order}: NULLs come last");
        let sorted =
            values[..nulls].windows(2).all(|pair| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] });
        assert!(sorted, "{order}: {values:?}");
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str().map(|text| text.parse().unwrap()))
}

async fn student_prices_are_rounded_to_kopecks(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(
        &db,
        "INSERT INTO movies (title, duration) VALUES ('А', 90);
         INSERT INTO cinema_online (title, url) VALUES ('Б', 'https://b.example'), ('В', 'https://v.example');
         INSERT INTO cinema_online_movie_presence (movie_id, cinema_id, price, rating, discount, view_count)
         VALUES (1, 1, 99.99, 5, 33, 5000000000), (1, 2, 10.01, 1, 50, NULL)",
    )
    .await
    .unwrap();
    db.close().await.unwrap();
    let app = TestApp::start(database, &[]).await;
    let data = app
        .data(
            "{ movies { nodes { year availability { nodes { price studentPrice viewCount updatedAt } } } } }",
            json!({}),
        )
        .await;
    // 66.9933 rounds down, 5.005 is a half and rounds away from zero.
    let expected = json!([
        { "price": "99.99", "studentPrice": "66.99", "viewCount": "5000000000", "updatedAt": null },
        { "price": "10.01", "studentPrice": "5.01", "viewCount": null, "updatedAt": null },
    ]);
    assert_eq!(data["movies"]["nodes"], json!([{ "year": null, "availability": { "nodes": expected } }]));
}

async fn wide_columns_are_read_only_if_selected(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let narrow = "{ movies { nodes { title staff { nodes { person { lastName } } } } } }";
    let wide = "{ movies { nodes { title plot staff { nodes { person { lastName bio } } } } } }";
    let reads =
        |statements: &[String], column: &str| statements.iter().any(|sql| sql.contains(&format!("\"{column}\"")));
    let statements = app.statements_of(narrow, json!({})).await;
    assert!(!reads(&statements, "subject") && !reads(&statements, "bio"), "{statements:#?}");
    let statements = app.statements_of(wide, json!({})).await;
    assert!(reads(&statements, "subject") && reads(&statements, "bio"), "{statements:#?}");
}

/// The documented form of an id, which clients must not construct.
pub fn global_id(type_name: &str, key: i32) -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(format!("{type_name}:{key}"))
}

async fn alphabetical_orders_match_expectations(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let db = app.sql().await;
    let sorted = ["2001", "Zorba", "Écran noir", "ёж", "Ежи", "Ёлка", "елки", "Жар", "жара", "Яма"];
    for title in sorted.iter().rev() {
        db.execute_unprepared(&format!("INSERT INTO movies (title, duration) VALUES ('{title}', 90)")).await.unwrap();
    }
    for title in sorted {
        let person = format!("INSERT INTO persons (last_name, first_name, country) VALUES ('{title}', 'А', 'Россия')");
        db.execute_unprepared(&person).await.unwrap();
    }
    let data = app
        .data(
            "{ movies(orderBy: TITLE) { nodes { title } } back: movies(orderBy: TITLE_DESC) { nodes { title } }
             persons(orderBy: NAME) { nodes { lastName } } }",
            json!({}),
        )
        .await;
    let expected: Vec<_> = sorted.iter().map(|title| json!({ "title": title })).collect();
    assert_eq!(data["movies"]["nodes"], json!(expected));
    assert_eq!(data["back"]["nodes"], json!(expected.iter().rev().collect::<Vec<_>>()));
    let names: Vec<_> = sorted.iter().map(|title| json!({ "lastName": title })).collect();
    assert_eq!(data["persons"]["nodes"], json!(names));
    // A changed title moves.
    db.execute_unprepared("UPDATE movies SET title = 'Ящик' WHERE title = '2001'").await.unwrap();
    let data = app.data("{ movies(orderBy: TITLE_DESC, first: 1) { nodes { title } } }", json!({})).await;
    assert_eq!(data["movies"]["nodes"][0]["title"], json!("Ящик"));
}

//! Invalid input: a clear error that names the field, never `INTERNAL`.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    unknown_ids_are_null,
    malformed_ids_are_refused,
    ids_of_another_type_are_refused,
    unknown_orders_and_scalars_are_refused,
    documents_are_refused_after_valid_uses_too,
    every_error_has_a_code,
    database_errors_do_not_reach_clients,
    introspection_can_be_disabled,
    deep_queries_are_refused,
);

async fn unknown_ids_are_null(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    for type_name in ["Movie", "Person", "Cinema"] {
        for key in [1, i32::MAX] {
            let field = type_name.to_lowercase();
            let query = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
            let data = app.data(&query, json!({ "id": global_id(type_name, key) })).await;
            assert_eq!(data, json!({ field: null }));
        }
    }
}

async fn malformed_ids_are_refused(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let long = "A".repeat(100_000);
    let zero = global_id("Movie", 0);
    let negative = global_id("Movie", -1);
    for id in ["", "1", "Movie:1", "%00", "\u{0}", "фильм", "' OR 1=1 --", &long, &zero, &negative] {
        let errors = app.query("query($id: ID!) { movie(id: $id) { id } }", json!({ "id": id })).await.errors();
        assert_eq!(errors, ["BAD_USER_INPUT id: is not a valid id; pass an id that a query returned"], "{id:.20}");
    }
}

/// Documents are cached. A valid one is not validated in full again.
async fn documents_are_refused_after_valid_uses_too(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let id = global_id("Movie", 1);
    for (query, good, bad) in [
        ("query($id: ID!) { movie(id: $id) { id } }", json!({ "id": id }), vec![json!({}), json!({ "id": ["x"] })]),
        (
            "query($first: Int) { movies(first: $first) { nodes { id } } }",
            json!({ "first": 1 }),
            vec![json!({ "first": "1" }), json!({ "first": 1_i64 << 40 }), json!({ "first": -1 })],
        ),
        (
            "query($filter: MovieFilter, $order: MovieOrder!) {
                movies(filter: $filter, orderBy: $order) { nodes { id } } }",
            json!({ "filter": { "year": { "from": 1999 } }, "order": "YEAR" }),
            vec![
                json!({ "filter": { "year": { "from": "1999" } }, "order": "YEAR" }),
                json!({ "filter": { "unknown": 1 }, "order": "YEAR" }),
                json!({ "filter": { "maxPrice": "dear" }, "order": "YEAR" }),
                json!({ "filter": { "ageRating": ["FROM_5"] }, "order": "YEAR" }),
                json!({ "order": "SIZE" }),
                json!({ "order": null }),
            ],
        ),
    ] {
        let mut before = Vec::new();
        for bad in &bad {
            before.push(app.query(query, bad.clone()).await.errors());
        }
        app.data(query, good).await;
        for (bad, before) in bad.iter().zip(before) {
            assert!(!before.is_empty(), "{bad} was not refused");
            assert_eq!(app.query(query, bad.clone()).await.errors(), before, "{bad}");
        }
    }
}

async fn ids_of_another_type_are_refused(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "query($movie: ID!, $other: ID!) {
        movie(id: $other) { id }
        person(id: $movie) { id }
        cinema(id: $movie) { id }
        film: movie(id: $movie) { staff(positionId: $other) { totalCount } }
        same: movie(id: $movie) { availability(cinemaId: $other) { totalCount } }
    }";
    let variables = json!({ "movie": global_id("Movie", 1), "other": global_id("Person", 1) });
    let mut errors = app.query(query, variables).await.errors();
    errors.sort();
    assert_eq!(
        errors,
        [
            "BAD_USER_INPUT cinemaId: is the id of a Person; pass the id of a Cinema",
            "BAD_USER_INPUT id: is the id of a Movie; pass the id of a Cinema",
            "BAD_USER_INPUT id: is the id of a Movie; pass the id of a Person",
            "BAD_USER_INPUT id: is the id of a Person; pass the id of a Movie",
            "BAD_USER_INPUT positionId: is the id of a Person; pass the id of a PersonPosition",
        ]
    );
}

async fn unknown_orders_and_scalars_are_refused(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    for (query, part) in [
        ("{ movies(orderBy: SHOE_SIZE) { totalCount } }", "SHOE_SIZE"),
        ("{ movies(first: 1.5) { totalCount } }", "`Int`"),
        ("{ movies(first: 99999999999) { totalCount } }", "32 bits"),
        ("{ movies { nodes { availability(maxPrice: \"dear\") { totalCount } } } }", "dear"),
        ("{ movies { nodes { availability(maxPrice: \"1.234\") { totalCount } } } }", "more than two decimals"),
        ("{ movies { nodes { shoeSize } } }", "shoeSize"),
    ] {
        let answer = app.query(query, json!({})).await;
        assert!(answer.0["data"].is_null(), "{answer}");
        let named = |error: &String| error.contains(part) && !error.starts_with('-');
        assert!(answer.errors().iter().all(named), "{query}: {answer}");
        // Both the engine and the resolver name the argument.
        if let Some((_, argument)) = query.split(':').next().and_then(|head| head.rsplit_once('(')) {
            assert_eq!(answer.0["errors"][0]["extensions"]["field"], json!(argument), "{answer}");
        }
    }
}

async fn every_error_has_a_code(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    for (query, code) in [
        ("{ movies { totalCount }", "GRAPHQL_PARSE_FAILED"),
        ("{ movies { shoeSize } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { movies { totalCount } } query B { movies { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ movies(first: 99999999999) { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ movies(first: 101) { totalCount } }", "BAD_USER_INPUT"),
    ] {
        let errors = app.query(query, json!({})).await.errors();
        assert!(errors.iter().all(|error| error.starts_with(code)), "{query}: {errors:?}");
    }
}

async fn database_errors_do_not_reach_clients(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    db.execute_unprepared("ALTER TABLE cinema_online RENAME TO hidden").await.unwrap();
    let query = "{ movies(first: 3) { nodes { title availability { nodes { cinema { title } } } } } }";
    let response = app
        .client
        .post(format!("{}/graphql", app.origin))
        .header("x-request-id", "probe-1")
        .json(&json!({ "query": query }))
        .send()
        .await
        .unwrap();
    let answer: Value = response.json().await.unwrap();
    let text = answer.to_string();
    assert!(!text.contains("cinema_online") && !text.contains("SELECT"), "{text}");
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "internal error; the server's log has the details under request probe-1");
    assert_eq!(error["extensions"], json!({ "code": "INTERNAL", "requestId": "probe-1" }));
}

async fn introspection_can_be_disabled(backend: Backend) {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &["--introspection", "false"]).await;
    let answer = app.query("{ __schema { queryType { name } } }", json!({})).await;
    assert!(answer.0["data"]["__schema"].is_null(), "{answer}");
    for args in [&["--introspection", "false"][..], &["--production"]] {
        let app = TestApp::start(TestDatabase::migrated(backend).await, args).await;
        let errors = app.query("{ movis { totalCount } }", json!({})).await.errors();
        assert!(!errors[0].contains("Did you mean"), "{errors:?}");
        let answer = app.query("{ __type(name: \"Movie\") { name } }", json!({})).await;
        assert!(answer.0["data"]["__type"].is_null(), "{answer}");
    }
    let open =
        TestApp::start(TestDatabase::migrated(backend).await, &["--production", "--introspection", "true"]).await;
    open.data("{ __schema { queryType { name } } }", json!({})).await;
}

async fn deep_queries_are_refused(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let nest = |levels: usize| {
        format!(
            "{{ movies {{ nodes {{ {}title{} }} }} }}",
            "staff(first: 1) { nodes { movie { ".repeat(levels),
            " } } }".repeat(levels)
        )
    };
    app.data(&nest(3), json!({})).await;
    let answer = app.query(&nest(5), json!({})).await;
    assert_eq!(answer.errors(), ["TOO_COMPLEX The operation has 18 levels of fields; the limit is 15."]);
}

//! Variables without a value: omitted fields keep their value or get the default (specification, sections 3.10 and 6.4.1).

use entity::{comments, movies, users};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::{GraphqlResponse, TestApp, User};
use crate::movie::global_id;
use crate::socket::Socket;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    fields_without_a_value_are_not_erased,
    nothing_is_erased_in_any_transport,
    operations_that_share_a_fragment_do_not_share_variables,
    filters_without_a_value_filter_nothing,
    conditions_use_the_defaults_of_variables,
    a_repeated_mutation_has_the_same_input,
);

const UPDATE: &str = "mutation($id: ID!, $y: Int, $c: String, $t: [String!]) {
    it: updateMovie(input: { id: $id, year: $y, country: $c, tags: $t }) { movie { year country } errors { code field message } } }";

async fn editor(backend: Backend, args: &[&str]) -> (TestApp, User) {
    let app = TestApp::start(TestDatabase::seeded(backend).await, args).await;
    let db = app.sql().await;
    let update = movies::Entity::update_many()
        .col_expr(movies::Column::Year, Expr::value(1999))
        .col_expr(movies::Column::Country, Expr::value("Франция"))
        .filter(movies::Column::Id.eq(1));
    update.exec(&db).await.unwrap();
    let user = app.sign_in("editor", "editor").await;
    let update = users::Entity::update_many()
        .col_expr(users::Column::Bio, Expr::value("О себе"))
        .filter(users::Column::Id.eq(user.id));
    update.exec(&db).await.unwrap();
    (app, user)
}

fn movie() -> String {
    global_id("Movie", 1)
}

/// The year and the country of the movie.
async fn found(app: &TestApp) -> (Option<i16>, Option<String>) {
    let movie = movies::Entity::find_by_id(1).one(&app.sql().await).await.unwrap().unwrap();
    (movie.year, movie.country)
}

async fn bio(app: &TestApp, user: &User) -> Option<String> {
    users::Entity::find_by_id(user.id).one(&app.sql().await).await.unwrap().unwrap().bio
}

fn france() -> Option<String> {
    Some("Франция".to_owned())
}

async fn fields_without_a_value_are_not_erased(backend: Backend) {
    let (app, user) = editor(backend, &[]).await;
    let fine = |answer: GraphqlResponse| assert_eq!(answer.problems(), [""; 0]);
    let tags = movies::Entity::find_by_id(1).one(&app.sql().await).await.unwrap().unwrap().tags;
    fine(user.query(UPDATE, json!({ "id": movie() })).await);
    assert_eq!(found(&app).await, (Some(1999), france()));
    fine(user.query(UPDATE, json!({ "id": movie(), "y": 2000 })).await);
    assert_eq!(found(&app).await, (Some(2000), france()));
    // Null is a value, and erases.
    fine(user.query(UPDATE, json!({ "id": movie(), "y": null })).await);
    assert_eq!(found(&app).await, (None, france()));
    // The variable's default is a value too.
    let with_default = UPDATE.replace("$y: Int", "$y: Int = 2001");
    fine(user.query(&with_default, json!({ "id": movie() })).await);
    assert_eq!(found(&app).await, (Some(2001), france()));
    fine(user.query(&with_default, json!({ "id": movie(), "y": null })).await);
    assert_eq!(found(&app).await, (None, france()));
    let after = movies::Entity::find_by_id(1).one(&app.sql().await).await.unwrap().unwrap().tags;
    assert_eq!(after, tags);
    // Non-null fields can be omitted too.
    let update = "mutation($id: ID!, $c: String, $l: Boolean) {
        it: updateStaffMember(input: { id: $id, character: $c, isLead: $l }) { errors { code field message } } }";
    let staff = app.data("{ movies { nodes { staff(first: 1) { nodes { id } } } } }", json!({})).await;
    let staff = staff["movies"]["nodes"].as_array().unwrap().iter().find_map(|movie| {
        let nodes = movie["staff"]["nodes"].as_array().unwrap();
        nodes.first().map(|node| node["id"].clone())
    });
    fine(user.query(update, json!({ "id": staff, "c": "Гость" })).await);
    let refused = user.query(update, json!({ "id": staff, "l": null })).await.problems();
    assert!(refused[0].contains("isLead"), "{refused:?}");
    // The error for a missing required variable names it.
    let create =
        "mutation($t: String) { it: createMovie(input: { title: $t, durationMinutes: 1 }) { errors { code } } }";
    let errors = user.query(create, json!({})).await.errors();
    assert_eq!(
        errors,
        ["GRAPHQL_VALIDATION_FAILED The variable `$t` of type `String` cannot be used where `String!` is expected."]
    );
    let errors = user.query(&create.replace("$t: String", "$t: String!"), json!({})).await.errors();
    assert_eq!(errors, ["BAD_USER_INPUT `variables.t` is required."]);
}

const PROFILE: &str = "mutation($n: String, $b: String) { it: updateProfile(input: { fullName: $n, bio: $b }) { errors { code field } } }";

async fn nothing_is_erased_in_any_transport(backend: Backend) {
    let (app, user) = editor(backend, &["--limit-batch", "3"]).await;
    let kept = Some("О себе".to_owned());
    // Repeatedly, since a cached document takes another path.
    for number in 0..3 {
        let answer = user.query(PROFILE, json!({ "n": format!("Имя {number}") })).await;
        assert_eq!(answer.problems(), [""; 0]);
        assert_eq!(bio(&app, &user).await, kept);
    }
    let spread = "mutation($n: String, $b: String) { ...F } fragment F on Mutation { it: updateProfile(input:
        { fullName: $n, bio: $b }) { errors { code field } } }";
    assert_eq!(user.query(spread, json!({ "n": "Из фрагмента" })).await.problems(), [""; 0]);
    let operation = json!({ "query": PROFILE, "variables": { "n": "Из пачки" } });
    let batch = user.request("", json!({})).json(&json!([operation, operation]));
    let answer: Value = batch.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer[1]["data"]["it"]["errors"], json!([]), "{answer}");
    assert_eq!(bio(&app, &user).await, kept);
    let stream = user.request(PROFILE, json!({ "n": "Из потока" })).header("accept", "text/event-stream");
    assert!(stream.send().await.unwrap().text().await.unwrap().contains(r#""errors":[]"#));
    assert_eq!(bio(&app, &user).await, kept);
    let mut socket = Socket::sign_in(&app.origin, user.token.as_deref().unwrap()).await;
    socket.subscribe("1", PROFILE, json!({ "n": "Из сокета" })).await;
    assert_eq!(socket.hear().await["payload"]["data"]["it"]["errors"], json!([]));
    assert_eq!(bio(&app, &user).await, kept);
    assert_eq!(user.query(PROFILE, json!({ "b": null })).await.problems(), [""; 0]);
    assert_eq!(bio(&app, &user).await, None);
}

async fn operations_that_share_a_fragment_do_not_share_variables(backend: Backend) {
    let (app, user) = editor(backend, &[]).await;
    let document = "mutation A($id: ID!, $y: Int, $c: String) { ...F }
        mutation B($id: ID!, $y: Int = 1950, $c: String!) { ...F }
        mutation C($id: ID!, $y: Int!, $c: String = \"Италия\") { ...F }
        fragment F on Mutation { it: updateMovie(input: { id: $id, year: $y, country: $c }) { errors { code } } }";
    let send = async |name: &str, variables: Value| {
        let body = json!({ "query": document, "operationName": name, "variables": variables });
        let answer = user.request("", json!({})).json(&body).send().await.unwrap();
        GraphqlResponse(answer.json().await.unwrap())
    };
    for _ in 0..2 {
        send("A", json!({ "id": movie() })).await.data();
        assert_eq!(found(&app).await.1, france());
    }
    send("B", json!({ "id": movie(), "c": "Польша" })).await.data();
    assert_eq!(found(&app).await, (Some(1950), Some("Польша".to_owned())));
    send("A", json!({ "id": movie(), "y": 1960 })).await.data();
    assert_eq!(found(&app).await, (Some(1960), Some("Польша".to_owned())));
    send("C", json!({ "id": movie(), "y": 1970 })).await.data();
    assert_eq!(found(&app).await, (Some(1970), Some("Италия".to_owned())));
    let errors = send("B", json!({ "id": movie() })).await.errors();
    assert_eq!(errors, ["BAD_USER_INPUT `variables.c` is required."]);
    // An operation is refused if another one in the document is invalid.
    let broken = document.replace("mutation C(", "mutation D { nonsense } mutation C(");
    let mut body = json!({ "query": broken, "operationName": "A", "variables": { "id": movie() } });
    for more in [json!({}), json!({ "y": 1, "c": "x" })] {
        let variables = body["variables"].as_object_mut().unwrap();
        variables.extend(more.as_object().unwrap().clone());
        let answer: Value = user.request("", json!({})).json(&body).send().await.unwrap().json().await.unwrap();
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("nonsense"), "{answer}");
    }
}

async fn filters_without_a_value_filter_nothing(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "query($from: Int, $to: Int, $country: String, $order: MovieOrder, $first: Int, $r: AgeRating) {
        movies(first: $first, orderBy: $order, filter: { year: { from: $from, to: $to }, country: $country }) { totalCount nodes { id } }
        one: movies(filter: { country: $country }) { totalCount }
        two: search(query: \"дом\", types: [MOVIE]) { totalCount }
        three: __type(name: \"Movie\") @include(if: false) { name } }"
        .replace(", $r: AgeRating", "");
    let count = async |variables: Value| app.data(&query, variables).await["movies"]["totalCount"].as_i64().unwrap();
    let all = app.data("{ movies { totalCount } }", json!({})).await["movies"]["totalCount"].as_i64().unwrap();
    let from = app.data("{ movies(filter: { year: { from: 1990 } }) { totalCount } }", json!({})).await;
    let from = from["movies"]["totalCount"].as_i64().unwrap();
    assert!(0 < from && from < all);
    assert_eq!(count(json!({})).await, all);
    assert_eq!(count(json!({ "from": 1990 })).await, from);
    assert_eq!(count(json!({ "from": null })).await, all);
    assert_eq!(count(json!({ "from": 1990, "first": 2 })).await, from);
    // Null is not a valid order.
    let errors = app.query(&query, json!({ "order": null })).await.errors();
    assert!(errors[0].starts_with("BAD_USER_INPUT `orderBy` must not be null"), "{errors:?}");
    // In a list, a variable without a value would be null, which is invalid here.
    let item = "query($r: AgeRating) { movies(filter: { ageRating: [FROM_18, $r] }) { totalCount } }";
    let errors = app.query(item, json!({})).await.errors();
    assert_eq!(
        errors,
        [
            "GRAPHQL_VALIDATION_FAILED The variable `$r` of type `AgeRating` cannot be used where `AgeRating!` is expected."
        ]
    );
}

async fn conditions_use_the_defaults_of_variables(backend: Backend) {
    let (app, user) = editor(backend, &["--limit-batch", "3"]).await;
    let query = "query($s: Boolean! = true, $i: Boolean = false) { __typename
        a: __typename @skip(if: $s) b: commentCursor @include(if: $i) ...F ... @skip(if: $s) { d: __typename } }
        fragment F on Query { c: __typename @include(if: $s) cinemas(first: 1) { e: __typename @skip(if: $s) totalCount } }";
    let names = |data: &Value| {
        let names = data.as_object().unwrap().keys().filter(|name| name.len() == 1);
        names.cloned().collect::<String>() + if data["cinemas"]["e"].is_string() { "e" } else { "" }
    };
    for _ in 0..2 {
        assert_eq!(names(&app.data(query, json!({})).await), "c");
        assert_eq!(names(&app.data(query, json!({ "s": false, "i": true })).await), "abde");
    }
    let errors = app.query(query, json!({ "i": null })).await.errors();
    assert!(errors[0].starts_with("BAD_USER_INPUT `variables.i` must not be null"), "{errors:?}");
    let open = app.query("query($s: Boolean) { __typename @skip(if: $s) }", json!({})).await.errors();
    assert_eq!(
        open,
        ["GRAPHQL_VALIDATION_FAILED The variable `$s` of type `Boolean` cannot be used where `Boolean!` is expected."]
    );
    // A mutation runs if and only if its condition holds.
    let add = "mutation($go: Boolean = true, $stay: Boolean! = true, $subject: ID!) {
        a: addComment(input: { subjectId: $subject, text: \"да\" }) @include(if: $go) { errors { code } }
        b: addComment(input: { subjectId: $subject, text: \"нет\" }) @skip(if: $stay) { errors { code } } }";
    let variables = json!({ "subject": movie() });
    let data = user.data(add, variables.clone()).await;
    assert!(data["a"].is_object() && data["b"].is_null(), "{data}");
    let operation = json!({ "query": add, "variables": variables });
    let batch = user.request("", json!({})).json(&json!([operation]));
    let answer: Value = batch.send().await.unwrap().json().await.unwrap();
    assert!(answer[0]["data"]["a"].is_object() && answer[0]["data"]["b"].is_null(), "{answer}");
    let mut socket = Socket::sign_in(&app.origin, user.token.as_deref().unwrap()).await;
    socket.subscribe("1", add, variables).await;
    let data = socket.hear().await["payload"]["data"].clone();
    assert!(data["a"].is_object() && data["b"].is_null(), "{data}");
    let texts = async |text: &str| {
        let found = comments::Entity::find().filter(comments::Column::UserId.eq(user.id));
        found.filter(comments::Column::Comment.eq(text)).count(&app.sql().await).await.unwrap()
    };
    assert_eq!((texts("да").await, texts("нет").await), (3, 0));
    // Events of a subscription use the same values.
    let listen = "subscription($s: Boolean = true, $a: String) { commentAdded(after: $a) { cursor
        comment { id @skip(if: $s) text @include(if: $s) } } }";
    socket.hear().await;
    let cursor = app.data("{ commentCursor }", json!({})).await["commentCursor"].clone();
    user.data(add, json!({ "subject": movie() })).await;
    socket.subscribe("2", listen, json!({ "a": cursor })).await;
    let heard = socket.hear().await["payload"]["data"]["commentAdded"]["comment"].clone();
    assert_eq!(heard, json!({ "text": "да" }));
}

async fn a_repeated_mutation_has_the_same_input(backend: Backend) {
    let (_app, user) = editor(backend, &[]).await;
    let send = async |query: &str, variables: Value| {
        let request = user.request(query, variables).header("idempotency-key", "k");
        GraphqlResponse(request.send().await.unwrap().json().await.unwrap())
    };
    let id = movie();
    send(UPDATE, json!({ "id": id, "y": 1980 })).await.data();
    // All ways to omit a field are the same input.
    let literal =
        format!("mutation {{ it: updateMovie(input: {{ year: 1980, id: \"{id}\" }}) {{ errors {{ code }} }} }}");
    send(&literal, json!({})).await.data();
    let shorter = UPDATE.replace(", $t: [String!]", "").replace(", tags: $t", "");
    send(&shorter, json!({ "id": id, "y": 1980 })).await.data();
    // Null is another input.
    let errors = send(UPDATE, json!({ "id": id, "y": 1980, "c": null })).await.errors();
    assert!(errors[0].starts_with("CONFLICT"), "{errors:?}");
}

/// Undeclared variables are ignored, as clients may send them.
#[tokio::test(flavor = "multi_thread")]
async fn undeclared_variables_are_ignored() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let query =
        "query A($n: Int) { movies(first: $n) { totalCount } } query B($m: Int) { movies(first: $m) { totalCount } }";
    let body = json!({ "query": query, "operationName": "A", "variables": { "m": "x", "n": 1, "o": [{ "p": null }] },
        "extensions": { "clientLibrary": { "name": "x" }, "persistedQuery": [1, { "a": {} }] }, "other": [[[]]] });
    let answer = app.client.post(format!("{}/graphql", app.origin)).json(&body).send().await.unwrap();
    GraphqlResponse(answer.json().await.unwrap()).data();
    for (query, error) in [
        ("{ movies(first: $n) { totalCount } }", "The variable `$n` is not defined."),
        ("query A { movies(first: $n) { totalCount } }", "The variable `$n` is not defined."),
        ("query($n: Int, $n: Int) { movies(first: $n) { totalCount } }", "There are several variables named `$n`."),
        ("{ ...F }", "The fragment `F` is unknown."),
    ] {
        assert_eq!(app.query(query, json!({})).await.errors(), [format!("GRAPHQL_VALIDATION_FAILED {error}")]);
    }
}

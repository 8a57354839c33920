//! Limits of a request, each at its value and one above it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::transport::{code, post, send};

/// A server with the limit `max`, on the demo catalogue.
pub async fn limited(limit: &str, max: u64) -> TestApp {
    let args = [&format!("--{limit}"), &max.to_string()].map(String::clone);
    TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &args.each_ref().map(String::as_str)).await
}

/// `make(max)` passes and `make(max + 1)` is refused with the limit's name and value.
pub async fn check(limit: &str, max: u64, wanted: &str, make: impl Fn(usize) -> (String, Value)) {
    let app = limited(limit, max).await;
    let max_size = usize::try_from(max).unwrap();
    let (query, variables) = make(max_size);
    app.data(&query, variables).await;
    let (query, variables) = make(max_size + 1);
    let answer = app.query(&query, variables).await.0;
    assert_eq!(code(&answer), wanted, "{limit}: {answer}");
    let error = &answer["errors"][0];
    assert_eq!((&error["extensions"]["limit"], &error["extensions"]["max"]), (&json!(limit), &json!(max)), "{answer}");
    assert!(error["message"].as_str().unwrap().contains(&max.to_string()), "{answer}");
}

pub fn plain(query: String) -> (String, Value) {
    (query, json!({}))
}

/// The given number of fields with different aliases. Fields with the same name would be merged.
fn fields(count: usize) -> String {
    (0..count).map(|i| format!("a{i}: __typename ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_bounded() {
    let wanted = "TOO_COMPLEX";
    check("limit-tokens", 50, wanted, |n| plain(format!("{{ cinemas {{ {} }} }}", "totalCount ".repeat(n - 5)))).await;
    check("limit-nesting", 5, wanted, |n| {
        plain(format!("{}__typename{}", "{ ...".to_owned().repeat(n - 1) + "{ ", " }".repeat(n)))
    })
    .await;
    // Fragments count for nesting, as brackets do.
    check("limit-nesting", 5, wanted, |n| {
        let fragments: String = (2..n).map(|i| format!("fragment F{i} on Query {{ ...F{} }} ", i + 1)).collect();
        plain(format!("{{ ...F2 }} {fragments} fragment F{n} on Query {{ __typename }}"))
    })
    .await;
    check("limit-depth", 4, wanted, |n| {
        let leaf = ["id", "person { id }"][n - 4];
        plain(format!("{{ movie(id: \"TW92aWU6MQ\") {{ staff(first: 1) {{ nodes {{ {leaf} }} }} }} }}"))
    })
    .await;
    check("limit-aliases", 3, wanted, |n| plain(format!("{{ {} }}", fields(n)))).await;
    check("limit-root-fields", 3, wanted, |n| {
        plain(format!("{{ {} ...F }} fragment F on Query {{ __typename }}", fields(n - 1)))
    })
    .await;
    check("limit-name-bytes", 20, wanted, |n| plain(format!("{{ {}: __typename }}", "a".repeat(n)))).await;
    // A fragment counts wherever it is spread.
    check("limit-selections", 12, wanted, |n| {
        let fragment = "fragment F on CinemaConnection { totalCount __typename }";
        plain(format!("{{ b: cinemas {{ ...F }} c: cinemas {{ ...F }} {} }} {fragment}", fields(n - 6)))
    })
    .await;
    check("limit-directives", 3, wanted, |n| plain(format!("{{ {} }}", "__typename @include(if: true) ".repeat(n))))
        .await;
}

/// A page counts with its size, whether it is in the document, in a variable or in the schema.
#[tokio::test(flavor = "multi_thread")]
async fn costs_follow_page_sizes() {
    let wanted = "TOO_COMPLEX";
    // movies, nodes, and for each node itself and its id.
    check("limit-complexity", 12, wanted, |n| plain(format!("{{ movies(first: {}) {{ nodes {{ id }} }} }}", n - 7)))
        .await;
    check("limit-complexity", 12, wanted, |n| {
        ("query($n: Int) { movies(last: $n) { nodes { id } } }".to_owned(), json!({ "n": n - 7 }))
    })
    .await;
    check("limit-complexity", 42, wanted, |n| {
        plain(format!("{{ movies {{ nodes {{ id }} }} {} }}", "__typename ".repeat(n - 42)))
    })
    .await;
    // A variable without a value counts like a missing argument.
    check("limit-complexity", 42, wanted, |n| {
        let more = "__typename ".repeat(n - 42);
        (format!("query($n: Int) {{ movies(first: $n) {{ nodes {{ id }} }} {more} }}"), json!({ "n": null }))
    })
    .await;
    check("limit-complexity", 11, wanted, |n| {
        let ids: Vec<_> =
            (1..=n - 6).map(|key| crate::movie::global_id("Movie", i32::try_from(key).unwrap())).collect();
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }".to_owned(), json!({ "ids": ids }))
    })
    .await;
    // 3 * (node, staff, nodes, 4 * (node, person, lastName)) + movies, nodes: a fragment counts wherever it is spread.
    check("limit-complexity", 47, wanted, |n| {
        plain(format!(
            "{{ movies(first: 3) {{ nodes {{ staff(first: 4) {{ ...Staff }} }} }} {} }}
            fragment Staff on StaffMemberConnection {{ nodes {{ person {{ lastName }} }} }}",
            "__typename ".repeat(n - 47)
        ))
    })
    .await;
}

/// The introspection query of tools.
fn introspection() -> String {
    let nested = (0..9).fold("kind name".to_owned(), |inner, _| format!("kind name ofType {{ {inner} }}"));
    format!(
        "query IntrospectionQuery {{ __schema {{ description queryType {{ name kind }} mutationType {{ name kind }}
        subscriptionType {{ name kind }} types {{ ...FullType }}
        directives {{ name description isRepeatable locations args(includeDeprecated: true) {{ ...InputValue }} }} }} }}
        fragment FullType on __Type {{ kind name description specifiedByURL isOneOf
        fields(includeDeprecated: true) {{ name description args(includeDeprecated: true) {{ ...InputValue }} type {{ ...TypeRef }}
        isDeprecated deprecationReason }} inputFields(includeDeprecated: true) {{ ...InputValue }} interfaces {{ ...TypeRef }}
        enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...TypeRef }} }}
        fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue isDeprecated deprecationReason }}
        fragment TypeRef on __Type {{ {nested} }}"
    )
}

/// The introspection queries of tools.
#[tokio::test(flavor = "multi_thread")]
async fn introspection_passes() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &["--limit-aliases", "400"]).await;
    let query = introspection();
    assert!(app.data(&query, json!({})).await["__schema"]["types"].as_array().unwrap().len() > 100);
    let names: String = (0..400).map(|i| format!("a{i}: name ")).collect();
    let wide = format!("{{ __schema {{ types {{ fields {{ type {{ fields {{ {names} }} }} }} }} }} }}");
    let errors = app.query(&wide, json!({})).await.errors();
    assert!(errors[0].starts_with("TOO_COMPLEX") && errors[0].contains("values of introspection"), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn usual_lists_are_far_below_the_limit() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--limit-complexity", "10000"]).await;
    let query = "{ movies { nodes { title year
        staff { nodes { character person { firstName lastName } position { title } } }
        awards { nodes { award { title } nomination { title } } }
        availability { nodes { price cinema { title } } } } } }";
    app.data(query, json!({})).await;
    let everything = query.replace("movies", "movies(first: 100)").replace("staff", "staff(first: 100)");
    assert!(app.query(&everything, json!({})).await.errors()[0].starts_with("TOO_COMPLEX"));
}

/// Long texts count more than other values, also if only the fragment's type has them.
#[tokio::test(flavor = "multi_thread")]
async fn costs_follow_lengths() {
    for (field, cost) in [("plot", 8), ("... on Movie { plot }", 8), ("title", 1)] {
        check("limit-complexity", 2 + 5 * (1 + cost), "TOO_COMPLEX", |n| {
            let more = "__typename ".repeat(n - 2 - 5 * (1 + usize::try_from(cost).unwrap()));
            plain(format!("{{ movies(first: 5) {{ nodes {{ {field} }} }} {more} }}"))
        })
        .await;
    }
}

/// The operations of a batch share the limit of introspection values: an introspection has about 60,000 of 200,000.
#[tokio::test(flavor = "multi_thread")]
async fn batches_share_the_limit_of_introspection() {
    let args = ["--limit-batch", "10", "--limit-aliases", "400"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let operation = json!({ "query": introspection() });
    let (status, _, answer) = send(post(&app, json!(vec![operation; 10]).to_string())).await;
    assert_eq!(status, 200);
    let refused = answer.as_array().unwrap().iter().filter(|one| one["errors"].is_array());
    let limits: Vec<_> = refused.map(|one| one["errors"][0]["extensions"]["limit"].as_str().unwrap()).collect();
    assert!((5..10).contains(&limits.len()) && limits.iter().all(|limit| *limit == "introspection"), "{limits:?}");
}

/// Exponential documents are refused before they are traversed.
#[tokio::test(flavor = "multi_thread")]
async fn exponential_documents_cost_nothing() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let mut fragments: String =
        (0..30).map(|i| format!("fragment F{i} on Query {{ ...F{0} ...F{0} }} ", i + 1)).collect();
    fragments += "fragment F30 on Query { __typename }";
    let page = "{ movies(first: 0) { nodes { ".to_owned() + &"...on Movie { id ".repeat(3);
    let cycle = "{ ...A } fragment A on Query { ...A ...A ...B } fragment B on Query { ...A ...B ...B }";
    let braces = "{".repeat(1_000_000);
    let started = std::time::Instant::now();
    // All fragments together select one field.
    assert_eq!(app.data(&format!("{{ ...F0 }} {fragments}"), json!({})).await, json!({ "__typename": "Query" }));
    for bomb in [format!("query A {{ __typename }} {fragments}"), cycle.to_owned(), braces, page] {
        let answer = app.query(&bomb, json!({})).await;
        assert!(!answer.errors().is_empty() && answer.0.get("data").is_none(), "{answer}");
    }
    // 2^30 steps would take minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_are_bounded() {
    let wanted = "BAD_USER_INPUT";
    let ids = |n: usize| vec![crate::movie::global_id("Movie", 1); n];
    check("limit-list-items", 3, wanted, |n| {
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }".to_owned(), json!({ "ids": ids(n) }))
    })
    .await;
    check("limit-list-items", 3, wanted, |n| plain(format!("{{ nodes(ids: {:?}) {{ id }} }}", ids(n)))).await;
    check("limit-input-fields", 2, wanted, |n| {
        let filter = [("country", json!("x")), ("year", json!({})), ("durationMinutes", json!({}))];
        let filter: serde_json::Map<_, _> =
            filter.into_iter().take(n).map(|(name, value)| (name.to_owned(), value)).collect();
        ("query($f: MovieFilter) { movies(filter: $f) { totalCount } }".to_owned(), json!({ "f": filter }))
    })
    .await;
    check("limit-input-fields", 2, wanted, |n| {
        let filter = ["country: \"x\"", "year: {}", "durationMinutes: {}"][..n].join(" ");
        plain(format!("{{ movies(filter: {{ {filter} }}) {{ totalCount }} }}"))
    })
    .await;
    check("limit-input-fields", 2, wanted, |n| {
        (
            "{ __typename }".to_owned(),
            (0..n).map(|i| (format!("v{i}"), json!(1))).collect::<serde_json::Map<_, _>>().into(),
        )
    })
    .await;
    // With an object and a list around them, in variables and in the document.
    check("limit-input-values", 6, wanted, |n| {
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }".to_owned(), json!({ "ids": ids(n - 2) }))
    })
    .await;
    check("limit-input-values", 6, wanted, |n| plain(format!("{{ nodes(ids: {:?}) {{ id }} }}", ids(n - 1)))).await;
    // A variable counts wherever it is used.
    check("limit-input-values", 6, wanted, |n| {
        let more = ["", "c: nodes(ids: []) { id }"][n - 6];
        let query = "query($ids: [ID!]!) { a: nodes(ids: $ids) { id } b: nodes(ids: $ids) { id } MORE }";
        (query.replace("MORE", more), json!({ "ids": ids(2) }))
    })
    .await;
    // So does a long text.
    check("limit-input-values", 6, wanted, |n| {
        let query = "query($c: String!) { user(username: $c) { id } nodes(ids: []) { id } }".to_owned();
        (query, json!({ "c": "x".repeat(256 * (n - 1) - 1) }))
    })
    .await;
    check("limit-nesting", 4, wanted, |n| {
        let nested = (0..n).fold(json!(1), |inner, _| json!([inner]));
        ("{ __typename }".to_owned(), json!({ "v": nested }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_in_every_encoding() {
    let app = limited("limit-body-bytes", 200).await;
    let padded = |length: usize| {
        let body = r#"{"query":"{ __typename }"}"#;
        body.to_owned() + &" ".repeat(length - body.len())
    };
    assert_eq!(send(post(&app, padded(200))).await.0, 200);
    let (status, _, answer) = send(post(&app, padded(201))).await;
    assert_eq!((status, code(&answer)), (413, "BAD_USER_INPUT"));
    assert_eq!(answer["errors"][0]["extensions"]["max"], json!(200));
    for (length, status) in [(200, "200"), (201, "413")] {
        let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n\
            transfer-encoding: chunked\r\n\r\n";
        let chunks: String = padded(length)
            .as_bytes()
            .chunks(50)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
            .collect();
        let answer = talk(&app, &format!("{head}{chunks}0\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    // A body announced as too long is refused without waiting for it.
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n\
        expect: 100-continue\r\ncontent-length: 201\r\n\r\n";
    assert!(talk(&app, head).await.starts_with("HTTP/1.1 413"));
    let url = |length: usize| format!("{}/graphql?query={{__typename}}{}", app.origin, "&".repeat(length - 18));
    assert_eq!(send(app.client.get(url(200))).await.0, 200);
    assert_eq!(send(app.client.get(url(201))).await.0, 413);
}

/// Sends `request` on its own connection and reads to the end.
pub async fn talk(app: &TestApp, request: &str) -> String {
    let mut socket = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the response counts as its end.
    let _ = client::in_time(socket.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_bounded() {
    let app = limited("limit-batch", 2).await;
    let batch = |n: usize| Value::from(vec![json!({ "query": "{ __typename }" }); n]).to_string();
    for n in [1, 2] {
        let (status, _, answer) = send(post(&app, batch(n))).await;
        assert_eq!((status, answer), (200, Value::from(vec![json!({ "data": { "__typename": "Query" } }); n])));
    }
    for (body, part) in
        [(batch(3), "3 operations; the limit is 2"), (batch(0), "empty"), ("[1]".to_owned(), "a number")]
    {
        let (status, _, answer) = send(post(&app, body)).await;
        assert_eq!((status, code(&answer)), (400, "BAD_USER_INPUT"));
        assert!(answer.to_string().contains(part), "{answer}");
    }
    let mixed = json!([{ "query": "{ absent }" }, { "query": "{ __typename }" }]).to_string();
    let (status, _, answer) = send(post(&app, mixed)).await;
    assert_eq!(
        (status, code(&answer[0]), &answer[1]["data"]["__typename"]),
        (200, "GRAPHQL_VALIDATION_FAILED", &json!("Query"))
    );
    // The operations of a batch have one limit of cost together.
    let dear = TestApp::start(
        TestDatabase::migrated(Backend::Sqlite).await,
        &["--limit-batch", "2", "--limit-complexity", "59"],
    )
    .await;
    let page = json!({ "query": "{ movies(first: 14) { nodes { id } } }" });
    let (_, _, answer) = send(post(&dear, json!([page, page]).to_string())).await;
    assert!(answer[0]["data"].is_object(), "{answer}");
    assert_eq!(code(&answer[1]), "TOO_COMPLEX", "{answer}");
}

//! Every limit, at its value and one beyond it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::transport::{code, post, send};

/// A server whose limit is `max`, on the demo catalogue.
async fn limited(limit: &str, max: u64) -> TestApp {
    let args = [&format!("--{limit}"), &max.to_string()].map(String::clone);
    TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &args.each_ref().map(String::as_str)).await
}

/// `make(max)` passes and `make(max + 1)` is refused with the limit's name and value.
async fn check(limit: &str, max: u64, wanted: &str, make: impl Fn(usize) -> (String, Value)) {
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

fn plain(query: String) -> (String, Value) {
    (query, json!({}))
}

/// So many fields. Fields of the same name would be one.
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
    // Fragments nest as brackets do.
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
    // A fragment counts in each place.
    check("limit-selections", 12, wanted, |n| {
        let fragment = "fragment F on CinemaConnection { totalCount __typename }";
        plain(format!("{{ b: cinemas {{ ...F }} c: cinemas {{ ...F }} {} }} {fragment}", fields(n - 6)))
    })
    .await;
    check("limit-directives", 3, wanted, |n| plain(format!("{{ {} }}", "__typename @include(if: true) ".repeat(n))))
        .await;
}

/// A page counts with its size, whether it stands in the document, in a variable or in the schema.
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
    // Without a value, as without an argument.
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
    // 3 * (node, staff, nodes, 4 * (node, person, lastName)) + movies, nodes: a fragment counts in each place.
    check("limit-complexity", 47, wanted, |n| {
        plain(format!(
            "{{ movies(first: 3) {{ nodes {{ staff(first: 4) {{ ...Staff }} }} }} {} }}
            fragment Staff on StaffMemberConnection {{ nodes {{ person {{ lastName }} }} }}",
            "__typename ".repeat(n - 47)
        ))
    })
    .await;
}

/// The document by which tools ask for the schema.
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

/// What tools ask for.
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
async fn usual_lists_pass_by_far() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--limit-complexity", "10000"]).await;
    let query = "{ movies { nodes { title year
        staff { nodes { character person { firstName lastName } position { title } } }
        awards { nodes { award { title } nomination { title } } }
        availability { nodes { price cinema { title } } } } } }";
    app.data(query, json!({})).await;
    let everything = query.replace("movies", "movies(first: 100)").replace("staff", "staff(first: 100)");
    assert!(app.query(&everything, json!({})).await.errors()[0].starts_with("TOO_COMPLEX"));
}

/// Long texts count more than other values, also where only a fragment's type tells.
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

/// Every byte of JSON counts, whoever has made it.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_bounded() {
    let wanted = "TOO_COMPLEX";
    check("limit-answer-bytes", 60, wanted, |n| plain(format!("{{ {}: __typename }}", "a".repeat(n - 21)))).await;
    check("limit-answer-bytes", 100, wanted, |n| {
        plain(format!("{{ movies(first: 1) {{ nodes {{ {}: __typename }} }} }}", "a".repeat(n - 44)))
    })
    .await;
    // An answer that is too large has no part.
    let app = limited("limit-answer-bytes", 20_000).await;
    let texts = |rows: u32| format!("{{ publications(first: {rows}) {{ nodes {{ title text tags excerpt }} }} }}");
    let answer = app.query(&texts(40), json!({})).await.0;
    assert_eq!((code(&answer), answer.get("data")), (wanted, None), "{answer}");
    let union = "{ search(query: \"фильм\", first: 100) { nodes { node { ... on Publication { text } } } } }";
    assert_eq!(code(&app.query(union, json!({})).await.0), wanted);
    let status = |accept: &'static str| {
        let body = json!({ "query": texts(40) }).to_string();
        let app = &app;
        async move { send(post(app, body).header("accept", accept)).await.0 }
    };
    assert_eq!(status("application/json").await, 200);
    assert_eq!(status("application/graphql-response+json").await, 400);
}

/// The operations of a batch share the bytes of an answer.
#[tokio::test(flavor = "multi_thread")]
async fn batches_have_one_answer() {
    let args = ["--limit-batch", "3", "--limit-answer-bytes", "100"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let operation = json!({ "query": format!("{{ {}: __typename }}", "a".repeat(30)) });
    let (status, _, answer) = send(post(&app, json!([operation, operation, operation]).to_string())).await;
    assert_eq!(status, 200);
    assert!(answer[0]["data"].is_object(), "{answer}");
    assert_eq!((code(&answer[1]), code(&answer[2])), ("TOO_COMPLEX", "TOO_COMPLEX"), "{answer}");
}

/// The operations of a batch share the values of introspection: a client's introspection has about 60,000 of 200,000.
#[tokio::test(flavor = "multi_thread")]
async fn batches_have_one_bound_of_introspection() {
    let args = ["--limit-batch", "10", "--limit-aliases", "400"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let operation = json!({ "query": introspection() });
    let (status, _, answer) = send(post(&app, json!(vec![operation; 10]).to_string())).await;
    assert_eq!(status, 200);
    let refused = answer.as_array().unwrap().iter().filter(|one| one["errors"].is_array());
    let limits: Vec<_> = refused.map(|one| one["errors"][0]["extensions"]["limit"].as_str().unwrap()).collect();
    assert!((5..10).contains(&limits.len()) && limits.iter().all(|limit| *limit == "introspection"), "{limits:?}");
}

/// What a mutation has done is done, however large its answer would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_whose_answer_is_too_large_is_done() {
    let app = limited("limit-answer-bytes", 4_000).await;
    let member = app.sign_in("anna", "member").await;
    let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "text": "щ".repeat(3_000) });
    let answer = member.send("addComment", input, "comment { text id }").await;
    assert!(answer.errors()[0].starts_with("TOO_COMPLEX the answer is larger than 4000 bytes"), "{answer}");
    assert_eq!(answer.0["data"]["it"]["comment"], json!(null), "{answer}");
    let data = app.data("{ user(username: \"anna\") { comments { totalCount } } }", json!({})).await;
    assert_eq!(data["user"]["comments"]["totalCount"], json!(1));
}

/// A mutation behind a query goes on as one that stands alone: before, the batch hung until its time was over.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_mutation_whose_answer_is_too_large_goes_on() {
    let args = ["--limit-batch", "2", "--limit-answer-bytes", "4000"];
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &args).await;
    let member = app.sign_in("anna", "member").await;
    let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "text": "щ".repeat(3_000) });
    let query = "mutation ($input: AddCommentInput!) { addComment(input: $input) { comment { text } } }";
    let mutation = json!({ "query": query, "variables": { "input": input } });
    let body = json!([{ "query": "{ __typename }" }, mutation]).to_string();
    let (status, _, answer) = send(post(&app, body).bearer_auth(format!("token of user {}", member.id))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer[0], json!({ "data": { "__typename": "Query" } }));
    assert_eq!((code(&answer[1]), &answer[1]["data"]["addComment"]["comment"]), ("TOO_COMPLEX", &json!(null)));
}

/// What others hold, or the client itself, costs nothing of the answer of a mutation that is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_answered_whatever_is_unsent() {
    for limit in ["limit-unsent-bytes-per-client", "limit-unsent-bytes"] {
        let app = limited(limit, 100_000).await;
        let member = app.sign_in("anna", "member").await;
        let texts: String = (0..30).map(|i| format!("a{i}: text ")).collect();
        let text = "щ".repeat(3_000);
        let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "text": text });
        let answer = member.send("addComment", input, &format!("comment {{ {texts} }}")).await;
        assert_eq!(answer.0.get("errors"), None, "{limit}");
        assert_eq!(answer.0["data"]["it"]["comment"]["a29"], json!(text));
    }
}

/// An answer that waits counts for its client and for all.
#[tokio::test(flavor = "multi_thread")]
async fn unsent_answers_are_bounded() {
    for (limit, status, wanted) in
        [("limit-unsent-bytes-per-client", 429, "RATE_LIMITED"), ("limit-unsent-bytes", 503, "UNAVAILABLE")]
    {
        let app = limited(limit, 100_000).await;
        let page = |rows: u32| json!({ "query": format!("{{ movies(first: {rows}) {{ nodes {{ id title }} }} }}") });
        assert_eq!(send(post(&app, page(100).to_string())).await.0, 200, "small ones need no share");
        let dear = "{ publications(first: 60) { nodes { a: text b: text c: text } } }";
        let (refused, headers, answer) = send(post(&app, json!({ "query": dear }).to_string())).await;
        assert_eq!((refused, code(&answer)), (status, wanted), "{answer}");
        assert_eq!(
            (&headers["retry-after"], &answer["errors"][0]["extensions"]["limit"]),
            (&"5".parse().unwrap(), &json!(limit))
        );
    }
}

/// What multiplies without end is refused before it is walked.
#[tokio::test(flavor = "multi_thread")]
async fn bombs_cost_nothing() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await;
    let mut fragments: String =
        (0..30).map(|i| format!("fragment F{i} on Query {{ ...F{0} ...F{0} }} ", i + 1)).collect();
    fragments += "fragment F30 on Query { __typename }";
    let page = "{ movies(first: 0) { nodes { ".to_owned() + &"...on Movie { id ".repeat(3);
    let cycle = "{ ...A } fragment A on Query { ...A ...A ...B } fragment B on Query { ...A ...B ...B }";
    let braces = "{".repeat(1_000_000);
    let started = std::time::Instant::now();
    // It selects one field.
    assert_eq!(app.data(&format!("{{ ...F0 }} {fragments}"), json!({})).await, json!({ "__typename": "Query" }));
    for bomb in [format!("query A {{ __typename }} {fragments}"), cycle.to_owned(), braces, page] {
        let answer = app.query(&bomb, json!({})).await;
        assert!(!answer.errors().is_empty() && answer.0.get("data").is_none(), "{answer}");
    }
    // Two to the thirtieth steps would take minutes.
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
    // An object and a list around them, in variables and in a document.
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
async fn bodies_are_bounded_however_they_come() {
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
    // It is said to be too long, and nobody waits for it.
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n\
        expect: 100-continue\r\ncontent-length: 201\r\n\r\n";
    assert!(talk(&app, head).await.starts_with("HTTP/1.1 413"));
    let url = |length: usize| format!("{}/graphql?query={{__typename}}{}", app.origin, "&".repeat(length - 18));
    assert_eq!(send(app.client.get(url(200))).await.0, 200);
    assert_eq!(send(app.client.get(url(201))).await.0, 413);
}

/// Sends `request` on a connection of its own and reads until its end.
pub async fn talk(app: &TestApp, request: &str) -> String {
    let mut socket = TcpStream::connect(app.origin.trim_start_matches("http://")).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as its end.
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
    for (body, part) in [(batch(3), "3 operations; 2 are allowed"), (batch(0), "empty"), ("[1]".to_owned(), "a number")]
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
    // The operations of a batch cost as much as if they were one.
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

/// What one client may have; another one, at another address, has its own.
fn stranger() -> reqwest::Client {
    client::builder().local_address(Some([127, 0, 0, 2].into())).build().unwrap()
}

/// The limit that an answer names, and its value.
fn limit_of(answer: &Value) -> (&str, &Value) {
    let extensions = &answer["errors"][0]["extensions"];
    (extensions["limit"].as_str().unwrap_or("none"), &extensions["max"])
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_one_client_are_bounded() {
    let app = limited("limit-bodies-bytes-per-client", 20_000).await;
    let body = |length: usize| format!("{:length$}", json!({ "query": "{ __typename }" }).to_string());
    assert_eq!(send(post(&app, body(20_000))).await.0, 200);
    let (status, headers, answer) = send(post(&app, body(20_001))).await;
    assert_eq!(
        (status, code(&answer), headers["retry-after"].as_bytes()),
        (429, "RATE_LIMITED", &b"1"[..]),
        "{answer}"
    );
    assert_eq!(limit_of(&answer), ("limit-bodies-bytes-per-client", &json!(20_000)));
    // Small ones take no share.
    let app = limited("limit-bodies-bytes-per-client", 1).await;
    assert_eq!(send(post(&app, body(16 << 10))).await.0, 200);
    assert_eq!(send(post(&app, body((16 << 10) + 1))).await.0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_client_are_bounded() {
    let app = limited("limit-requests-per-client", 2).await;
    let db = app.sql().await;
    for statement in [
        "ALTER TABLE cinema_online RENAME TO hidden",
        "CREATE VIEW cinema_online AS WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever)
            SELECT hidden.* FROM hidden WHERE id < (SELECT max(n) FROM forever)",
    ] {
        sea_orm::ConnectionTrait::execute_unprepared(&db, statement).await.unwrap();
    }
    let query = |query: &str| json!({ "query": query }).to_string();
    let hanging = tokio::spawn(post(&app, query("{ cinemas { nodes { title } } }")).send());
    for _ in 0..20 {
        assert_eq!(send(post(&app, query("{ __typename }"))).await.0, 200, "the second has room");
    }
    let second = tokio::spawn(post(&app, query("{ cinemas { nodes { id } } }")).send());
    let started = std::time::Instant::now();
    let (status, _, answer) = loop {
        let outcome = send(post(&app, query("{ __typename }"))).await;
        if outcome.0 != 200 || started.elapsed() > std::time::Duration::from_secs(5) {
            break outcome;
        }
    };
    assert_eq!((status, code(&answer)), (429, "RATE_LIMITED"), "{answer}");
    assert_eq!(limit_of(&answer), ("limit-requests-per-client", &json!(2)));
    let other = stranger().post(format!("{}/graphql", app.origin)).json(&json!({ "query": "{ __typename }" }));
    assert_eq!(other.send().await.unwrap().status(), 200);
    hanging.abort();
    second.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_client_are_bounded() {
    let flags = ["--limit-connections-per-client", "2", "--trusted-proxies", "127.0.0.3/32"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &flags).await;
    let ask = async |address: [u8; 4]| {
        let client = client::builder().local_address(Some(address.into())).pool_max_idle_per_host(0).build();
        let answer = client.unwrap().get(format!("{}/livez", app.origin)).send().await;
        answer.map(|answer| answer.status().as_u16())
    };
    let connect = async |address: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(app.origin.trim_start_matches("http://").parse().unwrap()).await.unwrap()
    };
    let first = connect([127, 0, 0, 2]).await;
    assert_eq!(ask([127, 0, 0, 2]).await.unwrap(), 200, "the second has room");
    // Its connection may take a moment to end.
    let mut second = connect([127, 0, 0, 2]).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while ask([127, 0, 0, 2]).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "a third has room");
        second = connect([127, 0, 0, 2]).await;
    }
    assert_eq!(ask([127, 0, 0, 1]).await.unwrap(), 200, "another client");
    // A proxy has the connections of all its clients.
    let _proxied = [connect([127, 0, 0, 3]).await, connect([127, 0, 0, 3]).await, connect([127, 0, 0, 3]).await];
    assert_eq!(ask([127, 0, 0, 3]).await.unwrap(), 200, "a trusted proxy");
    drop((first, second));
    while ask([127, 0, 0, 2]).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "places are given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_bounded() {
    let listen = |app: &TestApp, client: &reqwest::Client, fields: &str| {
        let query = format!("subscription {{ commentAdded {{ {fields} }} }}");
        let request = client.post(format!("{}/graphql", app.origin)).json(&json!({ "query": query }));
        request.header("accept", "text/event-stream").send()
    };
    for (limit, max, status) in [
        ("limit-subscriptions", 2, 503),
        ("limit-subscriptions-per-client", 2, 429),
        // commentAdded and its field, twice.
        ("limit-subscribed-complexity-per-client", 4, 429),
    ] {
        let app = limited(limit, max).await;
        let held = [listen(&app, &app.client, "cursor").await, listen(&app, &app.client, "cursor").await];
        assert!(held.iter().all(|answer| answer.as_ref().unwrap().status() == 200), "{limit}: {held:?}");
        let answer = listen(&app, &app.client, "cursor").await.unwrap();
        assert_eq!(answer.status(), status, "{limit}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(limit_of(&answer), (limit, &json!(max)));
        let other = listen(&app, &stranger(), "cursor").await.unwrap();
        assert_eq!(other.status() == 200, status == 429, "{limit}: another client");
        // What has ended is given back.
        drop((held, other));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while listen(&app, &app.client, "cursor").await.unwrap().status() != 200 {
            assert!(std::time::Instant::now() < deadline, "{limit}: the place is given back");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_of_one_client_are_bounded() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &["--signups-per-address", "2"]).await;
    app.sign_up("anna", "tram number 47").await;
    // One that is refused counts too.
    let input = crate::app::new_account("boris", "short");
    assert_eq!(app.nobody().refused("signUp", input).await.len(), 1);
    let answer = app.nobody().send("signUp", crate::app::new_account("boris", "tram number 47"), "token").await.0;
    assert_eq!((code(&answer), limit_of(&answer)), ("RATE_LIMITED", ("signups-per-address", &json!(2))), "{answer}");
    let wait = answer["errors"][0]["extensions"]["retryAfterSeconds"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_of_one_user_are_bounded() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--mutations-per-user", "2"]).await;
    let rate = async |user: &crate::app::User| {
        let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "rating": 3 });
        user.send("rate", input, "").await.0
    };
    let (anna, boris, editor) =
        (app.sign_in("anna", "member").await, app.sign_in("boris", "member").await, app.sign_in("ed", "editor").await);
    for _ in 0..2 {
        assert!(rate(&anna).await["errors"].is_null());
    }
    let answer = rate(&anna).await;
    assert_eq!((code(&answer), limit_of(&answer)), ("RATE_LIMITED", ("mutations-per-user", &json!(2))), "{answer}");
    assert!(rate(&boris).await["errors"].is_null());
    for _ in 0..3 {
        assert!(rate(&editor).await["errors"].is_null(), "editors are not counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_idempotency_keys_of_one_user_are_bounded() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--idempotency-keys-per-user", "2"]).await;
    let anna = app.sign_in("anna", "member").await;
    let rate = async |key: &str| {
        let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "rating": 3 });
        anna.send_keyed(key, "rate", input, "").await.0
    };
    // What is sent again has its row already.
    for key in ["a", "a", "b"] {
        assert!(rate(key).await["errors"].is_null());
    }
    let answer = rate("c").await;
    let limit = ("idempotency-keys-per-user", &json!(2));
    assert_eq!((code(&answer), limit_of(&answer)), ("RATE_LIMITED", limit), "{answer}");
    assert!(rate("a").await["errors"].is_null(), "what is sent again is still answered");
    let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "rating": 3 });
    anna.done("rate", input, "").await;
}

//! GraphQL over HTTP: media types, statuses, and origins.

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::{Backend, TestDatabase};

const JSON: &str = "application/json";
const NEWER: &str = "application/graphql-response+json";

/// Status, headers and body of a response that must be JSON.
pub async fn send(request: RequestBuilder) -> (u16, HeaderMap, Value) {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    (status, headers, body)
}

pub fn post(app: &TestApp, body: impl Into<reqwest::Body>) -> RequestBuilder {
    app.client.post(format!("{}/graphql", app.origin)).header(CONTENT_TYPE, JSON).body(body)
}

/// The code of the only error.
pub fn code(body: &Value) -> &str {
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
    body["errors"][0]["extensions"]["code"].as_str().unwrap()
}

async fn empty() -> TestApp {
    TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn status_follows_the_media_type() {
    let app = empty().await;
    for (body, newer, wanted) in [
        (json!({ "query": "{ __typename }" }), 200, None),
        (json!({ "query": "{" }), 400, Some("GRAPHQL_PARSE_FAILED")),
        (json!({ "query": "{ absent }" }), 400, Some("GRAPHQL_VALIDATION_FAILED")),
        (json!({ "query": "query A { __typename } query B { __typename }" }), 400, Some("GRAPHQL_VALIDATION_FAILED")),
        (json!({ "query": "{ __typename }", "operationName": "A" }), 400, Some("GRAPHQL_VALIDATION_FAILED")),
        (json!({ "query": "query($id: ID!) { movie(id: $id) { id } }" }), 400, Some("BAD_USER_INPUT")),
        (
            json!({ "query": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }" }),
            400,
            Some("GRAPHQL_VALIDATION_FAILED"),
        ),
        // Executed: data is present, and null if a field failed.
        (json!({ "query": "{ movie(id: \"x\") { id } }" }), 200, Some("BAD_USER_INPUT")),
        (json!({ "query": "{ movies(first: -1) { totalCount } }" }), 200, Some("BAD_USER_INPUT")),
    ] {
        for (accept, wanted_status) in [(JSON, 200), (NEWER, newer)] {
            let (status, headers, answer) = send(post(&app, body.to_string()).header(ACCEPT, accept)).await;
            assert_eq!(status, wanted_status, "{body} {accept}: {answer}");
            assert_eq!(headers[CONTENT_TYPE], format!("{accept}; charset=utf-8"));
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(answer.get("data").is_some(), newer == 200, "{answer}");
            match wanted {
                Some(wanted) => assert_eq!(code(&answer), wanted, "{body}: {answer}"),
                None => assert!(answer.get("errors").is_none(), "{answer}"),
            }
        }
    }
    let (status, headers, answer) = send(post(&app, "{}").header(ACCEPT, "text/html")).await;
    assert_eq!((status, code(&answer)), (406, "BAD_USER_INPUT"));
    assert_eq!(headers[CONTENT_TYPE], "application/json; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bodies_are_named() {
    let app = empty().await;
    for (body, part) in [
        ("", "empty"),
        ("  \n", "empty"),
        ("{", "ends early at line 1 column 1"),
        ("{\"query\": }", "not valid JSON"),
        ("\"{ __typename }\"", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "query: is missing"),
        ("{\"query\": null}", "query: is missing"),
        ("{\"query\": 1}", "query: must be a string, not a number"),
        ("{\"query\": \"{ a }\", \"operationName\": []}", "operationName: must be a string, not an array"),
        ("{\"query\": \"{ a }\", \"variables\": \"\"}", "variables: must be an object, not a string"),
        ("{\"query\": \"{ a }\", \"extensions\": true}", "extensions: must be an object, not a boolean"),
        ("{\"query\": \"{ a }\", \"query\": \"{ b }\"}", "twice"),
        ("[{\"query\": \"{ __typename }\"}]", "batches are disabled"),
    ] {
        let (status, _, answer) = send(post(&app, body)).await;
        assert_eq!((status, code(&answer)), (400, "BAD_USER_INPUT"), "{body}: {answer}");
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains(part), "{body}: {answer}");
        assert!(answer.get("data").is_none(), "{answer}");
    }
    let (status, _, answer) = send(post(&app, vec![b'{', b'"', 0xff, b'"', b'}'])).await;
    assert_eq!((status, code(&answer)), (400, "BAD_USER_INPUT"));
}

/// The same rules apply to a single operation and to each one of a batch.
#[tokio::test(flavor = "multi_thread")]
async fn json_is_read_by_one_set_of_rules() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &["--limit-batch", "2"]).await;
    let operation = |rest: &str| format!("{{\"query\": \"{{ __typename }}\"{rest}}}");
    let variable = |json: &str| operation(&format!(", \"variables\": {{\"a\": {json}}}"));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (body, status, part) in [
        (operation(""), 200, ""),
        (operation(", \"other\": [\"\\ud800\", 1e400, {\"a\": 1, \"a\": 2}], \"other\": 2"), 200, ""),
        (operation(&format!(", \"other\": {}", nested(1_000))), 200, ""),
        (operation(", \"other\": \"\u{e9}\""), 200, ""),
        (operation(", \"query\": \"{ a }\""), 400, "a parameter occurs twice"),
        (operation(", \"variables\": null, \"variables\": {}"), 400, "a parameter occurs twice"),
        (operation(", \"operationName\": \"\\ud800\""), 200, "operationName: has a number out of range or a lone"),
        ("{\"query\": \"\\ud800\"}".to_owned(), 200, "query: has a number out of range or a lone surrogate"),
        (operation(", \"extensions\": {\"idempotencyKey\": \"\\ud800\"}"), 200, "extensions.idempotencyKey: has"),
        (operation(", \"extensions\": {\"idempotencyKey\": 1, \"idempotencyKey\": 1}"), 200, "a member twice"),
        (variable("\"\\ud83d\""), 200, "variables: has a number out of range or a lone surrogate"),
        (variable("-1e400"), 200, "variables: has a number out of range or a lone surrogate"),
        (variable("{\"b\": 1, \"b\": 1}"), 200, "variables.a.b: occurs twice"),
        (variable(&nested(200)), 200, "has more than 32 levels of nesting"),
        (variable("01"), 400, "not valid JSON"),
        (operation(",}"), 400, "not valid JSON"),
        (operation(", \"other\": \"\t\""), 400, "not valid JSON"),
    ] {
        for batched in [body.clone(), format!("[{body}]")] {
            let (found, _, answer) = send(post(&app, batched)).await;
            assert_eq!(found, status, "{body}: {answer}");
            let answer = answer.get(0).unwrap_or(&answer);
            let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
            assert!(message.contains(part) && message.is_empty() == part.is_empty(), "{body}: {answer}");
        }
    }
    // Other operations of the batch are executed.
    let batch = format!("[{}, {}]", variable("\"\\ud83d\""), operation(""));
    let (_, _, answer) = send(post(&app, batch)).await;
    assert_eq!(answer[0]["errors"][0]["extensions"]["field"], "variables", "{answer}");
    assert_eq!(answer[1], json!({ "data": { "__typename": "Query" } }));
    let body = operation(", \"other\": \"?\"").into_bytes();
    let broken = |byte: &u8| if *byte == b'?' { 0xff } else { *byte };
    for batched in [body.clone(), [b"[", &*body, b"]"].concat()] {
        let (status, _, answer) = send(post(&app, batched.iter().map(broken).collect::<Vec<_>>())).await;
        assert_eq!((status, code(&answer)), (400, "BAD_USER_INPUT"));
        assert_eq!(answer["errors"][0]["message"], "the body is not valid UTF-8");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_reads_the_url() {
    let app = empty().await;
    let ask = async |query: &str| send(app.client.get(format!("{}/graphql?{query}", app.origin))).await;
    let typed = "query=query+A($n:String!){__type(name:$n){name}}query+B{__typename}&operationName=A";
    let (status, _, answer) =
        ask(&format!("{typed}&variables=%7B%22n%22%3A%22Movie%22%7D&extensions=&other=%FF")).await;
    assert_eq!(status, 400, "{answer}");
    let (status, _, answer) = ask(&format!("{typed}&variables=%7B%22n%22%3A%22Movie%22%7D&extensions=&other=1")).await;
    assert_eq!((status, &answer["data"]["__type"]["name"]), (200, &json!("Movie")), "{answer}");
    let (status, _, answer) = ask("query={__typename}&operationName=&variables=&extensions=").await;
    assert_eq!((status, &answer["data"]["__typename"]), (200, &json!("Query")), "{answer}");
    for (query, part) in [
        ("", "query: is missing"),
        ("query", "GRAPHQL_PARSE_FAILED"),
        ("query=%FF", "not valid UTF-8"),
        ("query={a}&query={b}", "query: occurs twice in the URL"),
        ("query={a}&variables={", "variables: is not valid JSON"),
        ("query={a}&variables=[1]", "variables: must be an object"),
    ] {
        let (_, _, answer) = ask(query).await;
        assert!(answer["errors"][0].to_string().contains(part), "{query}: {answer}");
    }
}

/// Requests that a foreign page can send without a preflight are not executed.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_change_nothing() {
    let app = empty().await;
    let url = format!("{}/graphql", app.origin);
    let mutation = "mutation { __typename }";
    for method in [Method::GET, Method::HEAD] {
        let response =
            app.client.request(method, format!("{url}?query={mutation}")).header(ACCEPT, NEWER).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"POST".parse().unwrap()));
    }
    let body = json!({ "query": mutation }).to_string();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/json; charset=utf-16",
    ] {
        let request = app.client.post(&url).header(CONTENT_TYPE, content_type).body(body.clone());
        let (status, _, answer) = send(request).await;
        assert_eq!((status, code(&answer)), (415, "BAD_USER_INPUT"), "{content_type}");
    }
    assert_eq!(send(app.client.post(&url).body(body.clone())).await.0, 415, "without a Content-Type");
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let (status, headers, answer) = send(app.client.request(method, &url).body(body.clone())).await;
        assert_eq!((status, code(&answer)), (405, "BAD_USER_INPUT"));
        assert_eq!(headers["allow"], "GET, HEAD, POST");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_must_be_listed() {
    let origins = ["--cors-origins", "https://films.example,http://localhost:5173"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &origins).await;
    let preflight = async |origin: &str| {
        let request = app.client.request(Method::OPTIONS, format!("{}/graphql", app.origin));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        let response = request.header("access-control-request-headers", "content-type").send().await.unwrap();
        let allowed = response.headers()["access-control-allow-headers"].to_str().unwrap();
        for name in ["content-type", "authorization", "idempotency-key", "last-event-id", "x-request-id", "traceparent"]
        {
            assert!(allowed.contains(name), "{allowed}");
        }
        response.headers().get("access-control-allow-origin").map(|origin| origin.to_str().unwrap().to_owned())
    };
    assert_eq!(preflight("https://films.example").await.as_deref(), Some("https://films.example"));
    assert_eq!(preflight("http://localhost:5173").await.as_deref(), Some("http://localhost:5173"));
    for foreign in ["https://films.example.evil.example", "http://films.example", "https://films.example:8443", "null"]
    {
        assert_eq!(preflight(foreign).await, None, "{foreign}");
    }
    let (_, headers, _) = send(post(&app, "{}").header("origin", "https://films.example")).await;
    assert_eq!(headers["access-control-allow-origin"], "https://films.example");
    assert!(headers["vary"].to_str().unwrap().contains("origin") || headers.get_all("vary").iter().count() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_have_safe_headers_and_are_compressed_when_large() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--compress-from-bytes", "1000"]).await;
    for path in ["/graphql", "/livez", "/absent"] {
        let response = app.client.get(format!("{}{path}", app.origin)).send().await.unwrap();
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")]
        {
            assert_eq!(response.headers()[name], value, "{path}");
        }
        assert!(response.headers().contains_key("x-request-id"));
    }
    let encoding = async |query: &str, accepted: &str| {
        let body = json!({ "query": query }).to_string();
        let response = post(&app, body).header("accept-encoding", accepted).send().await.unwrap();
        response.headers().get("content-encoding").map(|encoding| encoding.to_str().unwrap().to_owned())
    };
    let large = "{ movies(first: 100) { nodes { id title } } }";
    assert_eq!(encoding(large, "gzip").await.as_deref(), Some("gzip"));
    assert_eq!(encoding(large, "br").await.as_deref(), Some("br"));
    assert_eq!(encoding(large, "identity").await, None);
    assert_eq!(encoding("{ __typename }", "gzip, br").await, None);
    for (accepted, wanted) in [
        ("identity;q=0", None),
        ("*;q=0", None),
        ("zstd, identity; Q=0.0", None),
        ("identity;q=0, gzip", Some("gzip")),
        ("*;q=0, br;q=0.5", Some("br")),
        ("gzip;q=0", None),
    ] {
        assert_eq!(encoding(large, accepted).await.as_deref(), wanted, "{accepted}");
        for query in [large, "{ __typename }"] {
            let request = post(&app, json!({ "query": query }).to_string()).header("accept-encoding", accepted);
            assert_eq!(request.send().await.unwrap().status(), 200, "{accepted}");
        }
    }
}

/// Sections 5.8.5 and 6.4.1 of the specification.
#[tokio::test(flavor = "multi_thread")]
async fn variables_without_a_value_use_defaults() {
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &[]).await;
    let query = "query Ids($orderBy: MovieOrder, $first: Int) { movies(orderBy: $orderBy, first: $first) { ...Ids } }
        fragment Ids on MovieConnection { nodes { id } }
        query Other($orderBy: MovieOrder!) { movies(orderBy: $orderBy) { ...Ids } }";
    let ask = async |variables: Value| {
        let body = json!({ "query": query, "operationName": "Ids", "variables": variables });
        send(post(&app, body.to_string())).await.2
    };
    let plain = app.data("{ movies(first: 2) { nodes { id } } }", json!({})).await;
    assert_eq!(ask(json!({ "first": 2 })).await["data"], plain);
    let oldest = app.data("{ movies(first: 2, orderBy: OLDEST) { nodes { id } } }", json!({})).await;
    assert_eq!(ask(json!({ "first": 2, "orderBy": "OLDEST" })).await["data"], oldest);
    let null = ask(json!({ "orderBy": null })).await;
    assert_eq!((code(&null), &null["errors"][0]["extensions"]["field"]), ("BAD_USER_INPUT", &json!("orderBy")));
    // A variable of a wrong type is still invalid, and so is an unused one.
    for wrong in [
        "query($o: Int) { movies(orderBy: $o) { totalCount } }",
        "query($o: MovieOrder) { __typename }",
        "query($id: ID) { movie(id: $id) { id } }",
        "query($ids: [ID]!) { nodes(ids: $ids) { id } }",
        "query($id: ID) { nodes(ids: [$id]) { id } }",
        "query($year: Int) { movies(filter: { country: $year }) { totalCount } }",
    ] {
        let errors = app.query(wrong, json!({})).await.errors();
        assert!(errors[0].starts_with("GRAPHQL_VALIDATION_FAILED"), "{errors:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_must_have_their_types() {
    let app = empty().await;
    let query =
        "query($filter: MovieFilter, $first: Int, $id: ID! = \"x\", $order: MovieOrder! = YEAR, $on: Boolean = false) {
        movies(filter: $filter, first: $first, orderBy: $order) { totalCount }
        movie(id: $id) @include(if: $on) { id } }";
    for (variables, part) in [
        (json!({ "first": 1.5 }), "`variables.first` must be an Int"),
        (json!({ "first": 2_147_483_648_u64 }), "`variables.first` must be an Int"),
        (json!({ "first": "1" }), "`variables.first` must be an Int"),
        (json!({ "id": null }), "`variables.id` must not be null"),
        (json!({ "id": 1.5 }), "`variables.id` must be an ID"),
        (json!({ "order": "SHOE_SIZE" }), "`variables.order` must be a value of the enum `MovieOrder`"),
        (json!({ "on": "yes" }), "`variables.on` must be a Boolean"),
        (json!({ "filter": [] }), "`variables.filter` must be an object of type `MovieFilter`"),
        (json!({ "filter": { "shoeSize": 1 } }), "`variables.filter.shoeSize` is not a field of `MovieFilter`"),
        (json!({ "filter": { "year": { "from": "old" } } }), "`variables.filter.year.from` must be an Int"),
        (json!({ "filter": { "ageRating": ["FROM_6", "FROM_7"] } }), "`variables.filter.ageRating[1]` must be a value"),
    ] {
        let errors = app.query(query, variables).await.errors();
        assert!(errors[0].starts_with("BAD_USER_INPUT ") && errors[0].contains(part), "{errors:?}");
    }
    for good in [
        json!({}),
        json!({ "first": null, "filter": null }),
        json!({ "id": 1, "filter": { "ageRating": "FROM_6" } }),
        json!({ "unknown": 1 }),
    ] {
        app.data(query, good).await;
    }
}

/// The introspection query of graphql-js 16, with its nine levels of nested types.
#[tokio::test(flavor = "multi_thread")]
async fn tools_can_read_the_schema() {
    let app = empty().await;
    let of_type = "kind name ofType { ".repeat(9) + "kind name" + &" }".repeat(9);
    let query = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
            types {{ ...FullType }} directives {{ name description locations args {{ ...InputValue }} }} }} }}
        fragment FullType on __Type {{ kind name description specifiedByURL
            fields(includeDeprecated: true) {{ name description args {{ ...InputValue }} type {{ ...TypeRef }} isDeprecated deprecationReason }}
            inputFields {{ ...InputValue }} interfaces {{ ...TypeRef }}
            enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} possibleTypes {{ ...TypeRef }} }}
        fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue }}
        fragment TypeRef on __Type {{ {of_type} }}"
    );
    app.data(&query, json!({})).await;
    let deep = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
    let errors = app.query(deep, json!({})).await.errors();
    assert_eq!(errors, ["TOO_COMPLEX The operation has 3 nested levels of introspection; the limit is 2."]);
}

/// Responses to an operation are the same when its document comes from the cache.
#[tokio::test(flavor = "multi_thread")]
async fn cached_documents_give_the_same_responses() {
    for cache in ["0", "1000000"] {
        let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &["--document-cache-bytes", cache]).await;
        let query = "query($id: ID!, $all: Boolean!) { movie(id: $id) { id title @include(if: $all) } }";
        for (all, key) in [(true, 1), (false, 2), (true, 2), (false, 1)] {
            let id = global_id("Movie", key);
            let data = app.data(query, json!({ "id": id, "all": all })).await;
            assert_eq!((&data["movie"]["id"], data["movie"].get("title").is_some()), (&json!(id), all));
        }
        for _ in 0..2 {
            assert!(app.query("{ absent }", json!({})).await.errors()[0].starts_with("GRAPHQL_VALIDATION_FAILED"));
        }
    }
}

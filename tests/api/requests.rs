//! Any request gets a JSON response whose errors have codes, but never INTERNAL.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::runtime::Handle;

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

/// Valid and invalid pieces of documents and bodies.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    ",",
    "\"",
    "\\",
    "\"\"\"",
    "$",
    "!",
    "@",
    "...",
    "=",
    "#",
    "\n",
    " ",
    "query",
    "mutation",
    "subscription",
    "fragment F on Query",
    "...F",
    "on",
    "movies",
    "nodes",
    "id",
    "first",
    "last",
    "__typename",
    "__schema",
    "types",
    "@skip(if: true)",
    "$x: Int",
    "$x",
    "1",
    "-1",
    "1e999",
    "99999999999999999999",
    "null",
    "true",
    "\"x\"",
    "variables",
    "operationName",
    "extensions",
    "\"query\":",
    "\"variables\":",
    "\"{ __typename }\"",
    "\u{0}",
    "\u{feff}",
    "é",
    "🏃",
    "\\ud800",
    "%FF",
    "&",
    "query=",
    "variables=",
];

fn soup() -> impl Strategy<Value = String> {
    vec(prop::sample::select(PIECES), 0..30).prop_map(|pieces| pieces.concat())
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        soup().prop_map(String::into_bytes),
        // A valid request with any document and any variables.
        (soup(), soup()).prop_map(|(query, value)| {
            serde_json::json!({ "query": query, "variables": { "x": value } }).to_string().into_bytes()
        }),
        // A valid request that is cut or has a changed byte.
        (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(|(at, byte, cut)| {
            let mut body =
                br#"{"query":"query A($x: Int) { movies(first: $x) { nodes { id } } }","variables":{"x":1}}"#.to_vec();
            let at = at.index(body.len());
            match cut {
                true => body.truncate(at),
                false => body[at] = byte,
            }
            body
        }),
    ]
}

fn header_values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(
            &[
                "application/json",
                "application/graphql-response+json",
                "*/*",
                "text/html",
                "application/json; charset=utf-8",
                "application/json;q=",
                "application/json; charset=\"",
                ";;,,/",
                "text/event-stream",
                "application/*;q=0.5",
            ][..]
        )
        .prop_map(|value| value.as_bytes().to_vec()),
        vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..40),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(HeaderName, Vec<u8>)>> {
    let names = [
        "accept",
        "content-type",
        "x-request-id",
        "traceparent",
        "accept-encoding",
        "origin",
        "content-encoding",
        "cookie",
    ];
    vec((prop::sample::select(names.map(HeaderName::from_static).to_vec()), header_values()), 0..5)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_request_gets_a_response() {
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &["--limit-batch", "3"]).await;
    let methods = prop::sample::select(vec![Method::POST, Method::POST, Method::POST, Method::GET, Method::PUT]);
    let cases = (methods, any::<bool>(), headers(), bodies());
    let handle = Handle::current();
    tokio::task::block_in_place(|| {
        // Failures are rare and do not depend on earlier requests, so no file of failures is kept.
        let config = Config { failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config)
            .run(&cases, |(method, json, headers, body)| handle.block_on(answer(&app, method, json, headers, body)));
        run.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

async fn answer(
    app: &TestApp,
    method: Method,
    json: bool,
    headers: Vec<(HeaderName, Vec<u8>)>,
    body: Vec<u8>,
) -> Result<(), TestCaseError> {
    let in_url: String = if method == Method::GET { percent(&body) } else { String::new() };
    let mut request = app.client.request(method, format!("{}/graphql?{in_url}", app.origin));
    if json {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request = request.header(name, value);
        }
    }
    let response =
        request.body(body).send().await.map_err(|error| TestCaseError::fail(format!("no answer: {error:?}")))?;
    let (status, compressed) = (response.status(), response.headers().contains_key("content-encoding"));
    prop_assert!(!status.is_server_error(), "{}", status);
    prop_assert!(response.headers().contains_key("x-request-id"));
    let is_stream = response.headers().get("content-type").is_some_and(|ty| ty.as_bytes().starts_with(b"text/event-s"));
    let body = response.bytes().await.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    if compressed {
        return Ok(());
    }
    let read = |json: &[u8]| {
        serde_json::from_slice::<serde_json::Value>(json)
            .map_err(|error| TestCaseError::fail(format!("{error}: {body:?}")))
    };
    let entries = if is_stream {
        // The last event has no data.
        let events = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "));
        events.map(read).collect::<Result<_, _>>()?
    } else {
        let answer = read(&body)?;
        answer.as_array().cloned().unwrap_or_else(|| vec![answer])
    };
    prop_assert!(!entries.is_empty(), "{:?}", body);
    for entry in entries {
        let errors = entry["errors"].as_array().cloned().unwrap_or_default();
        prop_assert!(!errors.is_empty() || entry["data"].is_object(), "{}", entry);
        prop_assert!(errors.iter().all(|error| error["extensions"]["code"].is_string()), "{}", entry);
        prop_assert!(errors.iter().all(|error| error["extensions"]["code"] != "INTERNAL"), "{}", entry);
        prop_assert!(status.is_success() || !errors.is_empty(), "{} {}", status, entry);
    }
    Ok(())
}

/// Percent-encodes bytes for a URL, except some.
fn percent(body: &[u8]) -> String {
    body.iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'=' | b'&' | b'+' | b'_' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

//! Metrics and health checks of a running server. Each test has its own process, because it has its own counts.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;

use kinoteka::metrics::OPERATIONS_MAX;
use serde_json::{Value, json};

use crate::process::Server;
use crate::serve::PATIENCE;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};

on_both!(queries_and_errors_are_counted, readiness_ends_when_the_server_is_told_to_stop);

/// Samples by name and labels, as in the text.
struct Counts(HashMap<String, f64>);

impl Counts {
    async fn read(url: &str) -> Self {
        let response = client::get(url).await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self(parse(&response.text().await.unwrap()))
    }

    fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    fn sum(&self, name: &str) -> f64 {
        self.0.iter().filter(|(series, _)| series.split('{').next() == Some(name)).map(|(_, value)| value).sum()
    }
}

/// Parses OpenMetrics text, and refuses what Prometheus would refuse or misunderstand.
fn parse(text: &str) -> HashMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").unwrap();
    let mut families = HashSet::new();
    let (mut family, mut kind) = ("", "");
    let mut samples = HashMap::new();
    let mut buckets: Vec<f64> = Vec::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (keyword, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match keyword {
                "HELP" => {
                    assert!(families.insert(name), "{name} occurs twice");
                    assert!(name.starts_with("kinoteka_") || name.starts_with("process_"), "{line}");
                    assert!(rest.len() > 5, "{line}");
                    (family, kind) = (name, "");
                }
                "TYPE" => {
                    assert!(name == family && matches!(rest, "counter" | "gauge" | "histogram" | "info"), "{line}");
                    kind = rest;
                }
                "UNIT" => assert!(name == family && family.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        let name = series.split('{').next().unwrap();
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} is not of {family}"));
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_sum", "_count", "_bucket"],
            _ => panic!("{line} has no type"),
        };
        assert!(suffixes.contains(&suffix), "{line} is not a {kind}");
        assert!(value >= 0.0, "{line}");
        match suffix {
            // Sum and count are first.
            "_count" => buckets = vec![value],
            "_bucket" => {
                assert!(buckets.len() == 1 || buckets.last().unwrap() <= &value, "{line} is less than the one before");
                buckets.push(value);
                if series.contains("le=\"+Inf\"") {
                    assert!((buckets[0] - value).abs() < f64::EPSILON, "{line} is not the count");
                }
            }
            _ => {}
        }
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} occurs twice");
    }
    samples
}

async fn ask(url: &str, query: &str) -> Value {
    let response = client::new().post(url).json(&json!({ "query": query })).send().await.unwrap();
    response.json().await.unwrap()
}

async fn queries_and_errors_are_counted(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let server = Server::start(&["--database-url", &database.url]);
    let metrics = server.url.replace("/graphql", "/metrics");
    let before = Counts::read(&metrics).await;
    for _ in 0..2 {
        ask(&server.url, "query Titles { movies(first: 2) { nodes { title staff(first: 1) { nodes { id } } } } }")
            .await;
    }
    ask(&server.url, "{ __typename }").await;
    ask(&server.url, "query Wrong { movie(id: \"67\") { title } }").await;
    ask(&server.url, "query Wrong { noSuchField }").await;
    ask(&server.url, "{").await;
    let after = Counts::read(&metrics).await;

    let moved = |series: &str| after.get(series) - before.get(series);
    assert_eq!(moved("kinoteka_operation_duration_seconds_count{operation=\"Titles\"}"), 2.0);
    assert_eq!(moved("kinoteka_operation_duration_seconds_bucket{le=\"+Inf\",operation=\"Titles\"}"), 2.0);
    assert!(moved("kinoteka_operation_duration_seconds_sum{operation=\"Titles\"}") > 0.0);
    let wrong = "kinoteka_operation_duration_seconds_count{operation=\"Wrong\"}";
    assert_eq!(moved(wrong), 1.0, "invalid documents are not executed");
    let anonymous = "kinoteka_operation_duration_seconds_count{operation=\"anonymous\"}";
    assert_eq!(moved(anonymous), 1.0, "an unparsable document is not an operation");
    for code in ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"] {
        assert_eq!(moved(&format!("kinoteka_errors_total{{code=\"{code}\"}}")), 1.0, "{code}");
    }
    assert_eq!(moved("kinoteka_statement_duration_seconds_count"), 4.0, "two levels, twice");
    assert_eq!(moved("kinoteka_statements_failed_total"), 0.0);
    assert_eq!(moved("kinoteka_http_requests_total{path=\"/graphql\",status=\"200\"}"), 6.0);
    assert_eq!(after.get("kinoteka_http_requests_in_flight"), 1.0, "the request for metrics itself");
    assert_eq!(moved("kinoteka_http_requests_total{path=\"/metrics\",status=\"200\"}"), 1.0);

    // A connection returns to its pool shortly after the response.
    let settled = loop {
        let counts = Counts::read(&metrics).await;
        if counts.sum("kinoteka_pool_connections_in_use") == 0.0 {
            break counts;
        }
    };
    let pools: &[&str] = if backend == Backend::Postgres { &["write"] } else { &["read", "write"] };
    for name in pools {
        let pool = |what| settled.0[&format!("kinoteka_pool_connections_{what}{{pool=\"{name}\"}}")];
        assert!(1.0 <= pool("open") && pool("open") <= pool("max"), "{name}");
    }
    let max = "kinoteka_pool_connections_max";
    // The pool of sessions opens its connections at the first signed-in request.
    let pools = pools.len() + usize::from(backend == Backend::Postgres);
    assert_eq!(settled.0.keys().filter(|series| series.starts_with(max)).count(), pools);
    assert!(after.0["process_resident_memory_bytes"] > 1e6);
    assert!(after.0["process_cpu_seconds_total"] > 0.0);
    assert!((4.0..after.0["process_max_fds"]).contains(&after.0["process_open_fds"]));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&after.0["process_start_time_seconds"]));
    let build = after.0.keys().find(|series| series.starts_with("kinoteka_build_info{")).unwrap();
    assert!(build.contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")) && build.contains("commit=\""));
}

#[tokio::test]
async fn failures_of_the_database_are_counted() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url]);
    let db = database.connect().await;
    sea_orm::ConnectionTrait::execute_unprepared(&db, "ALTER TABLE cinema_online RENAME TO lost").await.unwrap();
    ask(&server.url, "{ cinemas { nodes { title } } }").await;
    let counts = Counts::read(&server.url.replace("/graphql", "/metrics")).await;
    assert_eq!(counts.get("kinoteka_statements_failed_total"), 1.0);
    assert_eq!(counts.get("kinoteka_errors_total{code=\"INTERNAL\"}"), 1.0);
}

/// Requests that the transport refuses are counted, although they do not reach the executor.
#[tokio::test]
async fn transport_counts_documents_limits_and_refusals() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let arguments = ["--database-url", &database.url, "--limit-depth", "2", "--limit-bodies-bytes", "200"];
    let server = Server::start(&arguments);
    let get = async |query: &str| {
        let url = reqwest::Url::parse_with_params(&server.url, [("query", query)]).unwrap();
        client::get(url).await.unwrap();
    };
    get("{ __typename }").await;
    let metrics = server.url.replace("/graphql", "/metrics");
    let first = Counts::read(&metrics).await;
    get("{ __typename }").await;
    get("{ movies { nodes { id } } }").await;
    get("{").await;
    let query = format!("{{ __typename }} # {}", "a".repeat(20_000));
    let refused = ask(&server.url, &query).await;
    assert_eq!(refused["errors"][0]["extensions"]["limit"], json!("limit-bodies-bytes"));
    let counts = Counts::read(&metrics).await;

    assert_eq!(first.get("kinoteka_document_cache_misses_total"), 1.0);
    assert_eq!(first.get("kinoteka_document_cache_hits_total"), 0.0);
    assert_eq!(counts.get("kinoteka_document_cache_misses_total"), 3.0);
    assert_eq!(counts.get("kinoteka_document_cache_hits_total"), 1.0);
    let bytes = "kinoteka_document_cache_bytes";
    assert!(0.0 < first.get(bytes) && first.get(bytes) < counts.get(bytes));
    assert_eq!(counts.get("kinoteka_limits_hit_total{limit=\"limit-depth\"}"), 1.0);
    assert_eq!(counts.get("kinoteka_limits_hit_total{limit=\"limit-bodies-bytes\"}"), 1.0);
    assert_eq!(counts.sum("kinoteka_limits_hit_total"), 2.0);
    assert_eq!(counts.get("kinoteka_requests_refused_total"), 1.0);
    for code in ["TOO_COMPLEX", "UNAVAILABLE", "GRAPHQL_PARSE_FAILED"] {
        assert_eq!(counts.get(&format!("kinoteka_errors_total{{code=\"{code}\"}}")), 1.0, "{code}");
    }
    assert_eq!(counts.sum("kinoteka_operation_duration_seconds_count"), 2.0, "executed operations");
}

/// The duration of an operation that timed out is counted.
#[tokio::test]
async fn operations_that_time_out_are_counted() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let db = database.connect().await;
    let slow = "ALTER TABLE cinema_online RENAME TO cinemas;
        CREATE VIEW cinema_online AS SELECT cinemas.* FROM cinemas, pg_sleep(5)";
    sea_orm::ConnectionTrait::execute_unprepared(&db, slow).await.unwrap();
    let server = Server::start(&["--database-url", &database.url, "--request-timeout-ms", "1000"]);
    let answer = ask(&server.url, "query Late { cinemas { nodes { title } } }").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], json!("TIMEOUT"));
    let counts = Counts::read(&server.url.replace("/graphql", "/metrics")).await;
    assert_eq!(counts.get("kinoteka_operation_duration_seconds_count{operation=\"Late\"}"), 1.0);
    assert!(counts.get("kinoteka_operation_duration_seconds_sum{operation=\"Late\"}") > 0.9);
    assert_eq!(counts.get("kinoteka_limits_hit_total{limit=\"request-timeout-ms\"}"), 1.0);
}

#[tokio::test]
async fn operation_names_are_bounded() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url]);
    let metrics = server.url.replace("/graphql", "/metrics");
    let names = |counts: &Counts| {
        let name = "kinoteka_operation_duration_seconds_count";
        assert_eq!(
            counts.sum(name),
            counts.sum("kinoteka_http_requests_total") - counts.scrapes(),
            "every operation is counted"
        );
        counts.0.keys().filter(|series| series.starts_with(name)).count()
    };
    for number in 0..OPERATIONS_MAX {
        ask(&server.url, &format!("query Name{number} {{ __typename }}")).await;
    }
    assert_eq!(names(&Counts::read(&metrics).await), OPERATIONS_MAX);
    for number in 0..10 {
        ask(&server.url, &format!("query Late{number} {{ __typename }}")).await;
    }
    ask(&server.url, "query Name0 { __typename }").await;
    ask(&server.url, "{ __typename }").await;
    let counts = Counts::read(&metrics).await;
    assert_eq!(names(&counts), OPERATIONS_MAX + 2);
    let count = |name| counts.get(&format!("kinoteka_operation_duration_seconds_count{{operation=\"{name}\"}}"));
    assert_eq!((count("Name0"), count("other"), count("anonymous")), (2.0, 10.0, 1.0));
}

impl Counts {
    fn scrapes(&self) -> f64 {
        self.get("kinoteka_http_requests_total{path=\"/metrics\",status=\"200\"}")
    }
}

#[tokio::test]
async fn metrics_can_have_their_own_address() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let mut server = Server::start(&["--database-url", &database.url, "--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.next_url("/metrics");
    ask(&server.url, "query Here { __typename }").await;
    let counts = Counts::read(&metrics).await;
    assert_eq!(counts.get("kinoteka_operation_duration_seconds_count{operation=\"Here\"}"), 1.0);
    assert_eq!(counts.get("kinoteka_http_requests_in_flight"), 0.0);
    let status = async |url: String| client::get(url).await.unwrap().status().as_u16();
    assert_eq!(status(server.url.replace("/graphql", "/metrics")).await, 404);
    for path in ["/livez", "/readyz"] {
        assert_eq!(status(server.url.replace("/graphql", path)).await, 200, "{path}");
        assert_eq!(status(metrics.replace("/metrics", path)).await, 200, "{path}");
    }
    for path in ["/graphql", "/", "/plain"] {
        assert_eq!(status(metrics.replace("/metrics", path)).await, 404, "{path}");
    }
}

async fn readiness_ends_when_the_server_is_told_to_stop(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let mut server = Server::start(&["--database-url", &database.url, "--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.next_url("/metrics");
    let get = async |path: &str| {
        let response = client::get(metrics.replace("/metrics", path)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/readyz").await, (200, "full\n".to_owned()));
    // A request without its body keeps the server from ending.
    let body = json!({ "query": "{ __typename }" }).to_string();
    let address = server.url.trim_start_matches("http://").trim_end_matches("/graphql");
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(client::PATIENCE)).unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: kinoteka\r\ncontent-type: application/json\r\nconnection: close\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut buffer = [0; 1024];
    let length = socket.read(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 100"));
    assert_eq!(Counts::read(&metrics).await.get("kinoteka_http_requests_in_flight"), 1.0);
    server.signal("TERM");
    let told = async {
        while get("/readyz").await.0 == 200 {
            tokio::task::yield_now().await;
        }
    };
    client::in_time(told).await;
    assert_eq!(get("/readyz").await, (503, "down: the server is shutting down\n".to_owned()));
    assert_eq!(get("/livez").await, (200, "ok\n".to_owned()));
    socket.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (status, log) = server.wait(PATIENCE);
    assert!(status.success(), "{log}");
}

//! What the parts of a request cost by themselves: cursors, reading a request, making a page, writing
//! an answer.
//!
//! `cargo bench --workspace --bench micro [-- NAME]`. No database is asked. The transport is
//! measured as a whole, with an executor that has its answer ready: what differs between two of its
//! lines is what differs between their requests or answers.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at what it did not expect")]

use std::future::ready;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_graphql::connection::CursorType;
use async_graphql::futures_util::future::BoxFuture;
use async_graphql::futures_util::stream::{self, BoxStream};
use async_graphql::{
    Data, EmptyMutation, EmptySubscription, Executor, Object, Request, Response, Schema, SimpleObject,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use clap::Parser;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use kinoteka::config::Cli;
use kinoteka::db::{Db, parse_url};
use kinoteka::error::{ApiError, ApiResult};
use kinoteka::http::{self, Health, Pages, Payloads, Services, Subscribe, Subscription};
use kinoteka::kit::cursor::{Cursor, KeyPart};
use kinoteka::kit::{Page, PageArgs, SortKey, page};
use kinoteka::schema;
use kinoteka::viewer::{Authenticate, Viewer};
use migration::connect::Timeouts;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

fn cursors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cursor");
    let cursor = Cursor::new("movies", "YEAR_DESC", vec![KeyPart::Int(1999), KeyPart::Int(9_000)]);
    group.bench_function("write", |bencher| bencher.iter(|| black_box(&cursor).encode_cursor()));
    let text = cursor.encode_cursor();
    let keys = [SortKey::column(entity::movies::Column::Year), SortKey::present(entity::movies::Column::Id)];
    group.bench_function("read", |bencher| {
        bencher.iter(|| Cursor::parse("after", black_box(&text), "movies", "YEAR_DESC", &keys).is_ok());
    });
    assert!(Cursor::parse("after", &text, "movies", "YEAR_DESC", &keys).is_ok());
    group.finish();
}

/// A movie with what hangs on it.
#[derive(Clone, SimpleObject)]
struct Film {
    id: String,
    title: String,
    year: i32,
    staff: Vec<Part>,
}

#[derive(Clone, SimpleObject)]
struct Part {
    character: Option<String>,
    is_lead: bool,
    first_name: String,
    last_name: String,
    position: String,
}

fn films() -> Vec<([i64; 2], Film)> {
    let part = |number: i64| Part {
        character: (number % 3 == 0).then(|| "Почтальон".to_owned()),
        is_lead: number == 3,
        first_name: "Анна".to_owned(),
        last_name: "Журавлёвский".to_owned(),
        position: "Режиссёр".to_owned(),
    };
    let film = |number: i64| Film {
        id: format!("TW92aWU6{number}"),
        title: format!("Последний поезд {number}"),
        year: 1999,
        staff: (0..12).map(part).collect(),
    };
    (0..200).map(|number| ([1_999, number], film(number))).collect()
}

struct Films(Vec<([i64; 2], Arc<Film>)>);

impl Films {
    fn new() -> Self {
        Self(films().into_iter().map(|(key, film)| (key, Arc::new(film))).collect())
    }
}

#[Object]
impl Films {
    async fn films(&self, first: Option<i32>) -> Option<Page<Arc<Film>>> {
        page::cut("films", self.0.clone(), &PageArgs { first, ..PageArgs::default() }).ok()
    }
}

fn pages(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("page");
    let args = PageArgs { first: Some(20), ..PageArgs::default() };
    group.bench_function("cut 20 of 200 rows", |bencher| {
        bencher.iter_batched(films, |rows| page::cut("films", rows, &args).is_ok(), BatchSize::SmallInput);
    });
    let schema = Schema::new(Films::new(), EmptyMutation, EmptySubscription);
    for (name, selection) in [
        ("no row", "first: 0) { nodes { id title year }"),
        ("20 rows", "first: 20) { nodes { id title year }"),
        ("20 rows with cursors", "first: 20) { edges { cursor node { id title year } }"),
        ("20 rows with 12 objects each", "first: 20) { nodes { id title year staff { character isLead firstName } }"),
    ] {
        let query = format!("{{ films({selection} }} }}");
        let answered = runtime.block_on(schema.execute(query.as_str()));
        assert!(answered.errors.is_empty(), "{:?}", answered.errors);
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(schema.execute(query.as_str()))));
    }
    group.finish();
}

/// Answers with what was put there.
#[derive(Clone, Default)]
struct Ready(Arc<Mutex<Vec<Response>>>);

impl Ready {
    fn put(&self, response: Response) {
        self.0.lock().unwrap().push(response);
    }
}

impl Executor for Ready {
    async fn execute(&self, _: Request) -> Response {
        self.0.lock().unwrap().pop().unwrap_or_default()
    }

    fn execute_stream(&self, _: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        Box::pin(stream::empty())
    }
}

/// Has no users and no events.
struct Nothing;

impl Authenticate for Nothing {
    fn authenticate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ApiResult<Viewer>> {
        Box::pin(ready(Err(ApiError::Unauthenticated)))
    }

    fn watch(&self, _: Viewer) -> watch::Receiver<()> {
        watch::channel(()).1
    }
}

impl Subscribe for Nothing {
    fn subscribe(&self, _: Subscription) -> Payloads {
        Box::pin(stream::empty())
    }
}

/// The routes with the default settings over an executor that has its answers ready.
async fn router(answers: &Ready) -> Router {
    let settings = Cli::try_parse_from(["kinoteka"]).unwrap().serve;
    let url = parse_url("--database-url", "sqlite::memory:").unwrap();
    let timeouts = Timeouts { statement: Duration::from_secs(1), lock: Duration::from_secs(1) };
    let db = Db::open(&url, None, settings.pool(), timeouts, None).await.unwrap();
    let transport = http::Settings {
        limits: settings.limits.clone(),
        cors_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        pages: Pages { default: 20, max: 500 },
        ide: false,
        metrics: false,
        costs: schema::COSTS,
    };
    let services =
        Services { executor: answers.clone(), subscribe: Arc::new(Nothing), authenticate: Arc::new(Nothing) };
    http::router(services, &schema::export(), &Health::new(db), &transport).unwrap()
}

async fn ask(router: Router, body: String) -> usize {
    let request = axum::http::Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(Body::from(body))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert!(response.status().is_success());
    to_bytes(response.into_body(), usize::MAX).await.unwrap().len()
}

fn transport(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let answers = Ready::default();
    let router = runtime.block_on(router(&answers));
    let _context = runtime.enter();

    let mut group = criterion.benchmark_group("request");
    let small = "query Movie($id: ID!) { movie(id: $id) { id title year } }";
    let large = "query Movies { movies(first: 20) { nodes { id title year rating
        staff { nodes { character isLead person { id firstName lastName } position { title } } }
        awards { nodes { award { title } nomination { title } } }
        availability { nodes { price discountPercent cinema { title } } } } } }";
    for (name, query) in [("small", small), ("large", large)] {
        let body = |query: &str| json!({ "query": query, "variables": { "id": "TW92aWU6Nw" } }).to_string();
        let kept = body(query);
        group.bench_function(format!("{name}, its document kept"), |bencher| {
            bencher.iter_batched(
                || (router.clone(), kept.clone()),
                |(router, body)| runtime.block_on(ask(router, body)),
                BatchSize::SmallInput,
            );
        });
        let mut number = 0;
        group.bench_function(format!("{name}, a new document"), |bencher| {
            bencher.iter_batched(
                || {
                    number += 1;
                    (router.clone(), body(&query.replace("title", &format!("title_{number}: title"))))
                },
                |(router, body)| runtime.block_on(ask(router, body)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("answer");
    let catalogue = Schema::new(Films::new(), EmptyMutation, EmptySubscription);
    let body = json!({ "query": "{ __typename }" }).to_string();
    for (name, query) in [
        ("1 film", "{ films(first: 1) { nodes { id title year } } }"),
        (
            "20 films with 12 objects each",
            "{ films(first: 20) { nodes { id title staff { character isLead lastName } } } }",
        ),
    ] {
        let answer = runtime.block_on(catalogue.execute(query));
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        let data = answer.data;
        answers.put(Response::new(data.clone()));
        let bytes = runtime.block_on(ask(router.clone(), body.clone()));
        group.throughput(criterion::Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    answers.put(Response::new(data.clone()));
                    (router.clone(), body.clone())
                },
                |(router, body)| runtime.block_on(ask(router, body)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(parts, cursors, pages, transport);
criterion_main!(parts);

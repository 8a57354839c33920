//! Measures the parts of a request: cursors, preparing an operation, cutting a page, writing a response.
//!
//! `cargo bench --workspace --bench micro [-- NAME]`. Without a database. The transport is measured as a whole over rows
//! in memory: the difference between two of its lines is that between their responses.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at an unexpected error")]

use std::future::ready;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_graphql::connection::CursorType;
use axum::Router;
use axum::body::{Body, to_bytes};
use clap::Parser;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::future::BoxFuture;
use futures_util::stream;
use graphql::{
    Context, Cost, Describe, Description, DocumentLimits, Engine, Inputs, Object, One, OperationKind, Request, Root,
    Row, TypeName,
};
use kinoteka::budget::Budget;
use kinoteka::config::Cli;
use kinoteka::db::{Db, parse_url};
use kinoteka::error::{ApiError, ApiResult};
use kinoteka::executor::{Contexts, Executor};
use kinoteka::health::Health;
use kinoteka::http::{self, HttpServices, Status};
use kinoteka::kit::cursor::{Cursor, KeyPart};
use kinoteka::kit::rows::list::cut;
use kinoteka::kit::{PageArgs, SortKey};
use kinoteka::library;
use kinoteka::subscribe::{Payloads, Subscribe, Subscription};
use kinoteka::viewer::{Authenticate, Caller, SignedIn, Viewer};
use migration::connect::Timeouts;
use serde_json::json;
use tokio::runtime::Runtime;
use tower::ServiceExt;

fn cursors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cursor");
    let cursor = Cursor::new("movies", "YEAR_DESC", [KeyPart::Int(1999), KeyPart::Int(9_000)].into());
    group.bench_function("write", |bencher| bencher.iter(|| black_box(&cursor).encode_cursor()));
    let text = cursor.encode_cursor();
    let keys = [SortKey::column(entity::movies::Column::Year), SortKey::present(entity::movies::Column::Id)];
    group.bench_function("read", |bencher| {
        bencher.iter(|| Cursor::parse("after", black_box(&text), "movies", "YEAR_DESC", &keys).is_ok());
    });
    assert!(Cursor::parse("after", &text, "movies", "YEAR_DESC", &keys).is_ok());
    group.finish();
}

/// A movie.
#[derive(Clone)]
struct Film {
    id: Arc<str>,
    title: Arc<str>,
    year: i32,
}

/// A part in a movie.
struct Part {
    number: i32,
}

impl Row for Film {
    fn type_name() -> TypeName {
        "Film".into()
    }
}

impl Row for Part {
    fn type_name() -> TypeName {
        "Part".into()
    }
}

fn films() -> Vec<([i64; 2], Film)> {
    let film = |number: i64| Film {
        id: format!("TW92aWU6{number}").into(),
        title: format!("Последний поезд {number}").into(),
        year: 1999,
    };
    (0..200).map(|number| ([1_999, number], film(number))).collect()
}

/// A library of movies in memory.
struct Films;

static FILMS: LazyLock<Vec<Film>> = LazyLock::new(|| films().into_iter().map(|(_, film)| film).collect());

static DESCRIPTION: LazyLock<Arc<Description>> = LazyLock::new(|| {
    let few = |count: usize| move |_: &Context, _: &Root| FILMS[..count].iter().cloned().map(One).collect::<Vec<_>>();
    let mut description = Description::new();
    description.object(Object::<Root>::new("").derive("one", "", few(1)).derive("twenty", "", few(20)));
    let staff = |_: &Context, _: &Film| (0..12).map(|number| One(Part { number })).collect::<Vec<_>>();
    description.object(
        Object::<Film>::new("")
            .value("id", "", |film| Arc::clone(&film.id))
            .value("title", "", |film| Arc::clone(&film.title))
            .value("year", "", |film| film.year)
            .derive("staff", "", staff),
    );
    description.object(
        Object::<Part>::new("")
            .value("character", "", |part| (part.number % 3 == 0).then_some("Почтальон"))
            .value("isLead", "", |part| part.number == 3)
            .value("lastName", "", |_| "Журавлёвский"),
    );
    Arc::new(description)
});

impl Describe for Films {
    fn description() -> Arc<Description> {
        Arc::clone(&DESCRIPTION)
    }
}

impl Contexts for Films {
    fn context(&self, _: OperationKind, _: Caller, _: Arc<Budget>) -> Context {
        Context::new(Arc::new(()))
    }
}

fn pages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("page");
    let args = PageArgs { first: Some(20), ..PageArgs::default() };
    group.bench_function("cut 20 of 200 rows", |bencher| {
        bencher.iter_batched(films, |rows| cut("films", rows, &args).is_ok(), BatchSize::SmallInput);
    });
    group.finish();
}

/// A site without users and events.
struct Nothing;

impl Authenticate for Nothing {
    fn confirm(&self, viewer: Viewer) -> BoxFuture<'_, ApiResult<Viewer>> {
        Box::pin(async move { Ok(viewer) })
    }

    fn authenticate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>> {
        Box::pin(ready(Err(ApiError::Unauthenticated)))
    }

    fn authenticate_uncached<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>> {
        self.authenticate(token)
    }

    fn watch(&self, _: Viewer) -> tokio::sync::watch::Receiver<()> {
        tokio::sync::watch::channel(()).1
    }
}

impl Subscribe for Nothing {
    fn subscribe(&self, _: Subscription) -> Payloads {
        Box::pin(stream::empty())
    }
}

/// The routes with the default settings over movies in memory.
async fn router() -> Router {
    let settings = Cli::try_parse_from(["kinoteka"]).unwrap().serve;
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = parse_url("--database-url", &format!("sqlite://{}?mode=rwc", file.path().display())).unwrap();
    let timeouts = Timeouts { statement: Duration::from_secs(1), lock: Duration::from_secs(1) };
    let db = Db::open(&url, None, settings.pool(), timeouts, None).await.unwrap();
    let transport = http::HttpSettings {
        limits: settings.limits.clone(),
        cors_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        ide: false,
        demo: None,
        metrics: false,
    };
    let engine = Engine::described::<Films>(graphql::EngineSettings {
        limits: DocumentLimits::default(),
        pages: graphql::PageSizes { default: 20, max: 500 },
        cost_max: Cost { depth: 15, root_fields: 20, fields: 1_000, values: 50_000, ..Cost::default() },
        cache_bytes: 1 << 20,
        introspection: false,
    });
    let executor = Executor { engine: Arc::new(engine.unwrap()), contexts: Arc::new(Films) };
    let services =
        HttpServices { executor, subscribe: Arc::new(Nothing), authenticate: Arc::new(Nothing), overview: None };
    let status: Arc<dyn Status> = Arc::new(Health::new(db));
    http::router(services, &status, &transport)
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

fn requests(criterion: &mut Criterion) {
    let engine = library::engine(&http::Limits::DEFAULT, false).unwrap();
    let mut group = criterion.benchmark_group("request");
    let small = "query Movie($id: ID!) { movie(id: $id) { id title year } }";
    let large = "query Movies { movies(first: 20) { nodes { id title year rating
        staff { nodes { character isLead person { id firstName lastName } position { title } } }
        awards { nodes { award { title } nomination { title } } }
        availability { nodes { price discountPercent cinema { title } } } } } }";
    let variables = Inputs::from_iter([("id".to_owned(), json!("TW92aWU6Nw"))]);
    let prepare =
        |query: &str| engine.prepare(&Request { query, operation_name: None, variables: &variables }).unwrap();
    for (name, query) in [("small", small), ("large", large)] {
        group.bench_function(format!("{name}, in the cache"), |bencher| bencher.iter(|| prepare(black_box(query))));
        let mut number = 0;
        group.bench_function(format!("{name}, a new document"), |bencher| {
            bencher.iter_batched(
                || {
                    number += 1;
                    query.replace("title", &format!("title_{number}: title"))
                },
                |query| prepare(&query),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let router = runtime.block_on(router());
    let _context = runtime.enter();
    let mut group = criterion.benchmark_group("answer");
    for (name, query) in [
        ("1 film", "{ one { id title year } }"),
        ("20 films with 12 objects each", "{ twenty { id title staff { character isLead lastName } } }"),
    ] {
        let body = json!({ "query": query }).to_string();
        let bytes = runtime.block_on(ask(router.clone(), body.clone()));
        assert!(bytes > 50, "{name}: {bytes} bytes");
        group.throughput(criterion::Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || (router.clone(), body.clone()),
                |(router, body)| runtime.block_on(ask(router, body)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(parts, cursors, pages, requests, answers);
criterion_main!(parts);

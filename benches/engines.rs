//! The engine of `crates/graphql` beside the one that serves: requests a second and processor time a request, in one
//! process over one pool of connections, without HTTP.
//!
//! `cargo bench --workspace --bench engines [-- SECONDS]`. The old engine gets documents that were parsed before, as
//! the transport gives it, and its answer is written as JSON. PostgreSQL shares the machine, so only the ratios mean
//! something; rounds are interleaved, medians are printed.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at what it did not expect")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Executor, Variables};
use clap::Parser;
use graphql::{Batches, Request};
use kinoteka::config::Cli;
use kinoteka::db::{Db, parse_url};
use kinoteka::feed::Feed;
use kinoteka::http::Limits;
use kinoteka::kit::kept::Kept;
use kinoteka::kit::rows::{RequestData, Services, StatementTexts};
use kinoteka::viewer::Caller;
use kinoteka::{library, schema};
use migration::connect::Timeouts;
use serde_json::{Value, json};

#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

use support::database::{Backend, TestDatabase};

const ROUNDS: usize = 5;

/// The queries of `benches/reads`.
const QUERIES: [(&str, &str); 3] = [
    ("(a)", "query Movie($id: ID!) { movie(id: $id) { id title originalTitle year country rating durationMinutes } }"),
    (
        "(b)",
        "query Movies($after: String) { movies(first: 20, after: $after) { nodes { id title year rating
            staff { nodes { character isLead person { id firstName lastName } position { title } } }
            awards { nodes { award { title } nomination { title } } }
            availability { nodes { price discountPercent cinema { title } } } } } }",
    ),
    (
        "(c)",
        "query Comments($id: ID!) { movie(id: $id) { title comments(first: 20) { nodes {
            id text createdAt author { id username fullName } } } } }",
    ),
];

/// Both engines over one database.
struct Engines {
    old: schema::Engine,
    new: graphql::Engine,
    services: Arc<Services>,
}

impl Engines {
    async fn ask_old(&self, document: &ExecutableDocument, query: &str, variables: &Value) -> Vec<u8> {
        let mut request = async_graphql::Request::new(query).variables(Variables::from_json(variables.clone()));
        request.set_parsed_query(document.clone());
        serde_json::to_vec(&Executor::execute(&self.old, request.data(caller())).await).unwrap()
    }

    async fn ask_new(&self, query: &str, variables: &Value) -> Vec<u8> {
        let request = Request { query, operation_name: None, variables: variables.as_object().unwrap() };
        let services = Arc::clone(&self.services);
        let data = RequestData { services, caller: Some(caller()), budget: None };
        library::answer(&self.new, &request, data).await
    }
}

fn caller() -> Caller {
    Caller::anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[tokio::main]
async fn main() {
    let seconds: f64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2.0);
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::seeded(backend).await;
        let engines = open(&database).await;
        let variables = variables(&engines).await;
        println!("\n{backend:?}\n");
        println!("| query | at once | old, requests/s | new | new / old | old, us of processor | new |");
        println!("|---|---|---|---|---|---|---|");
        for (name, query) in QUERIES {
            let document = parse_query(query).unwrap();
            for variables in variables.iter().take(20) {
                let old = engines.ask_old(&document, query, variables).await;
                let new = engines.ask_new(query, variables).await;
                let read = |answer: &[u8]| serde_json::from_slice::<Value>(answer).unwrap()["data"].clone();
                assert_eq!(read(&old), read(&new), "{name}");
            }
            for at_once in [1, 32] {
                compare(&engines, (name, query), &document, &variables, at_once, seconds).await;
            }
        }
    }
}

/// The variables of many requests, which all ask for something else: movies, and pages behind them.
async fn variables(engines: &Engines) -> Arc<Vec<Value>> {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    while all.len() < 400 {
        let query = "query($after: String) { movies(first: 100, after: $after) { edges { cursor node { id } } } }";
        let page: Value = serde_json::from_slice(&engines.ask_new(query, &json!({ "after": after })).await).unwrap();
        let edges = page["data"]["movies"]["edges"].as_array().unwrap();
        all.extend(edges.iter().map(|edge| json!({ "id": edge["node"]["id"], "after": edge["cursor"] })));
        after = edges.last().unwrap()["cursor"].clone();
    }
    Arc::new(all)
}

async fn compare(
    engines: &Arc<Engines>,
    (name, query): (&str, &'static str),
    document: &ExecutableDocument,
    variables: &Arc<Vec<Value>>,
    at_once: usize,
    seconds: f64,
) {
    let mut figures = [const { (Vec::new(), Vec::new()) }; 2];
    for _ in 0..ROUNDS {
        for (is_new, (rates, times)) in figures.iter_mut().enumerate() {
            let work = Work {
                engines: Arc::clone(engines),
                is_new: is_new == 1,
                query,
                document: document.clone(),
                variables: Arc::clone(variables),
                next: Arc::new(AtomicUsize::new(0)),
            };
            let (rate, time) = measure(at_once, Duration::from_secs_f64(seconds), &work).await;
            rates.push(rate);
            times.push(time);
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    let [(old, old_us), (new, new_us)] = figures.map(|(rates, times)| (median(rates), median(times)));
    println!("| {name} | {at_once} | {old:.0} | {new:.0} | {:.2} | {old_us:.0} | {new_us:.0} |", new / old);
}

/// What is asked again and again, of one of the engines.
#[derive(Clone)]
struct Work {
    engines: Arc<Engines>,
    is_new: bool,
    query: &'static str,
    document: ExecutableDocument,
    variables: Arc<Vec<Value>>,
    next: Arc<AtomicUsize>,
}

impl Work {
    async fn run(&self) -> Vec<u8> {
        let variables = &self.variables[self.next.fetch_add(7, Ordering::Relaxed) % self.variables.len()];
        match self.is_new {
            true => self.engines.ask_new(self.query, variables).await,
            false => self.engines.ask_old(&self.document, self.query, variables).await,
        }
    }
}

/// Requests a second, and microseconds of this process's processor time for each.
async fn measure(at_once: usize, time: Duration, work: &Work) -> (f64, f64) {
    let (count, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (work, count, stop) = (work.clone(), Arc::clone(&count), Arc::clone(&stop));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                work.run().await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (before, processor) = (count.load(Ordering::Relaxed), processor_us());
    tokio::time::sleep(time).await;
    let (done, used) = (count.load(Ordering::Relaxed) - before, processor_us() - processor);
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    (done as f64 / time.as_secs_f64(), used / done.max(1) as f64)
}

/// Processor time of this process so far, from Linux, in steps of 10 ms.
fn processor_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap());
    ticks.sum::<f64>() * 10_000.0
}

async fn open(database: &TestDatabase) -> Arc<Engines> {
    let line = ["kinoteka", "--database-url", &database.url, "--listen", "127.0.0.1:0"];
    let cli = Cli::try_parse_from(line).unwrap();
    let url = parse_url("--database-url", &database.url).unwrap();
    let timeouts = Timeouts { statement: Duration::from_secs(10), lock: Duration::from_secs(10) };
    let db = Db::open(&url, None, cli.serve.pool(), timeouts, None).await.unwrap();
    let feed = Feed::start(&db, cli.serve.feed()).await.unwrap();
    let services = Services {
        db: db.read.clone(),
        kept: Some(Arc::new(Kept::default())),
        batches: Batches::new(),
        texts: StatementTexts::new(),
        hub: Arc::clone(&feed.hub),
    };
    let old = schema::build(db, &feed, &cli.serve.accounts.open().unwrap(), &cli.serve.accounts.writes(), true);
    let new = library::engine(&Limits::DEFAULT, true).unwrap();
    Arc::new(Engines { old, new, services: Arc::new(services) })
}

//! Measures listeners (deliveries per second, delays, memory) and the cost of the feed's trigger for writers.
//!
//! `cargo bench --workspace --bench feed [-- PART ...]`, with parts `deliveries`, `delay`, `order`, `idle`, `storm`, `insert`
//! (default: all). The server is in this process. The clients of a part are another process with one thread. With
//! PostgreSQL they share the machine, so only the ratios are meaningful. `idle` and `storm` need 10,500 open files in
//! each process: `ulimit -n 20000`.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at an unexpected error")]

#[path = "feed/bare.rs"]
mod bare;
#[path = "feed/client.rs"]
mod client;
#[path = "feed/clients.rs"]
mod clients;
#[path = "feed/insert.rs"]
mod insert;
#[path = "feed/order.rs"]
mod order;
#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::Cli;
use kinoteka::metrics;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::json;
use support::database::connect_to;
use support::postgres::Server;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use clients::Clients;

/// The number of interleaved rounds. Medians are printed.
const ROUNDS: usize = 5;
const LISTENERS: usize = 1_000;

/// The token of the user who writes comments.
const TOKEN: &str = "feed-bench-token";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == "clients"
    {
        return client::run(rest);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&arguments));
}

async fn measure(parts: &[String]) {
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    let server = Server::start(true);
    let db = connect_to(&server.url("postgres")).await.unwrap();
    db.execute_unprepared("CREATE DATABASE feed").await.unwrap();
    let url = server.url("feed");
    let db = connect_to(&url).await.unwrap();
    migration::up(&db, None).await.unwrap();
    for statement in [
        "INSERT INTO movies (title, duration) SELECT 'Фильм ' || i, 90 FROM generate_series(1, 100) AS i",
        "INSERT INTO users (username, email, password, fio, birthday)
            VALUES ('anna', 'anna@mail.example', '!', 'Анна Орлова', '1990-05-01')",
        &format!(
            "INSERT INTO sessions (user_id, token_hash, expires_at)
             VALUES (1, sha256('{TOKEN}'::bytea), now() + interval '1 day')"
        ),
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    if wanted("idle") {
        // First, because freed memory of other parts would hide that of listeners.
        idle(&url).await;
    }
    if wanted("storm") {
        storm(&url, &db).await;
    }
    if wanted("deliveries") {
        deliveries(&url, &db).await;
    }
    if wanted("delay") {
        delay(&url).await;
    }
    if wanted("order") {
        order::measure(&url, &db).await;
    }
    if wanted("insert") {
        insert::measure(&url, &db).await;
    }
}

/// A server in this process.
struct Instance {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Instance {
    async fn start(url: &str) -> Self {
        let line = ["kinoteka", "--database-url", url, "--listen", "127.0.0.1:0", "--limit-sockets", "20000"];
        // All clients of the benchmark have one address.
        let more = ["--limit-sockets-per-client", "20000", "--limit-connections-per-client", "20000"];
        let subscriptions = ["--limit-subscriptions-per-client", "20000", "--limit-subscribed-complexity-per-client"];
        let kept = ["1000000000", "--limit-kept-bytes", "1073741824", "--limit-kept-bytes-per-client", "1073741824"];
        let rest = ["--shutdown-grace-ms", "1000", "--log-filter", "warn"];
        let all = line.iter().chain(&more).chain(&subscriptions).chain(&kept).chain(&rest);
        let cli = Cli::try_parse_from(all).unwrap();
        let application = Application::build(&cli.serve, None).await.unwrap();
        let address = application.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(application.run(async {
            let _ = stopped.await;
        }));
        Self { address, stop, server }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

/// The document of listener `number`. With `alike`, all listeners have the same.
fn document(number: usize, alike: bool) -> String {
    let alias = if alike { String::new() } else { format!("t{number}: ") };
    format!("subscription {{ commentAdded {{ cursor commentId comment {{ {alias}text createdAt }} }} }}")
}

async fn listening(count: usize) {
    let wanted = i64::try_from(count).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while metrics::feed().listeners.get() != wanted {
        assert!(Instant::now() < deadline, "{} of {count} listeners are subscribed", metrics::feed().listeners.get());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Deliveries per second to listeners with the same document, with different documents, and of prepared bytes
/// by bare sockets.
async fn deliveries(url: &str, db: &DatabaseConnection) {
    const COMMENTS: usize = 200;
    let instance = Instance::start(url).await;
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (rates, alike) in rates.iter_mut().zip([true, false]) {
            let mut clients = Clients::start(instance.address, "/graphql", LISTENERS, |n| document(n, alike));
            clients.connected();
            listening(LISTENERS).await;
            add(db, COMMENTS).await;
            rates.push(clients.rate(LISTENERS * COMMENTS));
            drop(clients);
            listening(0).await;
        }
        let bare = bare::serve(COMMENTS).await;
        let mut clients = Clients::start(bare.address, "/bare", LISTENERS, |n| document(n, true));
        clients.connected();
        bare.go(LISTENERS).await;
        rates[2].push(clients.rate(LISTENERS * COMMENTS));
    }
    instance.stop().await;
    let [alike, different, bare] = rates.map(median);
    println!("\n| deliveries per second to {LISTENERS} listeners | | relative to bare sockets |");
    println!("|---|---|---|");
    println!("| bare axum sockets sending prepared bytes | {bare:.0} | |");
    println!("| one document | {alike:.0} | {:.2} |", alike / bare);
    println!("| {LISTENERS} different documents | {different:.0} | {:.2} |", different / bare);
}

/// Adds comments in one transaction. Their results have 300 bytes.
async fn add(db: &DatabaseConnection, count: usize) {
    let insert =
        format!("INSERT INTO comments (comment, movie_id) SELECT repeat('x', 80), 1 FROM generate_series(1, {count})");
    db.execute_unprepared(&insert).await.unwrap();
}

/// The time from sending `addComment` until listeners have the comment, at 100 comments per second.
async fn delay(url: &str) {
    println!("\n| delay at 100 comments per second | p50, ms | p99, ms |");
    println!("|---|---|---|");
    let (one, other) = (Instance::start(url).await, Instance::start(url).await);
    for listeners in [100, 1_000] {
        for (name, instance) in [("the same instance", &one), ("another instance", &other)] {
            let mut clients = Clients::start(instance.address, "/graphql", listeners, |n| document(n, true));
            clients.connected();
            listening(listeners).await;
            write(one.address, Duration::from_secs(10)).await;
            let (p50, p99) = clients.delays();
            println!("| {listeners} listeners on {name} | {p50:.1} | {p99:.1} |");
            drop(clients);
            listening(0).await;
        }
    }
    one.stop().await;
    other.stop().await;
}

/// Writes 100 comments per second, each with the time at which it was sent.
async fn write(address: SocketAddr, time: Duration) {
    let client = reqwest::Client::new();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let mut requests = tokio::task::JoinSet::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        tick.tick().await;
        let asked = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        requests.spawn(add_comment(client.clone(), address, format!("@{asked}@ {}", "x".repeat(60))));
    }
    requests.join_all().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// Adds a comment through the API.
pub async fn add_comment(client: reqwest::Client, address: SocketAddr, text: String) {
    let mutation =
        "mutation ($input: AddCommentInput!) { addComment(input: $input) { comment { id } errors { message } } }";
    // `Movie:1`.
    let body = json!({ "query": mutation, "variables": { "input": { "subjectId": "TW92aWU6MQ", "text": text } } });
    let request = client.post(format!("http://{address}/graphql")).bearer_auth(TOKEN).json(&body);
    let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer["data"]["addComment"]["comment"]["id"].is_string(), "{answer}");
}

/// The cost of 10,000 listeners without events.
async fn idle(url: &str) {
    const MANY: usize = 10_000;
    let instance = Instance::start(url).await;
    // Memory that is needed once is allocated with the first listener.
    let first = Clients::start(instance.address, "/graphql", 100, |n| document(n, true));
    listening(100).await;
    drop(first);
    listening(0).await;
    let before = resident_kib();
    let mut clients = Clients::start(instance.address, "/graphql", MANY, |n| document(n, true));
    let begun = Instant::now();
    clients.connected();
    listening(MANY).await;
    let connecting = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = resident_kib();
    let cpu = cpu_seconds();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let cpu = (cpu_seconds() - cpu) / 10.0;
    println!("\n| {MANY} idle listeners | |");
    println!("|---|---|");
    println!("| memory per listener, KiB | {:.1} |", (after - before) / MANY as f64);
    println!("| CPU, share of one core | {:.2} % |", cpu * 100.0);
    println!("| time until all are subscribed, s | {:.1} |", connecting.as_secs_f64());
    drop(clients);
    listening(0).await;
    instance.stop().await;
}

/// The cost of 10,000 listeners that reconnect simultaneously, each 100 events behind.
async fn storm(url: &str, db: &DatabaseConnection) {
    const MANY: usize = 10_000;
    const MISSED: usize = 100;
    let instance = Instance::start(url).await;
    let address = instance.address;
    let query = json!({ "query": "{ commentCursor }" });
    let response = reqwest::Client::new().post(format!("http://{address}/graphql")).json(&query).send().await.unwrap();
    let response: serde_json::Value = response.json().await.unwrap();
    let cursor = response["data"]["commentCursor"].as_str().unwrap().to_owned();
    add(db, MISSED).await;
    let after = format!("commentAdded(after: {cursor:?})");
    let before = [count(address, EXECUTIONS).await, count(address, STATEMENTS).await];
    let begun = Instant::now();
    let mut clients =
        Clients::start(address, "/graphql", MANY, |n| document(n, true).replacen("commentAdded", &after, 1));
    clients.connected();
    clients.rate(MANY * MISSED);
    let took = begun.elapsed();
    let after = [count(address, EXECUTIONS).await, count(address, STATEMENTS).await];
    println!("\n| {MANY} listeners reconnect, each {MISSED} events behind | |");
    println!("|---|---|");
    println!("| time until all are up to date, including connecting, s | {:.1} |", took.as_secs_f64());
    println!("| executions | {} |", after[0] - before[0]);
    println!("| statements | {} |", after[1] - before[1]);
    drop(clients);
    listening(0).await;
    instance.stop().await;
}

const EXECUTIONS: &str = "kinoteka_feed_executions_total";
const STATEMENTS: &str = "kinoteka_statement_duration_seconds_count";

async fn count(address: SocketAddr, name: &str) -> f64 {
    let text = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    // User and system time, in ticks of 1/100 s.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

//! Measures users' mutations per second at 1, 8 and 32 clients, compared with `pgbench` running the bare statements in the
//! same rounds, on a PostgreSQL with durable commits. Also measures the processor time of each in the server and in
//! PostgreSQL, and addComment with and without the feed's trigger.
//!
//! `cargo bench --workspace --bench mutations [-- SECONDS]`: the seconds of each measurement (default: 3). The
//! server has its own process, and the clients run in this one with a single thread. With PostgreSQL they share
//! the machine, so only the ratios are meaningful. logIn is compared with plain argon2id, with as many
//! simultaneous verifications as the server allows.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at an unexpected error")]

#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

#[path = "mutations/cases.rs"]
mod cases;
#[path = "mutations/processor.rs"]
mod processor;

use std::io::{BufRead, BufReader as LineReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cases::{CASES, Case, Numbers, ROWS};
use kinoteka::account::Passwords;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use support::database::connect_to;
use support::postgres::{self, Server};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The number of interleaved rounds. Medians are printed.
const ROUNDS: usize = 5;
const CLIENTS: [u32; 3] = [1, 8, 32];
const PASSWORD: &str = "tram number 47";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3_u64);
    let postgres = Server::start(true);
    let admin = connect_to(&postgres.url("postgres")).await.unwrap();
    admin.execute_unprepared("CREATE DATABASE mutations").await.unwrap();
    let url = postgres.url("mutations");
    let db = connect_to(&url).await.unwrap();
    migration::up(&db, None).await.unwrap();
    fill(&db).await;
    let kinoteka = Kinoteka::start(&url);
    let bench = Bench { kinoteka, postgres, url, db, seconds };
    bench.warm_up().await;
    bench.compare_with_bare().await;
    bench.compare_with_trigger().await;
    bench.compare_with_argon2().await;
}

/// The running programs.
struct Bench {
    kinoteka: Kinoteka,
    postgres: Server,
    url: String,
    db: DatabaseConnection,
    seconds: u64,
}

impl Bench {
    /// All tables get rows and statistics first. Plans for empty tables would scan them when they are full.
    async fn warm_up(&self) {
        for case in &CASES {
            self.kinoteka.run(Some(case), CLIENTS[1], Duration::from_secs(1)).await;
            pgbench(&self.url, case.bare, CLIENTS[1], 1);
        }
        self.db.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    }

    async fn compare_with_bare(&self) {
        println!("| per second | clients | API | bare | API / bare | server, ms each | PostgreSQL, ms each | bare |");
        println!("|---|---|---|---|---|---|---|---|");
        for clients in CLIENTS {
            for case in &CASES {
                let mut rows: [Vec<f64>; 5] = Default::default();
                for _ in 0..ROUNDS {
                    let before = self.processor_times();
                    let api = self.run(case, clients).await;
                    let between = self.processor_times();
                    let bare = pgbench(&self.url, case.bare, clients, self.seconds);
                    let after = self.processor_times();
                    let each = |time: Duration, rate: f64| time.as_secs_f64() * 1e3 / (rate * self.seconds as f64);
                    let [server, database] = [between[0] - before[0], between[1] - before[1]];
                    let row = [api, bare, each(server, api), each(database, api), each(after[1] - between[1], bare)];
                    rows.iter_mut().zip(row).for_each(|(rows, value)| rows.push(value));
                }
                let [api, bare, server, database, bare_database] = rows.map(median);
                let (name, ratio) = (case.name, api / bare);
                println!(
                    "| {name} | {clients} | {api:.0} | {bare:.0} | {ratio:.2} | {server:.2} | {database:.2} | {bare_database:.2} |"
                );
            }
        }
    }

    /// The processor time of the server and of PostgreSQL.
    fn processor_times(&self) -> [Duration; 2] {
        [self.kinoteka.process.id(), self.postgres.process()].map(processor::time_of)
    }

    async fn run(&self, case: &Case, clients: u32) -> f64 {
        self.kinoteka.run(Some(case), clients, Duration::from_secs(self.seconds)).await
    }

    /// The cost of the feed for users who comment.
    async fn compare_with_trigger(&self) {
        println!(
            "\n| addComment per second | clients | with the feed's trigger | without | with / without |\n|---|---|---|---|---|"
        );
        let case = &CASES[0];
        for clients in CLIENTS {
            let mut rates: [Vec<f64>; 4] = Default::default();
            for _ in 0..ROUNDS {
                for (place, state) in ["ENABLE", "DISABLE"].into_iter().enumerate() {
                    let trigger = format!("ALTER TABLE comments {state} TRIGGER comments_tell_added");
                    self.db.execute_unprepared(&trigger).await.unwrap();
                    rates[place].push(self.run(case, clients).await);
                    rates[place + 2].push(pgbench(&self.url, case.bare, clients, self.seconds));
                }
            }
            self.db.execute_unprepared("ALTER TABLE comments ENABLE TRIGGER comments_tell_added").await.unwrap();
            let [with, without, bare_with, bare_without] = rates.map(median);
            println!("| API | {clients} | {with:.0} | {without:.0} | {:.2} |", with / without);
            println!("| bare | {clients} | {bare_with:.0} | {bare_without:.0} | {:.2} |", bare_with / bare_without);
        }
    }

    async fn compare_with_argon2(&self) {
        println!("\n| per second | clients | API | plain argon2id | API / argon2id |\n|---|---|---|---|---|");
        let length = Duration::from_secs(self.seconds);
        for clients in CLIENTS {
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                rates[0].push(self.kinoteka.run(None, clients, length).await);
                rates[1].push(argon2(length).await);
            }
            let [api, alone] = rates.map(median);
            println!("| logIn | {clients} | {api:.0} | {alone:.0} | {:.2} |", api / alone);
        }
    }
}

async fn fill(db: &DatabaseConnection) {
    let turn = Passwords::new(19_456, 2, 1, 0, 0).unwrap().turn(HERE).await.unwrap();
    let hash = turn.hash(PASSWORD).await.unwrap();
    for statement in [
        format!("INSERT INTO movies (title, duration) SELECT 'Фильм ' || i, 90 FROM generate_series(1, {ROWS}) AS i"),
        format!(
            "INSERT INTO users (username, email, password, fio, birthday)
             SELECT 'user' || i, 'user' || i || '@mail.example', '{hash}', 'Анна Орлова', '1990-05-01'
             FROM generate_series(1, {ROWS}) AS i"
        ),
        format!(
            "INSERT INTO sessions (user_id, token_hash, expires_at)
             SELECT i, sha256(('token' || i)::bytea), now() + interval '1 day' FROM generate_series(1, {ROWS}) AS i"
        ),
        format!(
            "INSERT INTO comments (user_id, movie_id, comment) SELECT i, i, 'Раз' FROM generate_series(1, {ROWS}) AS i"
        ),
        "INSERT INTO cinema_online (title, url) VALUES ('Один', 'https://one.example'), ('Два', 'https://two.example')"
            .to_owned(),
        format!(
            "INSERT INTO cinema_online_movie_presence (movie_id, cinema_id, price, rating, discount)
             SELECT i, 1, 100.50, 3, 15 FROM generate_series(1, {ROWS}) AS i"
        ),
        "INSERT INTO publications_category (title) VALUES ('Рецензия')".to_owned(),
        "INSERT INTO tags VALUES ('Драма')".to_owned(),
        "VACUUM ANALYZE".to_owned(),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
}

/// A server in its own process. Killed when dropped.
struct Kinoteka {
    process: Child,
    address: String,
    /// The number of requests so far.
    number: Arc<AtomicU64>,
}

impl Kinoteka {
    /// The server has as many database connections as there are clients. With fewer connections, fewer commits
    /// would share a flush of the log than in `pgbench`.
    fn start(url: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_kinoteka"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--database-connections", "32"])
            .args(["--mutations-per-user", "1000000000", "--passwords-waiting-per-client", "64"])
            .args(["--idempotency-keys-per-user", "1000000000"])
            .args(["--log-filter", "warn,kinoteka=info,kinoteka::telemetry=warn", "--database-url", url])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = LineReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let at = line.find("http://127.0.0.1:")? + "http://".len();
            line[at..].split('/').next().map(str::to_owned)
        });
        // Keep reading the log, so that the pipe does not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: address.unwrap(), number: Arc::default() }
    }

    /// Mutations per second with the given number of clients, each sending one after another. Without a case: log-ins.
    async fn run(&self, case: Option<&Case>, clients: u32, length: Duration) -> f64 {
        let done = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let mut connection = Connection::open(&self.address).await;
            let (done, numbers, case) = (Arc::clone(&done), Arc::clone(&self.number), case.copied());
            tasks.spawn(async move {
                while started.elapsed() < length {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let answer = connection.send(case.as_ref(), number).await;
                    if answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED" {
                        // Too many simultaneous hashes: this is neither a log-in nor a failure.
                        continue;
                    }
                    let errors = &answer["data"]["it"]["errors"];
                    assert!(answer.get("errors").is_none() && *errors == json!([]), "{answer:#}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tasks.join_all().await;
        done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
    }
}

impl Drop for Kinoteka {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A minimal HTTP connection.
struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    async fn send(&mut self, case: Option<&Case>, number: u64) -> Value {
        let numbers = Numbers::of(number);
        let user = numbers.user;
        let (mutation, ty, input, shown) = match case {
            Some(case) => (case.mutation, case.input, (case.of)(&numbers), case.shown),
            None => ("logIn", "LogInInput", json!({ "login": format!("user{user}"), "password": PASSWORD }), "token"),
        };
        let query =
            format!("mutation($input: {ty}!) {{ it: {mutation}(input: $input) {{ {shown} errors {{ message }} }} }}");
        let body = json!({ "query": query, "variables": { "input": input } }).to_string();
        let mut headers = String::new();
        if case.is_some() {
            headers += &format!("Authorization: Bearer token{user}\r\n");
        }
        if case.is_some_and(|case| case.keyed) {
            headers += &format!("Idempotency-Key: {number}\r\n");
        }
        let request = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).await.unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// Transactions per second of a script.
fn pgbench(url: &str, script: &str, clients: u32, seconds: u64) -> f64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let output = Command::new(postgres::find_programs().join("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
        .args([format!("--client={clients}"), format!("--time={seconds}")])
        .arg("--file")
        .arg(file.path())
        .arg(url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    // pgbench prints no rate if not a single transaction finished.
    let none = text.contains("actually processed: 0").then_some(0.0);
    rate.or(none).unwrap_or_else(|| panic!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Passwords verified per second, with as many simultaneous verifications as the server allows.
async fn argon2(length: Duration) -> f64 {
    let at_once = (std::thread::available_parallelism().unwrap().get() as u64 / 2).max(1);
    let passwords = Passwords::new(19_456, 2, at_once, 0, 0).unwrap();
    let hash = passwords.turn(HERE).await.unwrap().hash(PASSWORD).await.unwrap();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (turn, hash) = (passwords.turn(HERE).await.unwrap(), hash.clone());
        tasks.spawn(async move {
            let mut done = 0_u32;
            while started.elapsed() < length {
                assert!(turn.verify(PASSWORD, Some(hash.clone())).await.unwrap());
                done += 1;
            }
            done
        });
    }
    let done: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(done) / started.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

//! What mutations cost: those of users a second at 1, 8 and 32 clients, beside `pgbench` doing the bare statements in the
//! same rounds, on a PostgreSQL that commits as durably as in production; what processor time each takes of the server and
//! of PostgreSQL; addComment with the feed's trigger beside without.
//!
//! `cargo bench --workspace --bench mutations [-- SECONDS]`: seconds of each measurement, 3 if left out. The
//! server is a process of its own, the clients are this one with a single thread; with PostgreSQL they
//! share the machine, so that only the ratios mean something. The reference of logIn is argon2id alone, as
//! many at once as the server lets run.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at what it did not expect")]

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

/// Rounds of what is compared, interleaved; medians are printed.
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

/// What is running.
struct Bench {
    kinoteka: Kinoteka,
    postgres: Server,
    url: String,
    db: DatabaseConnection,
    seconds: u64,
}

impl Bench {
    /// Plans that are made for empty tables scan them when they are full: all tables get rows and statistics first.
    async fn warm_up(&self) {
        for case in &CASES {
            self.kinoteka.run(Some(case), CLIENTS[1], Duration::from_secs(1)).await;
            pgbench(&self.url, case.bare, CLIENTS[1], 1);
        }
        self.db.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    }

    async fn compare_with_bare(&self) {
        println!("| a second | clients | API | bare | of that | server, ms each | PostgreSQL, ms each | bare |");
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
                let (name, of_that) = (case.name, api / bare);
                println!(
                    "| {name} | {clients} | {api:.0} | {bare:.0} | {of_that:.2} | {server:.2} | {database:.2} | {bare_database:.2} |"
                );
            }
        }
    }

    /// The server's processor time, and PostgreSQL's.
    fn processor_times(&self) -> [Duration; 2] {
        [self.kinoteka.process.id(), self.postgres.process()].map(processor::time_of)
    }

    async fn run(&self, case: &Case, clients: u32) -> f64 {
        self.kinoteka.run(Some(case), clients, Duration::from_secs(self.seconds)).await
    }

    /// What the feed costs whoever comments.
    async fn compare_with_trigger(&self) {
        println!(
            "\n| addComment a second | clients | with the feed's trigger | without | of that |\n|---|---|---|---|---|"
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
        println!("\n| a second | clients | API | argon2id alone | of that |\n|---|---|---|---|---|");
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

/// A server in a process of its own; killed when dropped.
struct Kinoteka {
    process: Child,
    address: String,
    /// Requests so far.
    number: Arc<AtomicU64>,
}

impl Kinoteka {
    /// As many connections to the database as there are clients: with fewer, fewer commits share a
    /// flush of the log than `pgbench` has.
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
        // Whatever it logs later goes on being read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: address.unwrap(), number: Arc::default() }
    }

    /// Mutations a second that so many clients get done, each one after the other; log-ins if there is no case.
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
                        // Hashing takes too long for so many at once: no log-in, and no mistake.
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
        // An error says that it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An HTTP connection, as plain as it gets.
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

/// Transactions a second of a script.
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
    // It gives no rate where the time was too short for a single one.
    let none = text.contains("actually processed: 0").then_some(0.0);
    rate.or(none).unwrap_or_else(|| panic!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Passwords verified a second, as many at once as the server lets run.
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

//! What mutations cost: addComment, rate and logIn a second at 1, 8 and 32 clients, beside `pgbench`
//! doing the bare inserts in the same rounds, on a PostgreSQL that commits as durably as in production.
//!
//! `cargo bench --workspace --bench mutations [-- SECONDS]`: seconds of each measurement, 3 if left out. The
//! server is a process of its own, the clients are this one with a single thread; with PostgreSQL they
//! share the machine, so that only the ratios mean something. The reference of logIn is argon2id alone, as
//! many at once as the server lets run.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at what it did not expect")]

#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader as LineReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
const USERS: u32 = 1_000;
const MOVIES: u32 = 1_000;
const PASSWORD: &str = "tram number 47";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the server's own statements come down to.
const BARE: [(&str, &str); 2] = [
    (
        "addComment",
        "\\set movie random(1, 1000)\n\\set user random(1, 1000)\n\
         INSERT INTO comments (user_id, comment, movie_id) VALUES (:user, repeat('x', 80), :movie);\n",
    ),
    (
        "rate",
        "\\set movie random(1, 1000)\n\\set user random(1, 1000)\n\\set rating random(1, 5)\n\
         INSERT INTO users_rating (user_id, movie_id, rating) VALUES (:user, :movie, :rating)\n\
         ON CONFLICT (movie_id, publication_id, user_id) DO UPDATE SET rating = excluded.rating;\n",
    ),
];

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
    let length = Duration::from_secs(seconds);

    println!("| a second | clients | API | bare inserts | of these |\n|---|---|---|---|---|");
    for clients in CLIENTS {
        for (mutation, script) in BARE {
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                rates[0].push(kinoteka.run(mutation, clients, length).await);
                rates[1].push(pgbench(&url, script, clients, seconds));
            }
            let [api, bare] = rates.map(median);
            println!("| {mutation} | {clients} | {api:.0} | {bare:.0} | {:.2} |", api / bare);
        }
    }
    println!("\n| a second | clients | API | argon2id alone | of that |\n|---|---|---|---|---|");
    for clients in CLIENTS {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            rates[0].push(kinoteka.run("logIn", clients, length).await);
            rates[1].push(argon2(length).await);
        }
        let [api, alone] = rates.map(median);
        println!("| logIn | {clients} | {api:.0} | {alone:.0} | {:.2} |", api / alone);
    }
}

async fn fill(db: &DatabaseConnection) {
    let turn = Passwords::new(19_456, 2, 1, 0, 0).unwrap().turn(HERE).await.unwrap();
    let hash = turn.hash(PASSWORD).await.unwrap();
    for statement in [
        format!("INSERT INTO movies (title, duration) SELECT 'Фильм ' || i, 90 FROM generate_series(1, {MOVIES}) AS i"),
        format!(
            "INSERT INTO users (username, email, password, fio, birthday)
             SELECT 'user' || i, 'user' || i || '@mail.example', '{hash}', 'Анна Орлова', '1990-05-01'
             FROM generate_series(1, {USERS}) AS i"
        ),
        format!(
            "INSERT INTO sessions (user_id, token_hash, expires_at)
             SELECT i, sha256(('token' || i)::bytea), now() + interval '1 day' FROM generate_series(1, {USERS}) AS i"
        ),
        "VACUUM ANALYZE".to_owned(),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
}

/// A server in a process of its own; killed when dropped.
struct Kinoteka {
    process: Child,
    address: String,
}

impl Kinoteka {
    /// As many connections to the database as there are clients: with fewer, fewer commits share a
    /// flush of the log than `pgbench` has.
    fn start(url: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_kinoteka"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--database-connections", "32"])
            .args(["--mutations-per-user", "1000000000", "--passwords-waiting-per-client", "64"])
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
        Self { process, address: address.unwrap() }
    }

    /// Mutations a second that so many clients get done, each one after the other.
    async fn run(&self, mutation: &'static str, clients: u32, length: Duration) -> f64 {
        let done = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let mut connection = Connection::open(&self.address).await;
            let done = Arc::clone(&done);
            tasks.spawn(async move {
                let mut number = u64::from(client) * 7_919;
                while started.elapsed() < length {
                    number += 1;
                    let answer = connection.send(mutation, number).await;
                    if answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED" {
                        // Hashing takes too long for so many at once: no log-in, and no mistake.
                        continue;
                    }
                    let errors = &answer["data"][mutation]["errors"];
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

    async fn send(&mut self, mutation: &str, number: u64) -> Value {
        let (user, movie) = (number * 31 % u64::from(USERS) + 1, number * 17 % u64::from(MOVIES) + 1);
        let movie = kinoteka::kit::id::encode("Movie", i32::try_from(movie).unwrap());
        let (ty, input, shown) = match mutation {
            "addComment" => {
                ("AddCommentInput", json!({ "subjectId": movie, "text": "x".repeat(80) }), "comment { id }")
            }
            "rate" => ("RateInput", json!({ "subjectId": movie, "rating": number % 5 + 1 }), "rating { id }"),
            _ => ("LogInInput", json!({ "login": format!("user{user}"), "password": PASSWORD }), "token"),
        };
        let query =
            format!("mutation($input: {ty}!) {{ {mutation}(input: $input) {{ {shown} errors {{ message }} }} }}");
        let body = json!({ "query": query, "variables": { "input": input } }).to_string();
        let authorization =
            if mutation == "logIn" { String::new() } else { format!("Authorization: Bearer token{user}\r\n") };
        let request = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
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

//! The promise of the feed under load. Writers use the API, and plain SQL with transactions that commit out of
//! order or roll back. Listeners drop their WebSockets and resume on either of two instances. Meanwhile
//! instances are stopped, frozen and killed, the database is stopped immediately, a foreign transaction is
//! nearly always open, and the order changes from rows to ticks. At the end, everything that the API has
//! acknowledged exists, and every listener has every committed comment of its subject, once, in one order.
//!
//! `KINOTEKA_PROOF_SECONDS=600 cargo test --test feed promise -- --nocapture` sets the duration.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinoteka::kit::Id;
use kinoteka::kit::id::split;
use kinoteka::movie::Movie;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use crate::listening::ADDED;
use crate::node::{Node, Socket};
use crate::order::ticked_comments;
use crate::support::client;
use crate::support::database::{connect_to, connect_within};
use crate::support::postgres::Server;

const WRITERS: u64 = 8;
const API_WRITERS: u64 = 4;
const LISTENERS: u64 = 16;
/// Listener 0 subscribes to everything, the others to one movie each.
const MOVIES: u64 = 3;

/// The token of the API's writers.
const TOKEN: &str = "proof-token";

/// The shared state.
struct Stage {
    url: String,
    addresses: [SocketAddr; 2],
    writing: AtomicBool,
    rolled_back: AtomicU64,
    resumed: AtomicU64,
    client: reqwest::Client,
    /// The comments that the API has acknowledged.
    by_api: Mutex<Vec<i32>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_committed_comment_arrives_once_in_one_order() {
    let seconds = std::env::var("KINOTEKA_PROOF_SECONDS").map_or(20, |text| text.parse().expect("a number"));
    let seed: u64 = std::env::var("KINOTEKA_PROOF_SEED").map_or_else(|_| rand::random(), |text| text.parse().unwrap());
    println!("KINOTEKA_PROOF_SEED={seed}");
    let server = Server::start(true);
    let db = connect_to(&server.url("postgres")).await.unwrap();
    db.execute_unprepared("CREATE DATABASE proof").await.unwrap();
    let url = server.url("proof");
    let db = connect_to(&url).await.unwrap();
    migration::up(&db, None).await.unwrap();
    db.execute_unprepared(
        "INSERT INTO movies (title, duration) SELECT 'Фильм ' || i, 90 FROM generate_series(1, 3) AS i",
    )
    .await
    .unwrap();
    db.execute_unprepared(
        "INSERT INTO users (username, email, password, fio, birthday)
         VALUES ('anna', 'anna@mail.example', '!', 'Анна Орлова', '1990-05-01')",
    )
    .await
    .unwrap();
    let session = format!(
        "INSERT INTO sessions (user_id, token_hash, expires_at)
         VALUES (1, sha256('{TOKEN}'::bytea), now() + interval '1 day')"
    );
    db.execute_unprepared(&session).await.unwrap();
    // A database of the previous release.
    db.execute_unprepared("UPDATE comment_feed SET ordering = 'XACT'").await.unwrap();
    let mut nodes = [Node::start(&url), Node::start(&url)];
    let stage = Arc::new(Stage {
        url: url.clone(),
        addresses: [nodes[0].address(), nodes[1].address()],
        client: client::builder().timeout(Duration::from_secs(5)).build().unwrap(),
        by_api: Mutex::default(),
        writing: AtomicBool::new(true),
        rolled_back: AtomicU64::default(),
        resumed: AtomicU64::default(),
    });
    let start = stage.ask(0, None, json!({ "query": "{ commentCursor }" })).await.unwrap();
    let start = start["data"]["commentCursor"].as_str().unwrap().to_owned();

    let listeners = (0..LISTENERS)
        .map(|number| listen(Arc::clone(&stage), number, start.clone(), StdRng::seed_from_u64(seed ^ number)))
        .collect();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(write(Arc::clone(&stage), StdRng::seed_from_u64(seed ^ (1_000 + number))));
    }
    for number in 0..API_WRITERS {
        let dice = StdRng::seed_from_u64(seed ^ (2_000 + number));
        writers.spawn(write_by_api(Arc::clone(&stage), dice));
    }
    let stays_open = Duration::from_secs(if seconds > 60 { 60 } else { 2 });
    writers.spawn(stay_open(Arc::clone(&stage), stays_open));
    let time = Duration::from_secs(seconds);
    writers.spawn(go_over(Arc::clone(&stage), time / 3));
    // Stopping and starting processes blocks while it waits for them.
    let troubled = tokio::task::spawn_blocking(move || {
        trouble(&mut nodes, &server, time);
        (nodes, server)
    });
    let _running = troubled.await.unwrap();
    stage.writing.store(false, Ordering::Relaxed);
    writers.join_all().await;

    let db = connect_to(&url).await.unwrap();
    let truth = committed(&db).await;
    let all: Vec<_> = truth.iter().map(|(comment, _)| *comment).collect();
    assert!(all.len() > 100, "the writers wrote {}", all.len());
    let distinct: HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "each comment must have one event");
    let by_api = std::mem::take(&mut *stage.by_api.lock().unwrap());
    let lost: Vec<_> = by_api.iter().filter(|comment| !distinct.contains(comment)).collect();
    assert!(lost.is_empty(), "acknowledged by the API, but missing: {lost:?}");
    let (rolled_back, resumed) = (stage.rolled_back.load(Ordering::Relaxed), stage.resumed.load(Ordering::Relaxed));
    assert!(!by_api.is_empty() && rolled_back > 0 && resumed > LISTENERS, "the load was too small");
    let expected = |number: u64| -> Vec<i32> {
        let subject = subject(number);
        truth.iter().filter(|(_, movie)| subject.is_none_or(|subject| subject == *movie)).map(|(id, _)| *id).collect()
    };
    // All listeners have until the deadline to receive the rest.
    let heard = collect(listeners, |number| expected(number).len()).await;
    assert_eq!(heard.len() as u64, LISTENERS);
    for (number, heard) in &heard {
        check(*number, heard, &expected(*number));
    }
    println!(
        "{} comments committed, {} of them by the API, {} transactions rolled back, {LISTENERS} listeners, {} times resumed, \
         {} events heard: none missing, none twice, one order",
        all.len(),
        by_api.len(),
        rolled_back,
        resumed,
        heard.values().map(Vec::len).sum::<usize>(),
    );
}

fn subject(listener: u64) -> Option<i32> {
    (listener > 0).then(|| i32::try_from(1 + listener % MOVIES).unwrap())
}

/// The committed comments, with their movies, in the order of the feed: exactly those in `comments`.
async fn committed(db: &DatabaseConnection) -> Vec<(i32, i32)> {
    // The last comments may still wait for a tick.
    db.execute_unprepared("SELECT comment_feed_tick()").await.unwrap();
    let events = ticked_comments(db).await;
    let sql = "SELECT id, movie_id FROM comments ORDER BY id";
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    let mut comments: Vec<(i32, i32)> = rows.iter().map(|row| row.try_get_many_by_index().unwrap()).collect();
    let mut sorted = events.clone();
    sorted.sort_unstable();
    comments.sort_unstable();
    assert_eq!(sorted, comments, "every comment must be delivered, and nothing else");
    events
}

/// The faults in a listener's events.
pub fn check(number: u64, heard: &[i32], expected: &[i32]) {
    if heard == expected {
        return;
    }
    let (got, wanted): (HashSet<_>, HashSet<_>) = (heard.iter().collect(), expected.iter().collect());
    let missing = wanted.difference(&got).count();
    let surplus = got.difference(&wanted).count();
    let twice = heard.len() - got.len();
    let place = heard.iter().zip(expected).position(|(a, b)| a != b);
    panic!(
        "listener {number}: {missing} missing, {surplus} that were never committed, {twice} twice, of {}; \
         the first difference is at {place:?}",
        expected.len()
    );
}

/// Stops and starts instances and the database.
fn trouble(nodes: &mut [Node; 2], server: &Server, time: Duration) {
    let begun = Instant::now();
    let mut round = 0;
    while begun.elapsed() < time {
        std::thread::sleep(time.min(Duration::from_secs(16)) / 8);
        match round % 4 {
            0 => nodes[0].restart("TERM"),
            1 => {
                server.stop_at_once();
                std::thread::sleep(Duration::from_millis(500));
                server.start_again();
            }
            2 => nodes[1].restart("KILL"),
            _ => {
                nodes[0].signal("STOP");
                std::thread::sleep(Duration::from_secs(1));
                nodes[0].signal("CONT");
            }
        }
        round += 1;
    }
}

impl Stage {
    /// Sends a query to an instance. `None` if it is down.
    async fn ask(&self, which: usize, token: Option<&str>, body: Value) -> Option<Value> {
        let mut request = self.client.post(format!("http://{}/graphql", self.addresses[which])).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.ok()?.json().await.ok()
    }
}

/// Repeatedly keeps a foreign transaction with a write open.
async fn stay_open(stage: Arc<Stage>, time: Duration) {
    while stage.writing.load(Ordering::Relaxed) {
        let outcome: Result<(), DbErr> = async {
            let db = connect_within(&stage.url, Duration::from_secs(2)).await?;
            db.execute_unprepared("BEGIN; UPDATE users SET fio = fio WHERE id < 0; SELECT pg_current_xact_id()")
                .await?;
            let end = Instant::now() + time;
            while Instant::now() < end && stage.writing.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(50)).await;
            }
            db.execute_unprepared("COMMIT").await.map(|_| ())
        }
        .await;
        if outcome.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Switches to ticks while everything runs.
async fn go_over(stage: Arc<Stage>, after: Duration) {
    sleep(after).await;
    loop {
        let outcome: Result<bool, DbErr> =
            async { migration::finish(&connect_within(&stage.url, Duration::from_secs(2)).await?).await }.await;
        if outcome.is_ok() {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Adds comments through either instance, one after another.
async fn write_by_api(stage: Arc<Stage>, mut dice: StdRng) {
    let query =
        "mutation ($input: AddCommentInput!) { addComment(input: $input) { comment { id } errors { message } } }";
    while stage.writing.load(Ordering::Relaxed) {
        let movie = Id::<Movie>::new(dice.random_range(1..=i32::try_from(MOVIES).unwrap())).encode();
        let body = json!({ "query": query, "variables": { "input": { "subjectId": movie, "text": "y" } } });
        // An instance or the database may be down. The table shows at the end what was committed.
        let answer = stage.ask(dice.random_range(0..2), Some(TOKEN), body).await.unwrap_or_default();
        match answer["data"]["addComment"]["comment"]["id"].as_str().and_then(split) {
            Some((_, comment)) => stage.by_api.lock().unwrap().push(comment),
            None => sleep(Duration::from_millis(100)).await,
        }
        sleep(Duration::from_millis(dice.random_range(0..40))).await;
    }
}

/// Writes transactions of one to three comments with pauses between their statements.
async fn write(stage: Arc<Stage>, mut dice: StdRng) {
    let mut db = None;
    while stage.writing.load(Ordering::Relaxed) {
        let outcome = async {
            if db.is_none() {
                db = Some(connect_within(&stage.url, Duration::from_secs(2)).await?);
            }
            let db = db.as_ref().expect("it was just set");
            transact(db, &stage, &mut dice).await
        };
        if outcome.await.is_err() {
            // The database is down. The table shows at the end whether the transaction was committed.
            db = None;
            sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn transact(db: &DatabaseConnection, stage: &Stage, dice: &mut StdRng) -> Result<(), DbErr> {
    db.execute_unprepared("BEGIN").await?;
    for _ in 0..dice.random_range(1..=3) {
        let movie = dice.random_range(1..=MOVIES);
        db.execute_unprepared(&format!("INSERT INTO comments (comment, movie_id) VALUES ('x', {movie})")).await?;
        let pause_ms = if dice.random_bool(0.01) { 700 } else { dice.random_range(0..40) };
        sleep(Duration::from_millis(pause_ms)).await;
    }
    let end = if dice.random_bool(0.1) { "ROLLBACK" } else { "COMMIT" };
    db.execute_unprepared(end).await?;
    stage.rolled_back.fetch_add(u64::from(end == "ROLLBACK"), Ordering::Relaxed);
    Ok(())
}

/// A listener that forwards its events. It ends when the receiver is dropped.
struct Listener {
    number: u64,
    heard: watch::Receiver<Vec<i32>>,
    task: JoinHandle<()>,
}

/// Subscribes after its last cursor on either instance, and disconnects at random.
fn listen(stage: Arc<Stage>, number: u64, mut cursor: String, mut dice: StdRng) -> Listener {
    let (heard, watch) = watch::channel(Vec::new());
    let subject = subject(number).map(|key| Id::<Movie>::new(key).encode());
    let task = tokio::spawn(async move {
        while !heard.is_closed() {
            let address = stage.addresses[dice.random_range(0..2)];
            let variables = json!({ "subject": subject, "after": cursor });
            let Some(mut socket) = Socket::subscribe(address, ADDED, variables).await else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            stage.resumed.fetch_add(1, Ordering::Relaxed);
            let end = Instant::now() + Duration::from_millis(dice.random_range(50..1_500));
            while let Ok(Some(result)) = timeout_at(end, socket.next()).await {
                let event = &result["data"]["commentAdded"];
                cursor = event["cursor"].as_str().unwrap_or_else(|| panic!("{result:#}")).to_owned();
                assert!(event["comment"]["text"].is_string(), "{result:#}");
                let (_, comment) = split(event["commentId"].as_str().unwrap()).unwrap();
                heard.send_modify(|heard| heard.push(comment));
            }
        }
    });
    Listener { number, heard: watch, task }
}

/// Waits until each listener has received enough, or too much.
async fn collect(mut listeners: Vec<Listener>, enough: impl Fn(u64) -> usize) -> HashMap<u64, Vec<i32>> {
    let deadline = Instant::now() + Duration::from_secs(120);
    for Listener { number, heard, .. } in &mut listeners {
        let wanted = enough(*number);
        // The comparison shows missing events.
        drop(timeout_at(deadline, heard.wait_for(|heard| heard.len() >= wanted)).await);
    }
    // Further events would be too many.
    sleep(Duration::from_secs(2)).await;
    let mut all = HashMap::new();
    for Listener { number, heard, task } in listeners {
        all.insert(number, heard.borrow().clone());
        drop(heard);
        task.await.unwrap_or_else(|panic| panic!("listener {number}: {panic}"));
    }
    all
}

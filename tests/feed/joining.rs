//! A list and the feed's cursor in one request: after the cursor, the feed delivers exactly the comments that the list does
//! not show.
//!
//! `KINOTEKA_LONG=1` runs 1,000 joins instead of 200.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinoteka::kit::Id;
use kinoteka::kit::id::split;
use kinoteka::movie::Movie;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::instance::{Instance, database, say};
use crate::listening::{ADDED, movie};
use crate::support::database::{Backend, TestDatabase};

on_both![lists_and_the_feed_join_exactly, uncommitted_comments_come_after_the_cursor];

const MOVIES: i32 = 40;

const JOIN: &str = "query ($movie: ID!) { commentCursor movie(id: $movie) { comments(first: 100) { nodes { id } } } }";

/// The comments of the list, and those after the cursor.
struct Join {
    movie: i32,
    list: Vec<i32>,
    told: Vec<i32>,
}

async fn lists_and_the_feed_join_exactly(backend: Backend) {
    let joins = if std::env::var("KINOTEKA_LONG").is_ok() { 1_000 } else { 200 };
    let (database, db) = database(backend).await;
    let movies = format!(
        "INSERT INTO movies (title, duration)
         WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < {MOVIES}) SELECT 'Фильм ' || i, 90 FROM n"
    );
    db.execute_unprepared(&movies).await.unwrap();
    let instance = Arc::new(Instance::start(&database.url).await);
    let writing = Arc::new(AtomicBool::new(true));
    let mut writers = JoinSet::new();
    for number in 0..4 {
        let (dice, writing) = (StdRng::seed_from_u64(number), Arc::clone(&writing));
        match backend {
            Backend::Postgres => writers.spawn(write(database.connect().await, writing, dice)),
            // One writer at a time, so that no transaction stays open.
            Backend::Sqlite => writers.spawn(write_alone(database.connect().await, writing, dice)),
        };
    }
    writers.spawn(write_by_api(Arc::clone(&instance), Arc::clone(&writing), StdRng::seed_from_u64(9)));
    let mut joining = JoinSet::new();
    for number in 0..8 {
        let (instance, writing) = (Arc::clone(&instance), Arc::clone(&writing));
        let dice = StdRng::seed_from_u64(100 + number);
        joining.spawn(join(instance, writing, joins / 8, dice));
    }
    let mut waiting = Vec::new();
    while let Some(joined) = joining.join_next().await {
        waiting.extend(joined.unwrap());
    }
    writing.store(false, Ordering::Relaxed);
    writers.join_all().await;
    let truth = committed(&db).await;
    let mut behind = 0;
    for (mut join, mut listener) in waiting {
        let all: HashSet<i32> = truth.get(&join.movie).cloned().unwrap_or_default();
        let missing = all.len() - join.list.len() - join.told.len();
        for _ in 0..missing {
            join.told.push(key(&listener.event().await["commentId"]));
        }
        let (list, told): (HashSet<_>, HashSet<_>) = (join.list.iter().collect(), join.told.iter().collect());
        assert_eq!(list.intersection(&told).count(), 0, "delivered again");
        assert_eq!(list.len() + told.len(), all.len());
        assert!(list.union(&told).all(|comment| all.contains(comment)));
        behind += told.len();
    }
    println!("{} comments, {joins} joins, {behind} told behind them", truth.values().map(HashSet::len).sum::<usize>());
}

fn key(id: &Value) -> i32 {
    split(id.as_str().unwrap()).unwrap().1
}

/// Joins while others write. Half of the listeners disconnect after the first event, which may be between the list and
/// the next tick.
async fn join(
    instance: Arc<Instance>,
    writing: Arc<AtomicBool>,
    joins: usize,
    mut dice: StdRng,
) -> Vec<(Join, crate::instance::Listener)> {
    let mut waiting = Vec::new();
    for number in 0..joins {
        let movie_key = dice.random_range(1..=MOVIES);
        let id = movie(movie_key);
        let data = instance.ask_as(JOIN, json!({ "movie": id }), None).await;
        let list: Vec<_> =
            data["movie"]["comments"]["nodes"].as_array().unwrap().iter().map(|c| key(&c["id"])).collect();
        assert!(list.len() < 100, "more comments than the list can show");
        let mut after = data["commentCursor"].clone();
        let mut told = Vec::new();
        if number % 2 == 0 {
            let mut first = instance.listen(ADDED, json!({ "subject": id, "after": after }));
            // Transactions that may have to wait for long are not waited for.
            if let Ok(event) = tokio::time::timeout(Duration::from_millis(30), first.event()).await {
                told.push(key(&event["commentId"]));
                after = event["cursor"].clone();
            }
        }
        let listener = instance.listen(ADDED, json!({ "subject": id, "after": after }));
        waiting.push((Join { movie: movie_key, list, told }, listener));
        assert!(writing.load(Ordering::Relaxed));
    }
    waiting
}

/// Writes transactions of two comments that stay open for a while.
async fn write(db: DatabaseConnection, writing: Arc<AtomicBool>, mut dice: StdRng) {
    while writing.load(Ordering::Relaxed) {
        db.execute_unprepared("BEGIN").await.unwrap();
        say(&db, dice.random_range(1..=MOVIES), "x").await;
        sleep(Duration::from_millis(dice.random_range(0..40))).await;
        say(&db, dice.random_range(1..=MOVIES), "y").await;
        db.execute_unprepared(if dice.random_bool(0.1) { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
        sleep(Duration::from_millis(dice.random_range(0..20))).await;
    }
}

async fn write_alone(db: DatabaseConnection, writing: Arc<AtomicBool>, mut dice: StdRng) {
    while writing.load(Ordering::Relaxed) {
        say(&db, dice.random_range(1..=MOVIES), "x").await;
        sleep(Duration::from_millis(dice.random_range(0..40))).await;
    }
}

async fn write_by_api(instance: Arc<Instance>, writing: Arc<AtomicBool>, mut dice: StdRng) {
    let add = "mutation ($input: AddCommentInput!) { addComment(input: $input) { comment { id } errors { message } } }";
    while writing.load(Ordering::Relaxed) {
        let input = json!({ "input": { "subjectId": movie(dice.random_range(1..=MOVIES)), "text": "z" } });
        let added = instance.ask_as(add, input, Some(1)).await;
        assert!(added["addComment"]["comment"]["id"].is_string(), "{added}");
        sleep(Duration::from_millis(dice.random_range(0..20))).await;
    }
}

async fn committed(db: &DatabaseConnection) -> HashMap<i32, HashSet<i32>> {
    let sql = "SELECT movie_id, id FROM comments WHERE movie_id IS NOT NULL";
    let mut truth: HashMap<i32, HashSet<i32>> = HashMap::new();
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap() {
        let (movie, comment): (i32, i32) = row.try_get_many_by_index().unwrap();
        truth.entry(movie).or_default().insert(comment);
    }
    truth
}

async fn uncommitted_comments_come_after_the_cursor(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let ask = || instance.ask_as(JOIN, json!({ "movie": Id::<Movie>::new(1).encode() }), None);
    let shown = |data: &Value| data["movie"]["comments"]["nodes"].as_array().unwrap().len();
    say(&db, 1, "до того").await;
    let slow = TestDatabase::connect(&database).await;
    if backend == Backend::Postgres {
        slow.execute_unprepared("BEGIN").await.unwrap();
        say(&slow, 1, "раньше начат").await;
        say(&db, 1, "виден").await;
    }
    let joined = ask().await;
    assert_eq!(shown(&joined), if backend == Backend::Postgres { 2 } else { 1 });
    let mut listener = instance.listen(ADDED, json!({ "after": joined["commentCursor"] }));
    assert!(listener.is_silent().await, "comments of the list must not be delivered");
    if backend == Backend::Postgres {
        slow.execute_unprepared("COMMIT").await.unwrap();
        assert_eq!(listener.texts(1).await, ["раньше начат"]);
    }
    say(&db, 1, "позже").await;
    assert_eq!(listener.texts(1).await, ["позже"]);
    let again = ask().await;
    assert_eq!(shown(&again), if backend == Backend::Postgres { 4 } else { 2 });
    assert!(instance.listen(ADDED, json!({ "after": again["commentCursor"] })).is_silent().await);
}

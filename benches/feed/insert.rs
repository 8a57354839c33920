//! The cost of the feed's trigger for writers of comments, compared with `pg_notify`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::support::database::connect_to;
use crate::{Instance, ROUNDS, add_comment, median};

const WRITERS: usize = 8;
const TIME: Duration = Duration::from_secs(2);

const OFF: &str = "ALTER TABLE comments DISABLE TRIGGER comments_tell_added";
const ON: &str = "ALTER TABLE comments ENABLE TRIGGER comments_tell_added";
const INSERT: &str = "INSERT INTO comments (comment, movie_id) VALUES (repeat('x', 80), 1)";
const NOTIFYING: &str =
    "WITH added AS (INSERT INTO comments (comment, movie_id) VALUES (repeat('x', 80), 1) RETURNING id)
    SELECT pg_notify('bench', id::text) FROM added";

pub async fn measure(url: &str, db: &DatabaseConnection) {
    let instance = Instance::start(url).await;
    let mut rates = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        for (rates, (trigger, sql)) in rates.iter_mut().zip([(OFF, INSERT), (ON, INSERT), (OFF, NOTIFYING)]) {
            db.execute_unprepared(trigger).await.unwrap();
            rates.push(by_sql(url, sql).await);
        }
        for (rates, trigger) in rates[3..].iter_mut().zip([OFF, ON]) {
            db.execute_unprepared(trigger).await.unwrap();
            rates.push(by_api(instance.address).await);
        }
    }
    instance.stop().await;
    let [bare, told, notified, api, api_told] = rates.map(median);
    println!("\n| comments per second, {WRITERS} writers | | relative to no trigger |");
    println!("|---|---|---|");
    println!("| SQL without the trigger | {bare:.0} | |");
    println!("| SQL with the trigger | {told:.0} | {:.2} |", told / bare);
    println!("| SQL with pg_notify instead | {notified:.0} | {:.2} |", notified / bare);
    println!("| addComment without the trigger | {api:.0} | |");
    println!("| addComment with the trigger | {api_told:.0} | {:.2} |", api_told / api);
}

/// A client that writes one comment after another.
enum Writer {
    Sql(DatabaseConnection, &'static str),
    Api(reqwest::Client, SocketAddr),
}

impl Writer {
    async fn write(&self) {
        match self {
            Self::Sql(db, sql) => drop(db.execute_unprepared(sql).await.unwrap()),
            Self::Api(client, address) => add_comment(client.clone(), *address, "x".repeat(80)).await,
        }
    }
}

async fn by_sql(url: &str, sql: &'static str) -> f64 {
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(Writer::Sql(connect_to(url).await.unwrap(), sql));
    }
    count(writers).await
}

async fn by_api(address: SocketAddr) -> f64 {
    let client = reqwest::Client::new();
    count((0..WRITERS).map(|_| Writer::Api(client.clone(), address)).collect()).await
}

/// Comments per second.
async fn count(writers: Vec<Writer>) -> f64 {
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in writers {
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                writer.write().await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(TIME).await;
    let done = count.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    done as f64 / TIME.as_secs_f64()
}

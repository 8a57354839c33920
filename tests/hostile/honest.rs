//! Honest clients, who ask beside an attack and tell how long they had to wait.

#![allow(dead_code, reason = "each attack uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::client;

/// Between two requests of an honest client.
const PAUSE: Duration = Duration::from_millis(50);

/// No request of theirs takes longer: one that does counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that asks the same again and again until it is stopped.
pub struct Honest {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Felt>,
}

/// What an honest client has felt of an attack.
#[derive(Clone, Debug, Default)]
pub struct Felt {
    pub asked: u32,
    /// The longest it waited for an answer.
    pub longest: Duration,
    /// Answers that were not the expected ones, and connections that broke.
    pub failed: Vec<String>,
}

impl Honest {
    /// One that fetches a page, such as `/livez`, each time by a connection of its own.
    pub fn fetches(url: String) -> Self {
        Self::start(url, None)
    }

    /// One that runs a query, which must have data and no errors.
    pub fn queries(url: String, query: &'static str) -> Self {
        Self::start(url, Some(query))
    }

    fn start(url: String, query: Option<&'static str>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            // Kept connections would not feel whether new ones are accepted.
            let client = client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap();
            let mut felt = Felt::default();
            while !stopped.load(Ordering::Relaxed) {
                let started = Instant::now();
                let outcome = ask(&client, &url, query).await;
                felt.asked += 1;
                felt.longest = felt.longest.max(started.elapsed());
                felt.failed.extend(outcome.err());
                tokio::time::sleep(PAUSE).await;
            }
            felt
        });
        Self { stop, task }
    }

    /// Ends it once its request is answered.
    pub async fn stop(self) -> Felt {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn ask(client: &reqwest::Client, url: &str, query: Option<&str>) -> Result<(), String> {
    let request = match query {
        Some(query) => client.post(url).json(&json!({ "query": query })),
        None => client.get(url),
    };
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    if query.is_none() {
        return if status.is_success() { Ok(()) } else { Err(status.to_string()) };
    }
    let answer: Value = answer.json().await.map_err(|error| format!("{status}: {error:?}"))?;
    if answer["errors"].is_null() && answer["data"].is_object() { Ok(()) } else { Err(answer.to_string()) }
}

//! Honest clients, which send requests during an attack and measure how long they wait.

#![allow(dead_code, reason = "each attack uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::client;

/// The pause between two requests of an honest client.
const PAUSE: Duration = Duration::from_millis(50);

/// The time limit of a request. A longer one counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that repeats a request until it is stopped.
pub struct Honest {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Felt>,
}

/// The effect of an attack on an honest client.
#[derive(Clone, Debug, Default)]
pub struct Felt {
    pub asked: u32,
    /// The longest time until a response.
    pub longest: Duration,
    /// Unexpected responses and broken connections.
    pub failed: Vec<String>,
}

impl Honest {
    /// A client that fetches a page, such as `/livez`, with a new connection each time.
    pub fn fetches(url: String) -> Self {
        Self::start(url, None)
    }

    /// A client that runs a query, which must succeed.
    pub fn queries(url: String, query: &'static str) -> Self {
        Self::start(url, Some(query))
    }

    fn start(url: String, query: Option<&'static str>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            // Kept connections would not show whether new ones are accepted.
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

    /// Stops it after the current request.
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

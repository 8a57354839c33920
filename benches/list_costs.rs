//! Measures a page of `movies` with every filter and order, at 100,000 movies, and prints a table.
//!
//! `cargo bench --workspace --bench list_costs [-- MOVIES]`. Times are medians of seven, for the whole
//! request of the first page (20 movies).

#![expect(clippy::unwrap_used, reason = "a benchmark stops at an unexpected error")]

use std::time::{Duration, Instant};

use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::Cli;
use serde_json::{Value, json};

#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

use support::database::{Backend, TestDatabase};
use support::rows::{self, MOVIE_FILTERS, MOVIE_ORDERS};

const REQUESTS: usize = 7;

#[tokio::main]
async fn main() {
    let movies = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    for backend in [Backend::Postgres, Backend::Sqlite] {
        measure(backend, movies).await;
    }
}

async fn measure(backend: Backend, movies: u32) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let started = Instant::now();
    rows::fill(&db, movies).await;
    println!("\n{backend:?}, {movies} movies (filled in {} s); milliseconds\n", started.elapsed().as_secs());
    let cli = Cli::try_parse_from(["kinoteka", "--database-url", &database.url, "--listen", "127.0.0.1:0"]).unwrap();
    let application = Application::build(&cli.serve, None).await.unwrap();
    let url = format!("http://{}/graphql", application.address().unwrap());
    tokio::spawn(application.run(std::future::pending()));

    println!("| filter | {} |", MOVIE_ORDERS.join(" | "));
    println!("|---|{}", "---|".repeat(MOVIE_ORDERS.len()));
    let client = reqwest::Client::new();
    for (name, filter) in MOVIE_FILTERS {
        let mut cells = Vec::new();
        for order in MOVIE_ORDERS {
            let query = format!("{{ movies(filter: {filter}, orderBy: {order}) {{ nodes {{ title }} }} }}");
            let mut times = Vec::new();
            for _ in 0..REQUESTS {
                times.push(ask(&client, &url, &query).await);
            }
            times.sort_unstable();
            cells.push(format!("{:.1}", times[REQUESTS / 2].as_secs_f64() * 1e3));
        }
        println!("| {name} | {} |", cells.join(" | "));
    }
}

async fn ask(client: &reqwest::Client, url: &str, query: &str) -> Duration {
    let started = Instant::now();
    let response = client.post(url).json(&json!({ "query": query })).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    started.elapsed()
}

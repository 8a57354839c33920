//! Measures searches through the API, with 20,000 full-size publications and 100,000 titles.
//!
//! `cargo bench --workspace --bench search [-- PUBLICATIONS SENTENCES MOVIES]`. Prints percentiles of the
//! whole request for the first page of hits with snippets. The reference is the same request with a query
//! without words, which runs no search. Filling PostgreSQL takes minutes.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at an unexpected error")]

use std::time::{Duration, Instant};

use clap::Parser;
use kinoteka::app::Application;
use kinoteka::config::Cli;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

#[expect(unused_macros, reason = "the tests' support has one for tests")]
#[path = "../tests/support/mod.rs"]
mod support;

use support::database::{Backend, TestDatabase};
use support::rows;

/// The number of requests for each line, after five that are not measured. PostgreSQL has then chosen the
/// plan of the prepared statement.
const REQUESTS: usize = 60;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let publications: u32 = numbers.next().unwrap_or(20_000);
    let sentences: u32 = numbers.next().unwrap_or(500);
    let movies: u32 = numbers.next().unwrap_or(100_000);
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        let started = Instant::now();
        rows::fill(&db, movies).await;
        fill_publications(&db, publications, sentences).await;
        println!(
            "\n{backend:?}: {publications} publications of {sentences} sentences, {movies} movies (filled in {} s)\n",
            started.elapsed().as_secs()
        );
        measure(&database).await;
    }
}

/// Sentences of ten words from about 3,000 of differing frequency. "кинематограф" is in every text,
/// "киноведение" in one of a hundred, "синематека" in one.
async fn fill_publications(db: &sea_orm::DatabaseConnection, publications: u32, sentences: u32) {
    let mut dice = 1_u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let roots = ["фильм", "герой", "камер", "город", "режиссер", "сцен", "музык", "голос", "свет", "зрител"];
    let middles = ["", "н", "ов", "ин", "ск", "еньк", "ист", "оват", "тель", "ость"];
    let ends = ["а", "у", "ы", "ом", "ами", "ах", "е", "ой", "ого", "ый"];
    let mut words = Vec::new();
    for root in roots {
        for middle in middles {
            words.extend(ends.map(|end| format!("{root}{middle}{end}")));
        }
    }
    if db.get_database_backend() == sea_orm::DbBackend::Postgres {
        // The search does not use this index, and updating it would take as long as everything else.
        db.execute_unprepared("DROP INDEX publications_text_gin_idx").await.unwrap();
    }
    for chunk in (1..=publications).collect::<Vec<_>>().chunks(50) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|number| {
                let mut text = String::from("Кинематограф начинается здесь. ");
                text += if number % 100 == 0 { "Киноведение молчит. " } else { "" };
                text += if *number == 7 { "Синематека закрыта. " } else { "" };
                for _ in 0..sentences {
                    for _ in 0..10 {
                        // Frequent words are much more frequent.
                        let place = roll(1_000) * roll(1_000) / 1_000;
                        text += &words[usize::try_from(place).unwrap() % words.len()];
                        text.push(' ');
                    }
                    text.push('.');
                }
                format!("('О кино, часть {number}', '{text}', 1, 1)")
            })
            .collect();
        let insert = format!("INSERT INTO publications (title, text, author, category) VALUES {}", rows.join(", "));
        db.execute_unprepared(&insert).await.unwrap();
    }
    let tidy = if db.get_database_backend() == sea_orm::DbBackend::Sqlite { "ANALYZE" } else { "VACUUM ANALYZE" };
    db.execute_unprepared(tidy).await.unwrap();
}

async fn measure(database: &TestDatabase) {
    let cli = Cli::try_parse_from(["kinoteka", "--database-url", &database.url, "--listen", "127.0.0.1:0"]).unwrap();
    let application = Application::build(&cli.serve, None).await.unwrap();
    let url = format!("http://{}/graphql", application.address().unwrap());
    tokio::spawn(application.run(std::future::pending()));
    let client = reqwest::Client::new();
    let search = |query: &str| {
        format!(
            "{{ search(query: {}) {{ totalCount nodes {{ score snippet node {{ __typename }} }} }} }}",
            json!(query)
        )
    };
    let titles = |needle: &str, order: &str| {
        format!("{{ movies(filter: {{ title: {} }}, orderBy: {order}) {{ nodes {{ title }} }} }}", json!(needle))
    };
    println!("| query | p50, ms | p99, ms |");
    println!("|---|---|---|");
    for (name, query) in [
        ("reference: no words", search("?")),
        ("a word in every text", search("кинематограф")),
        ("a form of a frequent word", search("режиссёрами")),
        ("a word in one text of 100", search("киноведение")),
        ("a word in one text", search("синематека")),
        ("three frequent words", search("музыка города свет")),
        ("a phrase", search("\"кинематограф начинается\"")),
        ("a phrase of frequent words without hits", search("\"кинематограф режиссеру\"")),
        ("a frequent word without another", search("музыка -синематека")),
        ("a part of many titles", search("вечер")),
        ("a typo in a part of many titles", search("вечре")),
        ("no hits, with typos and the other keyboard layout", search("кинемотогравия")),
        ("title filter, 1 in 10, by year", titles("вечер", "YEAR")),
        ("title filter, one, by title", titles("вечер 77", "TITLE")),
        ("title filter, no hits, by year", titles("нет такого", "YEAR")),
    ] {
        for _ in 0..5 {
            ask(&client, &url, &query).await;
        }
        let mut times = Vec::new();
        for _ in 0..REQUESTS {
            times.push(ask(&client, &url, &query).await);
        }
        times.sort_unstable();
        let percentile = |share: f64| times[((REQUESTS - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
        println!("| {name} | {:.1} | {:.1} |", percentile(0.5), percentile(0.99));
    }
}

async fn ask(client: &reqwest::Client, url: &str, query: &str) -> Duration {
    let started = Instant::now();
    let response = client.post(url).json(&json!({ "query": query })).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    assert!(answer["errors"].is_null(), "{answer}");
    started.elapsed()
}

//! Snippets of texts of the maximum size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join_all;
use serde_json::{Value, json};

use crate::answers::library_with;
use crate::honest::Honest;
use crate::process::Server;
use crate::stranger;
use crate::support::client;
use crate::usage::{Usage, sized};

/// Almost the maximum length of a publication.
const LETTERS: usize = 99_000;

async fn ask(server: &Server, query: &str) -> (u16, Value) {
    let client = client::builder().timeout(Duration::from_secs(120)).build().unwrap();
    let answer = client.post(&server.url).json(&json!({ "query": query })).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn aliases(count: usize, field: &str) -> String {
    (0..count).map(|i| format!("a{i}: {field} ")).collect()
}

/// Formerly each alias scanned each text, and nothing else ran meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn snippets_do_not_block_others() {
    let hits = sized(20, 100);
    // The words are never close together, so that the whole text is scanned.
    let database = library_with(hits, "Зимний снег и ещё ", LETTERS, "вечер").await;
    let server = Server::start(&["--database-url", &database.url]);
    let alive = Honest::fetches(server.url.replace("/graphql", "/livez"));
    let before = Usage::of(server.id());
    let query =
        format!("{{ search(query: \"вечеров зимних\", first: {hits}) {{ nodes {{ {} }} }} }}", aliases(90, "snippet"));
    let (status, answer) = ask(&server, &query).await;
    let after = Usage::of(server.id());
    let felt = alive.stop().await;
    let processor = after.processor - before.processor;
    eprintln!("snippets: {status}, {processor:?} of processor, livez {:?}", felt.longest);
    assert_eq!(status, 200, "{answer}");
    let node = &answer["data"]["search"]["nodes"][hits - 1];
    assert!(node["a0"].as_str().unwrap().contains("<mark>"), "{node}");
    assert_eq!(node["a0"], node["a89"]);
    assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(2), "{felt:?}");
    assert!(processor < Duration::from_secs(20), "each hit must be scanned once: {processor:?}");
}

/// Formerly the order did not depend on the client.
#[tokio::test(flavor = "multi_thread")]
async fn clients_take_turns_for_snippets() {
    let hits = sized(20, 100);
    let database = library_with(hits, "Зимний снег и ещё ", LETTERS, "вечер").await;
    // All must finish, also on a slow machine.
    let server = Server::start(&["--database-url", &database.url, "--request-timeout-ms", "120000"]);
    let query = |first: usize| {
        let query = format!("{{ search(query: \"вечеров зимних\", first: {first}) {{ nodes {{ snippet }} }} }}");
        json!({ "query": query })
    };
    let (done, all) = (AtomicUsize::new(0), 15);
    let attack = (0..all).map(async |_| {
        let answer = stranger::client().post(&server.url).json(&query(hits)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        done.fetch_add(1, Ordering::Relaxed);
    });
    let honest = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answer = client::new().post(&server.url).json(&query(1)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["data"]["search"]["nodes"][0]["snippet"].is_string(), "{answer}");
        done.load(Ordering::Relaxed)
    };
    let started = Instant::now();
    let (_, before) = tokio::join!(join_all(attack), honest);
    println!("{before} of {all} before, {:?} in all", started.elapsed());
    assert!(before < all / 2, "{before} requests of another address were first");
}

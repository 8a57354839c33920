//! One client that signs up repeatedly, and others that log in.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::honest::Honest;
use crate::process::Server;
use crate::stranger;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::{Usage, sized};

on_both!(a_storm_of_sign_ups_leaves_log_ins_to_others);

const LOG_IN: &str = r#"mutation { logIn(input: { login: "load1", password: "kinoteka-demo" }) { user { id } } }"#;
const SIGN_UP: &str = "mutation ($input: SignUpInput!) { signUp(input: $input) { user { id } errors { message } } }";

async fn a_storm_of_sign_ups_leaves_log_ins_to_others(backend: Backend) {
    let database = TestDatabase::seeded_with_accounts(backend).await;
    let server = Server::start(&[&["--database-url", &database.url], &stranger::QUIET[..]].concat());
    let honest = Honest::queries(server.url.clone(), LOG_IN);
    let end = Instant::now() + Duration::from_secs(sized(3, 12) as u64);
    let mut storm = JoinSet::new();
    for connection in 0..100 {
        let (client, url) = (stranger::client(), server.url.clone());
        storm.spawn(async move {
            let (mut tries, mut made) = (0, 0);
            while Instant::now() < end {
                let name = format!("storm{connection}x{tries}");
                let input = json!({
                    "username": name, "email": format!("{name}@example.org"), "password": "tram number 47",
                    "fullName": "Анна Орлова", "birthday": "1990-05-01",
                });
                let request = client.post(&url).json(&json!({ "query": SIGN_UP, "variables": { "input": input } }));
                let answer: Value = request.send().await.unwrap().json().await.unwrap();
                made += u32::from(answer["data"]["signUp"]["user"]["id"].is_string());
                tries += 1;
            }
            made
        });
    }
    let made: u32 = storm.join_all().await.into_iter().sum();
    let (felt, used) = (honest.stop().await, Usage::of(server.id()));
    println!("{made} accounts; {} of {} refused, {:?}; {used:?}", felt.failed.len(), felt.asked, felt.longest);
    assert!((1..=30).contains(&made), "{made} accounts: --signups-per-address");
    assert!(felt.asked > 0 && felt.failed.is_empty(), "{:?}", felt.failed);
    assert!(felt.longest < Duration::from_secs(10), "{:?}", felt.longest);
}

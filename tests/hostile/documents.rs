//! Deliberately expensive documents: none may take long over any transport, and others get responses meanwhile.

use std::time::{Duration, Instant};

use async_graphql::futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;

use crate::costly::{Hostile, all, fields, fragments};
use crate::honest::Honest;
use crate::process::Server;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::Usage;

/// The processor time that one of these may take. A test build takes 0.15 to 0.25 s for the most expensive.
const PROCESSOR_MAX: Duration = Duration::from_secs(2);

/// The time limit for a response to a hostile client.
const PATIENCE: Duration = Duration::from_secs(20);

/// The maximum memory of the whole process.
const PEAK_MAX_MIB: u64 = 400;

/// The maximum time that others wait meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(12);

fn health(url: &str) -> String {
    url.replace("/graphql", "/livez")
}

/// The cost of an attack.
struct Cost {
    name: &'static str,
    processor: Duration,
    waited: Duration,
    answer: Result<usize, String>,
}

/// The processor time and the duration of `work`.
async fn cost(server: &Server, name: &'static str, work: impl Future<Output = Result<usize, String>>) -> Cost {
    let (before, started) = (Usage::of(server.id()).processor, Instant::now());
    let answer = timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("no answer".to_owned()));
    Cost { name, processor: Usage::of(server.id()).processor - before, waited: started.elapsed(), answer }
}

/// All costs, and the effect on an honest client.
fn judge(costs: &[Cost], what: &str) {
    let dearest = costs.iter().max_by_key(|cost| cost.processor).unwrap();
    eprintln!("{what}: {:?} of processor for {:?}, the dearest of {}", dearest.processor, dearest.name, costs.len());
    let wrong: Vec<_> = costs
        .iter()
        .filter(|cost| {
            cost.processor > PROCESSOR_MAX
                || cost.answer.as_ref().is_ok_and(|bytes| *bytes > ANSWER_MAX)
                || cost.answer.is_err()
        })
        .map(|cost| format!("{}: {:?} of processor, {:?}, {:?}", cost.name, cost.processor, cost.waited, cost.answer))
        .collect();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// The maximum size of a response to any of these, because refusals are short.
const ANSWER_MAX: usize = 4 << 20;

async fn post(url: &str, accept: &str, body: &Value) -> Result<usize, String> {
    let request = client::new().post(url).header("accept", accept).json(body);
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let bytes = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
    match bytes.is_empty() {
        true => Err("an empty answer".to_owned()),
        false => Ok(bytes.len()),
    }
}

async fn attack_by_http(accept: &str, what: &str) {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let mut server = Server::start(&["--database-url", &database.url]);
    let mut costs = Vec::new();
    let honest = Honest::fetches(health(&server.url));
    for hostile in all() {
        let spent = cost(&server, hostile.name, post(&server.url, accept, &hostile.body())).await;
        if spent.answer.is_err() {
            server = Server::start(&["--database-url", &database.url]);
        }
        costs.push(spent);
    }
    judge(&costs, what);
    let (felt, peak) = (honest.stop().await, Usage::of(server.id()).peak_mib);
    eprintln!("{what}: others waited {:?}, {peak} MiB at most", felt.longest);
    assert!(peak < PEAK_MAX_MIB, "{what}: {peak} MiB");
    assert!(felt.failed.is_empty() && felt.longest < WAIT_MAX, "{what}: {felt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_over_http_do_not_block_others() {
    attack_by_http("application/json", "HTTP").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_for_event_streams_do_not_block_others() {
    attack_by_http("text/event-stream", "event streams").await;
}

/// Several simultaneously, more than the number of threads.
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_documents_do_not_block_others() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url]);
    let honest = Honest::fetches(health(&server.url));
    let before = Usage::of(server.id()).processor;
    let posts = fragments().into_iter().chain(fields()).map(|hostile| {
        let url = server.url.clone();
        tokio::spawn(async move { timeout(PATIENCE, post(&url, "application/json", &hostile.body())).await })
    });
    for answered in posts.collect::<Vec<_>>() {
        assert!(matches!(answered.await.unwrap(), Ok(Ok(bytes)) if bytes < ANSWER_MAX));
    }
    let processor = Usage::of(server.id()).processor - before;
    let felt = honest.stop().await;
    eprintln!("at once: {processor:?} of processor, others waited {:?}", felt.longest);
    assert!(felt.failed.is_empty() && felt.longest < WAIT_MAX, "{felt:?}");
    server.signal("TERM");
    let (status, log) = server.wait(Duration::from_secs(10));
    assert!(status.success(), "{log}");
}

/// As many as fit into one body, with one timeout.
#[tokio::test(flavor = "multi_thread")]
async fn documents_in_a_batch_do_not_block_others() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url, "--limit-batch", "1000"]);
    let honest = Honest::fetches(health(&server.url));
    let mut bodies: Vec<_> = fragments().iter().map(Hostile::body).collect();
    bodies.extend(fragments().iter().map(Hostile::body));
    let batch = bodies.into();
    let spent = cost(&server, "a batch", post(&server.url, "application/json", &batch)).await;
    judge(&[spent], "batch");
    let felt = honest.stop().await;
    assert!(felt.failed.is_empty() && felt.longest < WAIT_MAX, "{felt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_over_a_socket_do_not_block_others() {
    let database = TestDatabase::seeded(Backend::Sqlite).await;
    let server = Server::start(&["--database-url", &database.url, "--limit-message-bytes", "3000000"]);
    let honest = Honest::fetches(health(&server.url));
    let uri = server.url.replace("http://", "ws://").parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_sub_protocol("graphql-transport-ws");
    let (mut socket, _) = client::in_time(connect_async(request)).await.unwrap();
    socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await.unwrap();
    client::in_time(socket.next()).await.unwrap().unwrap();
    let mut costs = Vec::new();
    for (id, hostile) in all().into_iter().enumerate() {
        let message = json!({ "type": "subscribe", "id": id.to_string(), "payload": hostile.body() });
        let work = async {
            socket.send(Message::text(message.to_string())).await.map_err(|error| error.to_string())?;
            let mut bytes = 0;
            loop {
                let message = socket.next().await.ok_or("the socket is closed")?.map_err(|error| error.to_string())?;
                let text = message.into_text().map_err(|error| error.to_string())?;
                bytes += text.len();
                if text.contains(r#""type":"complete""#) || text.contains(r#""type":"error""#) {
                    return Ok(bytes);
                }
            }
        };
        costs.push(cost(&server, hostile.name, work).await);
    }
    judge(&costs, "WebSocket");
    let felt = honest.stop().await;
    assert!(felt.failed.is_empty() && felt.longest < WAIT_MAX, "{felt:?}");
}

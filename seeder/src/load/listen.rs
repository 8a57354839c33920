//! Listeners: clients of `graphql-transport-ws` that check what they get.
//!
//! All begin behind the same cursor, so the n-th event must be the same comment for all of them,
//! whatever happens to their connections. Whoever gets there first writes it down; the others
//! compare. So memory depends on the number of comments, and not on that of listeners.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::act::LoadActor;
use super::api::jittered;
use super::documents::LISTEN;
use super::ledger::{Notes, text_of};
use super::lock;

/// The longest silence: the server pings more often.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause before a listener connects again; each next one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// What is read at once: events are short, and listeners many.
const READ_BYTES: usize = 4096;
/// How long listeners may take to hear of the last comment.
const PATIENCE: Duration = Duration::from_secs(30);
/// For how long they listen when they have heard of everything.
const AFTERMATH: Duration = Duration::from_secs(1);
/// What is remembered of what went wrong, at most.
const FAULTS_MAX: usize = 100;

/// What all listeners hear, in order.
#[derive(Default)]
struct Heard {
    comments: Vec<Arc<str>>,
    known: HashSet<Arc<str>>,
    /// Marks of this run, with the comment that bears each.
    marks: HashMap<u64, Arc<str>>,
    faults: Vec<String>,
}

/// What the listeners share.
struct ListenersShared {
    url: String,
    cursor: String,
    actor: Arc<LoadActor>,
    heard: Mutex<Heard>,
    /// How far each has come.
    places: Vec<AtomicUsize>,
    connections: AtomicU64,
}

/// Listeners at work.
pub struct Listeners {
    shared: Arc<ListenersShared>,
    _tasks: JoinSet<()>,
}

/// Why a connection is over.
enum Over {
    /// It broke: connect again.
    Broken,
    /// Connecting again would not help.
    Final(String),
}

type ListenSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Listeners {
    /// Starts so many listeners behind a cursor, once each of them has connected.
    ///
    /// # Errors
    /// One cannot.
    pub async fn start(count: usize, url: &Url, cursor: String, actor: &Arc<LoadActor>) -> anyhow::Result<Self> {
        let url = url.as_str().replacen("http", "ws", 1);
        let places = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let (heard, connections) = (Mutex::default(), AtomicU64::new(0));
        let shared = Arc::new(ListenersShared { url, cursor, actor: Arc::clone(actor), heard, places, connections });
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let socket = shared.subscribe(&shared.cursor).await;
            let socket =
                socket.map_err(|reason| anyhow!("listener {} of {count} cannot listen: {reason}", number + 1))?;
            tasks.spawn(listen(Arc::clone(&shared), number, socket));
        }
        Ok(Self { shared, _tasks: tasks })
    }

    /// How many events the listeners have got together, and how many connections they have made.
    pub fn counts(&self) -> (u64, u64) {
        let events: usize = self.shared.places.iter().map(|place| place.load(Ordering::Relaxed)).sum();
        (u64::try_from(events).unwrap_or(u64::MAX), self.shared.connections.load(Ordering::Relaxed))
    }

    /// What was wrong with what they got.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.shared.heard).faults.clone()
    }

    /// Waits until all have heard of everything that was acknowledged; names what they have not heard of,
    /// and what they should not have.
    pub async fn compare(&self, notes: &Notes) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut faults = self.find_missing(notes);
            if faults.is_empty() || Instant::now() > deadline {
                // What comes a second time, or too late, may still be on its way.
                sleep(AFTERMATH).await;
                faults.extend(self.find_refused(notes));
                return faults;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn find_missing(&self, notes: &Notes) -> Vec<String> {
        let heard = lock(&self.shared.heard);
        let unheard = notes.comments.keys().filter(|id| !heard.known.contains(id.as_str()));
        let mut missing: Vec<_> =
            unheard.map(|id| format!("comment {id} was acknowledged, and no listener heard of it")).collect();
        for (number, place) in self.shared.places.iter().enumerate() {
            let (has, of) = (place.load(Ordering::Relaxed), heard.comments.len());
            if has < of {
                missing.push(format!("listener {number} heard {has} of {of} comments"));
            }
        }
        missing
    }

    fn find_refused(&self, notes: &Notes) -> Vec<String> {
        let heard = lock(&self.shared.heard);
        let acknowledged: HashSet<u64> = notes.comments.values().map(|said| said.number).collect();
        let unknown =
            heard.marks.iter().filter(|(mark, _)| !acknowledged.contains(mark) && !notes.unknown.contains(mark));
        unknown.map(|(_, id)| format!("listeners heard of comment {id}, which was refused")).collect()
    }
}

async fn listen(shared: Arc<ListenersShared>, number: usize, mut socket: ListenSocket) {
    let mut cursor = shared.cursor.clone();
    loop {
        if let Over::Final(reason) = follow(&shared, number, socket, &mut cursor).await {
            shared.note(format!("listener {number}: {reason}"));
            return;
        }
        let mut pause = PAUSE_FIRST;
        socket = loop {
            sleep(jittered(pause)).await;
            match shared.subscribe(&cursor).await {
                Ok(socket) => break socket,
                Err(_) => pause = (pause * 2).min(PAUSE_MAX),
            }
        };
    }
}

/// One connection, from its beginning to its end.
async fn follow(shared: &ListenersShared, number: usize, mut socket: ListenSocket, cursor: &mut String) -> Over {
    loop {
        let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, socket.next()).await else { return Over::Broken };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(Some(frame)) => return ending(u16::from(frame.code), &frame.reason),
            Message::Close(None) => return Over::Broken,
            _ => continue,
        };
        let Ok(message) = serde_json::from_str::<Value>(&text) else {
            return Over::Final(format!("a message is no JSON: {text}"));
        };
        match message["type"].as_str() {
            Some("ping") => match socket.send(Message::text(r#"{"type":"pong"}"#)).await {
                Ok(()) => {}
                Err(_) => return Over::Broken,
            },
            Some("next") => {
                let event = &message["payload"]["data"]["commentAdded"];
                if event.is_null() {
                    return refusal(&message["payload"]["errors"]);
                }
                if let Err(fault) = shared.hear(number, event) {
                    return Over::Final(fault);
                }
                *cursor = text_of(event, "cursor");
            }
            Some("error") => return refusal(&message["payload"]),
            // The server stops, and tells everybody to come back.
            Some("complete") => return Over::Broken,
            _ => {}
        }
    }
}

/// A close code that says that it is the client's fault ends it all.
fn ending(code: u16, reason: &str) -> Over {
    match code {
        4408 => Over::Broken,
        4400..4500 => Over::Final(format!("{code} {reason}")),
        _ => Over::Broken,
    }
}

fn refusal(errors: &Value) -> Over {
    let error = &errors[0];
    match error["extensions"]["code"].as_str() {
        Some("UNAVAILABLE" | "TIMEOUT" | "INTERNAL") => Over::Broken,
        code => Over::Final(format!("{} {}", code.unwrap_or("no code"), error["message"])),
    }
}

/// What a refusal of the connection says: the server explains it in the body.
fn explain(error: Error) -> anyhow::Error {
    let Error::Http(response) = error else { return error.into() };
    let body = response.body().as_deref().unwrap_or_default();
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &answer["errors"][0];
    let limit =
        error["extensions"]["limit"].as_str().map(|flag| format!(" (the server's --{flag})")).unwrap_or_default();
    anyhow!("{} {}{limit}", response.status(), text_of(error, "message"))
}

impl ListenersShared {
    /// Connects and subscribes behind a cursor.
    async fn subscribe(&self, cursor: &str) -> anyhow::Result<ListenSocket> {
        timeout(CONNECT_TIMEOUT, self.subscribe_at_leisure(cursor)).await?
    }

    async fn subscribe_at_leisure(&self, cursor: &str) -> anyhow::Result<ListenSocket> {
        let request = ClientRequestBuilder::new(self.url.parse()?).with_sub_protocol("graphql-transport-ws");
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let (mut socket, _) = connect_async_with_config(request, Some(config), true).await.map_err(explain)?;
        socket.send(Message::text(r#"{"type":"connection_init"}"#)).await?;
        match socket.next().await {
            Some(Ok(Message::Text(_))) => {}
            other => bail!("the connection was not acknowledged: {other:?}"),
        }
        let subscribe = json!({
            "id": "1",
            "type": "subscribe",
            "payload": { "query": LISTEN, "variables": { "after": cursor } },
        });
        socket.send(Message::text(subscribe.to_string())).await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(socket)
    }

    /// Takes an event that a listener got.
    fn hear(&self, number: usize, event: &Value) -> Result<(), String> {
        let place = &self.places[number];
        let mark = event["comment"]["text"].as_str().and_then(|text| self.actor.ledger.read_mark(text));
        let at = place.load(Ordering::Relaxed);
        lock(&self.heard).enter(at, &text_of(event, "commentId"), mark)?;
        place.store(at + 1, Ordering::Relaxed);
        Ok(())
    }

    fn note(&self, fault: String) {
        let mut heard = lock(&self.heard);
        if heard.faults.len() < FAULTS_MAX {
            heard.faults.push(fault);
        }
    }
}

impl Heard {
    /// Enters the comment that came at a place, or compares it with what another listener heard there.
    fn enter(&mut self, place: usize, id: &str, mark: Option<u64>) -> Result<(), String> {
        if let Some(known) = self.comments.get(place) {
            return if **known == *id {
                Ok(())
            } else {
                Err(format!("comment {place} is {id}, where others heard {known}"))
            };
        }
        let id: Arc<str> = id.into();
        if !self.known.insert(Arc::clone(&id)) {
            return Err(format!("comment {id} came a second time"));
        }
        if let Some(other) = mark.and_then(|mark| self.marks.insert(mark, Arc::clone(&id))) {
            return Err(format!("comments {other} and {id} are one that was sent again"));
        }
        self.comments.push(id);
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn what_listeners_get_is_compared() {
        let mut heard = Heard::default();
        // Two listeners, of which now one and now the other is ahead.
        for (place, id) in [(0, "a"), (0, "a"), (1, "b"), (2, "c"), (1, "b"), (2, "c")] {
            heard.enter(place, id, None).unwrap();
        }
        assert!(heard.enter(1, "c", None).unwrap_err().contains("where others heard b"));
        assert!(heard.enter(3, "a", None).unwrap_err().contains("a second time"));
        heard.enter(3, "d", Some(7)).unwrap();
        assert!(heard.enter(4, "e", Some(7)).unwrap_err().contains("sent again"));
    }

    #[test]
    fn only_a_client_at_fault_gives_up() {
        assert!(matches!(ending(4400, ""), Over::Final(_)));
        for code in [1001, 1012, 1013, 4408, 4500] {
            assert!(matches!(ending(code, ""), Over::Broken), "{code}");
        }
        let refused = |code: &str| refusal(&json!([{ "message": "", "extensions": { "code": code } }]));
        assert!(matches!(refused("CURSOR_EXPIRED"), Over::Final(_)));
        assert!(matches!(refused("UNAVAILABLE"), Over::Broken));
    }
}

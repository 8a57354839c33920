//! Listeners: clients of `graphql-transport-ws` that record what they get.
//!
//! All begin behind the same cursor, so the n-th event must be the same comment for all of them, whatever happens to
//! their connections. One whose cursor has expired asks for a new one and goes on behind that, as the documentation
//! of subscriptions tells it to. At the end one more hears all of it again.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::act::LoadActor;
use super::api::jittered;
use super::documents::{CURSOR, LISTEN};
use super::ledger::text_of;
use super::lock;
use crate::history::line::{HistoryEvent, HistoryLine, ListenerRestart};

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
/// Listeners that have heard nothing for so long at the end will hear nothing more.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take to answer the end of a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long all connections together may take to end.
const CLOSE_ALL_TIMEOUT: Duration = Duration::from_secs(10);
/// For how long they listen when they have heard of everything.
const AFTERMATH: Duration = Duration::from_secs(1);
/// What is remembered of what went wrong, at most.
const FAULTS_MAX: usize = 100;

/// What the listeners share.
struct ListenersShared {
    urls: Vec<String>,
    cursor: String,
    actor: Arc<LoadActor>,
    faults: Mutex<Vec<String>>,
    /// Ends all of them.
    stopper: watch::Sender<bool>,
    /// How many events each has got.
    places: Vec<AtomicUsize>,
    connections: AtomicU64,
    restarts: AtomicU64,
}

/// Listeners at work.
pub struct Listeners {
    shared: Arc<ListenersShared>,
    tasks: JoinSet<()>,
}

/// Why a connection is over.
enum Over {
    /// It broke: connect again.
    Broken,
    /// What came next is not known any more: begin anew.
    Expired,
    /// Connecting again would not help.
    Final(String),
}

type ListenSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Listeners {
    /// Starts so many listeners behind a cursor, once each of them has connected.
    ///
    /// # Errors
    /// One cannot.
    pub async fn start(count: usize, urls: &[Url], cursor: String, actor: &Arc<LoadActor>) -> anyhow::Result<Self> {
        let shared = Arc::new(ListenersShared {
            urls: urls.iter().map(|url| url.as_str().replacen("http", "ws", 1)).collect(),
            cursor,
            actor: Arc::clone(actor),
            faults: Mutex::default(),
            stopper: watch::Sender::new(false),
            // One more for the repetition.
            places: (0..=count).map(|_| AtomicUsize::new(0)).collect(),
            connections: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let socket = shared.subscribe(number, &shared.cursor).await;
            let socket =
                socket.map_err(|reason| anyhow!("listener {} of {count} cannot listen: {reason}", number + 1))?;
            tasks.spawn(listen(Arc::clone(&shared), number, socket));
        }
        Ok(Self { shared, tasks })
    }

    /// How many events the listeners have got together, how many connections they have made, and how often one has
    /// begun anew.
    pub fn counts(&self) -> (u64, u64, u64) {
        let (_, places) = self.shared.places.split_last().unwrap_or((&self.shared.places[0], &[]));
        let events: usize = places.iter().map(|place| place.load(Ordering::Relaxed)).sum();
        let [connections, restarts] =
            [&self.shared.connections, &self.shared.restarts].map(|count| count.load(Ordering::Relaxed));
        (u64::try_from(events).unwrap_or(u64::MAX), connections, restarts)
    }

    /// Ends the subscriptions and closes the connections, as a client should.
    pub async fn close(&mut self) {
        self.shared.stopper.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // Whoever takes longer is cut off.
        let _ = timeout(CLOSE_ALL_TIMEOUT, ended).await;
    }

    /// Why listeners have given up.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.shared.faults).clone()
    }

    /// Waits until all have heard of everything that was acknowledged, or have had the time to, and hears all of it
    /// again.
    pub async fn wait(&mut self) {
        let mut quiet = Quiet::new(&self.shared);
        while self.shared.actor.recorder.open().await.1 > 0 && quiet.is_short(&self.shared) {
            sleep(Duration::from_millis(50)).await;
        }
        if self.shared.restarts.load(Ordering::Relaxed) == 0 {
            self.repeat().await;
        }
        // What comes a second time, or too late, may still be on its way.
        sleep(AFTERMATH).await;
    }

    async fn repeat(&mut self) {
        let number = self.shared.places.len() - 1;
        let Ok(socket) = self.shared.subscribe(number, &self.shared.cursor).await else { return };
        self.tasks.spawn(listen(Arc::clone(&self.shared), number, socket));
        let places: Vec<_> = self.shared.places.iter().map(|place| place.load(Ordering::Relaxed)).collect();
        let most = places.into_iter().max().unwrap_or_default();
        let mut quiet = Quiet::new(&self.shared);
        while self.shared.places[number].load(Ordering::Relaxed) < most && quiet.is_short(&self.shared) {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// For how long nobody has heard anything.
struct Quiet {
    since: Instant,
    events: usize,
}

impl Quiet {
    fn new(shared: &ListenersShared) -> Self {
        Self { since: Instant::now(), events: shared.events() }
    }

    fn is_short(&mut self, shared: &ListenersShared) -> bool {
        let events = shared.events();
        if events > self.events {
            *self = Self { since: Instant::now(), events };
        }
        self.since.elapsed() < PATIENCE
    }
}

async fn listen(shared: Arc<ListenersShared>, number: usize, socket: ListenSocket) {
    let mut stop = shared.stopper.subscribe();
    // What is left of a connection at its end hangs up, however it ended.
    let mut socket = Some(socket);
    tokio::select! {
        () = listen_on(&shared, number, &mut socket) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    if let Some(socket) = socket {
        hang_up(socket).await;
    }
}

/// Says that nothing more is wanted, and waits for the server to agree.
async fn hang_up(mut socket: ListenSocket) {
    let _ = timeout(CLOSE_TIMEOUT, async {
        // A connection that is closed or broken already needs no more words.
        let _ = socket.send(Message::text(r#"{"id":"1","type":"complete"}"#)).await;
        let _ = socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
}

async fn listen_on(shared: &ListenersShared, number: usize, place: &mut Option<ListenSocket>) {
    let mut cursor = shared.cursor.clone();
    while let Some(socket) = place {
        let mut is_expired = match follow(shared, number, socket, &mut cursor).await {
            Over::Final(reason) => {
                shared.note(format!("listener {number}: {reason}"));
                return;
            }
            Over::Broken => false,
            Over::Expired => true,
        };
        if let Some(socket) = place.take() {
            hang_up(socket).await;
        }
        let mut pause = PAUSE_FIRST;
        *place = loop {
            sleep(jittered(pause)).await;
            if is_expired && let Some(fresh) = shared.restart(number).await {
                (cursor, is_expired) = (fresh, false);
            }
            if !is_expired && let Ok(socket) = shared.subscribe(number, &cursor).await {
                break Some(socket);
            }
            pause = (pause * 2).min(PAUSE_MAX);
        };
    }
}

/// One connection, from its beginning to its end.
async fn follow(shared: &ListenersShared, number: usize, socket: &mut ListenSocket, cursor: &mut String) -> Over {
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
                shared.hear(number, event);
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
        Some("CURSOR_EXPIRED") => Over::Expired,
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
    async fn subscribe(&self, number: usize, cursor: &str) -> anyhow::Result<ListenSocket> {
        // To the next server each time.
        let turn = number + usize::try_from(self.connections.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        let url = &self.urls[turn % self.urls.len()];
        timeout(CONNECT_TIMEOUT, self.subscribe_at_leisure(url, cursor)).await?
    }

    async fn subscribe_at_leisure(&self, url: &str, cursor: &str) -> anyhow::Result<ListenSocket> {
        let request = ClientRequestBuilder::new(url.parse()?).with_sub_protocol("graphql-transport-ws");
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
        Ok(socket)
    }

    /// How many events all have got together.
    fn events(&self) -> usize {
        self.places.iter().map(|place| place.load(Ordering::Relaxed)).sum()
    }

    /// Asks for a new cursor.
    async fn restart(&self, number: usize) -> Option<String> {
        let data = self.actor.api.query(CURSOR, &json!({})).await.ok()?;
        let cursor = data["commentCursor"].as_str()?.to_owned();
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let (recorder, listener) = (&self.actor.recorder, u32::try_from(number).unwrap_or(u32::MAX));
        let at = recorder.micros(Instant::now());
        recorder.record(|| HistoryLine::Restart(ListenerRestart { at, listener }));
        Some(cursor)
    }

    /// Takes an event that a listener got.
    fn hear(&self, number: usize, event: &Value) {
        let mark = event["comment"]["text"].as_str().and_then(|text| self.actor.ledger.read_mark(text));
        let recorder = &self.actor.recorder;
        let at = recorder.micros(Instant::now());
        recorder.record(|| {
            let (id, listener) = (text_of(event, "commentId"), u32::try_from(number).unwrap_or(u32::MAX));
            HistoryLine::Event(HistoryEvent { at, listener, id, comment: mark.map(|(number, _)| number) })
        });
        self.places[number].fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, fault: String) {
        let mut faults = lock(&self.faults);
        if faults.len() < FAULTS_MAX {
            faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_at_fault_gives_up() {
        assert!(matches!(ending(4400, ""), Over::Final(_)));
        for code in [1001, 1012, 1013, 4408, 4500] {
            assert!(matches!(ending(code, ""), Over::Broken), "{code}");
        }
        let refused = |code: &str| refusal(&json!([{ "message": "", "extensions": { "code": code } }]));
        assert!(matches!(refused("CURSOR_EXPIRED"), Over::Expired));
        assert!(matches!(refused("BAD_USER_INPUT"), Over::Final(_)));
        assert!(matches!(refused("UNAVAILABLE"), Over::Broken));
    }
}

//! Listeners: clients of `graphql-transport-ws` that record their events.
//!
//! All begin at the same cursor, so the n-th event must be the same comment for each of them, even after reconnects.
//! A listener whose cursor has expired requests a new one and continues from there, as the documentation of
//! subscriptions describes. At the end another listener receives all events again.

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

/// The longest time without a message: the server pings more often.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// The timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause before a reconnect. Each later one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The read buffer: events are short, and listeners many.
const READ_BYTES: usize = 4096;
/// At the end, listeners that receive nothing for this long are considered done.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take to close a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long all connections together may take to close.
const CLOSE_ALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long listeners continue after they have received everything.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The number of faults that are stored.
const FAULTS_MAX: usize = 100;

/// The shared state of the listeners.
struct ListenersShared {
    urls: Vec<String>,
    cursor: String,
    actor: Arc<LoadActor>,
    faults: Mutex<Vec<String>>,
    /// Stops all listeners.
    stopper: watch::Sender<bool>,
    /// The number of events of each listener.
    event_counts: Vec<AtomicUsize>,
    connections: AtomicU64,
    restarts: AtomicU64,
}

/// The running listeners.
pub struct Listeners {
    shared: Arc<ListenersShared>,
    tasks: JoinSet<()>,
}

/// Why a connection ended.
enum ConnectionEnd {
    /// It broke: reconnect.
    Broken,
    /// The cursor has expired: start at a new one.
    Expired,
    /// A reconnect would not help.
    Final(String),
}

type ListenSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Listeners {
    /// Starts `count` listeners at a cursor, and waits until each has connected.
    ///
    /// # Errors
    /// A listener cannot connect.
    pub async fn start(count: usize, urls: &[Url], cursor: String, actor: &Arc<LoadActor>) -> anyhow::Result<Self> {
        let shared = Arc::new(ListenersShared {
            urls: urls.iter().map(|url| url.as_str().replacen("http", "ws", 1)).collect(),
            cursor,
            actor: Arc::clone(actor),
            faults: Mutex::default(),
            stopper: watch::Sender::new(false),
            // One more for the repetition.
            event_counts: (0..=count).map(|_| AtomicUsize::new(0)).collect(),
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

    /// The number of events of all listeners, of their connections, and of restarts with a new cursor.
    pub fn counts(&self) -> (u64, u64, u64) {
        let (_, event_counts) = self.shared.event_counts.split_last().unwrap_or((&self.shared.event_counts[0], &[]));
        let events: usize = event_counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let [connections, restarts] =
            [&self.shared.connections, &self.shared.restarts].map(|count| count.load(Ordering::Relaxed));
        (u64::try_from(events).unwrap_or(u64::MAX), connections, restarts)
    }

    /// Completes the subscriptions and closes the connections properly.
    pub async fn close(&mut self) {
        self.shared.stopper.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // Cut off connections that take longer.
        let _ = timeout(CLOSE_ALL_TIMEOUT, ended).await;
    }

    /// Why listeners have stopped.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.shared.faults).clone()
    }

    /// Waits until all have received everything that was acknowledged, or their time is over. Then another listener
    /// receives all of it again.
    pub async fn wait(&mut self) {
        let mut quiet = Silence::new(&self.shared);
        while self.shared.actor.recorder.open().await.1 > 0 && quiet.is_short(&self.shared) {
            sleep(Duration::from_millis(50)).await;
        }
        if self.shared.restarts.load(Ordering::Relaxed) == 0 {
            self.repeat().await;
        }
        // Repeated or late events may still be on their way.
        sleep(AFTERMATH).await;
    }

    async fn repeat(&mut self) {
        let number = self.shared.event_counts.len() - 1;
        let Ok(socket) = self.shared.subscribe(number, &self.shared.cursor).await else { return };
        self.tasks.spawn(listen(Arc::clone(&self.shared), number, socket));
        let event_counts: Vec<_> = self.shared.event_counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let most = event_counts.into_iter().max().unwrap_or_default();
        let mut quiet = Silence::new(&self.shared);
        while self.shared.event_counts[number].load(Ordering::Relaxed) < most && quiet.is_short(&self.shared) {
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How long no listener has received anything.
struct Silence {
    since: Instant,
    events: usize,
}

impl Silence {
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
    // Closes what is left of the connection, however it ended.
    let mut socket = Some(socket);
    tokio::select! {
        () = listen_on(&shared, number, &mut socket) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    if let Some(socket) = socket {
        hang_up(socket).await;
    }
}

/// Completes the subscription and waits for the server to close the connection.
async fn hang_up(mut socket: ListenSocket) {
    let _ = timeout(CLOSE_TIMEOUT, async {
        // A closed or broken connection needs no goodbye.
        let _ = socket.send(Message::text(r#"{"id":"1","type":"complete"}"#)).await;
        let _ = socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
}

async fn listen_on(shared: &ListenersShared, number: usize, connection: &mut Option<ListenSocket>) {
    let mut cursor = shared.cursor.clone();
    while let Some(socket) = connection {
        let mut is_expired = match follow(shared, number, socket, &mut cursor).await {
            ConnectionEnd::Final(reason) => {
                shared.note(format!("listener {number}: {reason}"));
                return;
            }
            ConnectionEnd::Broken => false,
            ConnectionEnd::Expired => true,
        };
        if let Some(socket) = connection.take() {
            hang_up(socket).await;
        }
        let mut pause = PAUSE_FIRST;
        *connection = loop {
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

/// Follows one connection from start to end.
async fn follow(
    shared: &ListenersShared,
    number: usize,
    socket: &mut ListenSocket,
    cursor: &mut String,
) -> ConnectionEnd {
    loop {
        let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, socket.next()).await else { return ConnectionEnd::Broken };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(Some(frame)) => return ending(u16::from(frame.code), &frame.reason),
            Message::Close(None) => return ConnectionEnd::Broken,
            _ => continue,
        };
        let Ok(message) = serde_json::from_str::<Value>(&text) else {
            return ConnectionEnd::Final(format!("a message is not JSON: {text}"));
        };
        match message["type"].as_str() {
            Some("ping") => match socket.send(Message::text(r#"{"type":"pong"}"#)).await {
                Ok(()) => {}
                Err(_) => return ConnectionEnd::Broken,
            },
            Some("next") => {
                let event = &message["payload"]["data"]["commentAdded"];
                if event.is_null() {
                    return refusal(&message["payload"]["errors"]);
                }
                shared.receive(number, event);
                *cursor = text_of(event, "cursor");
            }
            Some("error") => return refusal(&message["payload"]),
            // The server is stopping and tells clients to reconnect.
            Some("complete") => return ConnectionEnd::Broken,
            _ => {}
        }
    }
}

/// A close code that blames the client ends the listener.
fn ending(code: u16, reason: &str) -> ConnectionEnd {
    match code {
        4408 => ConnectionEnd::Broken,
        4400..4500 => ConnectionEnd::Final(format!("{code} {reason}")),
        _ => ConnectionEnd::Broken,
    }
}

fn refusal(errors: &Value) -> ConnectionEnd {
    let error = &errors[0];
    match error["extensions"]["code"].as_str() {
        Some("UNAVAILABLE" | "TIMEOUT" | "INTERNAL") => ConnectionEnd::Broken,
        Some("CURSOR_EXPIRED") => ConnectionEnd::Expired,
        code => ConnectionEnd::Final(format!("{} {}", code.unwrap_or("no code"), error["message"])),
    }
}

/// The reason why the server refused a connection, from the response's body.
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
    /// Connects and subscribes at a cursor.
    async fn subscribe(&self, number: usize, cursor: &str) -> anyhow::Result<ListenSocket> {
        // Each time to the next server.
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

    /// The number of events of all listeners.
    fn events(&self) -> usize {
        self.event_counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Requests a new cursor.
    async fn restart(&self, number: usize) -> Option<String> {
        let data = self.actor.api.query(CURSOR, &json!({})).await.ok()?;
        let cursor = data["commentCursor"].as_str()?.to_owned();
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let (recorder, listener) = (&self.actor.recorder, u32::try_from(number).unwrap_or(u32::MAX));
        let at = recorder.micros(Instant::now());
        recorder.record(|| HistoryLine::Restart(ListenerRestart { at, listener }));
        Some(cursor)
    }

    /// Records an event of a listener.
    fn receive(&self, number: usize, event: &Value) {
        let mark = event["comment"]["text"].as_str().and_then(|text| self.actor.ledger.read_mark(text));
        let recorder = &self.actor.recorder;
        let at = recorder.micros(Instant::now());
        recorder.record(|| {
            let (id, listener) = (text_of(event, "commentId"), u32::try_from(number).unwrap_or(u32::MAX));
            HistoryLine::Event(HistoryEvent { at, listener, id, comment: mark.map(|(number, _)| number) })
        });
        self.event_counts[number].fetch_add(1, Ordering::Relaxed);
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
        assert!(matches!(ending(4400, ""), ConnectionEnd::Final(_)));
        for code in [1001, 1012, 1013, 4408, 4500] {
            assert!(matches!(ending(code, ""), ConnectionEnd::Broken), "{code}");
        }
        let refused = |code: &str| refusal(&json!([{ "message": "", "extensions": { "code": code } }]));
        assert!(matches!(refused("CURSOR_EXPIRED"), ConnectionEnd::Expired));
        assert!(matches!(refused("BAD_USER_INPUT"), ConnectionEnd::Final(_)));
        assert!(matches!(refused("UNAVAILABLE"), ConnectionEnd::Broken));
    }
}

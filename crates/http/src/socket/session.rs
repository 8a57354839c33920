//! The session of a socket: one task reads, starts operations, and writes their results.
//!
//! Nothing is read and no result is taken while the client does not read what was written before. So the memory of a
//! socket is bounded by its write buffer and by the buffers of its operations. The operations run in separate tasks and
//! hold nothing that others wait for, whether or not the client reads. A slow client is disconnected by its operations
//! ([`OperationEvent::Lagged`]) or by the write timeout.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::StatusCode;
use futures_util::future::poll_fn;
use futures_util::sink::Sink;
use futures_util::stream::{AbortHandle, Abortable, SelectAll, Stream, StreamExt};
use futures_util::{FutureExt, poll};
use request::viewer::{Caller, RequestMutations};
use serde_json::Value as Json;
use telemetry::metrics;
use telemetry::{self, StreamSummary};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Socket;
use super::close::Close;
use super::message::{self, ClientMessage, Init};
use crate::bounds::Bounds;
use crate::caller::{self, LOOK_UP_AGAIN};
use crate::graphql::Endpoint;
use crate::operation::{OperationEvent, OperationRequest, RunningOperation};
use crate::params::{self, KeyParam};
use crate::refusal::Refusal;
use crate::size;

/// Results that are collected before they are sent and the client's messages are read again.
const RESULTS_PER_TURN: usize = 64;

/// One client's socket.
pub(super) struct Session {
    endpoint: Arc<Endpoint>,
    caller: Caller,
    token: Option<Arc<str>>,
    stopping: watch::Receiver<()>,
    acknowledged: bool,
    operations: SelectAll<Abortable<SocketOperation>>,
    active: Vec<Active>,
    opened: Instant,
    heard: Instant,
    /// The time of our ping that has no pong yet.
    pinged: Option<Instant>,
    /// When to look up the session.
    look_at: Instant,
    /// Whether the session may have ended and was not looked up since.
    check_due: bool,
    /// Notifies when the session may have ended.
    changes: Option<watch::Receiver<()>>,
    begun: u64,
    results: u64,
    /// The server stops, or closes this socket so that the client reconnects elsewhere.
    finishing: bool,
}

/// An operation with its id, which is written as a JSON string.
struct SocketOperation {
    id: Arc<str>,
    running: RunningOperation,
}

struct Active {
    id: Arc<str>,
    abort: AbortHandle,
    /// Whether it is a subscription.
    listening: bool,
}

impl Stream for SocketOperation {
    type Item = (Arc<str>, OperationEvent);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let step = Pin::new(&mut self.running).poll_next(cx);
        step.map(|step| step.map(|step| (Arc::clone(&self.id), step)))
    }
}

type PollWrite = fn(Pin<&mut Socket>, &mut Context<'_>) -> Poll<Result<(), Error>>;

impl Session {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        caller: Caller,
        token: Option<Arc<str>>,
        stopping: watch::Receiver<()>,
    ) -> Self {
        let now = Instant::now();
        let look_at = now + endpoint.limits.session_check();
        Self {
            endpoint,
            caller,
            token,
            stopping,
            acknowledged: false,
            operations: SelectAll::new(),
            active: Vec::new(),
            opened: now,
            heard: now,
            pinged: None,
            look_at,
            check_due: false,
            changes: None,
            begun: 0,
            results: 0,
            finishing: false,
        }
    }

    /// The socket's counts.
    pub(super) fn count(&self) -> StreamSummary {
        StreamSummary { end: String::new(), operations: self.begun, results: self.results, open: self.opened.elapsed() }
    }

    /// Runs until there is a reason to close. Rare work is in boxes, so that a listening socket needs no memory for it.
    pub(super) async fn run(&mut self, socket: &mut Socket) -> Close {
        let mut alarm = std::pin::pin!(sleep_until(self.opened + self.endpoint.limits.init_timeout()));
        loop {
            match self.turn(socket, alarm.as_mut()).await {
                Ok(()) => {}
                Err(close) if close.is_for_now() => return Box::pin(self.finish(socket, close)).await,
                Err(close) => return close,
            }
        }
    }

    async fn turn(&mut self, socket: &mut Socket, alarm: Pin<&mut Sleep>) -> Result<(), Close> {
        let mut alarm = alarm;
        let listens = self.only_listens();
        tokio::select! {
            biased;
            // An error means that the server is gone.
            _ = self.stopping.changed() => return Err(Close::RESTART),
            () = caller::changed(&mut self.changes), if listens => {
                self.check_due = true;
                Box::pin(self.sign_in()).await?;
            }
            () = &mut alarm => {
                let next = Box::pin(self.look_round(socket)).await?;
                alarm.as_mut().reset(next);
            }
            message = socket.next() => {
                let message = message.ok_or(Close::Lost)?;
                let limit = self.endpoint.limits.limit_message_bytes;
                Box::pin(self.hear(socket, message.map_err(|error| Close::after(&error, limit))?)).await?;
                if self.begun == 0 && self.acknowledged {
                    alarm.as_mut().reset(self.next_look());
                }
            }
            Some((id, step)) = self.operations.next() => self.pass_on(socket, &id, step).await?,
        }
        for _ in 1..RESULTS_PER_TURN {
            let Poll::Ready(Some((id, step))) = poll!(self.operations.next()) else { break };
            self.pass_on(socket, &id, step).await?;
        }
        // The session could not be looked up.
        if self.check_due && self.acknowledged && self.look_at < alarm.deadline() {
            alarm.reset(self.look_at);
        }
        self.write(socket, <Socket as Sink<Message>>::poll_flush).await
    }

    async fn hear(&mut self, socket: &mut Socket, message: Message) -> Result<(), Close> {
        self.heard = Instant::now();
        self.pinged = None;
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Close::invalid("Invalid message: it is binary, not text")),
            Message::Close(_) => return Err(Close::Client),
            // Pongs are sent with the next write.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        match message::read(&text, Bounds::of(&self.endpoint.limits)).map_err(Close::invalid)? {
            ClientMessage::Init(payload) => self.init(socket, &payload).await,
            ClientMessage::Ping(payload) => self.say(socket, message::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, operation } => self.subscribe(socket, &id, operation).await,
            ClientMessage::Complete { id } => {
                self.forget(&quote(&id));
                Ok(())
            }
        }
    }

    async fn init(&mut self, socket: &mut Socket, payload: &Init<'_>) -> Result<(), Close> {
        if self.acknowledged {
            return Err(Close::SECOND_INIT);
        }
        if let Some(token) = read_token(payload)? {
            self.token = Some(token.into());
        }
        Box::pin(self.sign_in()).await?;
        self.acknowledged = true;
        self.say(socket, message::ack()).await
    }

    /// Whether only subscriptions run. A query or mutation, such as `logOut` itself, is finished before the socket is
    /// closed, unless that takes longer than the next check of the session.
    fn only_listens(&self) -> bool {
        self.active.iter().all(|active| active.listening)
    }

    /// Whether the session must be looked up before anything is delivered.
    fn is_unsure(&self) -> bool {
        let has_changed = self.changes.as_ref().is_some_and(|changes| changes.has_changed().unwrap_or(false));
        let is_due = self.token.is_some() && Instant::now() >= self.look_at;
        is_due || (has_changed && self.only_listens())
    }

    /// Checks that the token is still valid.
    async fn sign_in(&mut self) -> Result<(), Close> {
        if let Some(changes) = &mut self.changes {
            self.check_due |= changes.has_changed().unwrap_or(false);
            changes.mark_unchanged();
        }
        let Some(token) = &self.token else { return Ok(()) };
        let limits = &self.endpoint.limits;
        let found = timeout(limits.request_timeout(), self.endpoint.callers.sign_in_uncached(token)).await;
        self.look_at = Instant::now() + limits.session_check();
        let viewer = match found {
            Ok(Ok(found)) => found.viewer,
            Ok(Err(refusal)) if refusal.status == Some(StatusCode::UNAUTHORIZED) => {
                refusal.count();
                return Err(Close::FORBIDDEN);
            }
            // The token cannot be checked now: a session that was valid before stays.
            _ if self.acknowledged => {
                if self.check_due {
                    self.look_at = self.look_at.min(Instant::now() + LOOK_UP_AGAIN);
                }
                return Ok(());
            }
            _ => return Err(Close::UNAVAILABLE),
        };
        if self.acknowledged && self.caller.viewer != Some(viewer) {
            // Subscriptions keep the rights with which they began.
            return Err(Close::FORBIDDEN);
        }
        self.check_due = false;
        self.caller.viewer = Some(viewer);
        if self.changes.is_none() {
            self.changes = Some(self.endpoint.callers.watch(viewer));
        }
        Ok(())
    }

    async fn subscribe(
        &mut self,
        socket: &mut Socket,
        id: &str,
        operation: Result<Box<params::OperationParams>, Refusal>,
    ) -> Result<(), Close> {
        if !self.acknowledged {
            return Err(Close::UNAUTHORIZED);
        }
        let key: Arc<str> = quote(id).into();
        if self.active.iter().any(|active| active.id == key) {
            return Err(Close::duplicate(id));
        }
        let max = self.endpoint.limits.limit_socket_operations;
        let asked = operation.and_then(|operation| {
            let caller = self.caller_of(&operation)?;
            if self.active.len() as u64 >= max {
                return Err(Refusal::socket_operations(max));
            }
            // It may have to wait for its slot.
            let bytes = operation.query.len() as u64 + size::bytes_of(&operation.variables);
            let kept = self.endpoint.kept.take(caller.address, bytes);
            Ok((operation, caller, kept.map_err(Refusal::exhausted)?))
        });
        let (operation, caller, kept) = match asked {
            Ok(asked) => asked,
            Err(refusal) => {
                refusal.count();
                return self.say(socket, message::error(&key, &refusal.errors)).await;
            }
        };
        self.begun += 1;
        let token = self.token.clone();
        let (operation, kept) = (*operation, Some(kept));
        let ask = OperationRequest {
            operation,
            caller,
            token,
            safe: false,
            streams: true,
            waits: true,
            resume_from: None,
            kept,
        };
        let endpoint = Arc::clone(&self.endpoint);
        // What it holds meanwhile does not depend on whether the client reads the results of others. The box is freed
        // once a subscription listens.
        let running = RunningOperation::begin(telemetry::apart(async move { endpoint.begin(ask).await }).boxed());
        let (abort, registration) = AbortHandle::new_pair();
        self.operations.push(Abortable::new(SocketOperation { id: Arc::clone(&key), running }, registration));
        self.active.push(Active { id: key, abort, listening: false });
        Ok(())
    }

    /// A socket has no headers for each operation: the key is in the extensions.
    fn caller_of(&self, operation: &params::OperationParams) -> Result<Caller, Refusal> {
        let idempotency_key = match &operation.idempotency_key {
            None => None,
            Some(KeyParam::Text(key)) => Some(caller::check_key(key.as_bytes())?),
            Some(KeyParam::NotText) => return Err(Refusal::parameter("extensions.idempotencyKey", "must be a string")),
        };
        // The position from the handshake would be outdated.
        Ok(Caller { idempotency_key, after: None, mutations: RequestMutations::default(), ..self.caller.clone() })
    }

    /// Removes an operation. Nothing more is sent for it.
    fn forget(&mut self, id: &str) {
        if let Some(at) = self.active.iter().position(|active| &*active.id == id) {
            self.active.swap_remove(at).abort.abort();
        }
    }

    async fn pass_on(&mut self, socket: &mut Socket, id: &str, step: OperationEvent) -> Result<(), Close> {
        match step {
            OperationEvent::Listening => {
                if let Some(active) = self.active.iter_mut().find(|active| &*active.id == id) {
                    active.listening = true;
                }
                Ok(())
            }
            OperationEvent::Next(payload) => {
                if self.is_unsure() {
                    Box::pin(self.sign_in()).await?;
                }
                self.results += 1;
                metrics::count_result();
                for message in message::next(id, &payload.json) {
                    self.say(socket, message).await?;
                }
                Ok(())
            }
            OperationEvent::Refused(errors) => {
                self.forget(id);
                self.say(socket, message::error(id, &errors)).await
            }
            OperationEvent::Complete => {
                self.forget(id);
                self.say(socket, message::complete(id)).await
            }
            OperationEvent::Unavailable(message) => {
                self.forget(id);
                Err(Close::unavailable(message))
            }
            OperationEvent::Lagged => {
                self.forget(id);
                Err(Close::LAGGED)
            }
            OperationEvent::Stopping => {
                self.forget(id);
                Err(Close::RESTART)
            }
            OperationEvent::SignedOut => Err(Close::FORBIDDEN),
        }
    }

    /// Finishes queries and mutations before the socket is closed: a mutation may already be committed.
    async fn finish(&mut self, socket: &mut Socket, close: Close) -> Close {
        self.finishing = true;
        while self.active.iter().any(|active| !active.listening) {
            let Some((id, step)) = self.operations.next().await else { break };
            let said = match step {
                // The client retries it.
                OperationEvent::Unavailable(_) | OperationEvent::Stopping | OperationEvent::Lagged => {
                    self.forget(&id);
                    continue;
                }
                step => self.pass_on(socket, &id, step).await,
            };
            if let Err(close) = said {
                return close;
            }
            if let Err(close) = self.write(socket, <Socket as Sink<Message>>::poll_flush).await {
                return close;
            }
        }
        close
    }

    /// Checks that the client still responds and is signed in. Returns the time of the next check.
    async fn look_round(&mut self, socket: &mut Socket) -> Result<Instant, Close> {
        if !self.acknowledged {
            return Err(Close::INIT_TIMEOUT);
        }
        let (now, limits) = (Instant::now(), &self.endpoint.limits);
        let patience = limits.keep_alive();
        if self.pinged.is_some_and(|pinged| now - pinged >= patience) {
            return Err(Close::Lost);
        }
        if self.token.is_some() && now >= self.look_at {
            Box::pin(self.sign_in()).await?;
        }
        if self.pinged.is_none() && now - self.heard >= patience {
            self.pinged = Some(now);
            self.say(socket, Message::Ping(Default::default())).await?;
        }
        Ok(self.next_look())
    }

    fn next_look(&self) -> Instant {
        let keep_alive = self.pinged.unwrap_or(self.heard) + self.endpoint.limits.keep_alive();
        if self.token.is_some() { self.look_at.min(keep_alive) } else { keep_alive }
    }

    async fn say(&mut self, socket: &mut Socket, message: Message) -> Result<(), Close> {
        self.write(socket, <Socket as Sink<Message>>::poll_ready).await?;
        Pin::new(socket).start_send(message).map_err(|_| Close::Lost)
    }

    /// Waits until the client has read enough. The connection has the write timeout.
    async fn write(&mut self, socket: &mut Socket, poll: PollWrite) -> Result<(), Close> {
        let mut work = poll_fn(|cx| poll(Pin::new(socket), cx));
        if let Poll::Ready(done) = poll!(&mut work) {
            return done.map_err(|_| Close::Lost);
        }
        tokio::select! {
            biased;
            done = work => done.map_err(|_| Close::Lost),
            _ = self.stopping.changed(), if !self.finishing => Err(Close::Lost),
        }
    }
}

/// An id as in messages.
fn quote(id: &str) -> String {
    Json::from(id).to_string()
}

/// The token in `connection_init`: `{"Authorization": "Bearer TOKEN"}` or `{"token": "TOKEN"}`.
fn read_token(payload: &Init<'_>) -> Result<Option<String>, Close> {
    match payload.header().map_err(Close::invalid)? {
        Some(header) => caller::read_bearer(header.as_bytes()).map(Some).map_err(|_| Close::FORBIDDEN),
        None => payload.token().map_err(Close::invalid),
    }
}

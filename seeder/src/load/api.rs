//! Sends operations and retries until there is a response.
//!
//! A request without a response, or with one that says to try again, is sent again with the same idempotency key
//! after a growing pause, so that nothing is done twice. `INTERNAL` and status 503 are such responses. With several
//! servers, each attempt goes to the next one.
//!
//! A server may close a keep-alive connection at any time, also while a request is being sent. This is not an outage:
//! the request is sent again immediately over a new connection.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::documents::Mutation;
use super::lock;
use super::outages::{OutageClock, OutageClocks, OutageKind};
use crate::history::check::Outages;

/// The timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause before a retry. Each later one may be twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The header with a position in the database's log: a response contains it, and a request waits for it.
const POSITION: &str = "x-kinoteka-after";
/// The header of a response that is older than the requested position.
const STALE: &str = "x-kinoteka-stale";
/// The status of a server that is down.
const UNAVAILABLE_STATUS: u16 = 503;

/// The code when a connection closes before the response begins.
const CLOSED: &str = "connection closed";

/// Why an operation returned nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// The server refused it: nothing changed.
    Refused {
        /// The code of the error.
        code: String,
        /// Its message.
        message: String,
    },
    /// It is unknown whether it was done.
    Unknown {
        /// The code of the error or of the connection's failure.
        code: String,
        /// A description.
        message: String,
    },
}

impl RequestFailure {
    /// The code of the error.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } | Self::Unknown { code, .. } => code,
        }
    }

    /// The message.
    pub fn message(&self) -> &str {
        match self {
            Self::Refused { message, .. } | Self::Unknown { message, .. } => message,
        }
    }
}

/// The outcome of one attempt.
enum SendOutcome {
    /// The value of `data`.
    Data(Value),
    /// The code and text of the first error.
    Error(String, String),
    /// The same, for an error that may not happen again.
    Transient(String, String),
    /// No GraphQL response.
    NoResponse(String, String),
}

/// The session of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestContext<'a> {
    /// The session's token.
    pub token: Option<&'a str>,
    /// The position in the database's log that the response must include, from an earlier response.
    pub after: Option<&'a str>,
}

/// How an operation was sent.
#[derive(Clone, Debug)]
pub struct Attempts {
    /// When it was first sent.
    pub start: Instant,
    /// When the last response came.
    pub end: Instant,
    /// The server of that response, by its position.
    pub instance: usize,
    /// How often it was sent.
    pub times: u32,
    /// Whether the server marked the response as stale.
    pub stale: bool,
    /// The position in the database's log from the response.
    pub position: Option<String>,
}

/// The outcome of an operation, and how it was sent.
pub type ApiResponse = (Result<Value, RequestFailure>, Attempts);

/// Limits of the server for one client or user that have refused requests.
#[derive(Debug, Default)]
struct LimitReports {
    /// Limits that were not yet reported.
    new: Vec<String>,
    met: BTreeMap<String, ReachedLimit>,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReachedLimit {
    /// The number of requests that it refused.
    pub refused: u64,
    /// Its value.
    pub max: u64,
}

/// A GraphQL server.
pub struct Api {
    client: Client,
    /// Uses a new connection for each request: all kept ones may be closed.
    fresh: Client,
    urls: Vec<Url>,
    next: AtomicUsize,
    retry_for: Duration,
    /// Times without a response from any server.
    silence: Mutex<OutageClock>,
    outages: OutageClocks,
    sent_again: AtomicU64,
    limits: Mutex<LimitReports>,
    retried: Mutex<BTreeMap<String, u64>>,
}

impl Api {
    /// Servers by their URLs. Requests are retried for `retry_for`.
    ///
    /// # Errors
    /// The system's settings do not allow an HTTP client.
    pub fn new(urls: Vec<Url>, retry_for: Duration) -> anyhow::Result<Self> {
        let client = || Client::builder().timeout(REQUEST_TIMEOUT).tcp_nodelay(true);
        let (client, fresh) = (client().build()?, client().pool_max_idle_per_host(0).build()?);
        Ok(Self {
            client,
            fresh,
            urls,
            next: AtomicUsize::new(0),
            retry_for,
            silence: Mutex::default(),
            outages: OutageClocks::default(),
            sent_again: AtomicU64::new(0),
            limits: Mutex::default(),
            retried: Mutex::default(),
        })
    }

    /// The URLs of the servers.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// How often no server responded, and for how long.
    pub fn silence(&self) -> Outages {
        lock(&self.silence).outages()
    }

    /// The outages, by kind of operation.
    pub fn outages(&self) -> BTreeMap<OutageKind, Outages> {
        self.outages.outages()
    }

    /// How long no server has responded, if none does now.
    pub fn outage(&self) -> Option<Duration> {
        lock(&self.silence).open()
    }

    /// The number of retries, and their reasons.
    pub fn retries(&self) -> (u64, BTreeMap<String, u64>) {
        (self.sent_again.load(Ordering::Relaxed), lock(&self.retried).clone())
    }

    /// The limits that have refused requests, by the names of their flags without dashes.
    pub fn limits(&self) -> BTreeMap<String, ReachedLimit> {
        lock(&self.limits).met.clone()
    }

    /// A sentence for each limit that refused a request for the first time since the last call.
    pub fn new_limits(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.limits).new)
    }

    /// Sends an anonymous query and returns the value of `data`.
    ///
    /// # Errors
    /// `Refused` for an error of the server, `Unknown` without a response.
    pub async fn query(&self, document: &str, variables: &Value) -> Result<Value, RequestFailure> {
        self.send(RequestContext::default(), None, document, variables).await.0
    }

    /// Sends a mutation and returns the payload. `key` ensures that it is done once.
    pub async fn mutate(
        &self,
        context: RequestContext<'_>,
        mutation: &Mutation,
        input: &Value,
        key: &str,
    ) -> ApiResponse {
        let variables = json!({ "input": input });
        let (outcome, sent) = self.send(context, Some(key), &mutation.document(), &variables).await;
        (outcome.and_then(|data| payload(data, mutation.field)), sent)
    }

    /// Sends an operation until there is a response or the time is over. Returns the value of `data`.
    pub async fn send(
        &self,
        context: RequestContext<'_>,
        key: Option<&str>,
        document: &str,
        variables: &Value,
    ) -> ApiResponse {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let kind = match (key, context.token) {
            (Some(_), _) => OutageKind::Mutations,
            (None, Some(_)) => OutageKind::SignedInReads,
            (None, None) => OutageKind::AnonymousReads,
        };
        let start = Instant::now();
        let deadline = start + self.retry_for;
        let mut sent = Attempts { start, end: start, instance: 0, times: 0, stale: false, position: None };
        let mut pause = PAUSE_FIRST;
        // Whether an earlier attempt may have been executed.
        let mut is_doubtful = false;
        let mut client = &self.client;
        loop {
            let sent_at = Instant::now();
            let outcome = self.send_once(client, context, key, body.clone(), &mut sent).await;
            sent.end = Instant::now();
            // Only a trial selects nothing.
            let outcome = match outcome {
                SendOutcome::Data(data) if kind != OutageKind::AnonymousReads && data == json!({}) => nonsense(200),
                other => other,
            };
            let is_kept_alive = std::ptr::eq(client, &self.client);
            if is_kept_alive && matches!(&outcome, SendOutcome::NoResponse(code, _) if code == CLOSED) {
                (client, is_doubtful) = (&self.fresh, is_doubtful || key.is_some());
                self.count_retry(CLOSED.to_owned());
                continue;
            }
            if matches!(outcome, SendOutcome::NoResponse(..)) {
                lock(&self.silence).fail(sent_at);
            } else {
                lock(&self.silence).succeed(sent_at);
            }
            let has_answer = matches!(outcome, SendOutcome::Data(_) | SendOutcome::Error(..));
            self.outages.note(kind, sent_at, has_answer);
            let (code, message) = match outcome {
                SendOutcome::Data(data) => return (Ok(data), sent),
                SendOutcome::Error(code, message) if is_doubtful => {
                    return (Err(RequestFailure::Unknown { code, message }), sent);
                }
                SendOutcome::Error(code, message) => return (Err(RequestFailure::Refused { code, message }), sent),
                SendOutcome::Transient(code, message) | SendOutcome::NoResponse(code, message) => (code, message),
            };
            is_doubtful = true;
            if Instant::now() + pause > deadline {
                return (Err(RequestFailure::Unknown { code, message }), sent);
            }
            self.count_retry(code);
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn count_retry(&self, code: String) {
        self.sent_again.fetch_add(1, Ordering::Relaxed);
        *lock(&self.retried).entry(code).or_default() += 1;
    }

    async fn send_once(
        &self,
        client: &Client,
        context: RequestContext<'_>,
        key: Option<&str>,
        body: String,
        sent: &mut Attempts,
    ) -> SendOutcome {
        sent.instance = self.next.fetch_add(1, Ordering::Relaxed) % self.urls.len();
        sent.times += 1;
        let mut request = client.post(self.urls[sent.instance].clone()).header("content-type", "application/json");
        if let Some(token) = context.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in [("idempotency-key", key), (POSITION, context.after)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = match request.body(body).send().await {
            Ok(response) => response,
            Err(error) => return SendOutcome::NoResponse(connection_code(&error, CLOSED), causes(&error)),
        };
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        (sent.position, sent.stale) = (header(POSITION), header(STALE).is_some());
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return SendOutcome::NoResponse(connection_code(&error, "connection lost"), causes(&error)),
        };
        self.read_answer(status.as_u16(), &bytes)
    }

    fn read_answer(&self, status: u16, bytes: &[u8]) -> SendOutcome {
        let Ok(mut answer) = serde_json::from_slice::<Value>(bytes) else { return nonsense(status) };
        if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
            let code = error["extensions"]["code"].as_str().unwrap_or("no code").to_owned();
            let (limit, max) = (&error["extensions"]["limit"], &error["extensions"]["max"]);
            if let ("RATE_LIMITED", Some(limit), Some(max)) = (&*code, limit.as_str(), max.as_u64()) {
                lock(&self.limits).note(limit, max);
            }
            let message = error["message"].as_str().unwrap_or_default().to_owned();
            return if is_transient(&code) || (status == UNAVAILABLE_STATUS && code != "RATE_LIMITED") {
                SendOutcome::Transient(code, message)
            } else {
                SendOutcome::Error(code, message)
            };
        }
        match answer.get_mut("data").map(Value::take) {
            Some(data @ Value::Object(_)) => SendOutcome::Data(data),
            _ => nonsense(status),
        }
    }
}

fn nonsense(status: u16) -> SendOutcome {
    SendOutcome::NoResponse(format!("HTTP {status}"), "the response is not GraphQL".to_owned())
}

/// The payload of a mutation.
///
/// # Errors
/// The payload has errors, or is missing.
pub fn payload(mut data: Value, field: &str) -> Result<Value, RequestFailure> {
    let payload = data[field].take();
    if !payload.is_object() {
        let message = format!("the response has no {field}");
        return Err(RequestFailure::Unknown { code: "no payload".to_owned(), message });
    }
    match payload["errors"].as_array().and_then(|errors| errors.first()) {
        None => Ok(payload),
        Some(error) => {
            let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
            let prefix = error["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
            Err(RequestFailure::Refused { code: text("code"), message: prefix + &text("message") })
        }
    }
}

impl LimitReports {
    fn note(&mut self, limit: &str, max: u64) {
        let met = self.met.entry(limit.to_owned()).or_insert(ReachedLimit { refused: 0, max });
        met.refused += 1;
        if met.refused == 1 {
            self.new
                .push(format!("the server refuses requests: its --{limit} is {max}; restart it with a higher value"));
        }
    }
}

/// Between half of a pause and all of it, so that clients do not return simultaneously after an outage.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.0))
}

/// Whether a retry of the same request may succeed.
fn is_transient(code: &str) -> bool {
    matches!(code, "UNAVAILABLE" | "TIMEOUT" | "INTERNAL")
}

fn connection_code(error: &reqwest::Error, otherwise: &str) -> String {
    let code = match error {
        error if error.is_connect() => "no connection",
        error if error.is_timeout() => "no answer",
        _ => otherwise,
    };
    code.to_owned()
}

/// An error with its causes, down to the system's message.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

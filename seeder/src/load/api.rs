//! Sending operations, and getting an answer whatever happens to the server meanwhile.
//!
//! A request that gets no answer, or one that says to try again, is sent again with the same
//! idempotency key after a growing pause, so that nothing is done twice. `INTERNAL` and status 503 are such answers.
//! Where there are several servers, each sending goes to the next one.
//!
//! A server may close a kept connection at any time, also at the moment when a request is sent. That is no
//! outage: what was sent there is sent again at once, by a new one.

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
use super::outages::{OperationKind, OutageClock, OutageClocks};
use crate::history::check::Outages;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause before a request is sent again; each next one may be twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The header with the position in the database's log that an answer has, and that a request asks for.
const POSITION: &str = "x-kinoteka-after";
/// The header of an answer by an older state than was asked for.
const STALE: &str = "x-kinoteka-stale";
/// The status of a server that is away.
const UNAVAILABLE_STATUS: u16 = 503;

/// The code when a connection was closed before anything of the answer came.
const CLOSED: &str = "connection closed";

/// Why an operation gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server says that nothing was done.
    Refused {
        /// The code of the error.
        code: String,
        /// What it says.
        message: String,
    },
    /// Nobody knows whether it was done.
    Unknown {
        /// The code of the error, or what became of the connection.
        code: String,
        /// What is known.
        message: String,
    },
}

impl Failure {
    /// The code of the error.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } | Self::Unknown { code, .. } => code,
        }
    }

    /// What it says.
    pub fn message(&self) -> &str {
        match self {
            Self::Refused { message, .. } | Self::Unknown { message, .. } => message,
        }
    }
}

/// How one sending of a request ended.
enum SendOutcome {
    /// The value of `data`.
    Data(Value),
    /// The code and text of the first error.
    Error(String, String),
    /// The same of one that may be gone a moment later.
    Passing(String, String),
    /// No GraphQL answer.
    Nothing(String, String),
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// The session's token.
    pub token: Option<&'a str>,
    /// The position in the database's log that the answer must have: what an earlier answer said.
    pub after: Option<&'a str>,
}

/// How an operation was sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// When for the first time.
    pub start: Instant,
    /// When the last answer came.
    pub end: Instant,
    /// The server of that answer, by its place.
    pub instance: usize,
    /// How often.
    pub times: u32,
    /// Whether the server said that it answers by an older state.
    pub stale: bool,
    /// The position in the database's log that the answer names.
    pub position: Option<String>,
}

/// What came of an operation, and how it was sent.
pub type ApiAnswer = (Result<Value, Failure>, Sending);

/// The server's limits for one client or user that have refused requests.
#[derive(Debug, Default)]
struct LimitReports {
    /// Those that nobody has been told of yet.
    new: Vec<String>,
    met: BTreeMap<String, Met>,
}

/// How a limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Met {
    /// Requests that it has refused.
    pub refused: u64,
    /// Its value.
    pub max: u64,
}

/// A GraphQL server.
pub struct Api {
    client: Client,
    /// Has a new connection for each request: all that are kept may be closed.
    fresh: Client,
    urls: Vec<Url>,
    next: AtomicUsize,
    retry_for: Duration,
    /// Whether any server answers at all.
    silence: Mutex<OutageClock>,
    outages: OutageClocks,
    sent_again: AtomicU64,
    limits: Mutex<LimitReports>,
    retried: Mutex<BTreeMap<String, u64>>,
}

impl Api {
    /// Servers at their URLs, whose silence is waited out for a while.
    ///
    /// # Errors
    /// The system's settings allow no HTTP client.
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

    /// Where they are.
    pub fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// How often no server answered, and for how long.
    pub fn silence(&self) -> Outages {
        lock(&self.silence).outages()
    }

    /// How often operations did not succeed, and for how long.
    pub fn outages(&self) -> BTreeMap<OperationKind, Outages> {
        self.outages.outages()
    }

    /// For how long there has been no server, if there is none now.
    pub fn outage(&self) -> Option<Duration> {
        lock(&self.silence).open()
    }

    /// How many requests were sent again, and why.
    pub fn retries(&self) -> (u64, BTreeMap<String, u64>) {
        (self.sent_again.load(Ordering::Relaxed), lock(&self.retried).clone())
    }

    /// The limits that have refused requests, by the names of their flags without the dashes.
    pub fn limits(&self) -> BTreeMap<String, Met> {
        lock(&self.limits).met.clone()
    }

    /// A sentence for each limit that has refused a request for the first time since this was asked last.
    pub fn new_limits(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.limits).new)
    }

    /// Asks as nobody; gives the value of `data`.
    ///
    /// # Errors
    /// `Refused` for an error of the server, `Unknown` when it stays silent.
    pub async fn query(&self, document: &str, variables: &Value) -> Result<Value, Failure> {
        self.send(Asker::default(), None, document, variables).await.0
    }

    /// Changes something; gives the payload. `key` makes sure that it is done once.
    pub async fn mutate(&self, asker: Asker<'_>, mutation: &Mutation, input: &Value, key: &str) -> ApiAnswer {
        let variables = json!({ "input": input });
        let (outcome, sent) = self.send(asker, Some(key), &mutation.document(), &variables).await;
        (outcome.and_then(|data| payload(data, mutation.field)), sent)
    }

    /// Sends an operation until there is an answer, or for as long as is allowed; gives the value of `data`.
    pub async fn send(&self, asker: Asker<'_>, key: Option<&str>, document: &str, variables: &Value) -> ApiAnswer {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let kind = match (key, asker.token) {
            (Some(_), _) => OperationKind::Mutations,
            (None, Some(_)) => OperationKind::SignedInReads,
            (None, None) => OperationKind::AnonymousReads,
        };
        let start = Instant::now();
        let deadline = start + self.retry_for;
        let mut sent = Sending { start, end: start, instance: 0, times: 0, stale: false, position: None };
        let mut pause = PAUSE_FIRST;
        // Whether an earlier sending may have done what it asked for.
        let mut is_doubtful = false;
        let mut client = &self.client;
        loop {
            let sent_at = Instant::now();
            let outcome = self.send_once(client, asker, key, body.clone(), &mut sent).await;
            sent.end = Instant::now();
            // Only a trial selects nothing.
            let outcome = match outcome {
                SendOutcome::Data(data) if kind != OperationKind::AnonymousReads && data == json!({}) => nonsense(200),
                other => other,
            };
            let kept = std::ptr::eq(client, &self.client);
            if kept && matches!(&outcome, SendOutcome::Nothing(code, _) if code == CLOSED) {
                (client, is_doubtful) = (&self.fresh, is_doubtful || key.is_some());
                self.count_retry(CLOSED.to_owned());
                continue;
            }
            if matches!(outcome, SendOutcome::Nothing(..)) {
                lock(&self.silence).fail(sent_at);
            } else {
                lock(&self.silence).succeed(sent_at);
            }
            let has_answer = matches!(outcome, SendOutcome::Data(_) | SendOutcome::Error(..));
            self.outages.note(kind, sent_at, has_answer);
            let (code, message) = match outcome {
                SendOutcome::Data(data) => return (Ok(data), sent),
                SendOutcome::Error(code, message) if is_doubtful => {
                    return (Err(Failure::Unknown { code, message }), sent);
                }
                SendOutcome::Error(code, message) => return (Err(Failure::Refused { code, message }), sent),
                SendOutcome::Passing(code, message) | SendOutcome::Nothing(code, message) => (code, message),
            };
            is_doubtful = true;
            if Instant::now() + pause > deadline {
                return (Err(Failure::Unknown { code, message }), sent);
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
        asker: Asker<'_>,
        key: Option<&str>,
        body: String,
        sent: &mut Sending,
    ) -> SendOutcome {
        sent.instance = self.next.fetch_add(1, Ordering::Relaxed) % self.urls.len();
        sent.times += 1;
        let mut request = client.post(self.urls[sent.instance].clone()).header("content-type", "application/json");
        if let Some(token) = asker.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in [("idempotency-key", key), (POSITION, asker.after)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = match request.body(body).send().await {
            Ok(response) => response,
            Err(error) => return SendOutcome::Nothing(connection_code(&error, CLOSED), causes(&error)),
        };
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        (sent.position, sent.stale) = (header(POSITION), header(STALE).is_some());
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return SendOutcome::Nothing(connection_code(&error, "connection lost"), causes(&error)),
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
            return if is_passing(&code) || (status == UNAVAILABLE_STATUS && code != "RATE_LIMITED") {
                SendOutcome::Passing(code, message)
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
    SendOutcome::Nothing(format!("HTTP {status}"), "the answer is not GraphQL".to_owned())
}

/// The payload of a mutation.
///
/// # Errors
/// It says that nothing was done, or is not there.
pub fn payload(mut data: Value, field: &str) -> Result<Value, Failure> {
    let payload = data[field].take();
    if !payload.is_object() {
        let message = format!("the answer has no {field}");
        return Err(Failure::Unknown { code: "no payload".to_owned(), message });
    }
    match payload["errors"].as_array().and_then(|errors| errors.first()) {
        None => Ok(payload),
        Some(error) => {
            let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
            let place = error["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
            Err(Failure::Refused { code: text("code"), message: place + &text("message") })
        }
    }
}

impl LimitReports {
    fn note(&mut self, limit: &str, max: u64) {
        let met = self.met.entry(limit.to_owned()).or_insert(Met { refused: 0, max });
        met.refused += 1;
        if met.refused == 1 {
            self.new.push(format!("the server refuses requests: its --{limit} is {max}; start it with more"));
        }
    }
}

/// Half of a pause to all of it, so that not all clients come at once when the server is back.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.0))
}

/// Whether the same request may well succeed a moment later.
fn is_passing(code: &str) -> bool {
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

/// An error with what stands behind it, down to the system's own words.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

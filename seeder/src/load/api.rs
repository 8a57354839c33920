//! Sending operations, and getting an answer whatever happens to the server meanwhile.
//!
//! A request that gets no answer, or one that says to try again, is sent again with the same
//! idempotency key after a growing pause, so that nothing is done twice.
//!
//! A server may close a kept connection at any time, also at the moment when a request is sent. That is no
//! outage: what was sent there is sent again at once, by a new one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::documents::Mutation;
use super::lock;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause before a request is sent again; each next one may be twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

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
    /// No GraphQL answer.
    Nothing(String, String),
}

/// Times in which the server gave no answers.
#[derive(Debug, Default)]
struct Outages {
    since: Option<Instant>,
    count: u64,
    total: Duration,
}

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
    url: Url,
    retry_for: Duration,
    outages: Mutex<Outages>,
    sent_again: AtomicU64,
    limits: Mutex<LimitReports>,
    retried: Mutex<BTreeMap<String, u64>>,
}

impl Api {
    /// A server at a URL, whose silence is waited out for a while.
    ///
    /// # Errors
    /// The system's settings allow no HTTP client.
    pub fn new(url: Url, retry_for: Duration) -> anyhow::Result<Self> {
        let client = || Client::builder().timeout(REQUEST_TIMEOUT).tcp_nodelay(true);
        let (client, fresh) = (client().build()?, client().pool_max_idle_per_host(0).build()?);
        let (outages, retried) = (Mutex::default(), Mutex::default());
        let (sent_again, limits) = (AtomicU64::new(0), Mutex::default());
        Ok(Self { client, fresh, url, retry_for, outages, sent_again, limits, retried })
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// How often there was no server, and for how long in all.
    pub fn outages(&self) -> (u64, Duration) {
        let outages = lock(&self.outages);
        (outages.count, outages.total + outages.open().unwrap_or_default())
    }

    /// For how long there has been no server, if there is none now.
    pub fn outage(&self) -> Option<Duration> {
        lock(&self.outages).open()
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

    /// Asks; gives the value of `data`.
    ///
    /// # Errors
    /// `Refused` for an error of the server, `Unknown` when it stays silent.
    pub async fn query(&self, token: Option<&str>, document: &str, variables: &Value) -> Result<Value, Failure> {
        self.send(token, None, document, variables).await
    }

    /// Changes something; gives the payload. `key` makes sure that it is done once.
    ///
    /// # Errors
    /// `Refused` when nothing was changed, `Unknown` when nobody knows.
    pub async fn mutate(
        &self,
        token: Option<&str>,
        mutation: &Mutation,
        input: Value,
        key: &str,
    ) -> Result<Value, Failure> {
        let mut data = self.send(token, Some(key), &mutation.document(), &json!({ "input": input })).await?;
        let payload = data[mutation.field].take();
        match payload["errors"].as_array().and_then(|errors| errors.first()) {
            None => Ok(payload),
            Some(error) => {
                let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
                let place = error["field"].as_str().map(|field| format!("{field}: ")).unwrap_or_default();
                Err(Failure::Refused { code: text("code"), message: place + &text("message") })
            }
        }
    }

    async fn send(
        &self,
        token: Option<&str>,
        key: Option<&str>,
        document: &str,
        variables: &Value,
    ) -> Result<Value, Failure> {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let deadline = Instant::now() + self.retry_for;
        let mut pause = PAUSE_FIRST;
        // Whether an earlier sending may have done what it asked for.
        let mut is_doubtful = false;
        let mut client = &self.client;
        loop {
            let sent_at = Instant::now();
            let sent = self.send_once(client, token, key, body.clone()).await;
            let kept = std::ptr::eq(client, &self.client);
            if kept && matches!(&sent, SendOutcome::Nothing(code, _) if code == CLOSED) {
                (client, is_doubtful) = (&self.fresh, is_doubtful || key.is_some());
                self.count_retry(CLOSED.to_owned());
                continue;
            }
            if matches!(sent, SendOutcome::Nothing(..)) {
                lock(&self.outages).begin();
            } else {
                lock(&self.outages).end(sent_at);
            }
            let (code, message) = match sent {
                SendOutcome::Data(data) => return Ok(data),
                // What the server did before a fault of its own, nobody knows.
                SendOutcome::Error(code, message) if code == "INTERNAL" => {
                    return Err(Failure::Unknown { code, message });
                }
                SendOutcome::Error(code, message) if is_passing(&code) => (code, message),
                SendOutcome::Error(code, message) if is_doubtful => return Err(Failure::Unknown { code, message }),
                SendOutcome::Error(code, message) => return Err(Failure::Refused { code, message }),
                SendOutcome::Nothing(code, message) => (code, message),
            };
            is_doubtful = true;
            if Instant::now() + pause > deadline {
                return Err(Failure::Unknown { code, message });
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

    async fn send_once(&self, client: &Client, token: Option<&str>, key: Option<&str>, body: String) -> SendOutcome {
        let mut request = client.post(self.url.clone()).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = match request.body(body).send().await {
            Ok(response) => response,
            Err(error) => return SendOutcome::Nothing(connection_code(&error, CLOSED), causes(&error)),
        };
        let status = response.status();
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return SendOutcome::Nothing(connection_code(&error, "connection lost"), causes(&error)),
        };
        let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else {
            return SendOutcome::Nothing(format!("HTTP {}", status.as_u16()), "the answer is no GraphQL".to_owned());
        };
        if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
            let code = error["extensions"]["code"].as_str().unwrap_or("no code").to_owned();
            let (limit, max) = (&error["extensions"]["limit"], &error["extensions"]["max"]);
            if let ("RATE_LIMITED", Some(limit), Some(max)) = (&*code, limit.as_str(), max.as_u64()) {
                lock(&self.limits).note(limit, max);
            }
            return SendOutcome::Error(code, error["message"].as_str().unwrap_or_default().to_owned());
        }
        match answer["data"].take() {
            Value::Null => {
                SendOutcome::Nothing(format!("HTTP {}", status.as_u16()), "the answer is no GraphQL".to_owned())
            }
            data => SendOutcome::Data(data),
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

impl Outages {
    fn open(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    fn begin(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.count += 1;
        }
    }

    /// An answer came to what was sent at a moment: one sent earlier may have crossed the beginning.
    fn end(&mut self, sent_at: Instant) {
        if let Some(since) = self.since.take_if(|since| *since <= sent_at) {
            self.total += since.elapsed();
        }
    }
}

/// Half of a pause to all of it, so that not all clients come at once when the server is back.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.0))
}

/// Whether the same request may well succeed a moment later.
fn is_passing(code: &str) -> bool {
    matches!(code, "UNAVAILABLE" | "TIMEOUT")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_until_something_sent_during_it_is_answered() {
        let mut outages = Outages::default();
        let before = Instant::now();
        outages.begin();
        outages.begin();
        outages.end(before);
        assert_eq!((outages.count, outages.open().is_some()), (1, true));
        outages.end(Instant::now());
        assert_eq!(outages.open(), None);
        outages.begin();
        assert_eq!(outages.count, 2);
    }
}

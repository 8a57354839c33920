//! Logs, the counts of a running request, and [the process's metrics](metrics). Needs no other crate of the workspace.

pub mod log;
pub mod metrics;
mod pretty;

use std::backtrace::BacktraceStatus;
use std::future::{Future, pending};
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use futures_util::future::Either;
use tokio::task::{JoinError, JoinSet};
use tracing_subscriber::EnvFilter;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line for each event, in colour on a terminal.
    Pretty,
    /// One JSON object for each event, for log collectors.
    Json,
}

/// Parses the value of `--log-filter`.
///
/// # Errors
/// The filter cannot be parsed; the message quotes it.
pub fn read_filter(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(filter)
        .map_err(|error| anyhow::anyhow!("--log-filter {filter:?} is not a valid filter ({error}); try \"info\""))
}

/// Starts logging to standard error with [`log`]: a slow or missing reader blocks nobody.
///
/// # Errors
/// The filter cannot be parsed; the message quotes it.
pub fn start_logging(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = read_filter(filter)?;
    let log = log::start().context("cannot start logging")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || log.as_ref())
        // A failed write would be reported with `eprintln!`, which panics if nobody reads.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let outcome = match format {
        LogFormat::Pretty => builder.event_format(pretty::Pretty).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    outcome.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// How long a panic waits for the log, because its message may be the process's last.
const PANIC_FLUSH_TIMEOUT: Duration = Duration::from_millis(50);

/// Replaces Rust's own hook, which writes to standard error and so waits for the reader.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(request_id = request_id(), thread = thread.name(), backtrace, "{panic}");
    log::flush_within(PANIC_FLUSH_TIMEOUT);
}

/// The request that the current task works for. It is logged in one line when its last task is done: batches that an
/// abandoned request has begun belong to it.
#[derive(Debug)]
pub struct RequestContext {
    /// The id in the `x-request-id` header, in log lines and in `INTERNAL` errors.
    pub id: String,
    /// The GraphQL operation's name, when known.
    pub operation: OnceLock<String>,
    /// The client's address, when known.
    pub client: OnceLock<IpAddr>,
    /// The key of the signed-in user, when known.
    pub user: OnceLock<i32>,
    /// The trace that the client assigned to the request.
    trace: Option<String>,
    /// Method and path.
    target: String,
    started: Instant,
    /// The status, and the number of microseconds until the response began.
    status: OnceLock<(u16, u128)>,
    stream: OnceLock<StreamSummary>,
    statements: AtomicU32,
    /// The codes of the errors in its response, without duplicates.
    errors: Mutex<Vec<String>>,
}

/// What a request was used for that became a WebSocket or an event stream.
#[derive(Debug)]
pub struct StreamSummary {
    /// How it ended, as in the metrics.
    pub end: String,
    /// How many operations began.
    pub operations: u64,
    /// How many results were sent.
    pub results: u64,
    /// How long it was open.
    pub open: Duration,
}

/// The status logged for a client that left before its response, as in nginx.
pub const CLIENT_GONE: u16 = 499;

impl Drop for RequestContext {
    fn drop(&mut self) {
        let (status, duration_us) =
            self.status.get().copied().unwrap_or_else(|| (CLIENT_GONE, self.started.elapsed().as_micros()));
        let stream = self.stream.get();
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner).join(",");
        macro_rules! log_line {
            ($level:ident) => {
                tracing::$level!(
                    status,
                    duration_ms = duration_us as f64 / 1e3,
                    operation = self.operation.get().map_or("-", String::as_str),
                    errors = (!errors.is_empty()).then_some(errors.as_str()),
                    statements = self.statements(),
                    end = stream.map(|stream| stream.end.as_str()),
                    operations = stream.map(|stream| stream.operations),
                    results = stream.map(|stream| stream.results),
                    // A number of more than 64 bits would become a string in JSON.
                    open_ms = stream.map(|stream| u64::try_from(stream.open.as_millis()).unwrap_or(u64::MAX)),
                    client = self.client.get().map(tracing::field::display),
                    user = self.user.get(),
                    trace_id = self.trace,
                    request_id = self.id,
                    "{}",
                    self.target
                )
            };
        }
        match &*errors {
            "" if status < 500 => log_line!(info),
            errors if errors.contains("INTERNAL") || status == 500 => log_line!(error),
            _ => log_line!(warn),
        }
    }
}

/// The maximum number of error codes in a request's line.
const ERROR_CODES_MAX: usize = 8;

tokio::task_local! {
    static REQUEST: Arc<RequestContext>;
}

impl RequestContext {
    /// Starts counting for a request.
    pub fn new(id: String, trace: Option<String>, target: String) -> Arc<Self> {
        Arc::new(Self {
            id,
            operation: OnceLock::new(),
            client: OnceLock::new(),
            trace,
            target,
            started: Instant::now(),
            status: OnceLock::new(),
            stream: OnceLock::new(),
            statements: AtomicU32::new(0),
            errors: Mutex::default(),
            user: OnceLock::new(),
        })
    }

    /// Records the response's status and time.
    pub fn set_status(&self, status: u16) {
        // Only the first response counts.
        let _ = self.status.set((status, self.started.elapsed().as_micros()));
    }

    /// Records what was done after the response began.
    pub fn end_stream(&self, stream: StreamSummary) {
        // There is only one end.
        let _ = self.stream.set(stream);
    }

    fn note_error(&self, code: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERROR_CODES_MAX && !errors.iter().any(|known| known == code) {
            errors.push(code.to_owned());
        }
    }

    /// How many SQL statements ran for the request. A batch that serves several requests counts for the one that opened
    /// it.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Runs `work` as part of this request.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        REQUEST.scope(self, work).await
    }
}

/// The request that the current task works for, if any.
pub fn current_request() -> Option<Arc<RequestContext>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// The id of the current request, if any.
pub fn request_id() -> Option<String> {
    REQUEST.try_with(|request| request.id.clone()).ok()
}

/// The client's address; unspecified if the server works for itself.
pub fn client() -> IpAddr {
    let known = REQUEST.try_with(|request| request.client.get().copied());
    known.ok().flatten().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Records the code of an error in the response of the current request.
pub(crate) fn note_error(code: &str) {
    let _ = REQUEST.try_with(|request| request.note_error(code));
}

/// Counts one SQL statement for the current request.
pub fn count_statement() {
    let _ = REQUEST.try_with(|request| request.statements.fetch_add(1, Ordering::Relaxed));
}

/// Makes work count for the current request, in any task.
pub fn in_request<F: Future>(work: F) -> impl Future<Output = F::Output> {
    match current_request() {
        Some(request) => Either::Left(request.scope(work)),
        None => Either::Right(work),
    }
}

/// Runs `work` in a separate task that counts for the current request.
pub fn spawn_in_request<F>(work: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(in_request(work));
}

/// Runs work in a separate task, which continues while this future is not polled, and ends when it is dropped.
pub async fn apart<F>(work: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut task = JoinSet::new();
    task.spawn(in_request(work));
    match task.join_next().await.map(|ended| ended.map_err(JoinError::try_into_panic)) {
        Some(Ok(done)) => done,
        Some(Err(Ok(panic))) => resume_unwind(panic),
        // The runtime is ending, and this task with it.
        _ => pending().await,
    }
}

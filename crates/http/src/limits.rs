//! Every limit of the transport: its flag, its variable, its default and its unit.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use request::quota::{Quota, QuotaNames};
use settings::number;

/// The names of the limits of concurrent requests.
const REQUESTS: QuotaNames = QuotaNames {
    limit: "limit-requests",
    limit_per_client: "limit-requests-per-client",
    held: "requests are running",
    retry_after_s: 1,
};

/// The limits of requests: sizes, numbers and times.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// The maximum size of a request's body, or of its URL's query, in bytes.
    #[arg(long, env = "KINOTEKA_LIMIT_BODY_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_body_bytes,
          value_parser = number::<u64>(1..=1 << 30))]
    pub limit_body_bytes: u64,

    /// The maximum size of all bodies that are being read, in bytes. Bodies of up to 16 KiB do not count.
    #[arg(long, env = "KINOTEKA_LIMIT_BODIES_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_bodies_bytes,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_bodies_bytes: u64,

    /// The maximum of --limit-bodies-bytes for one network address.
    #[arg(long, env = "KINOTEKA_LIMIT_BODIES_BYTES_PER_CLIENT", value_name = "BYTES",
          default_value_t = Self::DEFAULT.limit_bodies_bytes_per_client,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_bodies_bytes_per_client: u64,

    /// The maximum number of tokens in a document: names, values and punctuation.
    #[arg(long, env = "KINOTEKA_LIMIT_TOKENS", value_name = "N", default_value_t = Self::DEFAULT.limit_tokens,
          value_parser = number::<u64>(1..=100_000))]
    pub limit_tokens: u64,

    /// The maximum length of a name in a document, in bytes.
    #[arg(long, env = "KINOTEKA_LIMIT_NAME_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_name_bytes,
          value_parser = number::<u64>(1..=10_000))]
    pub limit_name_bytes: u64,

    /// The maximum nesting of a document's brackets, of its fragments and of its inputs.
    #[arg(long, env = "KINOTEKA_LIMIT_NESTING", value_name = "N", default_value_t = Self::DEFAULT.limit_nesting,
          value_parser = number::<u64>(1..=60))]
    pub limit_nesting: u64,

    /// The maximum nesting of fields, with fragments expanded.
    #[arg(long, env = "KINOTEKA_LIMIT_DEPTH", value_name = "N", default_value_t = Self::DEFAULT.limit_depth,
          value_parser = number::<u64>(1..=u64::MAX))]
    pub limit_depth: u64,

    /// The maximum number of fields of an operation. The fields of a fragment count at each spread.
    #[arg(long, env = "KINOTEKA_LIMIT_SELECTIONS", value_name = "N", default_value_t = Self::DEFAULT.limit_selections,
          value_parser = number::<u64>(1..=1_000_000))]
    pub limit_selections: u64,

    /// The maximum number of values in a response with full pages, for all operations of a batch together.
    #[arg(long, env = "KINOTEKA_LIMIT_COMPLEXITY", value_name = "N", default_value_t = Self::DEFAULT.limit_complexity,
          value_parser = number::<u64>(1..=u64::MAX))]
    pub limit_complexity: u64,

    /// The maximum number of aliases in a document.
    #[arg(long, env = "KINOTEKA_LIMIT_ALIASES", value_name = "N", default_value_t = Self::DEFAULT.limit_aliases,
          value_parser = number::<u64>(0..=u64::MAX))]
    pub limit_aliases: u64,

    /// The maximum number of root fields in an operation.
    #[arg(long, env = "KINOTEKA_LIMIT_ROOT_FIELDS", value_name = "N", default_value_t = Self::DEFAULT.limit_root_fields,
          value_parser = number::<u64>(1..=u64::MAX))]
    pub limit_root_fields: u64,

    /// The maximum number of directives in a document.
    #[arg(long, env = "KINOTEKA_LIMIT_DIRECTIVES", value_name = "N", default_value_t = Self::DEFAULT.limit_directives,
          value_parser = number::<u64>(0..=u64::MAX))]
    pub limit_directives: u64,

    /// The maximum number of operations in one request. 0 refuses batches.
    #[arg(long, env = "KINOTEKA_LIMIT_BATCH", value_name = "N", default_value_t = Self::DEFAULT.limit_batch,
          value_parser = number::<u64>(0..=1_000))]
    pub limit_batch: u64,

    /// The maximum number of items in each list in arguments and variables.
    #[arg(long, env = "KINOTEKA_LIMIT_LIST_ITEMS", value_name = "N", default_value_t = Self::DEFAULT.limit_list_items,
          value_parser = number::<u64>(0..=u64::MAX))]
    pub limit_list_items: u64,

    /// The maximum number of fields in each object in arguments and variables, and of variables in a request.
    #[arg(long, env = "KINOTEKA_LIMIT_INPUT_FIELDS", value_name = "N", default_value_t = Self::DEFAULT.limit_input_fields,
          value_parser = number::<u64>(0..=u64::MAX))]
    pub limit_input_fields: u64,

    /// The maximum number of values in all variables of a request, and in all arguments with their variables. A
    /// list, an object and each 256 bytes of a text count as one.
    #[arg(long, env = "KINOTEKA_LIMIT_INPUT_VALUES", value_name = "N", default_value_t = Self::DEFAULT.limit_input_values,
          value_parser = number::<u64>(1..=10_000_000))]
    pub limit_input_values: u64,

    /// The maximum number of concurrent requests. Further ones must retry.
    #[arg(long, env = "KINOTEKA_LIMIT_REQUESTS", value_name = "N", default_value_t = Self::DEFAULT.limit_requests,
          value_parser = number::<u64>(1..=1_000_000))]
    pub limit_requests: u64,

    /// The maximum of --limit-requests for one network address.
    #[arg(long, env = "KINOTEKA_LIMIT_REQUESTS_PER_CLIENT", value_name = "N",
          default_value_t = Self::DEFAULT.limit_requests_per_client,
          value_parser = number::<u64>(1..=1_000_000))]
    pub limit_requests_per_client: u64,

    /// The maximum size of a response, of all responses of a batch together, and of each result of a subscription,
    /// in bytes. It is counted while the response is made.
    #[arg(long, env = "KINOTEKA_LIMIT_ANSWER_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_answer_bytes,
          value_parser = number::<u64>(1..=1 << 30))]
    pub limit_answer_bytes: u64,

    /// The maximum memory of all responses that are being made or wait for their clients, in bytes. Small ones do
    /// not count.
    #[arg(long, env = "KINOTEKA_LIMIT_UNSENT_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_unsent_bytes,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_unsent_bytes: u64,

    /// The maximum of --limit-unsent-bytes for one network address.
    #[arg(long, env = "KINOTEKA_LIMIT_UNSENT_BYTES_PER_CLIENT", value_name = "BYTES",
          default_value_t = Self::DEFAULT.limit_unsent_bytes_per_client,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_unsent_bytes_per_client: u64,

    /// The maximum number of open connections. Further ones wait in the operating system's queue.
    #[arg(long, env = "KINOTEKA_LIMIT_CONNECTIONS", value_name = "N", default_value_t = Self::DEFAULT.limit_connections,
          value_parser = number::<u64>(1..=1_000_000))]
    pub limit_connections: u64,

    /// The maximum of --limit-connections for one network address. Further ones are closed immediately.
    /// --trusted-proxies have no limit.
    #[arg(long, env = "KINOTEKA_LIMIT_CONNECTIONS_PER_CLIENT", value_name = "N",
          default_value_t = Self::DEFAULT.limit_connections_per_client,
          value_parser = number::<u64>(1..=1_000_000))]
    pub limit_connections_per_client: u64,

    /// The maximum number of open WebSockets and event streams.
    #[arg(long, env = "KINOTEKA_LIMIT_SOCKETS", value_name = "N", default_value_t = Self::DEFAULT.limit_sockets,
          value_parser = number::<u64>(0..=1_000_000))]
    pub limit_sockets: u64,

    /// The maximum of --limit-sockets for one network address.
    #[arg(long, env = "KINOTEKA_LIMIT_SOCKETS_PER_CLIENT", value_name = "N",
          default_value_t = Self::DEFAULT.limit_sockets_per_client,
          value_parser = number::<u64>(1..=1_000_000))]
    pub limit_sockets_per_client: u64,

    /// The maximum number of concurrent operations on a WebSocket, including subscriptions.
    #[arg(long, env = "KINOTEKA_LIMIT_SOCKET_OPERATIONS", value_name = "N",
          default_value_t = Self::DEFAULT.limit_socket_operations,
          value_parser = number::<u64>(1..=1_000))]
    pub limit_socket_operations: u64,

    /// The maximum memory that all operations on WebSockets and all event streams keep, in bytes.
    #[arg(long, env = "KINOTEKA_LIMIT_KEPT_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_kept_bytes,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_kept_bytes: u64,

    /// The maximum of --limit-kept-bytes for one network address.
    #[arg(long, env = "KINOTEKA_LIMIT_KEPT_BYTES_PER_CLIENT", value_name = "BYTES",
          default_value_t = Self::DEFAULT.limit_kept_bytes_per_client,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_kept_bytes_per_client: u64,

    /// The maximum number of subscriptions.
    #[arg(long, env = "KINOTEKA_LIMIT_SUBSCRIPTIONS", value_name = "N",
          default_value_t = Self::DEFAULT.limit_subscriptions,
          value_parser = number::<u64>(0..=100_000_000))]
    pub limit_subscriptions: u64,

    /// The maximum of --limit-subscriptions for one network address.
    #[arg(long, env = "KINOTEKA_LIMIT_SUBSCRIPTIONS_PER_CLIENT", value_name = "N",
          default_value_t = Self::DEFAULT.limit_subscriptions_per_client,
          value_parser = number::<u64>(1..=100_000_000))]
    pub limit_subscriptions_per_client: u64,

    /// The maximum number of values that all subscriptions from one network address return for one event, counted
    /// as for --limit-complexity.
    #[arg(long, env = "KINOTEKA_LIMIT_SUBSCRIBED_COMPLEXITY_PER_CLIENT", value_name = "N",
          default_value_t = Self::DEFAULT.limit_subscribed_complexity_per_client,
          value_parser = number::<u64>(1..=1 << 40))]
    pub limit_subscribed_complexity_per_client: u64,

    /// The maximum size of a message on a WebSocket, in bytes.
    #[arg(long, env = "KINOTEKA_LIMIT_MESSAGE_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.limit_message_bytes,
          value_parser = number::<u64>(1_024..=1 << 30))]
    pub limit_message_bytes: u64,

    /// How long a WebSocket may take to send connection_init, in milliseconds.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_INIT_TIMEOUT_MS", value_name = "MS", default_value_t = Self::DEFAULT.init_timeout_ms,
          value_parser = number::<u64>(1..=3_600_000))]
    pub init_timeout_ms: u64,

    /// How long a WebSocket or an event stream may be silent before the client is pinged, in milliseconds. A
    /// WebSocket that stays silent as long again is closed.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_KEEP_ALIVE_MS", value_name = "MS", default_value_t = Self::DEFAULT.keep_alive_ms,
          value_parser = number::<u64>(10..=3_600_000))]
    pub keep_alive_ms: u64,

    /// The interval of checks of the session of a WebSocket or an event stream, in milliseconds.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_SESSION_CHECK_MS", value_name = "MS", default_value_t = Self::DEFAULT.session_check_ms,
          value_parser = number::<u64>(10..=3_600_000))]
    pub session_check_ms: u64,

    /// How long a request may run, in milliseconds. The database stops its statements then, too.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_REQUEST_TIMEOUT_MS", value_name = "MS", default_value_t = Self::DEFAULT.request_timeout_ms,
          value_parser = number::<u64>(1..=3_600_000))]
    pub request_timeout_ms: u64,

    /// How long a request's head may take to arrive, in milliseconds from its first byte. A new connection that
    /// sends nothing for this time is closed.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_HEADER_TIMEOUT_MS", value_name = "MS", default_value_t = Self::DEFAULT.header_timeout_ms,
          value_parser = number::<u64>(1..=3_600_000))]
    pub header_timeout_ms: u64,

    /// How long a connection may be idle between two requests, in milliseconds. `Keep-Alive` tells clients. It
    /// should exceed the timeout of proxies, so that these close first. It is shorter when nearly all of
    /// --limit-connections are in use.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_IDLE_TIMEOUT_MS", value_name = "MS", default_value_t = Self::DEFAULT.idle_timeout_ms,
          value_parser = number::<u64>(1..=3_600_000))]
    pub idle_timeout_ms: u64,

    /// How long a request's body may take to arrive, in milliseconds.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_BODY_TIMEOUT_MS", value_name = "MS", default_value_t = Self::DEFAULT.body_timeout_ms,
          value_parser = number::<u64>(1..=3_600_000))]
    pub body_timeout_ms: u64,

    /// How long a client may read its response more slowly than --min-send-rate-bytes, in milliseconds.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_WRITE_TIMEOUT_MS", value_name = "MS", default_value_t = Self::DEFAULT.write_timeout_ms,
          value_parser = number::<u64>(1..=3_600_000))]
    pub write_timeout_ms: u64,

    /// Bytes per second that a client must read while data waits for it, averaged over --write-timeout-ms. 0
    /// requires one byte in that time.
    #[arg(long, help_heading = "Timeouts",
          env = "KINOTEKA_MIN_SEND_RATE_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.min_send_rate_bytes,
          value_parser = number::<u64>(0..=1 << 30))]
    pub min_send_rate_bytes: u64,

    /// Memory for valid documents and their compiled operations, in bytes. 0 disables the cache.
    #[arg(long, help_heading = "Cache and compression",
          env = "KINOTEKA_DOCUMENT_CACHE_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.document_cache_bytes,
          value_parser = number::<u64>(0..=u64::MAX))]
    pub document_cache_bytes: u64,

    /// The size from which responses are compressed, in bytes.
    #[arg(long, help_heading = "Cache and compression",
          env = "KINOTEKA_COMPRESS_FROM_BYTES", value_name = "BYTES", default_value_t = Self::DEFAULT.compress_from_bytes,
          value_parser = number::<u64>(0..=u64::MAX))]
    pub compress_from_bytes: u64,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        limit_body_bytes: 1 << 20,
        limit_bodies_bytes: 64 << 20,
        limit_bodies_bytes_per_client: 16 << 20,
        limit_tokens: 2_000,
        limit_name_bytes: 256,
        limit_nesting: 32,
        limit_depth: 15,
        limit_selections: 10_000,
        limit_complexity: 50_000,
        limit_aliases: 100,
        limit_root_fields: 20,
        limit_directives: 50,
        limit_batch: 0,
        limit_list_items: 1_000,
        limit_input_fields: 100,
        limit_input_values: 10_000,
        limit_requests: 512,
        limit_requests_per_client: 128,
        limit_answer_bytes: 16 << 20,
        limit_unsent_bytes: 512 << 20,
        limit_unsent_bytes_per_client: 128 << 20,
        limit_connections: 20_000,
        limit_connections_per_client: 5_000,
        limit_sockets: 16_000,
        limit_sockets_per_client: 100,
        limit_socket_operations: 50,
        limit_kept_bytes: 512 << 20,
        limit_kept_bytes_per_client: 32 << 20,
        limit_subscriptions: 64_000,
        limit_subscriptions_per_client: 1_000,
        limit_subscribed_complexity_per_client: 100_000,
        limit_message_bytes: 128 << 10,
        init_timeout_ms: 10_000,
        keep_alive_ms: 30_000,
        session_check_ms: 60_000,
        request_timeout_ms: 10_000,
        header_timeout_ms: 30_000,
        idle_timeout_ms: 120_000,
        body_timeout_ms: 10_000,
        write_timeout_ms: 30_000,
        min_send_rate_bytes: 4_096,
        document_cache_bytes: 16 << 20,
        compress_from_bytes: 1_024,
    };

    /// Slots for WebSockets and event streams.
    pub(super) fn sockets(&self) -> Arc<Quota> {
        let names = QuotaNames {
            limit: "limit-sockets",
            limit_per_client: "limit-sockets-per-client",
            held: "WebSockets and event streams are open",
            retry_after_s: 5,
        };
        Quota::new(names, self.limit_sockets, self.limit_sockets_per_client)
    }

    /// The memory of running operations on sockets and of event streams.
    pub(super) fn kept(&self) -> Arc<Quota> {
        let names = QuotaNames {
            limit: "limit-kept-bytes",
            limit_per_client: "limit-kept-bytes-per-client",
            held: "bytes are kept for operations on WebSockets and event streams",
            retry_after_s: 5,
        };
        Quota::new(names, self.limit_kept_bytes, self.limit_kept_bytes_per_client)
    }

    /// Memory for bodies that are being read, in bytes.
    pub(super) fn bodies(&self) -> Arc<Quota> {
        let names = QuotaNames {
            limit: "limit-bodies-bytes",
            limit_per_client: "limit-bodies-bytes-per-client",
            held: "bytes of request bodies are being read",
            retry_after_s: 1,
        };
        Quota::new(names, self.limit_bodies_bytes, self.limit_bodies_bytes_per_client)
    }

    /// Slots for running requests.
    pub(super) fn requests(&self) -> Arc<Quota> {
        Quota::new(REQUESTS, self.limit_requests, self.limit_requests_per_client)
    }

    /// Slots for operations on sockets that wait for a running slot: as many as there are of these.
    pub(super) fn waiting(&self) -> Arc<Quota> {
        let names = QuotaNames { held: "operations wait", ..REQUESTS };
        Quota::new(names, self.limit_requests, self.limit_requests_per_client)
    }

    /// Each client's part of the connections. The total is limited before connections are accepted.
    pub(super) fn connections(&self) -> Arc<Quota> {
        let names = QuotaNames {
            limit: "limit-connections",
            limit_per_client: "limit-connections-per-client",
            held: "connections are open",
            retry_after_s: 5,
        };
        Quota::new(names, u64::MAX, self.limit_connections_per_client)
    }

    /// Slots for subscriptions.
    pub(super) fn subscriptions(&self) -> Arc<Quota> {
        let names = QuotaNames {
            limit: "limit-subscriptions",
            limit_per_client: "limit-subscriptions-per-client",
            held: "subscriptions are active",
            retry_after_s: 5,
        };
        Quota::new(names, self.limit_subscriptions, self.limit_subscriptions_per_client)
    }

    /// The values that subscriptions return for one event.
    pub(super) fn subscribed(&self) -> Arc<Quota> {
        let limit = "limit-subscribed-complexity-per-client";
        let held = "values per event are subscribed to";
        let names = QuotaNames { limit, limit_per_client: limit, held, retry_after_s: 5 };
        Quota::new(names, u64::MAX, self.limit_subscribed_complexity_per_client)
    }

    /// Memory for responses.
    pub(super) fn unsent(&self) -> Arc<Quota> {
        let names = QuotaNames {
            limit: "limit-unsent-bytes",
            limit_per_client: "limit-unsent-bytes-per-client",
            held: "bytes of responses are being built or sent",
            retry_after_s: 5,
        };
        Quota::new(names, self.limit_unsent_bytes, self.limit_unsent_bytes_per_client)
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(super) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(super) fn init_timeout(&self) -> Duration {
        Duration::from_millis(self.init_timeout_ms)
    }

    pub(super) fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }

    pub(super) fn session_check(&self) -> Duration {
        Duration::from_millis(self.session_check_ms)
    }

    pub(super) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

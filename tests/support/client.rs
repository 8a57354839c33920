//! Clients that fail rather than wait for ever: a server that hangs is a failure with a place.

use std::future::Future;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, IntoUrl, Response};
use tokio::time::timeout;

/// How long a connection, the head of an answer, or its next piece may take. Event streams say something every 30
/// seconds by default.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An HTTP client to be set up further.
pub fn builder() -> ClientBuilder {
    Client::builder().connect_timeout(PATIENCE).read_timeout(PATIENCE)
}

/// An HTTP client with connections of its own.
pub fn new() -> Client {
    builder().build().expect("the client needs nothing")
}

/// Fetches once.
pub async fn get(url: impl IntoUrl) -> reqwest::Result<Response> {
    new().get(url).send().await
}

/// Waits until it is so.
pub async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    in_time(waiting).await;
}

/// What is waited for on a plain connection or a WebSocket.
pub async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    timeout(PATIENCE, answer).await.expect("it comes in time")
}

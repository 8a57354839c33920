//! Clients with timeouts: a hanging server is a failure at a known place.

use std::future::Future;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, IntoUrl, Response};
use tokio::time::timeout;

/// The timeout of a connection, of a response's head, and of its next piece. Event streams send a comment every 30
/// seconds by default.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A builder of an HTTP client.
pub fn builder() -> ClientBuilder {
    Client::builder().connect_timeout(PATIENCE).read_timeout(PATIENCE)
}

/// An HTTP client with its own connections.
pub fn new() -> Client {
    builder().build().expect("the client needs nothing")
}

/// Fetches once.
pub async fn get(url: impl IntoUrl) -> reqwest::Result<Response> {
    new().get(url).send().await
}

/// Waits until a condition holds.
pub async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    in_time(waiting).await;
}

/// Waits for a result on a plain connection or a WebSocket.
pub async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    timeout(PATIENCE, answer).await.expect("the result must arrive in time")
}

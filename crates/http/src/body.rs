//! Reads a body within limits of size, time, and memory of all bodies.

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use request::budget::UNSHARED;
use request::quota::Share;
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// A body in memory, with its share of the memory until it is dropped.
pub(super) struct BodyBuffer {
    pub(super) bytes: Vec<u8>,
    _room: Share,
}

/// Returns the whole body. `room` is the client's share of the memory of all bodies, and grows with the body unless it
/// is small.
///
/// # Errors
/// It is longer than allowed, by its declared or its actual length; it arrives too slowly; it breaks off; or the memory
/// of all bodies is exhausted.
pub(super) async fn read(body: Body, limits: &Limits, room: Share) -> Result<BodyBuffer, Refusal> {
    // Checked before a byte is read: a client that waits for "100 Continue" then never sends the body.
    if body.size_hint().lower() > limits.limit_body_bytes {
        return Err(Refusal::body_too_large(limits.limit_body_bytes));
    }
    let too_slow = |_| Err(Refusal::slow_body(limits.body_timeout_ms));
    timeout(limits.body_timeout(), collect(body, limits, room)).await.unwrap_or_else(too_slow)
}

async fn collect(mut body: Body, limits: &Limits, mut room: Share) -> Result<BodyBuffer, Refusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::malformed("the body is incomplete"))?;
        // Trailers are ignored.
        let Ok(chunk) = frame.into_data() else { continue };
        if (bytes.len() + chunk.len()) as u64 > limits.limit_body_bytes {
            return Err(Refusal::body_too_large(limits.limit_body_bytes));
        }
        let whole = (bytes.len() + chunk.len()) as u64;
        // Small bodies need no share: the limit of connections bounds their number.
        if whole > UNSHARED {
            room.grow(whole - room.amount()).map_err(Refusal::exhausted)?;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(BodyBuffer { bytes, _room: room })
}

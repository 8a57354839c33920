//! Reading a body within bounds of size, of time, and of the room for all bodies together.

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use request::answer::UNSHARED;
use request::quota::Share;
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// A body in memory, which has its room until it is dropped.
pub(super) struct BodyBuffer {
    pub(super) bytes: Vec<u8>,
    _room: Share,
}

/// The whole body; `room` is the client's share of the bytes that all bodies together may have, and grows with it unless it
/// is small.
///
/// # Errors
/// It is longer than allowed, by what it says or by what comes; it comes too slowly; it breaks off; or
/// there is no room.
pub(super) async fn read(body: Body, limits: &Limits, room: Share) -> Result<BodyBuffer, Refusal> {
    // Before a byte of it is read: a client that waits for "100 Continue" never sends it.
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
        // Trailers say nothing that is wanted here.
        let Ok(chunk) = frame.into_data() else { continue };
        if (bytes.len() + chunk.len()) as u64 > limits.limit_body_bytes {
            return Err(Refusal::body_too_large(limits.limit_body_bytes));
        }
        let whole = (bytes.len() + chunk.len()) as u64;
        // Usual ones need no share: connections bound how many there are.
        if whole > UNSHARED {
            room.grow(whole - room.amount()).map_err(Refusal::exhausted)?;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(BodyBuffer { bytes, _room: room })
}

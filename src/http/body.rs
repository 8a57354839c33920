//! Reading a body within bounds of size, of time, and of the room for all bodies together.

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// A body in memory, which has its room until it is dropped.
pub(super) struct Held<'r> {
    pub(super) bytes: Vec<u8>,
    _room: Option<SemaphorePermit<'r>>,
}

/// The whole body; `room` has a permit for each byte that all bodies together may have.
///
/// # Errors
/// It is longer than allowed, by what it says or by what comes; it comes too slowly; it breaks off; or
/// there is no room.
pub(super) async fn read<'r>(body: Body, limits: &Limits, room: &'r Semaphore) -> Result<Held<'r>, Refusal> {
    // Before a byte of it is read: a client that waits for "100 Continue" never sends it.
    if body.size_hint().lower() > limits.limit_body_bytes {
        return Err(Refusal::body_too_large(limits.limit_body_bytes));
    }
    let too_slow = |_| Err(Refusal::slow_body(limits.body_timeout_ms));
    timeout(limits.body_timeout(), collect(body, limits, room)).await.unwrap_or_else(too_slow)
}

async fn collect<'r>(mut body: Body, limits: &Limits, room: &'r Semaphore) -> Result<Held<'r>, Refusal> {
    let mut bytes = Vec::new();
    let mut held: Option<SemaphorePermit<'r>> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::malformed("the body breaks off"))?;
        // Trailers say nothing that is wanted here.
        let Ok(chunk) = frame.into_data() else { continue };
        if (bytes.len() + chunk.len()) as u64 > limits.limit_body_bytes {
            return Err(Refusal::body_too_large(limits.limit_body_bytes));
        }
        let wanted = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let more = room.try_acquire_many(wanted).map_err(|_| Refusal::no_room(limits.limit_bodies_bytes))?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Held { bytes, _room: held })
}

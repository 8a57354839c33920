//! Reading a body within bounds of size and time.

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// The whole body.
///
/// # Errors
/// It is longer than allowed, by what it says or by what comes; it comes too slowly; or it breaks off.
pub(super) async fn read(body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let max = limits.limit_body_bytes;
    // Before a byte of it is read: a client that waits for "100 Continue" never sends it.
    if body.size_hint().lower() > max {
        return Err(Refusal::body_too_large(max));
    }
    let limited = Limited::new(body, usize::try_from(max).unwrap_or(usize::MAX));
    match timeout(limits.body_timeout(), limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::body_too_large(max)),
        Ok(Err(_)) => Err(Refusal::malformed("the body breaks off")),
        Err(_) => Err(Refusal::slow_body(limits.body_timeout_ms)),
    }
}

//! Whether a request's body was read to the end. If not, its connection serves no further request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// How far a request's body was read. `None` if it has no body.
pub(super) struct BodyProgress(Option<Arc<AtomicBool>>);

impl BodyProgress {
    /// Whether the whole body was read.
    pub(super) fn is_complete(&self) -> bool {
        self.0.as_ref().is_none_or(|complete| complete.load(Ordering::Acquire))
    }
}

/// Tracks how far the body of a request is read.
pub(super) fn watch(request: Request) -> (Request, BodyProgress) {
    if request.body().is_end_stream() {
        return (request, BodyProgress(None));
    }
    let complete = Arc::new(AtomicBool::new(false));
    let reading = BodyProgress(Some(Arc::clone(&complete)));
    (request.map(|body| Body::new(TrackedBody { body, complete })), reading)
}

struct TrackedBody {
    body: Body,
    complete: Arc<AtomicBool>,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.complete.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! A connection whose client has to take what is sent to it, and is seen to send.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use telemetry::metrics;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::rest::Wait;

/// Fails when a client takes too little of what is sent to it. What reading may take is the business of
/// who reads; that something was read, [`Wait`] is told.
///
/// Only the time counts in which something could not be written. Once it adds up to `patience`, so much must
/// have been taken that it was `taken_min` for each such time. The operating system takes bytes in its place, up
/// to the size of its buffers, in few large pieces.
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    wait: Arc<Wait>,
    taken_min: u64,
    /// How long it has waited, and what was taken, since enough was taken last.
    waited: Duration,
    taken: u64,
    /// Since when nothing could be written.
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl<S: AsyncWrite + Unpin> Impatient<S> {
    /// Asks for `rate_min` bytes a second, averaged over `patience`; at least for one.
    pub(super) fn new(stream: S, patience: Duration, rate_min: u64, wait: Arc<Wait>) -> Self {
        let taken_min = u128::from(rate_min) * patience.as_millis() / 1_000;
        let taken_min = u64::try_from(taken_min).unwrap_or(u64::MAX).max(1);
        Self { stream, patience, wait, taken_min, waited: Duration::ZERO, taken: 0, waiting: None }
    }

    fn watch(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = &written {
            if let Some(waiting) = self.waiting.take() {
                self.waited += waiting.since.elapsed();
            }
            self.taken += outcome.as_ref().map_or(0, |size| *size as u64);
            if self.taken >= self.taken_min {
                (self.waited, self.taken) = (Duration::ZERO, 0);
            }
            return written;
        }
        let left = self.patience.saturating_sub(self.waited);
        let begin = || Waiting { since: Instant::now(), end: Box::pin(sleep(left)) };
        let waiting = self.waiting.get_or_insert_with(begin);
        waiting.end.as_mut().poll(cx).map(|()| {
            metrics::count_limit("write-timeout-ms");
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.wait.note_read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! A connection with a write timeout, which records reads, and delivers its last response.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use telemetry::metrics;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::rest::ConnectionWait;

/// Fails if the client reads too little of what is sent to it. Read timeouts are up to the reader; [`ConnectionWait`] is
/// notified of reads.
///
/// Only the time during which writes are blocked counts. Whenever it adds up to `patience`, the client must have taken
/// `taken_min` for each such period. The operating system takes bytes on the client's behalf, up to the size of its
/// buffers, in few large pieces.
///
/// A socket that is closed with unread bytes is reset, and a client that sends everything before it reads never sees
/// its response (RFC 9112, section 9.6). So after the last response, the rest of the request is read and discarded.
pub(super) struct WriteTimeout<S> {
    stream: S,
    patience: Duration,
    wait: Arc<ConnectionWait>,
    taken_min: u64,
    /// The blocked time, and the bytes taken, since enough was taken last.
    waited: Duration,
    taken: u64,
    /// Since when writes have been blocked.
    waiting: Option<BlockedWrite>,
    /// When to stop discarding.
    drained: Option<Pin<Box<Sleep>>>,
}

struct BlockedWrite {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

/// The number of bytes that are discarded in one read.
const DRAIN_BYTES: usize = 8 << 10;

impl<S: AsyncRead + Unpin> WriteTimeout<S> {
    /// Reads until the client ends, or the time has passed.
    fn drain(&mut self, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
        let end = self.drained.get_or_insert_with(|| Box::pin(sleep(time)));
        let mut unread = [MaybeUninit::uninit(); DRAIN_BYTES];
        // The timer alone does not end it while a client keeps sending: both have one budget of turns.
        while Instant::now() < end.deadline() {
            let mut unread = ReadBuf::uninit(&mut unread);
            match Pin::new(&mut self.stream).poll_read(cx, &mut unread) {
                Poll::Ready(Ok(())) if !unread.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return end.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncWrite + Unpin> WriteTimeout<S> {
    /// Requires `rate_min` bytes per second, averaged over `patience`; at least one byte.
    pub(super) fn new(stream: S, patience: Duration, rate_min: u64, wait: Arc<ConnectionWait>) -> Self {
        let taken_min = u128::from(rate_min) * patience.as_millis() / 1_000;
        let taken_min = u64::try_from(taken_min).unwrap_or(u64::MAX).max(1);
        Self { stream, patience, wait, taken_min, waited: Duration::ZERO, taken: 0, waiting: None, drained: None }
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
        let begin = || BlockedWrite { since: Instant::now(), end: Box::pin(sleep(left)) };
        let waiting = self.waiting.get_or_insert_with(begin);
        waiting.end.as_mut().poll(cx).map(|()| {
            metrics::count_limit("write-timeout-ms");
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.wait.note_read();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
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
        if self.drained.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        match self.wait.time_to_drain() {
            Some(time) => self.drain(cx, time).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

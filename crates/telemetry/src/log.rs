//! Writes the log without blocking: lines are buffered, and one thread writes them to standard error.
//!
//! A reader that stops reading blocks only that thread. Lines that do not fit into the buffer are dropped and counted
//! in `kinoteka_log_lines_dropped_total`; a warning reports their number.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::metrics;

/// The maximum size of the buffer in bytes.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// A buffer that has grown beyond this size is freed after it was written.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

/// How long lines are collected before they are written, so that a busy server does not wake the thread for each of
/// them.
const GATHER: Duration = Duration::from_millis(2);

/// The delay before a full non-blocking descriptor is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// How long the exit of the process waits for a slow reader.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The log of this process, after its start.
static LOG: OnceLock<Arc<Log>> = OnceLock::new();

/// A buffer of lines and the thread that writes them.
#[derive(Debug, Default)]
pub struct Log {
    state: Mutex<LogBuffer>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct LogBuffer {
    buffer: Vec<u8>,
    /// Lines dropped since the last warning.
    dropped: u64,
    /// Whether the thread is writing lines.
    writing: bool,
    /// Whether the thread waits for `filled`.
    idle: bool,
}

/// Starts the thread that writes the log of this process to standard error.
///
/// # Errors
/// The system has no thread or file descriptor left.
pub fn start() -> io::Result<&'static Arc<Log>> {
    if let Some(log) = LOG.get() {
        return Ok(log);
    }
    // Not `io::stderr()`: others would wait for its lock while the thread is blocked.
    let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let log = Log::spawn(output)?;
    Ok(LOG.get_or_init(|| log))
}

/// Prints a line to standard error, after everything logged so far.
pub fn print(line: &str) {
    match LOG.get() {
        Some(log) => log.push_always(format!("{line}\n").as_bytes()),
        // The exit status reports the failure even if nobody reads.
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// Waits until everything is written, for at most a second.
pub fn flush() {
    flush_within(FLUSH_TIMEOUT);
}

/// Waits until everything is written, for at most `timeout`.
pub fn flush_within(timeout: Duration) {
    if let Some(log) = LOG.get() {
        log.flush(timeout);
    }
}

/// Flushes the log on drop: for `main`, however it ends.
#[derive(Debug)]
pub struct FlushOnDrop;

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        flush();
    }
}

impl Log {
    /// A log whose thread writes to `output`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn spawn(output: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let log = Arc::new(Self::default());
        let writer = Arc::clone(&log);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(output))?;
        Ok(log)
    }

    /// Adds a line, or drops it if the buffer is full. Returns whether it was added.
    pub fn push(&self, line: &[u8]) -> bool {
        let mut state = self.lock();
        if state.buffer.len() + line.len() > BUFFER_BYTES_MAX {
            state.dropped += 1;
            drop(state);
            metrics::count_log_lines_dropped(1);
            return false;
        }
        self.append(state, line);
        true
    }

    fn push_always(&self, line: &[u8]) {
        self.append(self.lock(), line);
    }

    fn append(&self, mut state: MutexGuard<'_, LogBuffer>, line: &[u8]) {
        state.buffer.extend_from_slice(line);
        if std::mem::take(&mut state.idle) {
            self.filled.notify_one();
        }
    }

    /// Waits until everything is written, for at most `timeout`. Returns whether it was.
    pub fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.writing || !state.buffer.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn run(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            if dropped > 0 {
                tracing::warn!(dropped, "log lines were dropped: the reader of the log is too slow");
            }
            let lost = write(&mut output, &lines);
            if lost > 0 {
                metrics::count_log_lines_dropped(lost);
            }
            if lines.capacity() > BUFFER_BYTES_KEPT {
                lines = Vec::new();
            } else {
                lines.clear();
            }
            self.lock().writing = false;
            self.written.notify_all();
        }
    }

    /// Waits for lines and moves them into `lines`. Returns how many were dropped after them.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        while state.buffer.is_empty() {
            state.idle = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        thread::sleep(GATHER);
        let mut state = self.lock();
        std::mem::swap(&mut state.buffer, lines);
        state.writing = true;
        std::mem::take(&mut state.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, LogBuffer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For tracing: one call is one line.
impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes `lines`. Returns how many could not be written, for example because the reader has left.
fn write(output: &mut impl Write, mut lines: &[u8]) -> u64 {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(0) => break,
            Ok(count) => lines = &lines[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(_) => break,
        }
    }
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::io::Read;

    use super::*;

    const LINE: &[u8] = &[b'x'; 1 << 10];
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn an_unread_log_drops_lines_and_blocks_nobody() {
        let (mut reader, output) = io::pipe().unwrap();
        let log = Log::spawn(output).unwrap();
        let pushed = (0..3 * BUFFER_BYTES_MAX / LINE.len()).filter(|_| log.push(LINE)).count();
        assert!((BUFFER_BYTES_MAX / LINE.len()..3 * BUFFER_BYTES_MAX / LINE.len()).contains(&pushed), "{pushed}");
        assert!(!log.flush(Duration::from_millis(20)), "nobody has read it");
        // Buffered lines are written as soon as somebody reads.
        let mut read = vec![0; pushed * LINE.len()];
        reader.read_exact(&mut read).unwrap();
        assert!(read.iter().all(|byte| *byte == b'x'));
        assert!(log.flush(PATIENCE));
        assert!(log.push(LINE), "there is room again");
    }

    #[test]
    fn a_flush_waits_for_every_line() {
        let (mut reader, output) = io::pipe().unwrap();
        let log = Log::spawn(output).unwrap();
        assert!(log.flush(Duration::ZERO), "there is nothing to write");
        for _ in 0..10 {
            assert!(log.push(b"a line\n"));
        }
        assert!(log.flush(PATIENCE));
        let mut read = [0; 70];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, "a line\n".repeat(10).as_bytes());
    }

    #[test]
    fn lines_without_a_reader_are_counted() {
        let (reader, mut output) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(write(&mut output, b"one\ntwo\nthree\n"), 3);
    }
}

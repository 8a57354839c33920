//! Records a load: checks it during the run and, if requested, writes its history.
//!
//! A thread does both, so that the load does not wait.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;

use crate::history::check::{Checker, Conclusion};
use crate::history::file::HistoryWriter;
use crate::history::line::{HistoryLine, HistoryRun};

/// Buffered lines are written at least this often.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// A message to the thread.
enum Message {
    Line(Box<HistoryLine>),
    Open(oneshot::Sender<(u64, u64)>),
    Stop(oneshot::Sender<()>),
    End { read: bool, heard: bool, reply: oneshot::Sender<anyhow::Result<Conclusion>> },
}

/// Records a load, or does nothing.
pub struct Recorder {
    began: Instant,
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// A recorder that does nothing.
    pub fn off() -> Self {
        Self { began: Instant::now(), messages: None, thread: None }
    }

    /// Starts recording a run, also to a file if there is a path.
    ///
    /// # Errors
    /// The file exists, or cannot be created.
    pub fn start(run: HistoryRun, path: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut writer = None;
        if let Some(path) = path {
            let explain = || format!("--history: {}", path.display());
            let file = writer.insert(HistoryWriter::create(&path).with_context(explain)?);
            file.write(&HistoryLine::Run(run.clone())).with_context(explain)?;
        }
        let (messages, inbox) = channel();
        let scribe = RecorderThread { checker: Checker::new(run), writer, error: None };
        let thread = std::thread::spawn(move || scribe.follow(&inbox));
        Ok(Self { began: Instant::now(), messages: Some(messages), thread: Some(thread) })
    }

    /// A moment as microseconds since the start of the run.
    pub fn micros(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    /// Records a line.
    pub fn record(&self, line: impl FnOnce() -> HistoryLine) {
        if let Some(messages) = &self.messages {
            // The thread ends last.
            let _ = messages.send(Message::Line(Box::new(line())));
        }
    }

    /// The number of wrong values at the end, and of events that some listener has not received yet.
    pub async fn open(&self) -> (u64, u64) {
        let (reply, answer) = oneshot::channel();
        match &self.messages {
            Some(messages) if messages.send(Message::Open(reply)).is_ok() => answer.await.unwrap_or_default(),
            _ => (0, 0),
        }
    }

    /// Writes everything to the file, without a seal.
    pub async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if let Some(messages) = &self.messages
            && messages.send(Message::Stop(reply)).is_ok()
        {
            // The thread has failed and is gone.
            let _ = answer.await;
        }
    }

    /// Checks what was recorded, and seals the history.
    ///
    /// # Errors
    /// The history could not be written.
    pub async fn end(&self, read: bool, heard: bool) -> anyhow::Result<Option<Conclusion>> {
        let (reply, answer) = oneshot::channel();
        match &self.messages {
            Some(messages) if messages.send(Message::End { read, heard, reply }).is_ok() => {
                answer.await.context("the recorder has failed")?.map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Drop for Recorder {
    /// Writes what was recorded, also if the load was interrupted.
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            // Its panic was printed.
            let _ = thread.join();
        }
    }
}

/// The thread's work.
struct RecorderThread {
    checker: Checker,
    writer: Option<HistoryWriter>,
    error: Option<anyhow::Error>,
}

impl RecorderThread {
    fn follow(mut self, inbox: &Receiver<Message>) {
        loop {
            match inbox.recv_timeout(FLUSH_EVERY) {
                Ok(Message::Line(line)) => self.take(&line),
                Ok(Message::Open(reply)) => {
                    let _ = reply.send(self.checker.open());
                }
                Ok(Message::Stop(reply)) => {
                    self.write(HistoryWriter::flush);
                    let _ = reply.send(());
                }
                Ok(Message::End { read, heard, reply }) => {
                    let _ = reply.send(self.end(read, heard));
                    return;
                }
                Err(RecvTimeoutError::Timeout) => self.write(HistoryWriter::flush),
                Err(RecvTimeoutError::Disconnected) => return self.write(HistoryWriter::flush),
            }
        }
    }

    fn take(&mut self, line: &HistoryLine) {
        if let Err(error) = self.checker.take(line) {
            self.error.get_or_insert(error);
        }
        self.write(|writer| writer.write(line));
    }

    /// Writes a line. After a failure the rest is not written.
    fn write(&mut self, write: impl FnOnce(&mut HistoryWriter) -> std::io::Result<()>) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = write(writer)
        {
            self.error.get_or_insert(anyhow!("the history cannot be written: {error}"));
            self.writer = None;
        }
    }

    fn end(self, read: bool, heard: bool) -> anyhow::Result<Conclusion> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(writer) = self.writer {
            writer.seal(read, heard).context("the history cannot be written")?;
        }
        Ok(self.checker.conclude(read, heard))
    }
}

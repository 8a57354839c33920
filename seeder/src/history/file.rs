//! Writes and reads a history.
//!
//! The last line is a seal: a file that was cut short lacks it, and one that was altered has another checksum.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};

use super::line::{FORMAT, HistoryEnd, HistoryLine, HistoryRun, VERSION};

/// The longest line. The lines of a load are below one kilobyte.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// The buffer for reads and writes.
const BUFFER_BYTES: usize = 1 << 16;

/// A history that is being written.
pub struct HistoryWriter {
    file: BufWriter<File>,
    sum: Sha256,
    lines: u64,
}

impl HistoryWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// The file exists, or cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER_BYTES, file), sum: Sha256::new(), lines: 0 })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, line: &HistoryLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.sum.update(&text);
        self.lines += 1;
        self.file.write_all(&text)
    }

    /// Writes the buffer to the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Writes the last line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn seal(mut self, read: bool, heard: bool) -> io::Result<()> {
        let end = HistoryEnd { read, heard, lines: self.lines, sha256: hex(self.sum.clone()) };
        self.write(&HistoryLine::End(end))?;
        self.flush()
    }
}

fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a history line by line.
pub struct HistoryReader<R> {
    input: R,
    text: Vec<u8>,
    sum: Sha256,
    /// The number of the last line read.
    pub line: u64,
}

impl HistoryReader<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Ok(Self::new(BufReader::with_capacity(BUFFER_BYTES, file)))
    }
}

impl<R: BufRead> HistoryReader<R> {
    /// Reads from an input.
    pub fn new(input: R) -> Self {
        Self { input, text: Vec::new(), sum: Sha256::new(), line: 0 }
    }

    /// The first line.
    ///
    /// # Errors
    /// It is not the first line of a history, or the version differs.
    pub fn run(&mut self) -> anyhow::Result<HistoryRun> {
        let line = self.read().context("this is not a history of `seeder load --history`")?;
        let Some(HistoryLine::Run(run)) = line else { bail!("line 1: a history begins with a line {{\"run\": ...}}") };
        if run.format != FORMAT || run.version != VERSION {
            bail!(
                "line 1: {} version {} is not supported; expected {FORMAT} version {VERSION}",
                run.format,
                run.version
            );
        }
        Ok(run)
    }

    /// The next line. After the last line, checks the seal and returns `None`.
    ///
    /// # Errors
    /// The line cannot be read, or the history is cut short, altered or made of several runs.
    pub fn next_line(&mut self) -> anyhow::Result<Option<HistoryLine>> {
        let before = (self.line, self.sum.clone());
        let line = self.read()?;
        let number = self.line;
        match line {
            None => bail!(
                "line {number}: the last line of the history is missing: it was cut short, or the load was killed; \
                 run the load again and let it end"
            ),
            Some(HistoryLine::Run(run)) => {
                bail!("line {number}: the history of another run, {}, begins here: check each file separately", run.id)
            }
            Some(HistoryLine::End(end)) => {
                let (lines, sum) = before;
                if end.lines != lines {
                    bail!(
                        "line {number}: the seal counts {} lines, the file has {lines}: lines are missing or added",
                        end.lines
                    );
                }
                if end.sha256 != hex(sum) {
                    bail!("line {number}: the checksum differs: the history was altered");
                }
                if self.read()?.is_some() {
                    bail!("line {}: text follows the last line", self.line);
                }
                Ok(Some(HistoryLine::End(end)))
            }
            other => Ok(other),
        }
    }

    fn read(&mut self) -> anyhow::Result<Option<HistoryLine>> {
        self.text.clear();
        let read = Read::by_ref(&mut self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.text)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let number = self.line;
        if self.text.last() != Some(&b'\n') {
            return match u64::try_from(read) {
                Ok(LINE_BYTES_MAX) => Err(anyhow!("line {number}: too long for a history")),
                _ => Err(anyhow!("line {number}: the history ends in the middle of a line: it was cut short")),
            };
        }
        self.sum.update(&self.text);
        let line = serde_json::from_slice(&self.text);
        line.map(Some).map_err(|error| anyhow!("line {number}: not a line of a history: {error}"))
    }
}

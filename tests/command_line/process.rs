//! Runs the program.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a finished run left.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these arguments, without the settings of whoever runs the tests.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinoteka"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KINOTEKA_") || name.starts_with("DATABASE_"))
    {
        command.env_remove(name);
    }
    command.args(args).env("RUST_BACKTRACE", "0");
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Run {
    let output = command(args).output().unwrap();
    Run {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// The run's output, if it went well.
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.stdout
    }

    /// The last line of a run that failed with a message, not with a panic.
    pub fn failure(&self) -> &str {
        assert!(matches!(self.status.code(), Some(1 | 2)), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self.stderr.trim_end()
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    log: BufReader<std::process::ChildStderr>,
}

impl Server {
    /// Starts `kinoteka serve` on a free port and waits until it serves.
    pub fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    /// The same at an address.
    pub fn start_at(address: &str, args: &[&str]) -> Self {
        let mut child = command(&["serve", "--listen", address, "--log-format", "json"])
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut server = Self { child, url: String::new(), log };
        server.url = server.next_url("/graphql");
        server
    }

    /// Waits until the log names a URL that ends like this, and gives it back.
    pub fn next_url(&mut self, end: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the server ended: {:?}", self.child.wait());
            if let Some(at) = line.find("http://127.0.0.1:") {
                let url = line[at..].split('"').next().unwrap();
                if url.ends_with(end) {
                    return url.to_owned();
                }
            }
        }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Ends it as a crash does, and waits until its port is free.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the next line of the log.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line
    }

    /// Waits for the end and gives back the rest of the log.
    pub fn wait(mut self, patience: Duration) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < patience, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (status, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after `wait`; an error says just that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Runs the program.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::address::own_address;

/// The output of a finished run.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these arguments, without the settings in the environment.
pub fn command(args: &[&str]) -> Command {
    command_by(&[], args)
}

/// The same, started by another program, such as `env`.
pub fn command_by(starter: &[&str], args: &[&str]) -> Command {
    let words = [starter, &[env!("CARGO_BIN_EXE_kinoteka")], args].concat();
    let mut command = Command::new(words[0]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KINOTEKA_") || name.starts_with("DATABASE_"))
    {
        command.env_remove(name);
    }
    command.args(&words[1..]).env("RUST_BACKTRACE", "0");
    command
}

/// Runs the program and waits for its end.
pub fn run(args: &[&str]) -> Run {
    let output = command(args).output().unwrap();
    Run {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// The output of a successful run.
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.stdout
    }

    /// The last line of a run that failed with a message and not with a panic.
    pub fn failure(&self) -> &str {
        assert!(matches!(self.status.code(), Some(1 | 2)), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self.stderr.trim_end()
    }
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    /// Its log until it was ready.
    pub startup_log: String,
    log: Box<dyn BufRead + Send>,
}

impl Server {
    /// Starts `kinoteka serve` on a free port and waits until it is ready.
    pub fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    /// The same with only these arguments and the address.
    pub fn start_as(args: &[&str]) -> Self {
        Self::follow(command(&["serve", "--listen", "127.0.0.1:0"]).args(args))
    }

    /// The same at an address.
    pub fn start_at(address: &str, args: &[&str]) -> Self {
        Self::follow(command(&["serve", "--listen", address, "--log-format", "json"]).args(args))
    }

    /// The same on a free port, started by another program.
    pub fn start_by(starter: &[&str], args: &[&str]) -> Self {
        Self::follow(command_by(starter, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]).args(args))
    }

    fn follow(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Box::new(BufReader::new(child.stderr.take().unwrap()));
        let mut server = Self { child, url: String::new(), startup_log: String::new(), log };
        server.url = server.next_url("/graphql");
        server
    }

    /// Starts one whose log is not read at all, and waits until it accepts connections.
    pub fn start_unread(args: &[&str]) -> Self {
        let address = own_address().to_string();
        let mut child = command(&["serve", "--listen", &address]).args(args).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        let mut server = Self {
            child,
            url: format!("http://{address}/graphql"),
            startup_log: String::new(),
            log: Box::new(io::empty()),
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(&address).is_err() {
            assert!(
                server.child.try_wait().unwrap().is_none() && Instant::now() < deadline,
                "the server does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Closes the log's pipe, so that writes to it fail.
    pub fn stop_reading(&mut self) {
        self.log = Box::new(io::empty());
    }

    /// Waits until the log has a URL with this end, and returns it.
    pub fn next_url(&mut self, end: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the server ended: {:?}", self.child.wait());
            if let Some(at) = line.find("http://127.") {
                let url = line[at..].trim_end().split('"').next().unwrap();
                if url.ends_with(end) {
                    return url.to_owned();
                }
            }
            self.startup_log.push_str(&line);
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Kills it, and waits until its port is free.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the next line of the log.
    pub fn read_line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.log.read_line(&mut line).unwrap() > 0, "the server ended: {:?}", self.child.wait());
        line
    }

    /// Waits for the end and returns the rest of the log.
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
        // After `wait` the process has already ended, which is an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

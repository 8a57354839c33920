//! The clients, which run in their own process.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Clients {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Clients {
    /// Starts the given number of listeners, each with its document.
    pub fn start(address: SocketAddr, path: &str, count: usize, document: impl Fn(usize) -> String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["clients", &address.to_string(), path, &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        for number in 0..count {
            writeln!(stdin, "{}", document(number)).unwrap();
        }
        stdin.flush().unwrap();
        Self { child, stdin, stdout }
    }

    /// Waits until all have sent their subscriptions.
    pub fn connected(&mut self) {
        assert_eq!(self.line(), "connected");
    }

    /// Waits until they have received the given total number of results. Returns results per second from the
    /// first to the last.
    pub fn rate(&mut self, results: usize) -> f64 {
        writeln!(self.stdin, "{results}").unwrap();
        let seconds: f64 = self.line().parse().unwrap();
        results as f64 / seconds
    }

    /// The median and the 99th percentile of the time from sending a comment to receiving its result, in
    /// milliseconds.
    pub fn delays(&mut self) -> (f64, f64) {
        writeln!(self.stdin, "delays").unwrap();
        let line = self.line();
        let (p50, p99) = line.split_once(' ').unwrap();
        (p50.parse().unwrap(), p99.parse().unwrap())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the clients have ended");
        line.trim().to_owned()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

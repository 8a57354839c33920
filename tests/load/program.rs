//! A seeded server, and the load program.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::Node;
use crate::support::database::{Backend, TestDatabase};

/// A server on its own database with the demo catalogue and demo accounts.
pub struct Served {
    pub node: Node,
    pub database: TestDatabase,
}

impl Served {
    pub async fn start(backend: Backend) -> Self {
        let plenty = ["--mutations-per-user=1000000", "--signups-per-address=1000000"];
        Self::start_with(backend, &plenty).await
    }

    pub async fn start_with(backend: Backend, args: &[&'static str]) -> Self {
        let database = TestDatabase::seeded_with_accounts(backend).await;
        Self { node: Node::start_with(&database.url, args), database }
    }

    pub fn url(&self) -> String {
        format!("http://{}/graphql", self.node.address())
    }
}

/// Waits until a stopped server has an unread request.
pub fn wait_for_unread(server: SocketAddr) {
    let SocketAddr::V4(server) = server else { unreachable!("an address of IPv4") };
    // Linux's format: the bytes of the address in the machine's order.
    let address = format!("{:08X}:{:04X}", u32::from_ne_bytes(server.ip().octets()), server.port());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let is_unread = table.lines().skip(1).any(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (_, unread) = fields[4].split_once(':').unwrap();
            // An open connection, and more bytes than a pong.
            fields[1] == address && fields[3] == "01" && u64::from_str_radix(unread, 16).unwrap() > 100
        });
        if is_unread {
            return;
        }
        assert!(Instant::now() < deadline, "no request arrives");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `seeder load`.
pub fn load(url: &str, args: &[&str]) -> Command {
    let mut command = seeder();
    command.args(["load", "--url", url]).args(args).env_remove("KINOTEKA_URL").env_remove("KINOTEKA_LOAD_PASSWORD");
    command
}

/// The program.
pub fn seeder() -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_kinoteka")).parent().unwrap();
    let program = folder.join("seeder");
    assert!(program.exists(), "{} is missing: build with --workspace", program.display());
    Command::new(program)
}

/// Runs a load that must succeed. Returns its JSON report.
pub fn report(url: &str, args: &[&str]) -> Value {
    let output = load(url, args).arg("--json").output().unwrap();
    let (said, report) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{said}\n{report}");
    serde_json::from_str(&report).unwrap()
}

/// A running load, whose printed actions are read.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(url: &str, args: &[&str]) -> Self {
        let mut child = load(url, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads the given number of actions.
    pub fn read(&mut self, count: usize) -> Vec<String> {
        let lines: Vec<_> = Read::by_ref(&mut self.lines).lines().take(count).map(Result::unwrap).collect();
        assert!(lines.iter().all(|line| line.starts_with("Action: ")), "{lines:?}");
        lines
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// The rest of its output.
    pub fn end(mut self) -> Output {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stdout = text.into_bytes();
        output
    }
}

/// The standard error of a run that must fail.
pub fn message(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

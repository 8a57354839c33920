//! A server process, and its listeners over WebSockets.

use std::net::{SocketAddr, TcpStream as Probe};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::address::own_address;
use crate::support::client::PATIENCE;

/// A server that keeps its address when it restarts. Killed when dropped.
pub struct Node {
    url: String,
    address: SocketAddr,
    args: Vec<&'static str>,
    child: Child,
}

impl Node {
    pub fn start(url: &str) -> Self {
        Self::start_with(url, &[])
    }

    pub fn start_with(url: &str, args: &[&'static str]) -> Self {
        let address = own_address();
        Self { url: url.to_owned(), address, args: args.to_vec(), child: spawn(url, address, args) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
    }

    /// Stops it with a signal, waits for its end, and starts it again.
    pub fn restart(&mut self, signal: &str) {
        self.signal(signal);
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(signal == "KILL" || status.success(), "{status}");
        self.child = spawn(&self.url, self.address, &self.args);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(url: &str, address: SocketAddr, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinoteka"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KINOTEKA_") || name.starts_with("DATABASE_"))
    {
        command.env_remove(name);
    }
    let listen = address.to_string();
    command.args(["serve", "--database-url", url, "--listen", &listen, "--shutdown-grace-ms", "2000"]).args(args);
    let mut child = command.args(["--log-filter", "off"]).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Probe::connect(address).is_err() {
        if let Some(status) = child.try_wait().unwrap() {
            // The database may be down at this moment.
            assert!(!status.success() && Instant::now() < deadline, "{status}");
            return spawn(url, address, args);
        }
        assert!(Instant::now() < deadline, "the server does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// A socket with one subscription.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects and subscribes. `None` if the server is down.
    pub async fn subscribe(address: SocketAddr, query: &str, variables: Value) -> Option<Self> {
        let uri = format!("ws://{address}/graphql");
        let request = ClientRequestBuilder::new(uri.parse().unwrap()).with_sub_protocol("graphql-transport-ws");
        let opening = timeout(Duration::from_secs(5), connect_async(request)).await.ok()?;
        let mut socket = Self(opening.ok()?.0);
        let subscribe =
            json!({ "id": "1", "type": "subscribe", "payload": { "query": query, "variables": variables } });
        for message in [json!({ "type": "connection_init" }), subscribe] {
            socket.0.send(Message::text(message.to_string())).await.ok()?;
        }
        Some(socket)
    }

    /// The next result, or `None` when the socket was closed with an expected code.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => {
                    let mut message: Value = serde_json::from_str(&text).unwrap();
                    match message["type"].as_str().unwrap() {
                        "next" => return Some(message["payload"].take()),
                        "connection_ack" | "ping" | "pong" => {}
                        _ => panic!("{message:#}"),
                    }
                }
                Message::Close(frame) => {
                    let code = frame.map_or(1005, |frame| frame.code.into());
                    // Closed by a stopping server, or by a broken connection.
                    assert!(matches!(code, 1001 | 1005 | 1006 | 1012 | 1013), "closed with {code}");
                    return None;
                }
                _ => {}
            }
        }
    }
}

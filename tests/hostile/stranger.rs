//! Attackers, whose address differs from that of honest clients.

#![allow(dead_code, reason = "each attack uses a part")]

use async_graphql::futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::client;

/// The log filter without a line for each request, because the log is not read.
pub const QUIET: [&str; 2] = ["--log-filter", "warn,kinoteka=info,kinoteka_telemetry=warn"];

/// The attackers' address. Honest clients are at 127.0.0.1.
const ADDRESS: [u8; 4] = [127, 0, 0, 2];

/// An attacker's HTTP client.
pub fn client() -> reqwest::Client {
    client::builder().local_address(Some(ADDRESS.into())).build().unwrap()
}

/// An attacker's connection.
pub async fn connect(url: &str) -> TcpStream {
    connect_from(ADDRESS, url).await
}

async fn connect_from(address: [u8; 4], url: &str) -> TcpStream {
    let server = url.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    socket.connect(server).await.unwrap()
}

/// An acknowledged WebSocket.
pub struct Socket(pub WebSocketStream<TcpStream>);

impl Socket {
    /// An attacker's socket.
    pub async fn open(url: &str) -> Self {
        Self::open_from(ADDRESS, url).await
    }

    /// An honest client's socket.
    pub async fn open_honest(url: &str) -> Self {
        Self::open_from([127, 0, 0, 1], url).await
    }

    async fn open_from(address: [u8; 4], url: &str) -> Self {
        let stream = connect_from(address, url).await;
        let request = ClientRequestBuilder::new(url.replace("http://", "ws://").parse().unwrap())
            .with_sub_protocol("graphql-transport-ws");
        let mut socket = Self(client::in_time(client_async(request, stream)).await.unwrap().0);
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await.unwrap()["type"], "connection_ack");
        socket
    }

    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: usize, query: &str) {
        let id = id.to_string();
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    /// The next message, or None when the socket was closed.
    pub async fn hear(&mut self) -> Option<Value> {
        loop {
            match client::in_time(self.0.next()).await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                _ => return None,
            }
        }
    }
}

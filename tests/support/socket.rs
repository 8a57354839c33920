//! A WebSocket client with `graphql-transport-ws`.

#![allow(dead_code, reason = "each test binary uses a part")]

use async_graphql::futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::support::client::in_time;

/// A client's socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// A request for a socket of a server at `http://127.0.0.1:PORT`, without a sub-protocol.
    pub fn request(origin: &str) -> ClientRequestBuilder {
        let uri = format!("{}/graphql", origin.replace("http://", "ws://"));
        ClientRequestBuilder::new(uri.parse().unwrap())
    }

    /// The same with the sub-protocol.
    pub fn proper_request(origin: &str) -> ClientRequestBuilder {
        Self::request(origin).with_sub_protocol("graphql-transport-ws")
    }

    pub async fn try_open(request: ClientRequestBuilder) -> Result<Self, Error> {
        in_time(connect_async(request)).await.map(|(socket, _)| Self(socket))
    }

    /// A socket over an existing connection.
    pub async fn try_open_over(stream: TcpStream, request: ClientRequestBuilder) -> Result<Self, Error> {
        in_time(client_async(request, MaybeTlsStream::Plain(stream))).await.map(|(socket, _)| Self(socket))
    }

    /// A socket that has sent nothing yet.
    pub async fn open(origin: &str) -> Self {
        Self::try_open(Self::proper_request(origin)).await.unwrap()
    }

    /// An acknowledged socket.
    pub async fn begin(origin: &str) -> Self {
        let mut socket = Self::open(origin).await;
        socket.init(json!({})).await;
        socket
    }

    /// The same, with a small receive buffer.
    pub async fn begin_slow(origin: &str) -> Self {
        let connection = TcpSocket::new_v4().unwrap();
        // A buffer with an automatic size may hold everything that a test sends.
        connection.set_recv_buffer_size(64 << 10).unwrap();
        let address = origin.trim_start_matches("http://").parse().unwrap();
        let connection = connection.connect(address).await.unwrap();
        let mut socket = Self::try_open_over(connection, Self::proper_request(origin)).await.unwrap();
        socket.init(json!({})).await;
        socket
    }

    /// A socket with this token.
    pub async fn sign_in(origin: &str, token: &str) -> Self {
        let mut socket = Self::open(origin).await;
        socket.init(json!({ "token": token })).await;
        socket
    }

    /// Sends the token and waits for the acknowledgement.
    pub async fn init(&mut self, payload: Value) {
        self.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(self.hear().await, json!({ "type": "connection_ack" }));
    }

    pub async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    pub async fn next(&mut self) -> Message {
        in_time(self.0.next()).await.expect("the socket must be open").unwrap()
    }

    /// The next message, skipping pings.
    pub async fn hear(&mut self) -> Value {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The text of the next comment, and its cursor.
    pub async fn hear_comment(&mut self) -> (String, String) {
        let message = self.hear().await;
        assert_eq!(message["type"], "next", "{message}");
        let added = &message["payload"]["data"]["commentAdded"];
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        (text(&added["comment"]["text"]), text(&added["cursor"]))
    }

    /// The server's close code and reason. Other messages are skipped.
    pub async fn hear_end(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next().await {
                let frame = frame.expect("the server must send a close frame");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}

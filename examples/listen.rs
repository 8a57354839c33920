//! Prints new comments as they come, and goes on where it was whenever its connection breaks:
//! `cargo run --workspace --example listen -- ws://127.0.0.1:8000/graphql [SUBJECT_ID]`.

use std::time::Duration;

use anyhow::{Context, bail};
use async_graphql::futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const CURSOR: &str = "{ commentCursor }";
const ADDED: &str = "subscription ($subject: ID, $after: String) {
    commentAdded(subjectId: $subject, after: $after) { cursor comment { text author { username } } } }";

/// How long to wait before connecting again.
const PAUSE: Duration = Duration::from_secs(1);
/// The server pings more often than this: one that is silent for longer is gone.
const SILENCE_MAX: Duration = Duration::from_secs(75);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let url = args.next().context("name the server: ws://127.0.0.1:8000/graphql")?;
    let mut listener = Listener { url, subject: args.next(), seen: None };
    loop {
        match listener.listen().await {
            Ok(refusal) => bail!("the server refuses: {refusal}"),
            Err(error) => eprintln!("{error:#}; connecting again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Listener {
    url: String,
    subject: Option<String>,
    /// The last cursor: where to go on.
    seen: Option<Value>,
}

impl Listener {
    /// Listens until the connection breaks, which is an error, or the server refuses.
    async fn listen(&mut self) -> anyhow::Result<Value> {
        let mut socket = Socket::open(&self.url).await?;
        socket.say(json!({ "type": "connection_init" })).await?;
        if self.seen.is_none() {
            // Before anything has come, so that nothing is lost if the connection breaks at once.
            socket.ask("cursor", CURSOR, json!({})).await?;
        } else {
            self.subscribe(&mut socket).await?;
        }
        loop {
            let message = socket.hear().await?;
            let data = &message["payload"]["data"];
            match (message["type"].as_str(), message["id"].as_str()) {
                (Some("ping"), _) => socket.say(json!({ "type": "pong" })).await?,
                (Some("next"), Some("cursor")) => {
                    self.seen = data.get("commentCursor").cloned();
                    self.subscribe(&mut socket).await?;
                }
                (Some("next"), _) => {
                    let added = &data["commentAdded"];
                    print(&added["comment"]);
                    self.seen = Some(added["cursor"].clone()).filter(Value::is_string).or(self.seen.take());
                }
                (Some("error"), _) => return Ok(message["payload"].clone()),
                (Some("complete"), Some("added")) => bail!("the server has nothing more to say"),
                _ => {}
            }
        }
    }

    async fn subscribe(&self, socket: &mut Socket) -> anyhow::Result<()> {
        socket.ask("added", ADDED, json!({ "subject": self.subject, "after": self.seen })).await
    }
}

fn print(comment: &Value) {
    // Null: it was deleted before it could be shown.
    if let Some(text) = comment["text"].as_str() {
        println!("{}: {text}", comment["author"]["username"].as_str().unwrap_or("somebody"));
    }
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let request = ClientRequestBuilder::new(url.parse()?).with_sub_protocol("graphql-transport-ws");
        let (socket, _) = connect_async(request).await.context("cannot connect")?;
        Ok(Self(socket))
    }

    async fn say(&mut self, message: Value) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }

    async fn ask(&mut self, id: &str, query: &str, variables: Value) -> anyhow::Result<()> {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload })).await
    }

    async fn hear(&mut self) -> anyhow::Result<Value> {
        loop {
            let message = tokio::time::timeout(SILENCE_MAX, self.0.next()).await.context("the server is silent")?;
            match message.context("the connection was closed")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(Some(frame)) => bail!("closed: {frame}"),
                _ => {}
            }
        }
    }
}

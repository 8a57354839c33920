//! Prints new comments as they come, and goes on where it was whenever its connection breaks:
//! `cargo run --workspace --example listen -- --help`.
//!
//! Each line is flushed before its cursor is kept, so that a comment may be printed twice when the
//! program is killed, but none is left out.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use async_graphql::futures_util::{SinkExt, StreamExt};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Prints new comments as they come, and goes on where it was whenever its connection breaks.
#[derive(Parser)]
struct Args {
    /// The server's endpoint.
    #[arg(default_value = "ws://127.0.0.1:8000/graphql")]
    url: String,
    /// The id of a movie or a publication; comments on anything if left out.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// The token of a session; anonymous if left out.
    #[arg(long, env = "KINOTEKA_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Keeps the last cursor in this file, and goes on behind the one that is in it.
    #[arg(long, value_name = "FILE")]
    after_file: Option<PathBuf>,
}

const CURSOR: &str = "{ commentCursor }";
const ADDED: &str = "subscription ($subject: ID, $after: String) {
    commentAdded(subjectId: $subject, after: $after) { cursor comment { text author { username } } } }";

/// How long to wait at most before connecting again: doubled with each failure, and random, so that
/// not all listeners come back at once.
const PAUSES_S: [f64; 7] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0];
/// After this silence the server is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(15);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let seen = args.after_file.as_ref().map(read_cursor).transpose()?.flatten();
    let mut listener = Listener { args, seen, failed: None, failures: 0 };
    loop {
        match listener.listen().await {
            Ok(Over::Expired) => {
                eprintln!("what came next is not kept any more: going on from now");
                listener.seen = None;
            }
            Ok(Over::Refused(reason)) => bail!("the server refuses: {reason}"),
            Err(error) => {
                let pause = PAUSES_S[listener.failures.min(PAUSES_S.len() - 1)] * rand::random_range(0.5..1.0);
                eprintln!("{error:#}; connecting again in {pause:.1} s");
                listener.failures += 1;
                sleep(Duration::from_secs_f64(pause)).await;
            }
        }
    }
}

struct Listener {
    args: Args,
    /// The last cursor: where to go on.
    seen: Option<String>,
    /// The cursor of a comment that could not be read.
    failed: Option<String>,
    /// Connections that failed since the last one that was acknowledged.
    failures: usize,
}

/// Why there is nothing more to hear, other than that the connection broke.
enum Over {
    Expired,
    Refused(Value),
}

impl Listener {
    async fn listen(&mut self) -> anyhow::Result<Over> {
        let mut socket = Socket::open(&self.args.url).await?;
        let payload = self.args.token.as_ref().map(|token| json!({ "token": token }));
        socket.say(json!({ "type": "connection_init", "payload": payload })).await?;
        loop {
            let message = match socket.hear().await? {
                Heard::Message(message) => message,
                Heard::Refused(reason) => return Ok(Over::Refused(reason.into())),
            };
            let data = &message["payload"]["data"];
            match (message["type"].as_str(), message["id"].as_str()) {
                (Some("connection_ack"), _) => {
                    self.failures = 0;
                    match self.seen {
                        Some(_) => self.subscribe(&mut socket).await?,
                        // First, so that nothing is lost if the connection breaks before anything has come.
                        None => socket.ask("cursor", CURSOR, json!({})).await?,
                    }
                }
                (Some("next"), Some("cursor")) => {
                    self.keep(&data["commentCursor"])?;
                    self.subscribe(&mut socket).await?;
                }
                (Some("next"), _) => {
                    let (errors, cursor) = (&message["payload"]["errors"], data["commentAdded"]["cursor"].as_str());
                    if !errors.is_null() {
                        // Once more, behind the last cursor; what fails again is left out.
                        if self.failed.as_deref() != cursor {
                            self.failed = cursor.map(str::to_owned);
                            bail!("a comment could not be read: {errors}");
                        }
                        eprintln!("a comment is left out: {errors}");
                    }
                    print(&data["commentAdded"]["comment"])?;
                    self.keep(&data["commentAdded"]["cursor"])?;
                }
                (Some("ping"), _) => socket.say(json!({ "type": "pong" })).await?,
                (Some("error"), _) => {
                    let reason = message["payload"].clone();
                    return match reason[0]["extensions"]["code"].as_str() {
                        Some("CURSOR_EXPIRED") => Ok(Over::Expired),
                        Some("UNAVAILABLE" | "TIMEOUT") => bail!("not at the moment: {reason}"),
                        _ => Ok(Over::Refused(reason)),
                    };
                }
                (Some("complete"), Some("added")) => bail!("the server has nothing more to say"),
                _ => {}
            }
        }
    }

    async fn subscribe(&self, socket: &mut Socket) -> anyhow::Result<()> {
        socket.ask("added", ADDED, json!({ "subject": self.args.subject, "after": self.seen })).await
    }

    /// Notes a cursor, after what it stands for is done.
    fn keep(&mut self, cursor: &Value) -> anyhow::Result<()> {
        let Some(cursor) = cursor.as_str() else { return Ok(()) };
        self.seen = Some(cursor.to_owned());
        let Some(file) = &self.args.after_file else { return Ok(()) };
        // Whoever is killed in between leaves the old one whole.
        let draft = file.with_extension("new");
        fs::write(&draft, cursor).and_then(|()| fs::rename(&draft, file)).with_context(|| file.display().to_string())
    }
}

fn read_cursor(file: &PathBuf) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(cursor) => Ok(Some(cursor.trim().to_owned()).filter(|cursor| !cursor.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn print(comment: &Value) -> io::Result<()> {
    // Null: it was deleted before it could be shown.
    let Some(text) = comment["text"].as_str() else { return Ok(()) };
    let mut output = io::stdout().lock();
    writeln!(output, "{}: {text}", comment["author"]["username"].as_str().unwrap_or("somebody"))?;
    output.flush()
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

enum Heard {
    Message(Value),
    /// Closed in a way that asking again would not change.
    Refused(String),
}

impl Socket {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let url = url.replacen("http", "ws", usize::from(url.starts_with("http")));
        let request = ClientRequestBuilder::new(url.parse()?).with_sub_protocol("graphql-transport-ws");
        let (socket, _) = timeout(SILENCE, connect_async(request)).await.context("the server does not answer")??;
        Ok(Self(socket))
    }

    async fn say(&mut self, message: Value) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }

    async fn ask(&mut self, id: &str, query: &str, variables: Value) -> anyhow::Result<()> {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload })).await
    }

    async fn hear(&mut self) -> anyhow::Result<Heard> {
        loop {
            let message = match timeout(SILENCE, self.0.next()).await {
                Ok(message) => message,
                Err(_) => {
                    self.say(json!({ "type": "ping" })).await?;
                    timeout(SILENCE, self.0.next()).await.context("the server is silent")?
                }
            };
            match message.context("the connection was closed")?? {
                Message::Text(text) => return Ok(Heard::Message(serde_json::from_str(&text)?)),
                Message::Close(Some(frame)) => match u16::from(frame.code) {
                    4400..=4403 | 4406 | 4409 | 4429 => return Ok(Heard::Refused(frame.to_string())),
                    _ => bail!("closed: {frame}"),
                },
                _ => {}
            }
        }
    }
}

//! Prints new comments, and continues after the last one when its connection breaks:
//! `cargo run --workspace --example listen -- --help`.
//!
//! Each line is flushed before its cursor is stored. If the program is killed, a comment may be printed twice, but
//! none is missed.

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

/// Prints new comments, and continues after the last one when its connection breaks.
#[derive(Parser)]
struct Args {
    /// URL of the server's endpoint.
    #[arg(default_value = "ws://127.0.0.1:8000/graphql")]
    url: String,
    /// Id of a movie or a publication. Default: comments on anything.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Token of a session. Default: anonymous.
    #[arg(long, env = "KINOTEKA_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File for the last cursor. Continues after the cursor in it.
    #[arg(long, value_name = "FILE")]
    after_file: Option<PathBuf>,
}

const CURSOR: &str = "{ commentCursor }";
const ADDED: &str = "subscription ($subject: ID, $after: String) {
    commentAdded(subjectId: $subject, after: $after) { cursor comment { text author { username } } } }";

/// Maximum pauses before reconnecting, in seconds: doubled with each failure, and random, so that listeners do not
/// return simultaneously.
const PAUSES_S: [f64; 7] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0];
/// After this time without a message, ping the server.
const SILENCE: Duration = Duration::from_secs(15);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let seen = args.after_file.as_ref().map(read_cursor).transpose()?.flatten();
    let mut listener = Listener { args, seen, failed: None, failures: 0 };
    loop {
        match listener.listen().await {
            Ok(ListenEnd::Expired) => {
                eprintln!("the cursor has expired: continuing from now");
                listener.seen = None;
            }
            Ok(ListenEnd::Refused(reason)) => bail!("the server refuses: {reason}"),
            Err(error) => {
                let pause = PAUSES_S[listener.failures.min(PAUSES_S.len() - 1)] * rand::random_range(0.5..1.0);
                eprintln!("{error:#}; reconnecting in {pause:.1} s");
                listener.failures += 1;
                sleep(Duration::from_secs_f64(pause)).await;
            }
        }
    }
}

struct Listener {
    args: Args,
    /// The last cursor.
    seen: Option<String>,
    /// The cursor of a comment that could not be read.
    failed: Option<String>,
    /// Failed connections since the last acknowledged one.
    failures: usize,
}

/// Why listening ended, other than by a broken connection.
enum ListenEnd {
    Expired,
    Refused(Value),
}

impl Listener {
    async fn listen(&mut self) -> anyhow::Result<ListenEnd> {
        let mut socket = Socket::open(&self.args.url).await?;
        let payload = self.args.token.as_ref().map(|token| json!({ "token": token }));
        socket.say(json!({ "type": "connection_init", "payload": payload })).await?;
        loop {
            let message = match socket.hear().await? {
                Heard::Message(message) => message,
                Heard::Refused(reason) => return Ok(ListenEnd::Refused(reason.into())),
            };
            let data = &message["payload"]["data"];
            match (message["type"].as_str(), message["id"].as_str()) {
                (Some("connection_ack"), _) => {
                    self.failures = 0;
                    match self.seen {
                        Some(_) => self.subscribe(&mut socket).await?,
                        // Store a cursor first, so that nothing is lost if the connection breaks before the first
                        // event.
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
                        // Retry once after the last cursor, then skip the comment.
                        if self.failed.as_deref() != cursor {
                            self.failed = cursor.map(str::to_owned);
                            bail!("a comment could not be read: {errors}");
                        }
                        eprintln!("a comment was skipped: {errors}");
                    }
                    print(&data["commentAdded"]["comment"])?;
                    self.keep(&data["commentAdded"]["cursor"])?;
                }
                (Some("ping"), _) => socket.say(json!({ "type": "pong" })).await?,
                (Some("error"), _) => {
                    let reason = message["payload"].clone();
                    return match reason[0]["extensions"]["code"].as_str() {
                        Some("CURSOR_EXPIRED") => Ok(ListenEnd::Expired),
                        Some("UNAVAILABLE" | "TIMEOUT") => bail!("the server is not available: {reason}"),
                        _ => Ok(ListenEnd::Refused(reason)),
                    };
                }
                (Some("complete"), Some("added")) => bail!("the server ended the subscription"),
                _ => {}
            }
        }
    }

    async fn subscribe(&self, socket: &mut Socket) -> anyhow::Result<()> {
        socket.ask("added", ADDED, json!({ "subject": self.args.subject, "after": self.seen })).await
    }

    /// Stores a cursor when its comment was printed.
    fn keep(&mut self, cursor: &Value) -> anyhow::Result<()> {
        let Some(cursor) = cursor.as_str() else { return Ok(()) };
        self.seen = Some(cursor.to_owned());
        let Some(file) = &self.args.after_file else { return Ok(()) };
        // If the program is killed meanwhile, the old file stays complete.
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
    // Null: the comment was deleted before it was shown.
    let Some(text) = comment["text"].as_str() else { return Ok(()) };
    let mut output = io::stdout().lock();
    writeln!(output, "{}: {text}", comment["author"]["username"].as_str().unwrap_or("somebody"))?;
    output.flush()
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

enum Heard {
    Message(Value),
    /// The server closed the connection in a way that a retry would not change.
    Refused(String),
}

impl Socket {
    async fn open(url: &str) -> anyhow::Result<Self> {
        let url = url.replacen("http", "ws", usize::from(url.starts_with("http")));
        let request = ClientRequestBuilder::new(url.parse()?).with_sub_protocol("graphql-transport-ws");
        let (socket, _) = timeout(SILENCE, connect_async(request)).await.context("the server does not respond")??;
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

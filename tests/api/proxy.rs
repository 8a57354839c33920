//! A proxy between the server and PostgreSQL. It records each round trip, and can lose one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::database::TestDatabase;

/// The part of a round trip that is lost, with the connection.
#[derive(Clone, Copy, Debug)]
pub enum Lost {
    /// The request never arrives.
    Turn,
    /// The statement runs, but its response is lost.
    GraphqlResponse,
}

/// Parts of the server's background statements: for the feed, connections, health and the schema.
const OWN: [&str; 9] = [
    "comment_events",
    "comment_feed",
    "pg_notify",
    "set_config",
    "pg_is_in_recovery",
    "to_regclass",
    "seaql_migrations",
    "schema_steps",
    "pg_trigger",
];

/// The proxy. Clones share its state.
#[derive(Clone, Default)]
pub struct Proxy(Arc<ProxyState>);

#[derive(Default)]
struct ProxyState {
    turns: Mutex<Vec<String>>,
    loses: Mutex<Option<(Lost, Vec<u8>)>>,
}

impl Proxy {
    /// Starts a proxy and redirects the database's URL to it.
    pub async fn before(database: &mut TestDatabase) -> Self {
        let (start, name) = database.url.rsplit_once('/').unwrap();
        let (user, target) = start.rsplit_once('@').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), target.to_owned());
        database.url = format!("{user}@127.0.0.1:{port}/{name}");
        let proxy = Self::default();
        let shared = proxy.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&target).await.unwrap();
                tokio::spawn(shared.clone().hand_on(near, far));
            }
        });
        proxy
    }

    /// Loses the first round trip that contains these bytes.
    pub fn lose(&self, lost: Lost, with: &str) {
        *self.0.loses.lock().unwrap() = Some((lost, with.as_bytes().to_vec()));
    }

    /// Whether no round trip was lost yet.
    pub fn loses(&self) -> bool {
        self.0.loses.lock().unwrap().is_some()
    }

    /// The statements since the last call, one for each round trip, without background statements, preparations and tests
    /// of connections.
    pub fn take_round_trips(&self) -> Vec<String> {
        let mut turns = std::mem::take(&mut *self.0.turns.lock().unwrap());
        turns.retain(|sql| !OWN.iter().any(|own| sql.contains(own)));
        turns
    }

    /// Waits until no statement has run for a moment, so that the servers' startup is over.
    pub async fn settle(&self) {
        let begun = Instant::now();
        loop {
            self.take_round_trips();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let turns = self.take_round_trips();
            if turns.is_empty() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "statements keep running: {turns:#?}");
        }
    }

    async fn hand_on(self, mut near: TcpStream, mut far: TcpStream) {
        let (mut said, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
        let mut protocol = Protocol::default();
        loop {
            tokio::select! {
                Ok(length @ 1..) = near.read(&mut said) => {
                    self.0.turns.lock().unwrap().extend(protocol.read(&said[..length]));
                    let lost = self.take_lost(&said[..length]);
                    if matches!(lost, Some(Lost::Turn)) || far.write_all(&said[..length]).await.is_err() {
                        return;
                    }
                    if lost.is_some() {
                        let _ = far.read(&mut answered).await;
                        return;
                    }
                }
                Ok(length @ 1..) = far.read(&mut answered) => {
                    if near.write_all(&answered[..length]).await.is_err() {
                        return;
                    }
                }
                else => return,
            }
        }
    }

    fn take_lost(&self, said: &[u8]) -> Option<Lost> {
        let mut loses = self.0.loses.lock().unwrap();
        let is_meant = |(_, with): &mut (Lost, Vec<u8>)| said.windows(with.len()).any(|bytes| bytes == with);
        loses.take_if(is_meant).map(|(lost, _)| lost)
    }
}

/// The messages of a client on a connection: <https://www.postgresql.org/docs/15/protocol-message-formats.html>.
#[derive(Default)]
struct Protocol {
    unread: Vec<u8>,
    has_started: bool,
    /// Prepared statements by name.
    statements: HashMap<Vec<u8>, String>,
    /// The bound statement, and whether it is executed.
    bound: Option<(String, bool)>,
}

impl Protocol {
    /// The statements of the round trips that these bytes complete.
    fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        self.unread.extend_from_slice(bytes);
        let mut turns = Vec::new();
        loop {
            let start = usize::from(self.has_started);
            let Some(length) = self.unread.get(start..start + 4) else { return turns };
            let end = start + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.unread.len() < end {
                return turns;
            }
            let message: Vec<u8> = self.unread.drain(..end).collect();
            let content = &message[start + 4..];
            if self.has_started {
                turns.extend(self.turn(message[0], content));
            } else {
                // A request for TLS precedes the startup message.
                self.has_started = content[..4] != 80_877_103_u32.to_be_bytes();
            }
        }
    }

    fn turn(&mut self, kind: u8, content: &[u8]) -> Option<String> {
        let mut parts = content.split(|byte| *byte == 0);
        let mut text = || parts.next().unwrap_or_default().to_vec();
        match kind {
            b'Q' => return Some(String::from_utf8(text()).unwrap()),
            b'P' => {
                let (name, sql) = (text(), text());
                self.statements.insert(name, String::from_utf8(sql).unwrap());
            }
            b'B' => {
                let (_portal, name) = (text(), text());
                self.bound = self.statements.get(&name).map(|sql| (sql.clone(), false));
            }
            b'E' => self.bound.as_mut()?.1 = true,
            b'S' => return self.bound.take().filter(|(_, is_executed)| *is_executed).map(|(sql, _)| sql),
            _ => {}
        }
        None
    }
}

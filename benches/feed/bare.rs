//! The upper bound: axum's WebSockets that only send prepared bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocketUpgrade};
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub struct Bare {
    pub address: SocketAddr,
    stage: Arc<Stage>,
}

struct Stage {
    ready: AtomicUsize,
    go: watch::Sender<bool>,
    messages: usize,
}

/// The size of a result with its frame.
const MESSAGE: usize = 300;

/// Serves sockets at `/bare` that wait for a command and then send the given number of messages.
pub async fn serve(messages: usize) -> Bare {
    let stage = Arc::new(Stage { ready: AtomicUsize::new(0), go: watch::Sender::new(false), messages });
    let upgrade = async |State(stage): State<Arc<Stage>>, upgrade: WebSocketUpgrade| {
        // The size that the server's own sockets use.
        let upgrade = upgrade.read_buffer_size(4 << 10).protocols(["graphql-transport-ws"]);
        upgrade.on_upgrade(async move |mut socket| {
            let mut go = stage.go.subscribe();
            for answer in [Some(r#"{"type":"connection_ack"}"#), None] {
                let _ = socket.recv().await;
                if let Some(answer) = answer {
                    socket.send(Message::Text(answer.into())).await.unwrap();
                }
            }
            stage.ready.fetch_add(1, Ordering::Relaxed);
            go.wait_for(|go| *go).await.unwrap();
            let message = Utf8Bytes::from(format!("{{\"type\":\"next\",{}}}", " ".repeat(MESSAGE - 16)));
            for _ in 0..stage.messages {
                if socket.send(Message::Text(message.clone())).await.is_err() {
                    return;
                }
            }
            // Until the client disconnects.
            let _ = socket.recv().await;
        })
    };
    let router = Router::new().route("/bare", any(upgrade)).with_state(Arc::clone(&stage));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Bare { address, stage }
}

impl Bare {
    /// Makes the sockets send when the given number of them wait.
    pub async fn go(&self, sockets: usize) {
        while self.stage.ready.load(Ordering::Relaxed) < sockets {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.stage.go.send_replace(true);
    }
}

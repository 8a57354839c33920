//! An address that leads to the current leader, or to the replicas in turn, like HAProxy's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::address::own_address;

pub struct Front {
    pub address: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    breaks: Breaks,
    _tasks: JoinSet<()>,
}

/// The handling of connections.
#[derive(Clone, Default)]
struct Breaks {
    /// Responses to requests with these bytes are dropped.
    mute_at: Arc<Mutex<Option<Vec<u8>>>>,
    cut: watch::Sender<()>,
}

impl Front {
    /// Forwards connections to this target. Existing connections stay open when the target changes.
    pub async fn to(target: SocketAddr) -> Self {
        Self::among(vec![target]).await
    }

    /// Forwards each connection to the next of these.
    pub async fn among(targets: Vec<SocketAddr>) -> Self {
        let address = own_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let targets = Arc::new(Mutex::new(targets));
        let (mut tasks, current, breaks) = (JoinSet::new(), Arc::clone(&targets), Breaks::default());
        let own = breaks.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let target = {
                    let mut targets = current.lock().unwrap();
                    targets.rotate_left(1);
                    targets[0]
                };
                let breaks = own.clone();
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        breaks.pass(client, server).await;
                    }
                });
            }
        });
        Self { address, targets, breaks, _tasks: tasks }
    }

    /// Sets another target.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.targets.lock().unwrap() = vec![target];
    }

    /// From now on, connections that send these bytes get no further responses.
    pub fn mute_at(&self, bytes: &str) {
        *self.breaks.mute_at.lock().unwrap() = Some(bytes.as_bytes().to_vec());
    }

    /// Whether a connection has sent them.
    pub fn has_muted(&self) -> bool {
        self.breaks.mute_at.lock().unwrap().is_none()
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.breaks.cut.send_replace(());
    }
}

impl Breaks {
    async fn pass(&self, mut client: TcpStream, mut server: TcpStream) {
        let mut cut = self.cut.subscribe();
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let is_muted = std::sync::atomic::AtomicBool::new(false);
        let up = async {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
                if self.is_muting(&bytes[..length]) {
                    is_muted.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                if to_server.write_all(&bytes[..length]).await.is_err() {
                    break;
                }
            }
            let _ = to_server.shutdown().await;
        };
        let down = async {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
                let is_muted = is_muted.load(std::sync::atomic::Ordering::Relaxed);
                if !is_muted && to_client.write_all(&bytes[..length]).await.is_err() {
                    break;
                }
            }
            let _ = to_client.shutdown().await;
        };
        tokio::select! {
            _ = async { tokio::join!(up, down) } => {}
            _ = cut.changed() => {}
        }
    }

    fn is_muting(&self, sent: &[u8]) -> bool {
        let mut mute_at = self.mute_at.lock().unwrap();
        let found = mute_at.as_ref().is_some_and(|bytes| sent.windows(bytes.len()).any(|part| part == bytes));
        if found {
            *mute_at = None;
        }
        found
    }
}

//! An address that leads to the leader, wherever it is, or to one replica after the other, as HAProxy's do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::address::own_address;

pub struct Front {
    pub address: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    _tasks: JoinSet<()>,
}

impl Front {
    /// Passes connections on to there. Those that were made before are not ended when the target changes.
    pub async fn to(target: SocketAddr) -> Self {
        Self::among(vec![target]).await
    }

    /// Passes each connection on to the next one of these.
    pub async fn among(targets: Vec<SocketAddr>) -> Self {
        let address = own_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let targets = Arc::new(Mutex::new(targets));
        let (mut tasks, current) = (JoinSet::new(), Arc::clone(&targets));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let target = {
                    let mut targets = current.lock().unwrap();
                    targets.rotate_left(1);
                    targets[0]
                };
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(target).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, targets, _tasks: tasks }
    }

    /// Leads to another server from now on.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.targets.lock().unwrap() = vec![target];
    }
}

//! An address that leads to the leader, wherever it is, as HAProxy's does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::address::own_address;

pub struct Front {
    pub address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    _tasks: JoinSet<()>,
}

impl Front {
    /// Passes connections on to there. Those that were made before are not ended when the target changes.
    pub async fn to(target: SocketAddr) -> Self {
        let address = own_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let target = Arc::new(Mutex::new(target));
        let (mut tasks, current) = (JoinSet::new(), Arc::clone(&target));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let target = *current.lock().unwrap();
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(target).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, target, _tasks: tasks }
    }

    /// Leads to another server from now on.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = target;
    }
}

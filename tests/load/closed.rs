//! A load whose kept connections are closed when it reuses them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Served, report};
use crate::support::database::Backend;

/// Forwards one request of each connection, and closes the connection at the next one. Returns its address.
async fn close_kept_connections(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(pass_once(client, server));
        }
    });
    address
}

async fn pass_once(mut client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut request, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_answered = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read? {
                0 => return Ok(()),
                // The request was read, but gets no response.
                _ if is_answered => return Ok(()),
                read => server.write_all(&request[..read]).await?,
            },
            read = server.read(&mut answer) => match read? {
                0 => return Ok(()),
                read => {
                    client.write_all(&answer[..read]).await?;
                    is_answered = true;
                }
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_connections_are_not_an_outage() {
    let served = Served::start(Backend::Sqlite).await;
    let url = format!("http://{}/graphql", close_kept_connections(served.node.address()).await);
    let report = tokio::task::spawn_blocking(move || report(&url, &["--duration=3", "--rng-seed=1", "--verify"]));
    let report = report.await.unwrap();
    assert!(report["sentAgain"]["codes"]["connection closed"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["outages"]["count"], 0, "{report:#}");
}

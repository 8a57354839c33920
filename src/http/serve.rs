//! Accepts connections, as many as allowed, and ends those that take too long to say what they want.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::caller::Peer;
use super::limits::Limits;
use super::stall::Impatient;
use crate::metrics;

/// Bytes of a request's head at most.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long accepting rests after the operating system had no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves, then until the running requests are answered and the WebSockets and
/// event streams are closed.
pub async fn serve(listener: TcpListener, router: Router, limits: &Limits, stop: impl Future<Output = ()>) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout())
        .max_header_size(HEAD_BYTES_MAX)
        // What a connection reads ahead at most: otherwise 400 KiB of what nobody has asked for.
        .max_buf_size(HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let connections_max = u32::try_from(limits.limit_connections).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(connections_max as usize));
    let (stopping, _) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let permit = match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    metrics::count_limit("limit-connections");
                    // An error would mean that the semaphore is closed, which nobody does.
                    Arc::clone(&room).acquire_owned().await.ok()
                }
            };
            (accept(&listener).await, permit)
        };
        let ((stream, peer), permit) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let stream = TokioIo::new(Impatient::new(stream, limits.write_timeout(), limits.min_send_rate_bytes));
        let link = Link(Arc::new(Linked { stopping: stopping.subscribe(), _permit: permit }));
        let service = FromPeer { service: service.clone(), peer: Peer(peer), link };
        let connection = server.serve_connection(stream, service).with_upgrades();
        let mut stopping = stopping.subscribe();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let outcome = tokio::select! {
                outcome = &mut connection => outcome,
                // An error means that the server is gone, which is the same to this connection.
                _ = stopping.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // A client that goes away or is too slow is no event of ours.
            if let Err(error) = outcome {
                tracing::debug!("a connection ended: {error}");
            }
        });
    }
    drop(listener);
    stopping.send_replace(());
    // Each connection gives its permit back when it ends.
    let _ = room.acquire_many(connections_max).await;
}

/// What a request needs of its connection if it outlives it, as a WebSocket does. In the request's
/// extensions.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<Linked>);

#[derive(Debug)]
struct Linked {
    stopping: watch::Receiver<()>,
    /// The connection counts as long as anything of it is there.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Link {
    /// Changes when the server is told to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<()> {
        self.0.stopping.clone()
    }
}

/// Tells each request of a connection who is at its other end.
struct FromPeer {
    service: TowerToHyperService<Router>,
    peer: Peer,
    link: Link,
}

impl Service<Request<Incoming>> for FromPeer {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.link.clone());
        self.service.call(request)
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are written whole: waiting for more to send gains nothing.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            // The client was gone before it was accepted.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!("no connection can be accepted: {error}; raise the limit of open files");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

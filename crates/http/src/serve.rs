//! Accepts connections, limited in total and for each address, and closes those that take too long to send a request.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use request::quota::Share;
use telemetry::metrics;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::HttpSettings;
use super::caller::Peer;
use super::rest::{ConnectionWait, HeadTimer, IdleTimeouts, OpenConnections};
use super::write_timeout::WriteTimeout;

/// The maximum size of a request's head in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long accepting pauses after the operating system had no resources for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves, then until the running requests have their responses and the WebSockets and event
/// streams are closed.
pub async fn serve(listener: TcpListener, router: Router, settings: &HttpSettings, stop: impl Future<Output = ()>) {
    let HttpSettings { limits, trusted_proxies, .. } = settings;
    let timeouts =
        IdleTimeouts { head: limits.header_timeout(), idle: limits.idle_timeout(), unread: limits.body_timeout() };
    let mut server = http1::Builder::new();
    server
        // Each connection has its own, more precise timer.
        .header_read_timeout(timeouts.head)
        .max_header_size(HEAD_BYTES_MAX)
        // The read-ahead limit of a connection. The default is 400 KiB.
        .max_buf_size(HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let connections_max = u32::try_from(limits.limit_connections).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(connections_max as usize));
    let connections = OpenConnections::new(connections_max as usize);
    let keep_alive = keep_alive(timeouts.idle);
    let shares = limits.connections();
    let (stopping, _) = watch::channel(());
    let (mut stop, mut relief) = (pin!(stop), pin!(connections.relieve()));
    loop {
        let accepted = async {
            let permit = match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    metrics::count_limit("limit-connections");
                    // An error would mean that the semaphore is closed, which never happens.
                    Arc::clone(&room).acquire_owned().await.ok()
                }
            };
            (accept(&listener).await, permit)
        };
        let ((stream, peer), permit) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut relief => continue,
            () = &mut stop => break,
        };
        // A proxy carries the connections of many clients.
        let is_proxy = trusted_proxies.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        let share = if is_proxy { None } else { Some(shares.take(peer.ip(), 1)) };
        let Ok(share) = share.transpose() else {
            metrics::count_limit("limit-connections-per-client");
            continue;
        };
        let wait = connections.join(timeouts);
        let stream = TokioIo::new(WriteTimeout::new(
            stream,
            limits.write_timeout(),
            limits.min_send_rate_bytes,
            Arc::clone(&wait),
        ));
        let linked = ConnectionState {
            stopping: stopping.subscribe(),
            keep_alive: keep_alive.clone(),
            wait: Arc::clone(&wait),
            _share: share,
            _permit: permit,
        };
        let service = FromPeer { service: service.clone(), peer: Peer(peer), link: ConnectionHandle(Arc::new(linked)) };
        let mut server = server.clone();
        server.timer(HeadTimer(Arc::clone(&wait)));
        let connection = server.serve_connection(stream, service).with_upgrades();
        tokio::spawn(attend(connection, wait, stopping.subscribe()));
    }
    drop(listener);
    stopping.send_replace(());
    // Each connection returns its permit when it ends.
    let _ = room.acquire_many(connections_max).await;
}

/// Serves a connection to its end: by its client, by the server's stop, or when it is idle and its slot is needed.
async fn attend(
    connection: http1::UpgradeableConnection<TokioIo<WriteTimeout<TcpStream>>, FromPeer>,
    wait: Arc<ConnectionWait>,
    mut stopping: watch::Receiver<()>,
) {
    let mut connection = pin!(connection);
    let outcome = loop {
        tokio::select! {
            // This comes first, so that data that has arrived is read.
            biased;
            outcome = &mut connection => break outcome,
            // An error means that the server is gone, which has the same effect on this connection.
            _ = stopping.changed() => {}
            () = wait.closing() => {
                if wait.silent_since().is_none() {
                    continue;
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        break connection.await;
    };
    // A client that leaves or is too slow is not an error of the server.
    if let Err(error) = outcome {
        tracing::debug!("a connection ended: {error}");
    }
}

/// The parts of a connection that a request needs if it outlives it, like a WebSocket. In the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle(Arc<ConnectionState>);

#[derive(Debug)]
struct ConnectionState {
    stopping: watch::Receiver<()>,
    /// The idle timeout that the client is told.
    keep_alive: Option<HeaderValue>,
    wait: Arc<ConnectionWait>,
    /// The client's share. A trusted proxy needs none. It is released before the permit, so that the connection
    /// accepted next finds it free.
    _share: Option<Share>,
    /// The connection counts until its last part is dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionHandle {
    /// Changes when the server stops.
    pub(super) fn stopping(&self) -> watch::Receiver<()> {
        self.0.stopping.clone()
    }

    /// Records that the request has its response, and its body was not read to the end.
    pub(super) fn leave_unread(&self) {
        self.0.wait.leave_unread();
    }

    /// The idle timeout that the client is told, unless the client must close the connection.
    pub(super) fn keep_alive<B>(&self, request: &Request<B>) -> Option<HeaderValue> {
        let says = |word: &str| {
            let values = request.headers().get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case(word))
        };
        let stays = match request.version() {
            Version::HTTP_11 => !says("close"),
            _ => says("keep-alive"),
        };
        self.0.keep_alive.clone().filter(|_| stays && !self.0.stopping.has_changed().unwrap_or(true))
    }
}

/// Tells a client the idle timeout, if the connection stays open.
pub(super) fn set_keep_alive(keep_alive: Option<HeaderValue>, status: StatusCode, headers: &mut HeaderMap) {
    let Some(keep_alive) = keep_alive else { return };
    if status != StatusCode::SWITCHING_PROTOCOLS && !headers.contains_key(CONNECTION) {
        // `Keep-Alive` is a hop-by-hop header, so `Connection` must name it.
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.insert(KEEP_ALIVE, keep_alive);
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The header's value in whole seconds.
fn keep_alive(idle: Duration) -> Option<HeaderValue> {
    (idle.as_secs() > 0).then(|| HeaderValue::from_str(&format!("timeout={}", idle.as_secs())).ok()).flatten()
}

/// Adds the peer to each request of a connection.
struct FromPeer {
    service: TowerToHyperService<Router>,
    peer: Peer,
    link: ConnectionHandle,
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
                // Responses are written whole: waiting for more data has no benefit.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            // The client left before it was accepted.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!("cannot accept connections: {error}; raise the limit of open files");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

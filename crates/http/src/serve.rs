//! Accepts connections, as many as allowed in all and from one address, and ends those that take too long to say
//! what they want.

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
use super::rest::{Crowd, HeadTimer, Patience, Wait};
use super::write_timeout::WriteTimeout;

/// Bytes of a request's head at most.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long accepting rests after the operating system had no room for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves, then until the running requests are answered and the WebSockets and
/// event streams are closed.
pub async fn serve(listener: TcpListener, router: Router, settings: &HttpSettings, stop: impl Future<Output = ()>) {
    let HttpSettings { limits, trusted_proxies, .. } = settings;
    let patience =
        Patience { head: limits.header_timeout(), idle: limits.idle_timeout(), unread: limits.body_timeout() };
    let mut server = http1::Builder::new();
    server
        // Each connection has a timer of its own, which knows better.
        .header_read_timeout(patience.head)
        .max_header_size(HEAD_BYTES_MAX)
        // What a connection reads ahead at most: otherwise 400 KiB of what nobody has asked for.
        .max_buf_size(HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let connections_max = u32::try_from(limits.limit_connections).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(connections_max as usize));
    let crowd = Crowd::new(connections_max as usize);
    let keep_alive = keep_alive(patience.idle);
    let shares = limits.connections();
    let (stopping, _) = watch::channel(());
    let (mut stop, mut relief) = (pin!(stop), pin!(crowd.relieve()));
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
            () = &mut relief => continue,
            () = &mut stop => break,
        };
        // A proxy has the connections of many clients.
        let is_proxy = trusted_proxies.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        let share = if is_proxy { None } else { Some(shares.take(peer.ip(), 1)) };
        let Ok(share) = share.transpose() else {
            metrics::count_limit("limit-connections-per-client");
            continue;
        };
        let wait = crowd.join(patience);
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
    // Each connection gives its permit back when it ends.
    let _ = room.acquire_many(connections_max).await;
}

/// Serves a connection to its end: by its client, by the server's stop, or when it is silent and its place
/// is needed.
async fn attend(
    connection: http1::UpgradeableConnection<TokioIo<WriteTimeout<TcpStream>>, FromPeer>,
    wait: Arc<Wait>,
    mut stopping: watch::Receiver<()>,
) {
    let mut connection = pin!(connection);
    let outcome = loop {
        tokio::select! {
            // First of all, so that what has arrived is read.
            biased;
            outcome = &mut connection => break outcome,
            // An error means that the server is gone, which is the same to this connection.
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
    // A client that goes away or is too slow is no event of ours.
    if let Err(error) = outcome {
        tracing::debug!("a connection ended: {error}");
    }
}

/// What a request needs of its connection if it outlives it, as a WebSocket does. In the request's
/// extensions.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle(Arc<ConnectionState>);

#[derive(Debug)]
struct ConnectionState {
    stopping: watch::Receiver<()>,
    /// What its client is told of how long it may rest.
    keep_alive: Option<HeaderValue>,
    wait: Arc<Wait>,
    /// The client's part; a trusted proxy needs none. Given back before the permit, so that whoever is accepted
    /// instead finds it.
    _share: Option<Share>,
    /// The connection counts as long as anything of it is there.
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionHandle {
    /// Changes when the server is told to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<()> {
        self.0.stopping.clone()
    }

    /// The request has its response, and its body was not read to its end.
    pub(super) fn leave_unread(&self) {
        self.0.wait.leave_unread();
    }

    /// What the client of a request is told of how long it may keep its connection, unless it has to close it.
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

/// Tells a client how long it may keep its connection, if it is one that stays.
pub(super) fn tell_keep_alive(keep_alive: Option<HeaderValue>, status: StatusCode, headers: &mut HeaderMap) {
    let Some(keep_alive) = keep_alive else { return };
    if status != StatusCode::SWITCHING_PROTOCOLS && !headers.contains_key(CONNECTION) {
        // One header is of this connection alone, as the other has to say.
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.insert(KEEP_ALIVE, keep_alive);
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The header's value, in whole seconds.
fn keep_alive(idle: Duration) -> Option<HeaderValue> {
    (idle.as_secs() > 0).then(|| HeaderValue::from_str(&format!("timeout={}", idle.as_secs())).ok()).flatten()
}

/// Tells each request of a connection who is at its other end.
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

//! GraphQL over WebSocket, by the sub-protocol `graphql-transport-ws`: from the HTTP request for a socket to its end.
//! [`session`] handles its [`message`]s until a [`close`].

mod close;
mod message;
mod session;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use request::quota::Share;
use telemetry::metrics::OpenSocket;
use telemetry::{self, StreamSummary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use self::close::Close;
use self::session::Session;
use super::graphql::Endpoint;
use super::limits::Limits;
use super::refusal::Refusal;
use super::serve::ConnectionHandle;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

const SUBPROTOCOL: &str = "graphql-transport-ws";

/// The read buffer. Listeners send very little, and each socket holds this memory. It grows for a larger message.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Frames are collected up to this size before they are written.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// How long a client may take to respond to a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// Whether the request is for a WebSocket.
pub(super) fn is_wanted(request: &Request) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    request.method() == Method::GET && upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Opens a socket, which continues after the response.
///
/// A client that does not offer the sub-protocol gets a socket too, for the close code with the reason.
///
/// # Errors
/// The request is not a valid handshake, it comes from a page of another site, or a limit is reached.
pub(super) fn open(endpoint: &Arc<Endpoint>, mut request: Request) -> Result<Response, Refusal> {
    endpoint.origins.check(request.headers())?;
    let (caller, token) = endpoint.callers.meet(request.headers(), request.extensions())?;
    let mut response = create_response_with_body(&request, Body::empty)
        .map_err(|error| Refusal::malformed(format!("this is not a valid WebSocket handshake: {error}")))?;
    let link = request.extensions().get::<ConnectionHandle>().cloned().ok_or_else(Refusal::no_link)?;
    let slot = endpoint.sockets.take(caller.address, 1).map_err(Refusal::exhausted)?;
    let offered = offers_subprotocol(request.headers());
    if offered {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let opening = Opening {
        upgrade: hyper::upgrade::on(&mut request),
        config: configure(&endpoint.limits),
        slot,
        link: link.clone(),
    };
    let session = Session::new(Arc::clone(endpoint), caller, token.map(Into::into), link.stopping());
    let work = opening.run(session, offered);
    telemetry::spawn_in_request(work);
    Ok(response)
}

/// The state of a socket before its handshake is complete, and what it holds afterwards.
struct Opening {
    upgrade: OnUpgrade,
    config: WebSocketConfig,
    slot: Share,
    link: ConnectionHandle,
}

impl Opening {
    async fn run(self, mut session: Session, offered: bool) {
        let Self { upgrade, config, slot, link } = self;
        // The client left before its response.
        let Ok(upgraded) = upgrade.await else { return };
        let mut open = OpenSocket::begin("websocket");
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let reason = if offered { session.run(&mut socket).await } else { Close::SUBPROTOCOL };
        open.end = reason.label();
        drop(open);
        if let Some(context) = telemetry::current_request() {
            context.end_stream(StreamSummary { end: reason.label().into_owned(), ..session.count() });
        }
        // Subscriptions end before the close handshake.
        drop(session);
        // An error means that the client's timeout, or ours, has passed.
        let _ = Box::pin(timeout(CLOSE_PATIENCE, say_goodbye(&mut socket, &reason))).await;
        drop((slot, link));
    }
}

fn offers_subprotocol(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|protocol| protocol.trim() == SUBPROTOCOL)
}

fn configure(limits: &Limits) -> WebSocketConfig {
    let message_bytes_max = usize::try_from(limits.limit_message_bytes).unwrap_or(usize::MAX);
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
}

async fn say_goodbye(socket: &mut Socket, reason: &Close) {
    let Some(frame) = reason.frame() else {
        // The reply to the client's close frame, if any.
        let _ = socket.flush().await;
        return;
    };
    if socket.close(Some(frame)).await.is_err() {
        return;
    }
    // Messages of the client are ignored until its close frame.
    while let Some(Ok(_)) = socket.next().await {}
    if reason.is_about_frames() {
        // The stream can no longer be parsed. A socket that is dropped with unread bytes is reset, and the client might
        // not see the close code.
        let stream = socket.get_mut();
        let mut unread = [0; 512];
        let _ = stream.shutdown().await;
        while let Ok(1..) = stream.read(&mut unread).await {}
    }
}

//! The sender of a request: address, token and idempotency key.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, AsHeaderName, USER_AGENT};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use request::error::ApiError;
use request::position::Position;
use request::viewer::{Authenticate, Caller, SignedIn, Viewer};
use tokio::sync::watch;

use super::refusal::Refusal;

/// The peer of a connection, in the extensions of its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The position that a query must see. In responses, the position for the next query.
pub(super) const AFTER: HeaderName = HeaderName::from_static("x-kinoteka-after");

pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The maximum length of an idempotency key, in characters.
const KEY_LENGTH_MAX: usize = 255;
/// The number of characters of a user agent that are stored.
const AGENT_LENGTH_MAX: usize = 256;
/// The maximum length of a token in characters. Ours are shorter.
const TOKEN_LENGTH_MAX: usize = 512;

/// Identifies callers.
#[derive(Clone)]
pub(super) struct Callers {
    authenticate: Arc<dyn Authenticate>,
    proxies: Vec<IpNet>,
    unknown_proxy: Arc<UnknownProxy>,
}

impl Callers {
    pub(super) fn new(authenticate: Arc<dyn Authenticate>, proxies: Vec<IpNet>) -> Self {
        Self { authenticate, proxies, unknown_proxy: Arc::default() }
    }

    /// The sender according to the request's head, and the token in it. Does not query the database yet.
    ///
    /// # Errors
    /// A header is invalid.
    pub(super) fn meet(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<(Caller, Option<String>), Refusal> {
        let known = telemetry::current_request().and_then(|request| request.client.get().copied());
        let mut caller = Caller::anonymous(known.unwrap_or_else(|| self.address(headers, extensions)));
        caller.agent = text(headers, USER_AGENT).map(|agent| agent.chars().take(AGENT_LENGTH_MAX).collect());
        caller.idempotency_key = headers.get(IDEMPOTENCY_KEY).map(|key| check_key(key.as_bytes())).transpose()?;
        caller.after = headers.get(AFTER).map(|position| read_position(position.as_bytes())).transpose()?;
        Ok((caller, headers.get(AUTHORIZATION).map(|value| read_bearer(value.as_bytes())).transpose()?))
    }

    /// Resolves a token.
    ///
    /// # Errors
    /// The token is unknown or expired, or cannot be checked now.
    pub(super) async fn sign_in(&self, token: &str) -> Result<SignedIn, Refusal> {
        check_length(token)?;
        self.authenticate.authenticate(token).await.map(note).map_err(|error| Refusal::api(&error))
    }

    /// Resolves a token for a connection that stays open: always from the database.
    ///
    /// # Errors
    /// As for [`sign_in`](Self::sign_in).
    pub(super) async fn sign_in_uncached(&self, token: &str) -> Result<SignedIn, Refusal> {
        check_length(token)?;
        self.authenticate.authenticate_uncached(token).await.map(note).map_err(|error| Refusal::api(&error))
    }

    /// Changes when the token must be checked again immediately. The first change is now, because changes since the
    /// look-up were not reported.
    pub(super) fn watch(&self, viewer: Viewer) -> watch::Receiver<()> {
        let mut changes = self.authenticate.watch(viewer);
        changes.mark_changed();
        changes
    }

    /// The peer's address, or behind trusted proxies the last forwarded address that is not theirs.
    pub(super) fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let peer =
            extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
        let trusted = |address: &IpAddr| self.proxies.iter().any(|network| network.contains(address));
        if !trusted(&peer) {
            self.unknown_proxy.watch(peer, headers.get(FORWARDED_FOR));
            return peer;
        }
        let lists: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
        let mut last = peer;
        for hop in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
            // A trusted proxy would have written a valid address.
            let Some(address) = read_address(hop.trim()) else { break };
            last = address.to_canonical();
            if !trusted(&last) {
                break;
            }
        }
        last
    }
}

/// Adds the user to the request's log line.
fn note(signed_in: SignedIn) -> SignedIn {
    if let Some(request) = telemetry::current_request() {
        // A socket may change its user: the log has the first one.
        let _ = request.user.set(signed_in.viewer.user);
    }
    signed_in
}

fn check_length(token: &str) -> Result<(), Refusal> {
    if token.len() > TOKEN_LENGTH_MAX { Err(Refusal::api(&ApiError::UnknownToken)) } else { Ok(()) }
}

/// Parses an address, also with a port, as Azure's gateways write it, or in brackets.
fn read_address(hop: &str) -> Option<IpAddr> {
    let alone = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    alone.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Detects that all clients come through one proxy that is not in `--trusted-proxies`, and so are limited as one
/// client. Warns once.
#[derive(Debug, Default)]
struct UnknownProxy {
    warned: AtomicBool,
    /// The number of consecutive requests that one peer has forwarded, up to [`FORWARDED_MIN`].
    in_a_row: AtomicU32,
    last: Mutex<Option<ForwardedHeaders>>,
}

#[derive(Debug)]
struct ForwardedHeaders {
    peer: IpAddr,
    first_for: HeaderValue,
    for_several: bool,
}

/// This many consecutive requests from one peer for several clients mean that it is a proxy.
const FORWARDED_MIN: u32 = 20;

impl UnknownProxy {
    fn watch(&self, peer: IpAddr, forwarded_for: Option<&HeaderValue>) {
        if self.warned.load(Ordering::Relaxed) {
            return;
        }
        let Some(forwarded_for) = forwarded_for else {
            // This request was not forwarded.
            if self.in_a_row.load(Ordering::Relaxed) > 0 {
                self.in_a_row.store(0, Ordering::Relaxed);
            }
            return;
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.in_a_row.load(Ordering::Relaxed);
        let goes_on = last.as_mut().filter(|last| before > 0 && last.peer == peer);
        let Some(forwarded) = goes_on else {
            *last = Some(ForwardedHeaders { peer, first_for: forwarded_for.clone(), for_several: false });
            self.in_a_row.store(1, Ordering::Relaxed);
            return;
        };
        forwarded.for_several |= forwarded.first_for != *forwarded_for;
        self.in_a_row.store((before + 1).min(FORWARDED_MIN), Ordering::Relaxed);
        if before + 1 >= FORWARDED_MIN && forwarded.for_several && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "all requests come from {peer}, with other clients in X-Forwarded-For: they are limited as one client; if \
                 it is your proxy, add its network to --trusted-proxies"
            );
        }
    }
}

/// The delay after which a changed session is looked up again if a look-up failed.
pub(super) const LOOK_UP_AGAIN: Duration = Duration::from_secs(1);

/// Waits until a viewer must be looked up again.
pub(super) async fn changed(viewer: &mut Option<watch::Receiver<()>>) {
    let Some(changes) = viewer else { return std::future::pending().await };
    if changes.changed().await.is_err() {
        // The sender is gone.
        std::future::pending().await
    }
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn check_key(key: &[u8]) -> Result<String, Refusal> {
    let key = std::str::from_utf8(key).ok().filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    key.filter(|key| (1..=KEY_LENGTH_MAX).contains(&key.len())).map(str::to_owned).ok_or_else(|| {
        let message =
            format!("must be 1 to {KEY_LENGTH_MAX} ASCII letters, digits or punctuation marks, such as a new UUID");
        Refusal::parameter("Idempotency-Key", &message)
    })
}

fn read_position(text: &[u8]) -> Result<Position, Refusal> {
    let position = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    position.ok_or_else(|| Refusal::parameter("x-kinoteka-after", "is not a position; send it back unchanged"))
}

/// Reads the token in the value of an `Authorization` header.
///
/// # Errors
/// It has no token.
pub(super) fn read_bearer(value: &[u8]) -> Result<String, Refusal> {
    let token = std::str::from_utf8(value).ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    token.filter(|token| !token.is_empty()).ok_or_else(|| Refusal::api(&ApiError::UnknownToken))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use futures_util::future::BoxFuture;
    use request::error::ApiResult;

    use super::*;

    struct Nobody;

    impl Authenticate for Nobody {
        fn confirm(&self, _: Viewer) -> BoxFuture<'_, ApiResult<Viewer>> {
            Box::pin(async { Err(ApiError::UnknownToken) })
        }

        fn authenticate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>> {
            Box::pin(async { Err(ApiError::UnknownToken) })
        }

        fn authenticate_uncached<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>> {
            self.authenticate(token)
        }

        fn watch(&self, _: Viewer) -> watch::Receiver<()> {
            watch::channel(()).1
        }
    }

    fn address(proxies: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let proxies = proxies.iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(Peer(SocketAddr::new(peer.parse().unwrap(), 1)));
        Callers::new(Arc::new(Nobody), proxies).address(&headers, &extensions).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (proxies, peer, forwarded, found) in [
            (&[][..], "192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            (&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
            (&["10.0.0.0/8"], "10.0.0.1", &[], "10.0.0.1"),
            (&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.7, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            (&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.0/8"], "10.0.0.1", &["nonsense, 10.0.0.2"], "10.0.0.2"),
            (&["10.0.0.0/8"], "::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            (&["fd00::/8"], "fd00::1", &["2001:db8::7"], "2001:db8::7"),
            (&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.7:80, 203.0.113.9:4711,10.0.0.2:5"], "203.0.113.9"),
            (&["fd00::/8"], "fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["fd00::/8"], "fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
            (&["10.0.0.0/8"], "10.0.0.1", &["203.0.113.9:, 10.0.0.2"], "10.0.0.2"),
        ] {
            assert_eq!(address(proxies, peer, forwarded), found, "{proxies:?} {peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_bearer_tokens_are_read() {
        for (value, token) in [("Bearer abc", "abc"), ("bearer  abc ", "abc")] {
            assert_eq!(read_bearer(value.as_bytes()).unwrap(), token);
        }
        for value in ["", "abc", "Bearer", "Bearer ", "Basic YTpi", "Bearer\u{e9}"] {
            assert!(read_bearer(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn keys_are_short_and_plain() {
        assert!(check_key(&[b'k'; 255]).is_ok());
        for key in [&b""[..], b"a b", "ключ".as_bytes(), &[b'k'; 256]] {
            assert!(check_key(key).is_err());
        }
    }

    #[test]
    fn an_unconfigured_proxy_is_detected() {
        let (proxy, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let client = |number: u32| HeaderValue::from_str(&format!("192.0.2.{number}")).unwrap();
        let warned = |requests: &dyn Fn(u32) -> (IpAddr, Option<HeaderValue>)| {
            let watched = UnknownProxy::default();
            for number in 0..2 * FORWARDED_MIN {
                let (peer, forwarded_for) = requests(number);
                watched.watch(peer, forwarded_for.as_ref());
            }
            watched.warned.load(Ordering::Relaxed)
        };
        assert!(warned(&|number| (proxy, Some(client(number % 3)))));
        assert!(!warned(&|_| (proxy, Some(client(1)))), "one client that sends the header itself");
        assert!(!warned(&|number| (if number % 7 == 0 { other } else { proxy }, Some(client(number % 3)))));
        assert!(!warned(&|number| (proxy, (number % 7 > 0).then(|| client(number % 3)))));
        assert!(!warned(&|_| (proxy, None)));
    }
}

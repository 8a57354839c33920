//! The other sites whose pages may send requests.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::CorsLayer;

use super::caller::{AFTER, IDEMPOTENCY_KEY, LAST_EVENT_ID};
use super::envelope::{REQUEST_ID, TRACEPARENT};
use super::refusal::Refusal;
use super::respond::STALE;

/// A site, as browsers name it: `https://films.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse =
            || format!("{text:?} is not an origin; use only a scheme, a host and a port: https://films.example");
        let uri: Uri = text.parse().map_err(|_| refuse())?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse());
        };
        // As a browser sends it: lower case, without path or user.
        let origin = format!("{}://{authority}", uri.scheme_str().unwrap_or_default()).to_ascii_lowercase();
        if authority.as_str().contains(['@', '*']) || origin != text.to_ascii_lowercase() {
            return Err(refuse());
        }
        HeaderValue::try_from(origin).map(Self).map_err(|_| refuse())
    }
}

/// The pages that may open WebSockets. Browsers do not restrict them, but send the page's origin.
#[derive(Clone, Debug)]
pub(super) struct Origins(pub(super) Vec<Origin>);

impl Origins {
    /// Accepts pages of this host, pages of the configured origins, and clients that are not browsers.
    ///
    /// # Errors
    /// The page is from another site.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let own = headers.get(HOST).is_some_and(|host| is_at(origin, host));
        if own || self.0.iter().any(|known| known.0 == *origin) { Ok(()) } else { Err(Refusal::origin()) }
    }
}

/// Whether an origin has this host and port.
fn is_at(origin: &HeaderValue, host: &HeaderValue) -> bool {
    let (Ok(origin), Ok(host)) = (origin.to_str(), host.to_str()) else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    plain(authority) == plain(host)
}

/// How long a browser may cache a preflight response.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3_600);

/// Tells browsers that pages of these origins may send requests. Cookies are never allowed: we use none.
pub(super) fn layer(origins: &[Origin]) -> CorsLayer {
    let exposed: [HeaderName; 4] = [REQUEST_ID, RETRY_AFTER, AFTER, STALE];
    CorsLayer::new()
        .allow_origin(origins.iter().map(|origin| origin.0.clone()).collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([CONTENT_TYPE, AUTHORIZATION, IDEMPOTENCY_KEY, LAST_EVENT_ID, REQUEST_ID, TRACEPARENT, AFTER])
        .expose_headers(exposed)
        .max_age(PREFLIGHT_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_host_itself_may_connect() {
        let check = |origin: &'static str, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            headers.insert(HOST, HeaderValue::from_static(host));
            let known = "https://films.example".parse().map(|origin| vec![origin]).unwrap_or_default();
            Origins(known).check(&headers).is_ok()
        };
        for (origin, host) in [
            ("https://a.example", "a.example"),
            ("https://a.example", "A.example:443"),
            ("http://a.example:8000", "a.example:8000"),
            ("http://[::1]:8000", "[::1]:8000"),
            ("https://films.example", "a.example"),
        ] {
            assert!(check(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://evil.example", "a.example"),
            ("https://a.example.evil.example", "a.example"),
            ("http://a.example:8001", "a.example:8000"),
            ("http://a.example", "a.example:443"),
            ("http://films.example", "a.example"),
            ("null", "a.example"),
            ("file://", ""),
        ] {
            assert!(!check(origin, host), "{origin} {host}");
        }
        assert!(Origins(Vec::new()).check(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn origins_are_exact() {
        for origin in ["https://films.example", "http://localhost:5173", "https://[::1]:8443", "HTTPS://Films.example"]
        {
            assert!(origin.parse::<Origin>().is_ok(), "{origin}");
        }
        for wrong in [
            "*",
            "null",
            "",
            "films.example",
            "https://films.example/",
            "https://*.example",
            "ftp://a.example",
            "https://user@films.example",
            "https://films.example/app",
            "https://",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}

//! Which other sites' pages may ask: none, or those that are named.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::CorsLayer;

use super::caller::IDEMPOTENCY_KEY;
use super::request::{REQUEST_ID, TRACEPARENT};

/// A site, as browsers name it: `https://films.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || format!("{text:?} is no origin; write scheme, host and port only: https://films.example");
        let uri: Uri = text.parse().map_err(|_| refuse())?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse());
        };
        // As a browser sends it: lower case, no path, no user.
        let origin = format!("{}://{authority}", uri.scheme_str().unwrap_or_default()).to_ascii_lowercase();
        if authority.as_str().contains(['@', '*']) || origin != text.to_ascii_lowercase() {
            return Err(refuse());
        }
        HeaderValue::try_from(origin).map(Self).map_err(|_| refuse())
    }
}

/// How long a browser may remember that it may ask.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3_600);

/// Tells browsers that pages of these origins may ask. Cookies are never allowed: none are used.
pub(super) fn layer(origins: &[Origin]) -> CorsLayer {
    let exposed: [HeaderName; 2] = [REQUEST_ID, RETRY_AFTER];
    CorsLayer::new()
        .allow_origin(origins.iter().map(|origin| origin.0.clone()).collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([CONTENT_TYPE, AUTHORIZATION, IDEMPOTENCY_KEY, REQUEST_ID, TRACEPARENT])
        .expose_headers(exposed)
        .max_age(PREFLIGHT_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

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

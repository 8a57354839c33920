//! Before the load: checks that there is a server with the right schema.

use anyhow::{anyhow, bail};
use reqwest::Url;
use serde_json::{Value, json};

use super::api::{Api, RequestFailure};
use super::documents::{LISTEN, MUTATIONS, queries};

/// Reads a server's URL.
///
/// # Errors
/// The URL is not supported.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let example = "write it as http://127.0.0.1:8000/graphql";
    let url: Url = text.parse().map_err(|error| format!("invalid URL ({error}): {example}"))?;
    match url.scheme() {
        "http" if url.has_host() => Ok(url),
        "https" => Err("TLS is not supported: name the server behind the proxy, or forward a port to it".to_owned()),
        _ => Err(format!("must be an http URL: {example}")),
    }
}

/// Sends every document of the load without effect, and explains the errors.
///
/// # Errors
/// No server responds, it is not a GraphQL server, or its schema lacks something.
pub async fn check(api: &Api) -> anyhow::Result<()> {
    if let Err(failure) = api.query("{ __typename }", &json!({})).await {
        return Err(explain(api, &failure));
    }
    for (document, variables) in queries() {
        try_out(api, &document, &variables).await?;
    }
    for mutation in MUTATIONS {
        let (document, variables) = mutation.trial();
        try_out(api, &document, &variables).await?;
    }
    // A subscription needs a socket. Sent as a request, a known one is refused for being a subscription, not for its
    // fields.
    match api.query(LISTEN, &json!({})).await {
        Err(failure) if failure.code() == "GRAPHQL_VALIDATION_FAILED" => Err(other_schema(&failure)),
        _ => Ok(()),
    }
}

async fn try_out(api: &Api, document: &str, variables: &Value) -> anyhow::Result<()> {
    match api.query(document, variables).await {
        Ok(_) => Ok(()),
        // Errors of other servers have no codes.
        Err(failure) if matches!(failure.code(), "GRAPHQL_VALIDATION_FAILED" | "no code") => {
            Err(other_schema(&failure))
        }
        Err(failure) => bail!("{} refuses {document:?}: {} {}", names(api), failure.code(), failure.message()),
    }
}

fn other_schema(failure: &RequestFailure) -> anyhow::Error {
    anyhow!("the server's schema has another version: {}; use the seeder of the same version", failure.message())
}

fn names(api: &Api) -> String {
    let urls: Vec<_> = api.urls().iter().map(Url::as_str).collect();
    urls.join(", ")
}

fn explain(api: &Api, failure: &RequestFailure) -> anyhow::Error {
    let url = names(api);
    match failure.code() {
        "no connection" => {
            anyhow!("no server answers at {url} ({}): start `kinoteka`, or correct --url", failure.message())
        }
        "no answer" => anyhow!("{url} accepts connections but does not respond: check the server, or correct --url"),
        code if code.starts_with("HTTP ") => {
            anyhow!("{url} responds with {code}, not with GraphQL: correct --url; kinoteka's path is /graphql")
        }
        code => anyhow!("{url} refuses the simplest query: {code} {}", failure.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_urls_are_refused() {
        assert!(parse_url("http://127.0.0.1:8000/graphql").is_ok());
        for text in ["127.0.0.1:8000", "https://films.example/graphql", "ws://films.example", "", "http://"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}

//! Queries other programs over HTTP, each with a timeout of a second.

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;
use url::Url;

/// The timeout of a source.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum size of a response that is read.
const BYTES_MAX: usize = 4 << 20;

/// An HTTP client. Cloning is cheap.
#[derive(Clone, Debug)]
pub(super) struct Fetch(reqwest::Client);

/// A response: status and body.
pub(super) struct FetchedResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Fetch {
    /// # Errors
    /// The client cannot be created.
    pub(super) fn new() -> anyhow::Result<Self> {
        let client =
            reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().pool_max_idle_per_host(1);
        Ok(Self(client.build()?))
    }

    /// Returns what is at this URL.
    ///
    /// # Errors
    /// Why there is no response, in a few words.
    pub(super) async fn get(&self, url: Url) -> Result<FetchedResponse, String> {
        let mut response = self.0.get(url).send().await.map_err(|error| explain(&error))?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
            if body.len() + chunk.len() > BYTES_MAX {
                return Err(format!("its answer is larger than {} MiB", BYTES_MAX >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(FetchedResponse { status, body })
    }

    /// Returns the JSON, whatever the status.
    ///
    /// # Errors
    /// Why there is no response, or no valid one.
    pub(super) async fn get_json<T: DeserializeOwned>(&self, url: Url) -> Result<T, String> {
        let FetchedResponse { status, body } = self.get(url).await?;
        serde_json::from_slice(&body)
            .map_err(|error| format!("its answer (status {status}) is not as expected: {error}"))
    }
}

/// A path below an address.
pub(super) fn below(address: &Url, path: &str) -> Url {
    let mut url = address.clone();
    url.set_path(&format!("{}/{path}", address.path().trim_end_matches('/')));
    url
}

/// The innermost reason: the outer ones repeat the URL.
fn explain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

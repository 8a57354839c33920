//! Sends requests to a server, anonymously or as a member.

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::client;

/// The password of every member.
const PASSWORD: &str = "трамвай № 47";

/// Arguments that make password hashing cheap.
pub const CHEAP_PASSWORDS: [&str; 4] = ["--password-memory-kib", "8", "--password-passes", "1"];

/// A client with a token, or an anonymous one if the token is empty.
#[derive(Clone)]
pub struct Asker {
    client: Client,
    url: String,
    token: String,
}

impl Asker {
    /// An anonymous client.
    pub fn nobody(url: &str) -> Self {
        Self { client: client::new(), url: url.to_owned(), token: String::new() }
    }

    /// A new member with this name.
    pub async fn sign_up(url: &str, name: &str) -> Self {
        let nobody = Self::nobody(url);
        let query = "mutation($it: SignUpInput!) { signUp(input: $it) { token errors { message } } }";
        let input = json!({
            "username": name, "email": format!("{name}@example.org"), "password": PASSWORD,
            "fullName": name, "birthday": "1990-01-01",
        });
        let answer = nobody.ask(query, json!({ "it": input })).await;
        let token = answer["data"]["signUp"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self { token, ..nobody }
    }

    /// The same member at the attackers' address.
    pub fn strange(&self) -> Self {
        Self { client: crate::stranger::client(), ..self.clone() }
    }

    /// The response with any status.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        self.ask_with_key(query, variables, None).await
    }

    /// The same with an idempotency key.
    pub async fn ask_with_key(&self, query: &str, variables: Value, key: Option<&str>) -> Value {
        self.try_at(&self.url, query, variables, key).await.unwrap()
    }

    /// The same for the server at this URL. The connection may break.
    pub async fn try_at(&self, url: &str, query: &str, variables: Value, key: Option<&str>) -> reqwest::Result<Value> {
        let mut request = self.client.post(url).json(&json!({ "query": query, "variables": variables }));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.send().await?.json().await
    }
}

/// A sample of the server's metrics.
pub async fn metric(url: &str, name: &str) -> f64 {
    let text = client::get(url.replace("/graphql", "/metrics")).await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or_default()
}

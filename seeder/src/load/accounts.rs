//! The demo accounts, logged in.

use std::sync::Mutex;

use anyhow::anyhow;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::api::{Api, ApiResponse, Attempts, RequestContext, RequestFailure, payload};
use super::documents::{LOG_IN, Mutation};
use super::lock;

/// Maximum number of log-ins: a log-in that is sent again returns no token, so another one follows.
const LOG_INS_MAX: u32 = 5;

/// An account that is logged in.
pub struct Account {
    /// The name.
    pub username: String,
    password: String,
    token: RwLock<String>,
    /// The latest position in the database's log from a response.
    position: Mutex<Option<String>>,
}

/// The demo accounts that a load needs.
pub struct LoadAccounts {
    /// Members, who comment, rate, order and publish; at least one.
    pub members: Vec<Account>,
    /// The editor, who changes presences.
    pub editor: Account,
    /// The admin, who deletes users.
    pub admin: Account,
}

impl LoadAccounts {
    /// Logs in `load1`, `load2` and so on, up to `members_max`, or `member` if they do not exist; `editor`; `admin`.
    ///
    /// # Errors
    /// An account does not exist or has another password.
    pub async fn log_in(api: &Api, password: &str, members_max: u32) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for number in 1..=members_max {
            match Account::log_in(api, &format!("load{number}"), password).await {
                Ok(account) => members.push(account),
                Err(RequestFailure::Refused { code, .. }) if code != "RATE_LIMITED" => break,
                Err(failure) => return Err(explain(&format!("load{number}"), &failure)),
            }
        }
        let one =
            async |name: &str| Account::log_in(api, name, password).await.map_err(|failure| explain(name, &failure));
        if members.is_empty() {
            members.push(one("member").await?);
        }
        Ok(Self { members, editor: one("editor").await?, admin: one("admin").await? })
    }
}

fn explain(username: &str, failure: &RequestFailure) -> anyhow::Error {
    match failure {
        RequestFailure::Refused { code, message } if code == "RATE_LIMITED" => {
            anyhow!("the server accepts no log-ins at the moment: {message}")
        }
        RequestFailure::Refused { .. } => anyhow!(
            "no demo account {username:?} has this password ({}): seed with `seeder seed --with-demo-accounts` \
             or start `kinoteka --demo` on an empty database, or name the password by --password",
            failure.message()
        ),
        RequestFailure::Unknown { .. } => anyhow!("{username:?} cannot log in: {}", failure.message()),
    }
}

impl Account {
    async fn log_in(api: &Api, username: &str, password: &str) -> Result<Self, RequestFailure> {
        let token = fetch_token(api, username, password).await?;
        let (username, password) = (username.to_owned(), password.to_owned());
        Ok(Self { username, password, token: RwLock::new(token), position: Mutex::default() })
    }

    /// Sends a query that waits for the latest known position.
    pub async fn query(&self, api: &Api, document: &str, variables: &Value) -> Result<Value, RequestFailure> {
        self.request(api, document, variables, true).await.0
    }

    /// Sends a query. If `sends_position` is false, it sends no position: the server knows what this session saw.
    pub async fn request(&self, api: &Api, document: &str, variables: &Value, sends_position: bool) -> ApiResponse {
        self.send(api, None, document, variables, sends_position).await
    }

    /// Sends a mutation.
    pub async fn mutate(&self, api: &Api, mutation: &Mutation, input: &Value, key: &str) -> ApiResponse {
        let variables = json!({ "input": input });
        let (outcome, sent) = self.send(api, Some(key), &mutation.document(), &variables, false).await;
        (outcome.and_then(|data| payload(data, mutation.field)), sent)
    }

    /// Starts another session, which this account does not use itself.
    pub async fn begin_session(&self, api: &Api) -> Result<String, RequestFailure> {
        fetch_token(api, &self.username, &self.password).await
    }

    /// The latest position in the database's log from a response.
    pub fn position(&self) -> Option<String> {
        lock(&self.position).clone()
    }

    /// Stores a position if it is later than the known one.
    pub fn note_position(&self, position: Option<String>) {
        let mut known = lock(&self.position);
        if position.as_deref().map(rank) > known.as_deref().map(rank) {
            *known = position;
        }
    }

    /// Sends an operation, and again if the session has ended.
    async fn send(
        &self,
        api: &Api,
        key: Option<&str>,
        document: &str,
        variables: &Value,
        sends_position: bool,
    ) -> ApiResponse {
        let token = self.token.read().await.clone();
        let after = if sends_position { self.position() } else { None };
        let context = RequestContext { token: Some(&token), after: after.as_deref() };
        let (outcome, sent) = api.send(context, key, document, variables).await;
        self.note_position(sent.position.clone());
        if !outcome.as_ref().is_err_and(|failure| failure.code() == "UNAUTHENTICATED") {
            return (outcome, sent);
        }
        // The outcome stays as uncertain as before.
        let Ok(token) = self.renew(api, &token).await else { return (outcome, sent) };
        let (outcome, again) =
            api.send(RequestContext { token: Some(&token), ..context }, key, document, variables).await;
        self.note_position(again.position.clone());
        (outcome, Attempts { start: sent.start, times: sent.times + again.times, ..again })
    }

    /// Logs in again, unless another task just did: sessions expire and can be ended.
    async fn renew(&self, api: &Api, old: &str) -> Result<String, RequestFailure> {
        let mut token = self.token.write().await;
        if *token == old {
            *token = fetch_token(api, &self.username, &self.password).await?;
        }
        Ok(token.clone())
    }
}

/// Makes positions comparable: numbers without leading zeros, in one or two parts, decimal or hexadecimal.
fn rank(position: &str) -> Vec<(usize, &str)> {
    position.split('/').map(|part| (part.len(), part)).collect()
}

async fn fetch_token(api: &Api, username: &str, password: &str) -> Result<String, RequestFailure> {
    let input = json!({ "login": username, "password": password });
    for _ in 0..LOG_INS_MAX {
        // A log-in that is sent again with its key returns no token, so each has its own key.
        let key = format!("log-in-{}", uuid::Uuid::new_v4());
        let payload = api.mutate(RequestContext::default(), &LOG_IN, &input, &key).await.0?;
        if let Some(token) = payload["token"].as_str() {
            return Ok(token.to_owned());
        }
    }
    Err(RequestFailure::Refused { code: "no token".to_owned(), message: "logIn returned no token".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn positions_are_compared_as_numbers() {
        let positions = ["0/9", "0/16B3748", "0/16B374A", "1/0", "A/0", "10/0"];
        assert!(positions.is_sorted_by(|one, other| rank(one) < rank(other)));
        assert!(rank("99") < rank("100"));
    }
}

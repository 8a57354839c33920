//! Who does things: the demo accounts, logged in.

use std::sync::Mutex;

use anyhow::anyhow;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::api::{Api, ApiAnswer, Asker, Failure, Sending, payload};
use super::documents::{LOG_IN, Mutation};
use super::lock;

/// How often one logs in whose log-in was sent again, and so shows no token.
const LOG_INS_MAX: u32 = 5;

/// Somebody who is logged in.
pub struct Account {
    /// The name.
    pub username: String,
    password: String,
    token: RwLock<String>,
    /// The latest position in the database's log that an answer named.
    position: Mutex<Option<String>>,
}

/// The demo accounts that a load needs.
pub struct LoadAccounts {
    /// Who comments, rates, orders and publishes; at least one.
    pub members: Vec<Account>,
    /// Who changes presences.
    pub editor: Account,
    /// Who deletes users.
    pub admin: Account,
}

impl LoadAccounts {
    /// Logs in: `load1`, `load2` and so on, as many as there are up to `members_max`, or `member`
    /// where there are none; `editor`; `admin`.
    ///
    /// # Errors
    /// An account is not there or has another password.
    pub async fn log_in(api: &Api, password: &str, members_max: u32) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        for number in 1..=members_max {
            match Account::log_in(api, &format!("load{number}"), password).await {
                Ok(account) => members.push(account),
                Err(Failure::Refused { code, .. }) if code != "RATE_LIMITED" => break,
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

fn explain(username: &str, failure: &Failure) -> anyhow::Error {
    match failure {
        Failure::Refused { code, message } if code == "RATE_LIMITED" => {
            anyhow!("the server lets nobody log in at the moment: {message}")
        }
        Failure::Refused { .. } => anyhow!(
            "there is no demo account {username:?} with this password ({}): seed with `seeder seed --with-demo-accounts` \
             or start `kinoteka --demo` on an empty database, or name the password by --password",
            failure.message()
        ),
        Failure::Unknown { .. } => anyhow!("{username:?} cannot log in: {}", failure.message()),
    }
}

impl Account {
    async fn log_in(api: &Api, username: &str, password: &str) -> Result<Self, Failure> {
        let token = fetch_token(api, username, password).await?;
        let (username, password) = (username.to_owned(), password.to_owned());
        Ok(Self { username, password, token: RwLock::new(token), position: Mutex::default() })
    }

    /// Asks as this account, for an answer that has all that it was told of.
    pub async fn query(&self, api: &Api, document: &str, variables: &Value) -> Result<Value, Failure> {
        self.ask(api, document, variables, true).await.0
    }

    /// Asks as this account. The session alone has to tell the server what was seen, unless it is told the position.
    pub async fn ask(&self, api: &Api, document: &str, variables: &Value, tells: bool) -> ApiAnswer {
        self.send(api, None, document, variables, tells).await
    }

    /// Changes something as this account.
    pub async fn mutate(&self, api: &Api, mutation: &Mutation, input: &Value, key: &str) -> ApiAnswer {
        let variables = json!({ "input": input });
        let (outcome, sent) = self.send(api, Some(key), &mutation.document(), &variables, false).await;
        (outcome.and_then(|data| payload(data, mutation.field)), sent)
    }

    /// Begins another session, which is not this account's own.
    pub async fn begin_session(&self, api: &Api) -> Result<String, Failure> {
        fetch_token(api, &self.username, &self.password).await
    }

    /// The latest position in the database's log that an answer named.
    pub fn position(&self) -> Option<String> {
        lock(&self.position).clone()
    }

    /// Notes a position, if it is later than the one that is known.
    pub fn note_position(&self, position: Option<String>) {
        let mut known = lock(&self.position);
        if position.as_deref().map(rank) > known.as_deref().map(rank) {
            *known = position;
        }
    }

    /// Sends an operation, again if the session has ended meanwhile.
    async fn send(&self, api: &Api, key: Option<&str>, document: &str, variables: &Value, tells: bool) -> ApiAnswer {
        let token = self.token.read().await.clone();
        let after = if tells { self.position() } else { None };
        let asker = Asker { token: Some(&token), after: after.as_deref() };
        let (outcome, sent) = api.send(asker, key, document, variables).await;
        self.note_position(sent.position.clone());
        if !outcome.as_ref().is_err_and(|failure| failure.code() == "UNAUTHENTICATED") {
            return (outcome, sent);
        }
        // What came of it stays as doubtful as it was.
        let Ok(token) = self.renew(api, &token).await else { return (outcome, sent) };
        let (outcome, again) = api.send(Asker { token: Some(&token), ..asker }, key, document, variables).await;
        self.note_position(again.position.clone());
        (outcome, Sending { start: sent.start, times: sent.times + again.times, ..again })
    }

    /// Logs in again, unless somebody else has just done so: sessions expire, and may be ended.
    async fn renew(&self, api: &Api, old: &str) -> Result<String, Failure> {
        let mut token = self.token.write().await;
        if *token == old {
            *token = fetch_token(api, &self.username, &self.password).await?;
        }
        Ok(token.clone())
    }
}

/// The order of positions: numbers without leading zeros, in one or two parts, decimal or hexadecimal.
fn rank(position: &str) -> Vec<(usize, &str)> {
    position.split('/').map(|part| (part.len(), part)).collect()
}

async fn fetch_token(api: &Api, username: &str, password: &str) -> Result<String, Failure> {
    let input = json!({ "login": username, "password": password });
    for _ in 0..LOG_INS_MAX {
        // A log-in that is sent again with its key shows no token: each has a key of its own.
        let key = format!("log-in-{}", uuid::Uuid::new_v4());
        let payload = api.mutate(Asker::default(), &LOG_IN, &input, &key).await.0?;
        if let Some(token) = payload["token"].as_str() {
            return Ok(token.to_owned());
        }
    }
    Err(Failure::Refused { code: "no token".to_owned(), message: "logIn gave no token".to_owned() })
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

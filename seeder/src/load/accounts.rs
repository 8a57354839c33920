//! Who does things: the demo accounts, logged in.

use anyhow::anyhow;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::api::{Api, Failure};
use super::documents::{LOG_IN, Mutation};

/// How often one logs in whose log-in was sent again, and so shows no token.
const LOG_INS_MAX: u32 = 5;

/// Somebody who is logged in.
pub struct Account {
    /// The name.
    pub username: String,
    password: String,
    token: RwLock<String>,
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
        Ok(Self { username: username.to_owned(), password: password.to_owned(), token: RwLock::new(token) })
    }

    /// Asks as this account.
    pub async fn query(&self, api: &Api, document: &str, variables: &Value) -> Result<Value, Failure> {
        let token = self.token.read().await.clone();
        match api.query(Some(&token), document, variables).await {
            Err(failure) if failure.code() == "UNAUTHENTICATED" => {
                let token = self.renew(api, &token).await?;
                api.query(Some(&token), document, variables).await
            }
            outcome => outcome,
        }
    }

    /// Changes something as this account.
    pub async fn mutate(&self, api: &Api, mutation: &Mutation, input: Value, key: &str) -> Result<Value, Failure> {
        let token = self.token.read().await.clone();
        match api.mutate(Some(&token), mutation, input.clone(), key).await {
            Err(failure) if failure.code() == "UNAUTHENTICATED" => {
                let token = self.renew(api, &token).await?;
                api.mutate(Some(&token), mutation, input, key).await
            }
            outcome => outcome,
        }
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

async fn fetch_token(api: &Api, username: &str, password: &str) -> Result<String, Failure> {
    let input = json!({ "login": username, "password": password });
    for _ in 0..LOG_INS_MAX {
        // A log-in that is sent again with its key shows no token: each has a key of its own.
        let key = format!("log-in-{}", uuid::Uuid::new_v4());
        let payload = api.mutate(None, &LOG_IN, input.clone(), &key).await?;
        if let Some(token) = payload["token"].as_str() {
            return Ok(token.to_owned());
        }
    }
    Err(Failure::Refused { code: "no token".to_owned(), message: "logIn gave no token".to_owned() })
}

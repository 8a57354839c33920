//! Adds a comment to a movie, with types that are generated from `schema.graphql`. Retries until the comment is
//! known to exist, exactly once:
//! `cargo run --workspace --example add_comment -- http://127.0.0.1:8000/graphql LOGIN PASSWORD MOVIE_ID TEXT`.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use graphql_client::{GraphQLQuery, Response};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

type DateTime = String;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "schema.graphql", query_path = "examples/add_comment.graphql", response_derives = "Debug")]
struct LogIn;

#[derive(GraphQLQuery)]
#[graphql(schema_path = "schema.graphql", query_path = "examples/add_comment.graphql", response_derives = "Debug")]
struct AddComment;

/// Maximum number of attempts.
const TRIES_MAX: u32 = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [url, login, password, movie, text] = args.try_into().ok().context("name URL LOGIN PASSWORD MOVIE_ID TEXT")?;
    let mut library = Library::new(&url);
    library.log_in(login, password).await?;
    let comment = library.comment(movie, text).await?;
    println!("{} at {}", comment.id, comment.created_at);
    Ok(())
}

/// A server and the session there.
pub struct Library {
    url: String,
    http: Client,
    token: Option<String>,
}

impl Library {
    /// A client without a session.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: Client::new(), token: None }
    }

    /// Logs in.
    pub async fn log_in(&mut self, login: String, password: String) -> anyhow::Result<()> {
        let input = log_in::LogInInput { login, password };
        let answer: log_in::ResponseData = self.ask(LogIn::build_query(log_in::Variables { input })).await?;
        let payload = answer.log_in.context("the response has no logIn")?;
        if let Some(error) = payload.errors.first() {
            bail!("{}", error.message);
        }
        self.token = payload.token;
        Ok(())
    }

    /// Adds a comment.
    pub async fn comment(
        &self,
        subject: String,
        text: String,
    ) -> anyhow::Result<add_comment::AddCommentAddCommentComment> {
        let input = add_comment::AddCommentInput { subject_id: Some(subject), parent_id: None, text };
        let query = AddComment::build_query(add_comment::Variables { input });
        let answer: add_comment::ResponseData = self.ask(query).await?;
        let payload = answer.add_comment.context("the response has no addComment")?;
        if let Some(error) = payload.errors.first() {
            bail!("{:?} {}: {}", error.code, error.field.as_deref().unwrap_or_default(), error.message);
        }
        payload.comment.context("the comment was deleted immediately")
    }

    /// Sends a request until there is a response. All attempts have the same key, so that it does not matter
    /// whether the request or its response was lost.
    async fn ask<A: DeserializeOwned>(&self, body: impl Serialize) -> anyhow::Result<A> {
        let key = uuid::Uuid::new_v4().to_string();
        let mut tries = 0;
        loop {
            tries += 1;
            let mut request = self.http.post(&self.url).json(&body).header("Idempotency-Key", &key);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let sent = request.timeout(Duration::from_secs(15)).send().await;
            let answer: Response<A> = match sent {
                Ok(response) if !response.status().is_server_error() => {
                    ensure!(response.status() != StatusCode::UNAUTHORIZED, "the session has expired; log in again");
                    response.json().await?
                }
                failed if tries == TRIES_MAX => bail!("given up after {tries} tries: {failed:?}"),
                _ => {
                    tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await;
                    continue;
                }
            };
            if let Some(error) = answer.errors.iter().flatten().next() {
                bail!("{}", error.message);
            }
            return answer.data.context("the response has neither data nor errors");
        }
    }
}

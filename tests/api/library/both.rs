//! Asks both engines the same, as the same user.

use std::sync::{Arc, Mutex};

use kinoteka::telemetry::RequestContext;
use kinoteka::viewer::Viewer;
use sea_orm::Statement;
use serde_json::Value;

use super::beside::{Beside, WIDE, ask};
use crate::app::{TestApp, User};

/// Both engines over one database.
pub struct Both<'a> {
    app: &'a TestApp,
    beside: Arc<Beside>,
}

impl<'a> Both<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, beside: Beside::of(&app.library, &[]).unwrap() }
    }

    /// The answer of both, byte by byte. The new engine needs no more statements.
    pub async fn ask(&self, user: &User, query: &str, variables: Value) -> Value {
        let (answer, for_own, for_served) = self.compare(user, query, &variables).await;
        assert!(for_own.len() <= for_served.len(), "{query} {variables} {for_own:#?} {for_served:#?}");
        answer
    }

    /// The answer of both, byte by byte, with the statements for the new engine's and for the other.
    pub async fn compare(&self, user: &User, query: &str, variables: &Value) -> (Value, Vec<String>, Vec<String>) {
        let (served, own) = (Mutex::new(String::new()), Mutex::new(String::new()));
        let for_served = self.app.statements_while(async || {
            let response = user.request(query, variables.clone()).send().await.unwrap();
            *served.lock().unwrap() = response.text().await.unwrap();
        });
        let for_served = sql(for_served.await);
        let viewer = match &user.token {
            Some(token) => self.beside.viewer(token).await,
            None => None,
        };
        let context = RequestContext::new("beside".to_owned(), None, "/graphql".to_owned());
        let for_own = self.app.statements_while(async || {
            let answer = Arc::clone(&context).scope(self.answer(viewer, query, variables)).await;
            *own.lock().unwrap() = answer;
        });
        let for_own = sql(for_own.await);
        let (served, own) = (served.into_inner().unwrap(), own.into_inner().unwrap());
        let (answer, theirs): (Value, Value) =
            (serde_json::from_str(&own).unwrap(), serde_json::from_str(&served).unwrap());
        match theirs.get("data") {
            Some(_) => assert_eq!(own, served, "{query} {variables}"),
            // What is not executed is refused for the same reason, in other words.
            None => assert_eq!((answer.get("data"), codes(&answer)), (None, codes(&theirs)), "{query} {variables}"),
        }
        (answer, for_own, for_served)
    }

    /// What the new engine answers.
    async fn answer(&self, viewer: Option<Viewer>, query: &str, variables: &Value) -> String {
        ask(&WIDE, &self.app.library, viewer, query, variables).await
    }

    /// Walks a list in pages of `size`, both ways: `query` has a variable for each of the four arguments, and `path`
    /// leads to the connection. Gives the nodes.
    pub async fn walk(&self, user: &User, query: &str, variables: &Value, (path, size): (&str, u32)) -> Vec<Value> {
        let forward =
            self.pages(user, query, variables, (path, size, ["first", "after", "hasNextPage", "endCursor"])).await;
        let backward = self
            .pages(user, query, variables, (path, size, ["last", "before", "hasPreviousPage", "startCursor"]))
            .await;
        let backward: Vec<Value> = backward.into_iter().rev().flatten().collect();
        let forward: Vec<Value> = forward.into_iter().flatten().collect();
        assert_eq!(forward, backward, "{query}");
        forward
    }

    async fn pages(
        &self,
        user: &User,
        query: &str,
        variables: &Value,
        (path, size, [number, cursor, more, next]): (&str, u32, [&str; 4]),
    ) -> Vec<Vec<Value>> {
        let mut variables = variables.clone();
        variables[number] = size.into();
        let mut pages = Vec::new();
        loop {
            let answer = self.ask(user, query, variables.clone()).await;
            let page = answer.pointer(path).unwrap_or_else(|| panic!("{answer}"));
            pages.push(page["nodes"].as_array().unwrap().clone());
            if page["pageInfo"][more] == false {
                return pages;
            }
            variables[cursor] = page["pageInfo"][next].clone();
        }
    }
}

fn codes(answer: &Value) -> Vec<&Value> {
    answer["errors"].as_array().unwrap().iter().map(|error| &error["extensions"]["code"]).collect()
}

/// The statements' texts, without the one that asks who sends the request.
fn sql(statements: Vec<Statement>) -> Vec<String> {
    statements.into_iter().map(|statement| statement.sql).filter(|sql| !sql.contains("token_hash")).collect()
}

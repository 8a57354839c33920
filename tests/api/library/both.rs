//! Asks both engines the same, as the same user.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use graphql::{Cost, Engine, Limits, Request};
use kinoteka::kit::rows::RequestData;
use kinoteka::library;
use kinoteka::telemetry::RequestContext;
use kinoteka::viewer::{Caller, Viewer};
use sea_orm::Statement;
use serde_json::{Map, Value};

use super::beside::Beside;
use crate::app::{TestApp, User};

/// The engine beside the server's.
pub fn engine() -> Engine {
    let cost = Cost { depth: 100, root_fields: 100, fields: 10_000, values: 10_000_000, introspection: 0 };
    library::engine(Limits::default(), cost, true).unwrap()
}

/// Both engines over one database.
pub struct Both<'a> {
    app: &'a TestApp,
    beside: Arc<Beside>,
    engine: Engine,
}

impl<'a> Both<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, beside: Beside::of(&app.library, &[]).unwrap(), engine: engine() }
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
        let empty = Map::new();
        let request = Request { query, operation_name: None, variables: variables.as_object().unwrap_or(&empty) };
        let caller = Caller { viewer, ..Caller::anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
        let data = RequestData { services: Arc::clone(&self.app.library), caller: Some(caller), budget: None };
        String::from_utf8(library::answer(&self.engine, &request, data).await).unwrap()
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

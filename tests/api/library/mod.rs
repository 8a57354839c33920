//! The engine beside the server's gives the same answers, and asks the database no more.

mod asker;
pub mod beside;
pub mod both;
mod catalogue;
mod comment;
mod people;
mod printed;
mod publication;
mod rating;
mod search;

use std::sync::Arc;

use graphql::Batches;
use kinoteka::kit::kept::Kept;
use kinoteka::kit::rows::{Services, StatementTexts};
use kinoteka::telemetry::RequestContext;
use kinoteka::viewer::{Role, Viewer};
use sea_orm::Statement;
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::support::database::Backend;

on_both!(reads_are_answered_alike);

/// Both engines over one database.
struct Engines {
    app: TestApp,
}

impl Engines {
    async fn seeded(backend: Backend) -> Self {
        Self { app: TestApp::seeded(backend).await }
    }

    /// What the new engine answers.
    async fn ask(&self, services: &Arc<Services>, user: &User, query: &str, variables: &Value) -> String {
        let viewer = user.token.as_ref().map(|_| Viewer { user: user.id, session: 0, role: Role::Member });
        beside::ask(&beside::WIDE, services, viewer, query, variables).await
    }

    /// What both answer. Where an error makes null of what holds another error too, the old engine tells both.
    async fn compare(&self, user: &User, query: &str, variables: &Value) -> Value {
        let old = user.request(query, variables.clone()).send().await.unwrap().text().await.unwrap();
        let new = self.ask(&self.app.library, user, query, variables).await;
        let read = |answer: &str| serde_json::from_str::<Value>(answer).unwrap_or_else(|_| panic!("{query}: {answer}"));
        let (theirs, ours) = (read(&old), read(&new));
        if new != old {
            let data = |answer: &str| answer.split_once(",\"errors\":[").map(|(data, _)| data.to_owned());
            let errors = |answer: &Value| answer["errors"].as_array().cloned().unwrap_or_default();
            assert!(data(&new).is_some() && data(&new) == data(&old), "{query} {variables}\n{new}\n{old}");
            let extra = errors(&ours).into_iter().find(|error| !errors(&theirs).contains(error));
            assert_eq!(extra, None, "{query} {variables}\n{new}\n{old}");
        }
        ours
    }

    /// What the engines read from, with registries that were read lately.
    fn services(&self) -> Arc<Services> {
        let Services { db, hub, .. } = &*self.app.library;
        let kept = Some(Arc::new(Kept::default()));
        Arc::new(Services {
            db: db.clone(),
            kept,
            batches: Batches::new(),
            texts: StatementTexts::new(),
            hub: Arc::clone(hub),
        })
    }

    /// The statements of a query that the new engine answers without errors.
    async fn statements_of(&self, services: &Arc<Services>, query: &str, variables: &Value) -> Vec<String> {
        let work = async || {
            let request = RequestContext::new("test".to_owned(), None, "test".to_owned());
            let answer = request.scope(self.ask(services, &self.app.nobody(), query, variables)).await;
            assert!(answer.starts_with("{\"data\"") && !answer.contains("\"errors\""), "{answer}");
        };
        self.app.statements_while(work).await.into_iter().map(|Statement { sql, .. }| sql).collect()
    }
}

async fn reads_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    for query in [
        "{ movies(first: 3) { nodes { id title tags plot year ageRating boxOffice budget isbn } } }",
        "{ movies(first: 2) { totalCount pageInfo { startCursor endCursor hasNextPage } edges { cursor node { title staff(first: 2) { totalCount nodes { character isLead position { title id } person { firstName id } } pageInfo { endCursor } } } } } }",
        "{ movies(last: 2) { nodes { title staff(last: 2, leadOnly: true) { nodes { movie { title } } } } } personPositions { nodes { title } } }",
        "{ movie(id: \"TW92aWU6NTAw\") { __typename title } }",
    ] {
        engines.compare(&engines.app.nobody(), query, &json!({})).await;
    }
}

/// Each level from type to type would multiply the answer.
#[test]
fn introspection_has_its_limits() {
    let prepare = |query: &str| {
        let request = graphql::Request { query, operation_name: None, variables: &serde_json::Map::new() };
        beside::ENGINE.prepare(&request).is_ok()
    };
    let levels = |levels: usize| {
        let lists: String = ["possibleTypes { ", "interfaces { "].into_iter().cycle().take(levels).collect();
        format!("{{ __schema {{ types {{ {lists} name {} }} }} }}", "} ".repeat(levels))
    };
    assert!(prepare(&levels(2)) && !prepare(&levels(3)) && !prepare(&levels(10)));
}

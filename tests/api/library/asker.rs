//! A server with the engine beside it, which must answer alike.

use entity::sessions;
use kinoteka::telemetry::RequestContext;
use kinoteka::viewer::{Role, Viewer};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use serde_json::{Value, json};

use super::beside::{WIDE, ask};
use crate::app::{Answer, TestApp, User};
use crate::statements::{KEPT, main_table};
use crate::support::database::{Backend, TestDatabase};

/// The two engines on the demo catalogue.
pub struct Beside {
    pub app: TestApp,
}

/// Somebody who asks, and as whom the engine knows them.
pub struct Asker {
    pub user: User,
    viewer: Option<Viewer>,
}

impl Beside {
    pub async fn seeded(backend: Backend) -> Self {
        Self { app: TestApp::start(TestDatabase::seeded(backend).await, &["--limit-complexity", "1000000"]).await }
    }

    /// Nobody, and a new member and a new editor.
    pub async fn askers(&self) -> [Asker; 3] {
        let nobody = Asker { user: self.app.nobody(), viewer: None };
        [nobody, self.sign_in("ann", Role::Member).await, self.sign_in("ed", Role::Editor).await]
    }

    async fn sign_in(&self, name: &str, role: Role) -> Asker {
        let user = self.app.sign_in(name, &format!("{role:?}").to_lowercase()).await;
        let session = sessions::Entity::find()
            .filter(sessions::Column::UserId.eq(user.id))
            .order_by_desc(sessions::Column::Id)
            .one(&self.app.sql().await)
            .await
            .unwrap()
            .unwrap();
        let viewer = Some(Viewer { user: user.id, session: session.id, role });
        Asker { user, viewer }
    }

    async fn answer(&self, asker: &Asker, query: &str, variables: &Value) -> String {
        ask(&WIDE, &self.app.library, asker.viewer, query, variables).await
    }

    /// What both answer.
    pub async fn alike(&self, asker: &Asker, query: &str, variables: &Value) -> Value {
        let old = asker.user.request(query, variables.clone()).send().await.unwrap().text().await.unwrap();
        let new = self.answer(asker, query, variables).await;
        assert!(new == old, "{query}\nwith {variables}\nnew: {new}\nold: {old}");
        serde_json::from_str(&new).unwrap()
    }

    /// The data that both answer, without errors.
    pub async fn data(&self, asker: &Asker, query: &str, variables: &Value) -> Value {
        let answer = self.alike(asker, query, variables).await;
        assert!(answer.get("errors").is_none(), "{query}\nwith {variables}\n{answer:#}");
        answer["data"].clone()
    }

    /// The codes and messages of the errors that both answer with.
    pub async fn errors(&self, asker: &Asker, query: &str, variables: &Value) -> Vec<String> {
        Answer(self.alike(asker, query, variables).await).errors()
    }

    /// The tables that the old and the new engine read for a query, a statement each, in order of the alphabet.
    pub async fn tables(&self, asker: &Asker, query: &str, variables: &Value) -> [Vec<String>; 2] {
        let old = self.app.statements_while(async || drop(asker.user.data(query, variables.clone()).await)).await;
        let work = async || {
            // The server's statements are those of requests.
            let request = RequestContext::new("beside".to_owned(), None, String::new());
            request.scope(self.answer(asker, query, variables)).await;
        };
        let new = self.app.statements_while(work).await;
        [old, new].map(|statements| {
            let mut tables: Vec<_> = statements.iter().map(|statement| main_table(&statement.sql).to_owned()).collect();
            // Who asks is known to the new engine, and the server keeps rows of registries for a moment.
            tables.retain(|table| {
                !["sessions", "user_roles"].contains(&table.as_str()) && !KEPT.contains(&table.as_str())
            });
            tables.sort_unstable();
            tables
        })
    }

    /// Ids of objects of a type, by SQL for their keys.
    pub async fn ids(&self, type_name: &str, sql: &str) -> Vec<Value> {
        let db = self.app.sql().await;
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let id = |key: i32| json!(crate::movie::global_id(type_name, key));
        rows.iter().map(|row| id(row.try_get_by_index(0).unwrap())).collect()
    }
}

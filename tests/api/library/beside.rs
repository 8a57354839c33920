//! Every query of the suite goes through both engines, and their answers are compared byte by byte.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use graphql::{Cost, Engine, Limits, Request};
use kinoteka::kit::rows::{RequestData, Services};
use kinoteka::library;
use kinoteka::viewer::{Caller, Role, Viewer};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The engine beside the server's, and what it reads from.
pub struct Beside(Arc<Services>);

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let cost = Cost { depth: 100, root_fields: 100, fields: 20_000, values: 10_000_000 };
    library::engine(Limits { aliases: 1_000, ..Limits::default() }, cost, true).expect("the description is a schema")
});

/// An answer, with its data as it was written.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<Value>,
}

impl Raw<'_> {
    /// Where the errors are, and their codes.
    fn errors(&self) -> BTreeSet<String> {
        let show = |error: &Value| format!("{} {}", error["path"], error["extensions"]["code"]);
        self.errors.iter().map(show).collect()
    }
}

impl Beside {
    /// None where the server has limits of its own, or holds answers up.
    pub fn of(services: &Arc<Services>, args: &[&str]) -> Option<Arc<Self>> {
        let is_apart =
            |arg: &&str| arg.starts_with("--limit-") || arg.contains("timeout") || arg.contains("introspection");
        (!args.iter().any(is_apart)).then(|| Arc::new(Self(Arc::clone(services))))
    }

    /// Asks the same, and compares.
    pub async fn compare(&self, query: &str, variables: &Value, token: Option<&str>, served: &str) {
        let text = query.trim_start();
        if text.starts_with("mutation") || text.starts_with("subscription") {
            return;
        }
        let given = Map::new();
        let variables = variables.as_object().unwrap_or(&given);
        let request = Request { query, operation_name: None, variables };
        let viewer = match token {
            Some(token) => self.viewer(token).await,
            None => None,
        };
        let caller = Caller { viewer, ..Caller::anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
        let data = RequestData { services: Arc::clone(&self.0), caller: Some(caller), budget: None };
        let ours = library::answer(&ENGINE, &request, data).await;
        let ours = String::from_utf8(ours).expect("JSON is UTF-8");
        let read = |answer| serde_json::from_str::<Raw<'_>>(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let (theirs, own) = (read(served), read(&ours));
        let data = |raw: &Raw<'_>| raw.data.map(|data| data.get().to_owned());
        // Nobody is told apart by a token that does not stand for anybody.
        if token.is_some() && viewer.is_none() {
            return;
        }
        assert_eq!(
            (data(&own), own.errors()),
            (data(&theirs), theirs.errors()),
            "{query} {variables:?}\n{ours}\n{served}"
        );
    }

    /// Whom a token stands for.
    pub async fn viewer(&self, token: &str) -> Option<Viewer> {
        let hash = Sha256::digest(token.as_bytes()).to_vec();
        let db = &self.0.db;
        let session = entity::sessions::Entity::find().filter(entity::sessions::Column::TokenHash.eq(hash));
        let session = session.one(db).await.expect("the database answers")?;
        let roles = entity::user_roles::Entity::find().filter(entity::user_roles::Column::UserId.eq(session.user_id));
        let roles = roles.all(db).await.expect("the database answers");
        let role = roles.iter().map(|row| match row.role.as_str() {
            "admin" => Role::Admin,
            "editor" => Role::Editor,
            _ => Role::Member,
        });
        Some(Viewer { user: session.user_id, session: session.id, role: role.max().unwrap_or_default() })
    }
}

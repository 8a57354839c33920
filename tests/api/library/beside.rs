//! Every query of the suite goes through both engines, and their answers are compared byte by byte.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use graphql::{Engine, Request};
use kinoteka::kit::rows::{RequestData, Services};
use kinoteka::viewer::{Caller, Role, Viewer};
use kinoteka::{clock, http, library};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The engine beside the server's, and what it reads from.
pub struct Beside(Arc<Services>);

/// The engine within the server's default limits.
pub static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| library::engine(&http::Limits::DEFAULT, true).expect("the description is a schema"));

/// The same, for documents that cost more.
pub static WIDE: LazyLock<Engine> = LazyLock::new(|| {
    let limits = http::Limits { limit_complexity: u64::MAX, limit_depth: 100, ..http::Limits::DEFAULT };
    library::engine(&limits, true).expect("the description is a schema")
});

/// What an engine answers to a viewer.
pub async fn ask(
    engine: &Engine,
    services: &Arc<Services>,
    viewer: Option<Viewer>,
    query: &str,
    variables: &Value,
) -> String {
    let none = Map::new();
    let request = Request { query, operation_name: None, variables: variables.as_object().unwrap_or(&none) };
    let caller = Caller { viewer, ..Caller::anonymous(IpAddr::V4(Ipv4Addr::LOCALHOST)) };
    let data = RequestData { services: Arc::clone(services), caller: Some(caller), budget: None };
    String::from_utf8(library::answer(engine, &request, data).await).expect("JSON is UTF-8")
}

/// An answer, with its data as it was written.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<Value>,
}

impl Raw<'_> {
    fn errors(&self) -> BTreeSet<String> {
        self.errors.iter().map(Value::to_string).collect()
    }

    /// The path of what an error has made null: the first part of its own path that leads to null.
    fn nulled(&self, error: &Value) -> Option<Vec<Value>> {
        let data: Value = serde_json::from_str(self.data?.get()).ok()?;
        let path = error["path"].as_array()?;
        let leads_to_null = |len: &usize| {
            let step = |value: Option<Value>, step: &Value| match step {
                Value::String(name) => value?.get(name).cloned(),
                step => value?.get(usize::try_from(step.as_u64()?).ok()?).cloned(),
            };
            path[..*len].iter().fold(Some(data.clone()), step) == Some(Value::Null)
        };
        (0..=path.len()).find(leads_to_null).map(|len| path[..len].to_vec())
    }

    /// Whether all errors that the other answer has more are of nulls that an error here tells of.
    fn tells_all_of(&self, old: &Self) -> bool {
        let own: Vec<_> = self.errors.iter().map(|error| self.nulled(error)).collect();
        let errors = self.errors();
        let is_told = |error: &&Value| own.contains(&old.nulled(error)) && old.nulled(error).is_some();
        old.errors.iter().filter(|error| !errors.contains(&error.to_string())).all(|error| is_told(&error))
    }

    fn codes(&self) -> BTreeSet<String> {
        let show = |error: &Value| format!("{} {}", error["extensions"]["code"], error["extensions"]["limit"]);
        self.errors.iter().map(show).collect()
    }

    fn is_about_input(&self) -> bool {
        let codes = ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"];
        !self.errors.is_empty()
            && self.errors.iter().all(|error| codes.iter().any(|code| error["extensions"]["code"] == *code))
    }

    /// Whether this answer of the new engine is that of the old one, but for what differs on purpose.
    fn is_like(&self, old: &Self) -> bool {
        let json = |raw: &Self| raw.data.map_or("null", RawValue::get).to_owned();
        let (errors, old_errors) = (self.errors(), old.errors());
        if json(self) == json(old) && errors == old_errors {
            return true;
        }
        match (self.data, old.data) {
            // What is not executed is refused with the same codes and limits, in other words.
            (None, None) if self.codes() == old.codes() => true,
            // An input that its type does not allow is refused before anything is executed.
            (None, _) if self.is_about_input() && old.is_about_input() => true,
            // Null where a default stands is an error of the field: the specification lets such a variable through.
            (Some(_), None) => json(self) == "null" && self.is_about_input() && old.is_about_input(),
            // One error is enough for what becomes null.
            _ => json(self) == json(old) && errors.is_subset(&old_errors) && self.tells_all_of(old),
        }
    }
}

/// What is not compared: the new schema has no mutations yet, which introspection shows.
fn is_apart(query: &str) -> bool {
    let text = query.trim_start();
    text.starts_with("mutation")
        || text.starts_with("subscription")
        || ["__schema", "__type("].iter().any(|part| text.contains(part))
}

impl Beside {
    /// None where the server has limits of its own, or holds responses up.
    pub fn of(services: &Arc<Services>, args: &[&str]) -> Option<Arc<Self>> {
        let is_apart =
            |arg: &&str| arg.starts_with("--limit-") || arg.contains("timeout") || arg.contains("introspection");
        (!args.iter().any(is_apart)).then(|| Arc::new(Self(Arc::clone(services))))
    }

    /// Asks the same, and compares.
    pub async fn compare(&self, query: &str, variables: &Value, token: Option<&str>, served: &str) {
        if is_apart(query) {
            return;
        }
        let viewer = match token {
            Some(token) => self.viewer(token).await,
            None => None,
        };
        let ours = ask(&ENGINE, &self.0, viewer, query, variables).await;
        let read = |answer| serde_json::from_str::<Raw<'_>>(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let (own, theirs) = (read(&ours), read(served));
        // A token that stands for nobody is refused before an engine is asked.
        let is_refused = token.is_some() && viewer.is_none();
        assert!(is_refused || own.is_like(&theirs), "{query} {variables}\nnew: {ours}\nold: {served}");
    }

    /// Whom a token stands for.
    pub async fn viewer(&self, token: &str) -> Option<Viewer> {
        let hash = Sha256::digest(token.as_bytes()).to_vec();
        let db = &self.0.db;
        let session = entity::sessions::Entity::find()
            .filter(entity::sessions::Column::TokenHash.eq(hash))
            .filter(entity::sessions::Column::ExpiresAt.gt(clock::now().fixed_offset()));
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

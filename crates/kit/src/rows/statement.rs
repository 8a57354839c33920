//! Statements over keys: the text is built once, the keys differ each time.

use std::sync::Arc;

use graphql::Columns;
use quick_cache::sync::Cache;
use sea_orm::sea_query::{SelectStatement, Values};
use sea_orm::{DbBackend, Statement as Sql, Value};

/// Identifies a statement without its keys. Requests with the same statement share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// What it reads: the name of a list, a type or a look-up.
    pub name: &'static str,
    /// Everything else that it depends on, as text.
    pub parameters: String,
}

/// The maximum number of cached texts.
const TEXTS_MAX: usize = 1_000;

/// The texts of statements.
pub struct StatementTexts(Cache<StatementKey, Arc<StatementText>>);

/// The statement, its columns, and whether it has a single key instead of a list.
type StatementKey = (Statement, Columns, bool);

/// A statement's text and values. The keys are one of the values.
struct StatementText {
    sql: String,
    values: Vec<Value>,
    keys_at: usize,
}

impl StatementTexts {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::new(TEXTS_MAX))
    }

    /// The statement over these keys. `build` builds it from the keys. It may depend on nothing but the statement's
    /// name, its parameters and the columns.
    pub(super) fn bind(
        &self,
        backend: DbBackend,
        (statement, columns): (&Statement, Columns),
        keys: &[i32],
        build: impl FnOnce() -> SelectStatement,
    ) -> Sql {
        let key = key_value(backend, keys);
        let text_key = (statement.clone(), columns, keys.len() == 1);
        if let Some(text) = self.0.get(&text_key) {
            let mut values = text.values.clone();
            values[text.keys_at] = key;
            return Sql::from_sql_and_values(backend, &text.sql, values);
        }
        let Sql { sql, values, .. } = backend.build(&build());
        let values = values.map(|Values(values)| values).unwrap_or_default();
        let mut places = values.iter().enumerate().filter(|(_, value)| **value == key).map(|(place, _)| place);
        // If another value happens to be equal, the text is not cached.
        if let (Some(keys_at), None) = (places.next(), places.next()) {
            let text = StatementText { sql: sql.clone(), values: values.clone(), keys_at };
            self.0.insert(text_key, Arc::new(text));
        }
        Sql::from_sql_and_values(backend, sql, values)
    }
}

impl Default for StatementTexts {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for StatementTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementTexts").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

/// The keys as a value, for `db::dialect`.
fn key_value(backend: DbBackend, keys: &[i32]) -> Value {
    match (keys, backend) {
        ([key], _) => (*key).into(),
        (_, DbBackend::Sqlite) => db::dialect::key_list(keys).into(),
        _ => keys.to_vec().into(),
    }
}

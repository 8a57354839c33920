//! Changes in a single statement: PostgreSQL checks, writes, returns the changed row and commits in one round trip.
//!
//! Such a statement either returns the changed row, or returns nothing and changes nothing. In the second case, and if
//! it violates a constraint, the mutation's work runs in its transaction and finds the reason.
//!
//! **All conditions are checked on one snapshot.** After the statement has waited for a row lock, PostgreSQL checks the
//! conditions again, but only for that row. So a value that concurrent transactions may change must be a condition on
//! the locked row: another table would be seen as it was before the wait.

use std::any::TypeId;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use request::viewer::Viewer;
use sea_orm::sea_query::PostgresQueryBuilder;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};
use serde_json::Value as Json;

use super::idempotency::{IS_NEW, IdempotencyKey, KEEP_DONE};
use super::rows::returned::AnyReturning;
use super::rows::{ReturnedRow, Returning, Table, WideColumn};

/// The viewer and the time of a change.
#[derive(Clone, Copy, Debug)]
pub struct SingleCall {
    /// The user who makes it.
    pub viewer: Viewer,
    /// The time of the change, the same in all its rows.
    pub now: DateTime<Utc>,
}

/// The statement of a change, if its input is valid. It is tried before the mutation's work.
pub type SingleFn<I> = fn(SingleCall, &I) -> Option<SingleStatement>;

/// The text of a statement, built once: without and with an idempotency key.
pub struct SingleSql {
    with: String,
    returning: Box<dyn AnyReturning>,
    texts: [OnceLock<String>; 2],
}

impl SingleSql {
    /// A statement with these common table expressions, in PostgreSQL's SQL. The last one is called `done`: the changed
    /// row with all columns of its table. Each expression that writes has the condition `{is_new}`, which is about the
    /// idempotency key.
    pub fn new<N: Table>(with: impl Into<String>, returning: Returning<N>) -> Self {
        Self { with: with.into(), returning: Box::new(returning), texts: Default::default() }
    }

    /// The statement with these values.
    pub fn bind<const VALUES: usize>(&'static self, values: [Value; VALUES]) -> SingleStatement {
        SingleStatement { sql: self, values: values.into(), outcome: None, text: None }
    }

    fn text(&self, values: usize, has_key: bool) -> &str {
        self.texts[usize::from(has_key)].get_or_init(|| {
            let select = self.returning.select("done").to_string(PostgresQueryBuilder);
            let places: Vec<_> = (values + 1..=values + 4).map(|place| format!("${place}")).collect();
            let (is_new, keep) = match has_key {
                true => (IS_NEW.replace("{hash}", &places[0]), KEEP_DONE.replace("{values}", &places.join(", "))),
                false => ("true".to_owned(), String::new()),
            };
            let with = self.with.replace("{is_new}", &is_new) + &keep;
            format!("WITH {with} {select}")
        })
    }
}

impl std::fmt::Debug for SingleSql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SingleSql").field("with", &self.with).finish_non_exhaustive()
    }
}

/// A statement that makes a change if nothing conflicts.
#[derive(Debug)]
pub struct SingleStatement {
    sql: &'static SingleSql,
    values: Vec<Value>,
    outcome: Option<Json>,
    text: Option<(TypeId, Arc<str>)>,
}

impl SingleStatement {
    /// The same for a mutation whose outcome is not the row's key.
    #[must_use]
    pub fn with_outcome(self, outcome: Json) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// The same, if a wide column of the row is written unchanged.
    #[must_use]
    pub fn with_text<W: WideColumn>(self, text: &str) -> Self {
        Self { text: Some((TypeId::of::<W>(), text.into())), ..self }
    }

    /// Runs the statement. Returns the outcome and the row, or `None` if nothing was changed.
    ///
    /// # Errors
    /// The database failed. Nothing was changed, unless the response was lost.
    pub(super) async fn run(
        self,
        db: &DatabaseConnection,
        now: DateTime<Utc>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<(Json, ReturnedRow)>, DbErr> {
        let Self { sql, mut values, outcome, text } = self;
        let statement = sql.text(values.len(), key.is_some());
        if let Some(key) = key {
            values.extend(key.values(now, outcome.as_ref()));
        }
        let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, statement, values)).await?;
        let Some(row) = row else { return Ok(None) };
        let row = sql.returning.read(row, text)?;
        Ok(Some((outcome.unwrap_or_else(|| row.key().into()), row)))
    }
}

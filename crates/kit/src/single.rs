//! Changes in a single statement: PostgreSQL checks, writes, returns the changed row and commits in one turn.
//!
//! Such a statement knows only success. It returns the changed row, or returns none and has changed nothing; then, and
//! when it violates a constraint, the mutation's work runs in its transaction as if nothing had been tried, and finds out
//! what is wrong.
//!
//! **All conditions are checked on one snapshot.** When the statement has waited for the lock of a row, PostgreSQL checks
//! the conditions anew for that row only. What others may change at the same moment must therefore be a condition on the
//! row that the statement locks: a look into another table would see the state before the wait.

use std::any::TypeId;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use request::viewer::Viewer;
use sea_orm::sea_query::PostgresQueryBuilder;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};
use serde_json::Value as Json;

use super::idempotency::{IS_NEW, IdempotencyKey, KEEP_DONE};
use super::rows::returned::Returned;
use super::rows::{ReturnedRow, Returning, Table, WideColumn};

/// Who makes a change, and when.
#[derive(Clone, Copy, Debug)]
pub struct SingleCall {
    /// Who makes it.
    pub viewer: Viewer,
    /// The time of the change, the same in all its rows.
    pub now: DateTime<Utc>,
}

/// The statement of a change, if its input is valid. It is tried before the mutation's work.
pub type SingleFn<I> = fn(SingleCall, &I) -> Option<SingleStatement>;

/// The text of a statement, made once: without and with an idempotency key.
pub struct SingleSql {
    with: String,
    returning: Box<dyn Returned>,
    texts: [OnceLock<String>; 2],
}

impl SingleSql {
    /// A statement of these common table expressions, in PostgreSQL's SQL. The last is called `done`: the changed row with
    /// all columns of its table. Each that writes asks for `{is_new}`, which is about the idempotency key.
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

/// A statement that makes a change if nothing is in its way.
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

    /// The same where a wide column of the row is written as it stands.
    #[must_use]
    pub fn with_text<W: WideColumn>(self, text: &str) -> Self {
        Self { text: Some((TypeId::of::<W>(), text.into())), ..self }
    }

    /// Runs the statement. Gives the outcome and the row, or none if nothing was changed.
    ///
    /// # Errors
    /// Whatever the database answers. Nothing was changed, unless the answer was lost.
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

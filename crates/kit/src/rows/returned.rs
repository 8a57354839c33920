//! Rows that the statement returned which changed them. Payloads show them without another statement.

use std::any::{Any, TypeId};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use graphql::{Column, Columns, Context, FieldError};
use sea_orm::sea_query::{Alias, Query, SelectStatement};
use sea_orm::{DbErr, EntityName, QueryResult};

use super::join::Joins;
use super::link::{Missing, RowsByKey, place};
use super::table::{RowColumn, Table, select, width};

/// All columns of a changed row, and of a row that it links to.
pub struct Returning<N> {
    joins: Joins,
    row: PhantomData<fn() -> N>,
}

impl<N: Table> Returning<N> {
    /// Only the row.
    #[must_use]
    pub fn alone() -> Self {
        Self { joins: Joins::default(), row: PhantomData }
    }

    /// The row, and the object that its field `name` shows.
    #[must_use]
    pub fn with<A: Table, R>(name: &str, link: &RowColumn<N, R>) -> Self {
        Self { joins: Joins::one::<N, A, R>(name, link), row: PhantomData }
    }
}

impl<N> fmt::Debug for Returning<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returning")
    }
}

/// [`Returning`] rows of any type.
pub(crate) trait AnyReturning: Send + Sync {
    /// Selects the columns from a table `rows` with the changed row.
    fn select(&self, rows: &str) -> SelectStatement;

    /// Reads the row. `text` is one of its wide columns, as it was written.
    ///
    /// # Errors
    /// A column has another type.
    fn read(&self, row: QueryResult, text: Option<(TypeId, Arc<str>)>) -> Result<ReturnedRow, DbErr>;
}

impl<N: Table> AnyReturning for Returning<N> {
    fn select(&self, rows: &str) -> SelectStatement {
        let mut statement = Query::select();
        // Uses the table's name, because columns are selected by it.
        statement.from_as(Alias::new(rows), Alias::new(N::Entity::default().table_name()));
        select::<N>(&mut statement, Columns::MAX);
        self.joins.add::<N>(&mut statement);
        statement
    }

    fn read(&self, row: QueryResult, text: Option<(TypeId, Arc<str>)>) -> Result<ReturnedRow, DbErr> {
        let read = N::read(&row, 0, Columns::MAX)?;
        let key = read.key();
        let mut joined = self.joins.read(&[row], width::<N>(Columns::MAX))?;
        if let Some((column, text)) = text {
            joined.write(column, key, text);
        }
        Ok(ReturnedRow { key, rows: Arc::new(RowsByKey::new(vec![read]).with_joined(joined)) })
    }
}

/// A row that a statement returned, with the row that it links to. Cloning is cheap.
#[derive(Clone)]
pub struct ReturnedRow {
    key: i32,
    /// [`RowsByKey`] of the row's type.
    rows: Arc<dyn Any + Send + Sync>,
}

impl ReturnedRow {
    /// The row's key.
    pub fn key(&self) -> i32 {
        self.key
    }

    /// The object with this key, if this row has the key.
    pub(crate) fn show<N: Table>(&self, context: &Context, key: i32) -> Option<Result<Column, FieldError>> {
        let rows = self.rows.downcast_ref::<RowsByKey<N>>().filter(|_| self.key == key)?;
        Some(place(context, rows, (&[Some(key)], &[key]), Missing::IsNull))
    }
}

impl fmt::Debug for ReturnedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnedRow").field("key", &self.key).finish_non_exhaustive()
    }
}

//! Reads linked objects by a join with the rows that link to them: a page of comments with their authors is one
//! statement.
//!
//! The plan contains the links that are selected below a list, and the columns of their objects. Each link is a left
//! join with its own alias. An object that many rows refer to is stored once. Without a join, a link's object is
//! [looked up](super::link) by its key.
//!
//! Rows of a registry are not joined, because they are usually cached.

use std::any::{Any, TypeId};
use std::fmt::Write;
use std::marker::PhantomData;
use std::sync::Arc;

use graphql::{Columns, FieldSelection};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, JoinType, SelectStatement};
use sea_orm::{DbErr, EntityName, QueryResult};

use super::cell::ColumnValue;
use super::link::RowsByKey;
use super::table::{Record, RowColumn, Table, select_as, width};

/// A link, as the field's [extension](FieldSelection::extension): how to read its objects with the rows that link to
/// them.
pub struct Link {
    /// The column with the keys.
    column: &'static str,
    target: &'static dyn LinkTarget,
}

impl Link {
    /// The link from this column of `T` to objects of type `N`. `None` if these are not joined.
    pub fn new<T: Record, N: Table, R>(field: &RowColumn<T, R>) -> Option<Self> {
        let column = T::COLUMNS.get(field.at as usize)?;
        (!N::IS_REGISTRY).then_some(Self { column, target: &TargetOf::<N>(PhantomData) })
    }
}

/// The target of a link.
trait LinkTarget: Send + Sync {
    fn join(&self, statement: &mut SelectStatement, alias: &Alias, key: (Alias, Alias), columns: Columns);

    fn width(&self, columns: Columns) -> usize;

    /// Reads the objects, whose columns begin at a position in the rows.
    fn read(&self, rows: &[QueryResult], from: usize, columns: Columns) -> Result<Arc<dyn Any + Send + Sync>, DbErr>;
}

struct TargetOf<N>(PhantomData<fn() -> N>);

impl<N: Table> LinkTarget for TargetOf<N> {
    fn join(&self, statement: &mut SelectStatement, alias: &Alias, key: (Alias, Alias), columns: Columns) {
        let column = |name| Expr::col((alias.clone(), Alias::new(name)));
        let mut on = Condition::all().add(column(N::COLUMNS[0]).equals(key));
        if let Some(hidden) = N::HIDDEN {
            on = on.add(hidden.shows(alias));
        }
        statement.join_as(JoinType::LeftJoin, N::Entity::default().table_ref(), alias.clone(), on);
        select_as::<N>(statement, alias, columns);
    }

    fn width(&self, columns: Columns) -> usize {
        width::<N>(columns)
    }

    fn read(&self, rows: &[QueryResult], from: usize, columns: Columns) -> Result<Arc<dyn Any + Send + Sync>, DbErr> {
        let mut found = RowsByKey::<N>::new(Vec::new());
        for row in rows {
            let key = i32::read_nullable(row, from)?;
            if let Some(key) = key {
                found.add(key, || N::read(row, from, columns))?;
            }
        }
        Ok(Arc::new(found))
    }
}

/// The joins of a statement.
#[derive(Default)]
pub struct Joins(Vec<Join>);

struct Join {
    name: String,
    link: &'static str,
    target: &'static dyn LinkTarget,
    columns: Columns,
}

impl Joins {
    /// One link, by this column of `T` to an object of type `N`, with all columns.
    pub(super) fn one<T: Record, N: Table, R>(name: &str, field: &RowColumn<T, R>) -> Self {
        let join =
            |link| Join { name: name.to_owned(), link, target: &TargetOf::<N>(PhantomData), columns: Columns::MAX };
        Self(T::COLUMNS.get(field.at as usize).map(|link| join(*link)).into_iter().collect())
    }

    /// The selected links of rows of type `T` below a field.
    pub fn selected<T: Record>(selected: &FieldSelection<'_>) -> Self {
        let mut joins: Vec<Join> = Vec::new();
        for field in selected.fields_of(&T::type_name()) {
            let Some(Link { column, target }) = field.extension() else { continue };
            match joins.iter_mut().find(|join| join.name == field.name()) {
                Some(join) => join.columns |= field.columns(),
                None => joins.push(Join {
                    name: field.name().to_owned(),
                    link: column,
                    target: *target,
                    columns: field.columns(),
                }),
            }
        }
        Self(joins)
    }

    /// The joins as a part of a statement's parameters.
    pub fn write(&self, parameters: &mut String) {
        for Join { name, columns, .. } in &self.0 {
            // Writing to memory cannot fail.
            let _ = write!(parameters, " +{name}:{columns:x}");
        }
    }

    /// Adds the joins to a statement over rows of type `T`, and their columns.
    pub fn add<T: Record>(&self, statement: &mut SelectStatement) {
        let table = Alias::new(T::Entity::default().table_name());
        for Join { name, link, target, columns } in &self.0 {
            // No table has this name.
            let alias = Alias::new(format!("{name}_joined"));
            target.join(statement, &alias, (table.clone(), Alias::new(*link)), *columns);
        }
    }

    /// The number of their columns.
    pub fn width(&self) -> usize {
        self.0.iter().map(|join| join.target.width(join.columns)).sum()
    }

    /// Reads the objects, whose columns begin at a position in the rows.
    ///
    /// # Errors
    /// A column has another type.
    pub fn read(&self, rows: &[QueryResult], from: usize) -> Result<JoinedRows, DbErr> {
        let mut at = from;
        let read = |join: &Join| {
            let objects = join.target.read(rows, at, join.columns)?;
            at += join.target.width(join.columns);
            Ok((join.name.clone(), join.columns, objects))
        };
        let links = self.0.iter().map(read).collect::<Result<_, DbErr>>()?;
        Ok(JoinedRows { links, text: None })
    }
}

/// What was read with rows: the linked objects, and the wide column of a row that was just written.
#[derive(Default)]
pub struct JoinedRows {
    /// By link: its name, and the columns that were read.
    links: Vec<(String, Columns, Arc<dyn Any + Send + Sync>)>,
    text: Option<WrittenText>,
}

/// A wide column of one row, as it was written.
struct WrittenText {
    column: TypeId,
    key: i32,
    text: Arc<str>,
}

impl JoinedRows {
    /// The objects of a link, if they were read with these columns.
    pub(super) fn get<N: Table>(&self, link: &str, columns: Columns) -> Option<Arc<RowsByKey<N>>> {
        let has = |(name, read, _): &&(String, Columns, _)| name == link && columns & !read == 0;
        let (_, _, objects) = self.links.iter().find(has)?;
        Arc::clone(objects).downcast().ok()
    }

    /// The wide column of the row with this key, if the row was written with it.
    pub(super) fn written(&self, column: TypeId, keys: &[i32]) -> Option<&Arc<str>> {
        let written = self.text.as_ref().filter(|written| written.column == column && keys == [written.key])?;
        Some(&written.text)
    }

    /// Adds the wide column of a row.
    pub(super) fn write(&mut self, column: TypeId, key: i32, text: Arc<str>) {
        self.text = Some(WrittenText { column, key, text });
    }
}

/// Ordered rows, with the objects that were read with them.
pub struct RowsWithJoins<N> {
    /// The rows.
    pub rows: Arc<Vec<N>>,
    /// The objects that they link to.
    pub joined: Arc<JoinedRows>,
}

impl<N> From<Vec<N>> for RowsWithJoins<N> {
    fn from(rows: Vec<N>) -> Self {
        Self { rows: Arc::new(rows), joined: Arc::default() }
    }
}

impl<N> Clone for RowsWithJoins<N> {
    fn clone(&self) -> Self {
        Self { rows: Arc::clone(&self.rows), joined: Arc::clone(&self.joined) }
    }
}

impl<N> std::fmt::Debug for RowsWithJoins<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("len", &self.rows.len()).finish_non_exhaustive()
    }
}

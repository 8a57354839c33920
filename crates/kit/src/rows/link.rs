//! Looks up objects by their keys: one statement for all objects at one position of the response, shared with
//! concurrent requests.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use db::dialect;
use graphql::{Call, Cell, Cells, Column, Columns, Context, FieldError, Part, Rows};
use request::error::{ApiError, log_database};
use sea_orm::sea_query::{Alias, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityName, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use super::KeyMap;
use super::join::JoinedRows;
use super::request::{ContextExt, Services, count_texts, gather};
use super::statement::Statement;
use super::table::{Table, select};

/// Rows by key.
pub(super) struct RowsByKey<N> {
    rows: Arc<Vec<N>>,
    places: KeyMap<u32>,
    /// The objects that were read with them.
    joined: Option<Arc<JoinedRows>>,
}

impl<N: Table> RowsByKey<N> {
    pub(super) fn new(rows: Vec<N>) -> Self {
        let places = rows.iter().map(N::key).zip(0..).collect();
        Self { rows: Arc::new(rows), places, joined: None }
    }

    pub(super) fn with_joined(self, joined: JoinedRows) -> Self {
        Self { joined: Some(Arc::new(joined)), ..self }
    }

    /// Adds a row if its key is new.
    pub(super) fn add<E>(&mut self, key: i32, read: impl FnOnce() -> Result<N, E>) -> Result<(), E> {
        if let (Some(rows), Entry::Vacant(place)) = (Arc::get_mut(&mut self.rows), self.places.entry(key)) {
            rows.push(read()?);
            place.insert(graphql::index(rows.len() - 1));
        }
        Ok(())
    }
}

/// The value of a missing object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Null: the client requested the id.
    IsNull,
    /// An error: another object refers to it, and it was deleted meanwhile.
    IsError,
}

/// Objects by their keys, in their order. Null where the key is missing.
///
/// # Errors
/// The database failed.
pub async fn by_key<N: Table>(
    context: &Context,
    keys: Vec<Option<i32>>,
    columns: Columns,
    missing: Missing,
) -> Result<Column, FieldError> {
    let wanted = distinct(&keys);
    let found = find::<N>(context, &wanted, columns, missing).await?;
    place(context, &found, (&keys, &wanted), missing)
}

/// The objects that a link of the rows leads to: those that were read with the rows, or else [by their keys](by_key).
///
/// # Errors
/// The database failed.
pub(super) async fn follow<T, N: Table>(
    call: &Call<'_, T>,
    keys: Vec<Option<i32>>,
    missing: Missing,
) -> Result<Column, FieldError> {
    let columns = call.selected.columns();
    let joined = call.rows.attached::<JoinedRows>().and_then(|joined| joined.get::<N>(call.selected.name(), columns));
    match joined {
        Some(found) => place(call.context, &found, (&keys, &distinct(&keys)), missing),
        None => by_key::<N>(call.context, keys, columns, missing).await,
    }
}

fn distinct(keys: &[Option<i32>]) -> Vec<i32> {
    let mut wanted: Vec<i32> = keys.iter().flatten().copied().collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Puts objects in the order of their keys.
pub(super) fn place<N: Table>(
    context: &Context,
    found: &RowsByKey<N>,
    (keys, wanted): (&[Option<i32>], &[i32]),
    missing: Missing,
) -> Result<Column, FieldError> {
    // Visibility is checked for each request, because requests share statements.
    let is_seen = |row: &u32| found.rows[*row as usize].owner().is_none_or(|owner| context.is_viewer(owner));
    let picked: Vec<(i32, u32)> =
        wanted.iter().filter_map(|key| Some((*key, *found.places.get(key).filter(|row| is_seen(row))?))).collect();
    // Both are in the order of keys.
    let cell = |key: &Option<i32>| match key.map(|key| picked.binary_search_by_key(&key, |(key, _)| *key)) {
        None => Cell::Null,
        Some(Ok(row)) => Cell::Object { part: 0, row: graphql::index(row) },
        Some(Err(_)) if missing == Missing::IsNull => Cell::Null,
        Some(Err(_)) => Cell::Error(0),
    };
    let errors = match missing {
        Missing::IsError if wanted.len() > picked.len() => vec![ApiError::Gone.into()],
        _ => Vec::new(),
    };
    count_texts(context, picked.iter().map(|(_, row)| &found.rows[*row as usize]))?;
    let mut rows = Rows::picked(Arc::clone(&found.rows), picked.iter().map(|(_, row)| *row).collect());
    if let Some(joined) = &found.joined {
        rows = rows.with_attached(Arc::<JoinedRows>::clone(joined));
    }
    Ok(Column::Cells(Cells {
        cells: keys.iter().map(cell).collect(),
        parts: vec![Part { of: N::type_name(), rows }],
        errors,
        ..Cells::default()
    }))
}

/// Objects of one type among others: their keys and positions.
struct LinkGroup {
    name: &'static str,
    keys: Vec<Option<i32>>,
    places: Vec<usize>,
}

/// Objects of several types by their keys, as in unions and interfaces. Null for a missing object. `find` reads those
/// of one type.
///
/// # Errors
/// The database failed.
pub async fn find_all<F, R>(keys: &[Option<(&'static str, i32)>], find: F) -> Result<Column, FieldError>
where
    F: Fn(&'static str, Vec<Option<i32>>) -> R,
    R: Future<Output = Result<Column, FieldError>>,
{
    let mut groups: Vec<LinkGroup> = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let Some((name, key)) = key else { continue };
        match groups.iter_mut().find(|group| group.name == *name) {
            Some(group) => {
                group.keys.push(Some(*key));
                group.places.push(place);
            }
            None => groups.push(LinkGroup { name, keys: vec![Some(*key)], places: vec![place] }),
        }
    }
    let columns = groups.iter().map(|group| find(group.name, group.keys.clone()));
    let columns = futures_util::future::try_join_all(columns).await?;
    let mut all = Cells { cells: vec![Cell::Null; keys.len()], ..Cells::default() };
    for (LinkGroup { places, .. }, column) in groups.iter().zip(columns) {
        let cells = match column {
            Column::Cells(cells) => cells,
            Column::Failed(error) => return Err(error),
            Column::Leaves(_) => continue,
        };
        let (part_from, error_from) = (graphql::index(all.parts.len()), graphql::index(all.errors.len()));
        for (place, cell) in places.iter().zip(cells.cells) {
            all.cells[*place] = match cell {
                Cell::Object { part, row } => Cell::Object { part: part + part_from, row },
                Cell::Error(error) => Cell::Error(error + error_from),
                other => other,
            };
        }
        all.parts.extend(cells.parts);
        all.errors.extend(cells.errors);
    }
    Ok(Column::Cells(all))
}

async fn find<N: Table>(
    context: &Context,
    wanted: &[i32],
    columns: Columns,
    missing: Missing,
) -> Result<Arc<RowsByKey<N>>, FieldError> {
    let services = context.services();
    if wanted.is_empty() {
        return Ok(Arc::new(RowsByKey::new(Vec::new())));
    }
    // An object requested by its key is always read from the database.
    let registry = services.registry_cache.as_ref().filter(|_| N::IS_REGISTRY);
    if let Some(rows) = registry.filter(|_| missing == Missing::IsError).and_then(|cache| cache.get_all::<N>(wanted)) {
        return Ok(Arc::new(RowsByKey::new(rows)));
    }
    let columns = if registry.is_some() { Columns::MAX } else { columns };
    let statement = Statement { name: N::TYPE, parameters: String::new() };
    let read = async |keys: Vec<i32>, columns| {
        let since = registry.map(|cache| cache.generation());
        let rows = read_rows::<N>(services, &statement, &keys, columns).await.map_err(log_database)?;
        if let (Some(cache), Some(since)) = (registry, since) {
            cache.put(since, rows.iter().map(|row| (row.key(), row.clone())));
        }
        Ok(RowsByKey::new(rows))
    };
    gather(context, &statement, (wanted, columns), read).await
}

async fn read_rows<N: Table>(
    services: &Services,
    statement: &Statement,
    keys: &[i32],
    columns: Columns,
) -> Result<Vec<N>, DbErr> {
    let backend = services.db.get_database_backend();
    let build = || select_rows::<N>(backend, keys, columns);
    let statement = services.texts.bind(backend, (statement, columns), keys, build);
    services.db.query_all_raw(statement).await?.iter().map(|row| N::read(row, 0, columns)).collect()
}

fn select_rows<N: Table>(backend: DbBackend, keys: &[i32], columns: Columns) -> SelectStatement {
    let table = Alias::new(N::Entity::default().table_name());
    let id = (table.clone(), Alias::new(N::COLUMNS[0]));
    let rows = N::Entity::find().select_only().filter(dialect::one_of(backend, id, keys));
    let rows = match N::HIDDEN {
        Some(hidden) => rows.filter(hidden.shows(&table)),
        None => rows,
    };
    let mut statement = rows.into_query();
    select::<N>(&mut statement, columns);
    statement
}

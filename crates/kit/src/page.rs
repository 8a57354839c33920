//! Keyset pages: Relay connections in which every page costs the same as the first.
//!
//! A page is read from its cursor, through the index that begins with the order's keys. All keys have the same
//! direction, and the last is unique. The condition is a row comparison: `(year, id) > (?, ?)`. One extra row shows
//! whether there are more.
//!
//! NULLs come last in both directions, and only the first key may be NULL. NULL rows are a separate zone with its own
//! branch, because no index supports a scan for "greater than this or NULL". `UNION ALL` joins the branches if a page
//! may reach both zones. So one index serves ascending, descending, forward and backward.
//!
//! If the rowid ends the index, SQLite looks up only the first key of a row comparison, and would read all rows with an
//! equal first key. There, these rows get their own branch.

use std::cmp::Ordering;
use std::ops::Range;

use request::error::{ApiError, ApiResult};
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Order, Query, SelectStatement, UnionType};
use sea_orm::{DbBackend, DbErr, QueryResult};

use super::cursor::{Cursor, KeyPart, Keys};
use super::sort::{KeyKind, PageOrder, SortKey};

/// The page size if the client does not set one.
pub const PAGE_SIZE_DEFAULT: u32 = 20;
/// The maximum page size.
pub const PAGE_SIZE_MAX: u32 = 100;

/// The four Relay arguments from the client.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// Rows from the start.
    pub first: Option<i32>,
    /// Start after this cursor.
    pub after: Option<String>,
    /// Rows from the end.
    pub last: Option<i32>,
    /// End before this cursor.
    pub before: Option<String>,
}

/// A part of a list: the rows between two positions, counted from one end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// How many rows.
    pub(super) size: u32,
    /// Whether they are counted from the end.
    pub(super) backward: bool,
    /// Whether the client set the number, with `first` or `last`.
    pub(super) is_sized: bool,
    /// They come after this position.
    pub(super) after: Option<Keys>,
    /// They come before this position.
    pub(super) before: Option<Keys>,
}

impl PageArgs {
    /// Checks the arguments for a list with an order.
    ///
    /// # Errors
    /// `BadInput` with the name of the argument: a size that is negative or over [`PAGE_SIZE_MAX`], both sizes, or a
    /// cursor from another list or order.
    pub fn window(&self, list: &str, order: impl PageOrder) -> ApiResult<Window> {
        self.window_by(list, order.tag(), &order.keys())
    }

    fn window_by(&self, list: &str, order: &str, keys: &[SortKey]) -> ApiResult<Window> {
        let (field, size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_input("last", "cannot be combined with `first`; use one of them"));
            }
            (None, Some(last)) => ("last", Some(last), true),
            (first, None) => ("first", first, false),
        };
        let is_sized = size.is_some();
        let size = match size {
            None => PAGE_SIZE_DEFAULT,
            Some(size) => u32::try_from(size).ok().filter(|size| *size <= PAGE_SIZE_MAX).ok_or_else(|| {
                ApiError::bad_input(field, format!("{size} is out of range; use 0 to {PAGE_SIZE_MAX}"))
            })?,
        };
        let parse = |field: &str, cursor: &Option<String>| {
            cursor.as_deref().map(|text| Cursor::parse(field, text, list, order, keys)).transpose()
        };
        let (after, before) = (parse("after", &self.after)?, parse("before", &self.before)?);
        Ok(Window { size, backward, is_sized, after, before })
    }
}

/// The name in cursors of the order of lists in memory.
pub(super) const RANK: &str = "RANK";

/// The window of a list that is completely in memory, in ascending order of its keys, and the rows between its cursors.
pub(super) fn window_of_ranked<const KEYS: usize, N>(
    list: &str,
    rows: &[([i64; KEYS], N)],
    args: &PageArgs,
) -> ApiResult<(Window, Range<usize>)> {
    let key = SortKey { expr: Expr::cust("rank"), kind: KeyKind::BigInt, column: None, nullable: false };
    let window = args.window_by(list, RANK, &vec![key; KEYS])?;
    let compare = |row: &[i64; KEYS], cursor: &[KeyPart]| {
        let cursor = cursor.iter().map(|part| if let KeyPart::Int(key) = part { *key } else { i64::MAX });
        row.iter().copied().cmp(cursor)
    };
    let from = window.after.as_ref().map_or(0, |after| rows.partition_point(|(keys, _)| compare(keys, after).is_le()));
    let to = window
        .before
        .as_ref()
        .map_or(rows.len(), |before| rows.partition_point(|(keys, _)| compare(keys, before).is_lt()));
    Ok((window, from..to.max(from)))
}

/// Whether a row's first key is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Values,
    Nulls,
}

impl Zone {
    fn of(cursor: &[KeyPart]) -> Self {
        if cursor.first() == Some(&KeyPart::Null) { Self::Nulls } else { Self::Values }
    }
}

/// The column that numbers a union's branches.
const BRANCH: &str = "branch";

/// How to read a window of a list with an order.
pub(super) struct PagePlan {
    keys: Vec<SortKey>,
    direction: Order,
    backward: bool,
    size: u32,
    backend: DbBackend,
    /// The conditions of each part of the window that is one index range, in reading order. The window is their union.
    branches: Vec<Vec<Expr>>,
}

impl PagePlan {
    pub(super) fn new(order: impl PageOrder, window: &Window, backend: DbBackend) -> Self {
        let keys = order.keys().into_iter().map(|key| key.by_code_point(backend)).collect();
        let descending = order.descending() != window.backward;
        let direction = if descending { Order::Desc } else { Order::Asc };
        let mut plan =
            Self { keys, direction, backward: window.backward, size: window.size, backend, branches: Vec::new() };
        let mut zones = vec![Zone::Values];
        if plan.keys.first().is_some_and(|key| key.nullable) {
            zones.push(Zone::Nulls);
        }
        // Read from the near bound towards the far one.
        let (near, far) = if window.backward {
            zones.reverse();
            (&window.before, &window.after)
        } else {
            (&window.after, &window.before)
        };
        for zone in zones {
            plan.add_zone(zone, near.as_deref(), far.as_deref());
        }
        plan
    }

    /// Adds the part of the window that is in `zone`.
    fn add_zone(&mut self, zone: Zone, near: Option<&[KeyPart]>, far: Option<&[KeyPart]>) {
        // 0 for the zone that is read first.
        let rank = |zone: Zone| u8::from((zone == Zone::Nulls) != self.backward);
        if near.is_some_and(|near| rank(zone) < rank(Zone::of(near)))
            || far.is_some_and(|far| rank(zone) > rank(Zone::of(far)))
        {
            return;
        }
        let greater = self.direction == Order::Asc;
        // In the zone of NULLs, all first keys are equal.
        let from = usize::from(zone == Zone::Nulls);
        let mut conditions: Vec<Expr> = match self.keys.first() {
            Some(first) if zone == Zone::Nulls => vec![first.expr.clone().is_null()],
            Some(first) if first.nullable => vec![first.expr.clone().is_not_null()],
            _ => Vec::new(),
        };
        if let Some(far) = far.filter(|far| Zone::of(far) == zone) {
            conditions.push(self.compare(from, far, !greater));
        }
        let Some(near) = near.filter(|near| Zone::of(near) == zone) else {
            self.branches.push(conditions);
            return;
        };
        if self.backend == DbBackend::Sqlite && zone == Zone::Values && self.keys.len() > 1 {
            // If the rowid ends the index, SQLite looks up only the first key of a row value, and would read all rows
            // with an equal first key.
            let (first, value) = (self.keys[0].expr.clone(), near[0].bind(self.keys[0].kind, self.backend));
            let mut ties = conditions.clone();
            ties.push(first.clone().eq(value.clone()));
            ties.push(self.compare(1, near, greater));
            self.branches.push(ties);
            conditions.push(if greater { first.gt(value) } else { first.lt(value) });
        } else {
            conditions.push(self.compare(from, near, greater));
        }
        self.branches.push(conditions);
    }

    /// Rows after or before `cursor`, compared by the keys from position `from`.
    fn compare(&self, from: usize, cursor: &[KeyPart], greater: bool) -> Expr {
        let (keys, parts) = (&self.keys[from..], &cursor[from..]);
        let mut columns: Vec<_> = keys.iter().map(|key| key.expr.clone()).collect();
        let mut values: Vec<_> =
            parts.iter().zip(keys).map(|(part, key)| Expr::val(part.bind(key.kind, self.backend))).collect();
        // SQL has no row value with a single element.
        let (left, right) = match (columns.len(), columns.pop(), values.pop()) {
            (1, Some(column), Some(value)) => (column, value),
            (_, column, value) => {
                columns.extend(column);
                values.extend(value);
                (Expr::tuple(columns), Expr::tuple(values))
            }
        };
        if greater { left.gt(right) } else { left.lt(right) }
    }

    /// The statement that reads the page from `base`, which has the columns and the [keys](Self::add_keys) of the
    /// unbounded list. `None` if the window must be empty.
    pub(super) fn bound(&self, base: &SelectStatement) -> Option<SelectStatement> {
        let mut branches = self.branches.iter().enumerate().map(|(position, conditions)| {
            let mut branch = base.clone();
            for condition in conditions {
                branch.and_where(condition.clone());
            }
            for key in &self.keys {
                branch.order_by_expr(key.expr.clone(), self.direction.clone());
            }
            branch.limit(self.limit());
            if self.branches.len() > 1 {
                branch.expr_as(Expr::val(position as i32), Alias::new(BRANCH));
            }
            branch
        });
        let first = branches.next()?;
        if self.branches.len() == 1 {
            return Some(first);
        }
        // Both databases require a subquery if a part of a union has an order and a limit.
        let wrap = |branch| Query::select().column(Asterisk).from_subquery(branch, Alias::new(BRANCH)).take();
        let mut all = wrap(first);
        all.unions(branches.map(|branch| (UnionType::All, wrap(branch))));
        self.order_outside(&mut all);
        all.limit(self.limit());
        Some(all)
    }

    /// Adds the columns of the sort keys.
    pub(super) fn add_keys(&self, statement: &mut SelectStatement) {
        for (position, key) in self.keys.iter().enumerate() {
            statement.expr_as(key.expr.clone(), key_alias(position));
        }
    }

    /// The positions of the sort keys in a row with `width` columns: those that `find` returns, or else after the
    /// columns.
    pub(super) fn place_keys(
        &self,
        width: usize,
        find: impl Fn(&'static str, &'static str) -> Option<usize>,
    ) -> Vec<usize> {
        let mut end = width;
        let place = |key: &SortKey| {
            // A union is ordered by the names of the keys.
            let column = key.column.filter(|_| self.branches.len() < 2);
            column.and_then(|(table, column)| find(table, column)).unwrap_or_else(|| {
                end += 1;
                end - 1
            })
        };
        self.keys.iter().map(place).collect()
    }

    /// Adds the columns of the sort keys that come after the row's columns.
    pub(super) fn add_placed_keys(&self, statement: &mut SelectStatement, (places, width): (&[usize], usize)) {
        for (position, key) in self.keys.iter().enumerate().filter(|(position, _)| places[*position] >= width) {
            statement.expr_as(key.expr.clone(), key_alias(position));
        }
    }

    /// Reads the sort keys of a row, which are at these positions after `from`.
    pub(super) fn read_keys(&self, row: &QueryResult, from: usize, places: &[usize]) -> Result<Keys, DbErr> {
        let keys = self.keys.iter().zip(places);
        keys.map(|(key, place)| KeyPart::read(row, from + place, key.kind, self.backend)).collect()
    }

    /// Sorts a page's rows if necessary: joined rows come in no defined order.
    pub(super) fn sort<N>(&self, rows: &mut [(Keys, N)]) {
        let ascending = self.direction == Order::Asc;
        let compare = |(one, _): &(Keys, N), (other, _): &(Keys, N)| {
            let parts = one.iter().zip(other).map(|parts| match parts {
                (KeyPart::Null, KeyPart::Null) => Ordering::Equal,
                (KeyPart::Null, _) => {
                    if self.backward {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                (_, KeyPart::Null) => {
                    if self.backward {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
                (one, other) => {
                    let ordering = one.compare(other).unwrap_or(Ordering::Equal);
                    if ascending { ordering } else { ordering.reverse() }
                }
            });
            parts.fold(Ordering::Equal, Ordering::then)
        };
        if !rows.is_sorted_by(|one, other| compare(one, other).is_le()) {
            rows.sort_by(compare);
        }
    }

    /// Whether the window must be empty.
    pub(super) fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    /// Orders by the names that [`Self::add_keys`] sets.
    pub(super) fn order_outside(&self, statement: &mut SelectStatement) {
        if self.branches.len() > 1 {
            statement.order_by(Alias::new(BRANCH), Order::Asc);
        }
        for position in 0..self.keys.len() {
            statement.order_by(key_alias(position), self.direction.clone());
        }
    }

    /// Orders by the keys themselves.
    pub(super) fn order_inside(&self, statement: &mut SelectStatement) {
        if let Some(first) = self.keys.first().filter(|key| key.nullable) {
            let direction = if self.backward { Order::Desc } else { Order::Asc };
            statement.order_by_expr(first.expr.clone().is_null(), direction);
        }
        for key in &self.keys {
            statement.order_by_expr(key.expr.clone(), self.direction.clone());
        }
    }

    /// The page size and one extra row.
    fn limit(&self) -> u64 {
        u64::from(self.size) + 1
    }
}

fn key_alias(position: usize) -> Alias {
    Alias::new(format!("key_{position}"))
}

#[cfg(test)]
mod tests;

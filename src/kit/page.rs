//! Keyset pages: Relay connections whose every page costs what the first one costs.
//!
//! A page is read from its cursor on through the index that begins with the order's keys.
//! NULLs come last. They are a zone of their own, read by a branch of its own, since no index
//! can be walked through "greater than this or NULL"; so one index serves both directions.
//! One row more than asked for says whether there are more.

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Order, Query, SelectStatement, UnionType};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryResult, QuerySelect,
    QueryTrait, Select,
};

use super::connection::Page;
use super::cursor::{Cursor, KeyPart};
use super::load::Node;
use super::sort::{PageOrder, SortKey};
use crate::error::{ApiError, ApiResult};

/// Rows on a page when the client names no number.
pub const PAGE_SIZE_DEFAULT: u32 = 20;
/// Rows on a page at most.
pub const PAGE_SIZE_MAX: u32 = 100;

/// The four Relay arguments as the client gave them.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// Rows from the start.
    pub first: Option<i32>,
    /// Start behind this cursor.
    pub after: Option<String>,
    /// Rows from the end.
    pub last: Option<i32>,
    /// End before this cursor.
    pub before: Option<String>,
}

/// A part of a list: the rows between two places, counted from one end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// How many rows.
    pub(super) size: u32,
    /// Whether they are counted from the end.
    pub(super) backward: bool,
    /// They come behind this place.
    pub(super) after: Option<Vec<KeyPart>>,
    /// They come before this place.
    pub(super) before: Option<Vec<KeyPart>>,
}

impl PageArgs {
    /// Checks the arguments for a list under an order.
    ///
    /// # Errors
    /// `BadInput` naming the argument: a size that is negative or over [`PAGE_SIZE_MAX`], both
    /// sizes at once, a cursor that this list under this order has not made.
    pub fn window(&self, list: &str, order: impl PageOrder) -> ApiResult<Window> {
        let (field, size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_input("last", "cannot go with `first`; name one of the two"));
            }
            (None, Some(last)) => ("last", Some(last), true),
            (first, None) => ("first", first, false),
        };
        let size = match size {
            None => PAGE_SIZE_DEFAULT,
            Some(size) => u32::try_from(size).ok().filter(|size| *size <= PAGE_SIZE_MAX).ok_or_else(|| {
                ApiError::bad_input(field, format!("{size} is out of range; ask for 0 to {PAGE_SIZE_MAX}"))
            })?,
        };
        let keys = order.keys();
        let parse = |field: &str, cursor: &Option<String>| {
            cursor.as_deref().map(|text| Cursor::parse(field, text, list, order.tag(), &keys)).transpose()
        };
        Ok(Window { size, backward, after: parse("after", &self.after)?, before: parse("before", &self.before)? })
    }
}

/// Reads one page of `rows`.
///
/// # Errors
/// `BadInput` for unusable arguments, else what the database answers.
pub async fn load<N, O>(
    db: &DatabaseConnection,
    list: &'static str,
    rows: Select<N::Entity>,
    order: O,
    args: PageArgs,
) -> ApiResult<Page<N>>
where
    N: Node,
    N::Entity: EntityTrait<Model: Sync>,
    O: PageOrder<Entity = N::Entity>,
{
    let window = args.window(list, order)?;
    let backend = db.get_database_backend();
    let plan = Plan::new(order, &window, backend);
    let found = match plan.select_page::<N>(order.join(rows.clone())) {
        Some(statement) => plan.read(db.query_all(&statement).await?)?,
        None => Vec::new(),
    };
    let db = db.clone();
    Ok(Page::new(list, order.tag(), &window, found, move || {
        let (db, rows) = (db.clone(), rows.clone());
        Box::pin(async move { Ok(rows.count(&db).await?) })
    }))
}

/// Where a row stands with regard to NULL in the first key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Values,
    Nulls,
}

/// How a window of a list under an order is read.
pub(super) struct Plan {
    keys: Vec<SortKey>,
    direction: Order,
    backward: bool,
    size: u32,
    backend: DbBackend,
    /// The zones that the window reaches, in reading order, with the bounds in each.
    zones: Vec<(Zone, Vec<Expr>)>,
}

impl Plan {
    pub(super) fn new(order: impl PageOrder, window: &Window, backend: DbBackend) -> Self {
        let keys = order.keys();
        let descending = order.descending() != window.backward;
        let mut zones = vec![Zone::Values];
        if keys.first().is_some_and(|key| key.nullable) {
            zones.push(Zone::Nulls);
        }
        if window.backward {
            zones.reverse();
        }
        let bounds = [(&window.after, !order.descending()), (&window.before, order.descending())];
        let zones = zones
            .into_iter()
            .filter_map(|zone| {
                let mut conditions = Vec::new();
                for (position, (key, greater)) in bounds.iter().enumerate() {
                    if let Some(key) = key {
                        match bound(&keys, key, zone, *greater, position == 0, backend) {
                            Bound::Rows(condition) => conditions.push(condition),
                            Bound::All => {}
                            Bound::None => return None,
                        }
                    }
                }
                let first = keys.first()?;
                match zone {
                    Zone::Nulls => conditions.push(first.expr.clone().is_null()),
                    Zone::Values if first.nullable => conditions.push(first.expr.clone().is_not_null()),
                    Zone::Values => {}
                }
                Some((zone, conditions))
            })
            .collect();
        let direction = if descending { Order::Desc } else { Order::Asc };
        Self { keys, direction, backward: window.backward, size: window.size, backend, zones }
    }

    /// The statement that reads the page, or `None` if no row can be in the window.
    pub(super) fn select_page<N: Node>(&self, rows: Select<N::Entity>) -> Option<SelectStatement> {
        let base = self.select_columns::<N>(rows);
        let mut branches = self.zones.iter().map(|(zone, conditions)| {
            let mut branch = base.clone();
            for condition in conditions {
                branch.and_where(condition.clone());
            }
            for key in &self.keys {
                branch.order_by_expr(key.expr.clone(), self.direction.clone());
            }
            branch.limit(self.limit());
            if self.zones.len() > 1 {
                branch.expr_as(Expr::val(*zone as i32), Alias::new("zone"));
            }
            branch
        });
        let first = branches.next()?;
        let Some(second) = branches.next() else { return Some(first) };
        let mut both = Query::select();
        both.column(Asterisk).from_subquery(first, Alias::new("values_zone")).union(
            UnionType::All,
            Query::select().column(Asterisk).from_subquery(second, Alias::new("nulls_zone")).take(),
        );
        self.order_outside(&mut both);
        both.limit(self.limit());
        Some(both)
    }

    /// The columns of `N` and of the sort keys, for rows that are still to be bounded.
    pub(super) fn select_columns<N: Node>(&self, rows: Select<N::Entity>) -> SelectStatement {
        let mut statement = N::select_cols(rows.select_only()).into_query();
        for (position, key) in self.keys.iter().enumerate() {
            statement.expr_as(key.expr.clone(), key_alias(position));
        }
        statement
    }

    /// Whether no row can be in the window.
    pub(super) fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// Orders by what `select_page` has named.
    pub(super) fn order_outside(&self, statement: &mut SelectStatement) {
        if self.zones.len() > 1 {
            statement.order_by(Alias::new("zone"), if self.backward { Order::Desc } else { Order::Asc });
        }
        for position in 0..self.keys.len() {
            statement.order_by(key_alias(position), self.direction.clone());
        }
    }

    /// The order's keys with their direction, NULLs last seen from the list's start.
    pub(super) fn order_terms(&self) -> Vec<(Expr, Order)> {
        let nulls = self
            .keys
            .first()
            .filter(|key| key.nullable)
            .map(|key| (key.expr.clone().is_null(), if self.backward { Order::Desc } else { Order::Asc }));
        nulls.into_iter().chain(self.keys.iter().map(|key| (key.expr.clone(), self.direction.clone()))).collect()
    }

    /// One row more than asked for.
    fn limit(&self) -> u64 {
        u64::from(self.size) + 1
    }

    pub(super) fn read<N: Node>(&self, rows: Vec<QueryResult>) -> Result<Vec<(Vec<KeyPart>, N)>, DbErr> {
        rows.iter().map(|row| self.read_row(row)).collect()
    }

    pub(super) fn read_row<N: Node>(&self, row: &QueryResult) -> Result<(Vec<KeyPart>, N), DbErr> {
        let read =
            |(position, key): (usize, &SortKey)| KeyPart::read(row, &format!("key_{position}"), key.kind, self.backend);
        let keys = self.keys.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok((keys, N::from_query_result(row, "")?))
    }
}

fn key_alias(position: usize) -> Alias {
    Alias::new(format!("key_{position}"))
}

/// What a cursor means in a zone.
enum Bound {
    Rows(Expr),
    All,
    None,
}

/// `greater`: the wanted rows have greater keys. `from_start`: they come later in the list.
fn bound(
    keys: &[SortKey],
    cursor: &[KeyPart],
    zone: Zone,
    greater: bool,
    from_start: bool,
    backend: DbBackend,
) -> Bound {
    let cursor_zone = if cursor.first() == Some(&KeyPart::Null) { Zone::Nulls } else { Zone::Values };
    match (zone, cursor_zone) {
        (Zone::Values, Zone::Values) => Bound::Rows(compare(keys, cursor, greater, backend)),
        // Equal in the first key, which is NULL.
        (Zone::Nulls, Zone::Nulls) => Bound::Rows(compare(&keys[1..], &cursor[1..], greater, backend)),
        (Zone::Nulls, Zone::Values) => {
            if from_start {
                Bound::All
            } else {
                Bound::None
            }
        }
        (Zone::Values, Zone::Nulls) => {
            if from_start {
                Bound::None
            } else {
                Bound::All
            }
        }
    }
}

fn compare(keys: &[SortKey], cursor: &[KeyPart], greater: bool, backend: DbBackend) -> Expr {
    let columns = keys.iter().map(|key| key.expr.clone());
    let values = cursor.iter().zip(keys).map(|(part, key)| Expr::val(part.bind(key.kind, backend)));
    let (left, right) = match keys {
        // A row of one is no row to SQL.
        [only] => (only.expr.clone(), Expr::val(cursor[0].bind(only.kind, backend))),
        _ => (Expr::tuple(columns), Expr::tuple(values)),
    };
    if greater { left.gt(right) } else { left.lt(right) }
}

//! Relay connections, their edges and page info.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_graphql::connection::CursorType;
use futures_util::future::BoxFuture;
use graphql::{
    Batch, Call, Cell, Cells, Column, Context, FieldError, NoArguments, Object, One, Part, Row, Rows, TypeName, index,
};
use request::error::ApiError;

use super::join::{JoinedRows, RowsWithJoins};
use crate::cursor::{Cursor, Keys};

/// The rows of pages, in reading order.
pub struct ListRows<N> {
    /// The rows of all pages.
    pub rows: RowsWithJoins<N>,
    /// Their sort keys.
    pub keys: Vec<Keys>,
    /// The list's name in cursors.
    pub name: &'static str,
    /// The order's name in cursors.
    pub order: &'static str,
    /// Counts the rows.
    pub count: CountRows,
}

/// Counts the rows of lists, by parent.
pub type CountRows = Arc<
    dyn for<'a> Fn(&'a Context, Vec<i32>) -> BoxFuture<'a, Result<Arc<HashMap<i32, u64>>, FieldError>> + Send + Sync,
>;

impl<N> ListRows<N> {
    fn cursor(&self, row: u32) -> String {
        let keys = self.keys.get(row as usize).cloned().unwrap_or_default();
        Cursor::new(self.name, self.order, keys).encode_cursor()
    }
}

impl<N> fmt::Debug for ListRows<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Connection<N> {
    /// The list's rows.
    pub list: Arc<ListRows<N>>,
    /// The key of the list's parent.
    pub parent: i32,
    /// The first row.
    pub from: u32,
    /// The number of rows.
    pub len: u32,
    /// Whether there are rows before the page.
    pub has_previous_page: bool,
    /// Whether there are rows after the page.
    pub has_next_page: bool,
}

impl<N: Row> Row for Connection<N> {
    fn type_name() -> TypeName {
        format!("{}Connection", N::type_name()).into()
    }
}

impl<N: Row> Connection<N> {
    /// A page for each object, in order.
    pub fn column(pages: Vec<Self>) -> Column {
        Column::objects(Self::type_name(), pages)
    }

    fn page_info(&self) -> PageInfo {
        let cursor = |row| (self.len > 0).then(|| self.list.cursor(row));
        PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.has_next_page,
            start_cursor: cursor(self.from),
            end_cursor: cursor((self.from + self.len).saturating_sub(1)),
        }
    }
}

/// One row of a page.
#[derive(Debug)]
pub struct Edge<N> {
    list: Arc<ListRows<N>>,
    row: u32,
}

impl<N: Row> Row for Edge<N> {
    fn type_name() -> TypeName {
        format!("{}Edge", N::type_name()).into()
    }
}

/// Whether there are more rows, and the cursors to request them.
#[derive(Debug)]
pub struct PageInfo {
    has_previous_page: bool,
    has_next_page: bool,
    start_cursor: Option<String>,
    end_cursor: Option<String>,
}

impl Row for PageInfo {
    fn type_name() -> TypeName {
        "PageInfo".into()
    }
}

/// Describes the pages of lists of `N`.
pub fn connection<N: Row>() -> Object<Connection<N>> {
    Object::<Connection<N>>::new("A page of a list. It follows the Relay cursor connections specification.")
        .transparent()
        .derive("pageInfo", "The cursors of this page, and whether there are more pages.", |_, page: &Connection<N>| {
            One(page.page_info())
        })
        .derive("edges", "The items on this page, with their cursors.", |_, page: &Connection<N>| {
            let rows = page.from..page.from + page.len;
            rows.map(|row| One(Edge { list: Arc::clone(&page.list), row })).collect::<Vec<_>>()
        })
        .resolve::<ConnectionNodes>("nodes", "The items on this page.")
        .batch::<TotalCount>(
            "totalCount",
            "The number of items on all pages. It is counted only if selected. For a long list, counting costs more \
             than reading a page.",
        )
        .with(|description| {
            description.object_once(edge::<N>);
            description.object_once(page_info);
        })
}

fn edge<N: Row>() -> Object<Edge<N>> {
    Object::<Edge<N>>::new("An item in a list, with its cursor.")
        .transparent()
        .resolve::<EdgeNode>("node", "The item.")
        .value("cursor", "The position of the item in this list and order. Pass it as `after` or `before`.", |edge| {
            edge.list.cursor(edge.row)
        })
}

fn page_info() -> Object<PageInfo> {
    Object::<PageInfo>::new("Information about pagination in a connection")
        .value("hasPreviousPage", "When paginating backwards, are there more items?", |info| info.has_previous_page)
        .needs(0)
        .value("hasNextPage", "When paginating forwards, are there more items?", |info| info.has_next_page)
        .needs(0)
        .value("startCursor", "When paginating backwards, the cursor to continue.", |info| info.start_cursor.clone())
        .needs(0)
        .value("endCursor", "When paginating forwards, the cursor to continue.", |info| info.end_cursor.clone())
        .needs(0)
}

/// A range of rows for each object. The ranges of one position in the response are usually of one table.
type Ranges<'a, N> = Vec<(&'a RowsWithJoins<N>, Range<u32>)>;

/// The ranges' tables, and for each range its table's index and its first row there.
fn parts<N: Row>(ranges: &Ranges<'_, N>) -> (Vec<Part>, Vec<(u32, u32)>) {
    let mut tables: Vec<(&RowsWithJoins<N>, Vec<u32>)> = Vec::new();
    let mut places = Vec::with_capacity(ranges.len());
    for (table, range) in ranges {
        let part = match tables.iter().position(|(other, _)| Arc::ptr_eq(&other.rows, &table.rows)) {
            Some(part) => part,
            None => {
                tables.push((table, Vec::new()));
                tables.len() - 1
            }
        };
        let picked = &mut tables[part].1;
        places.push((index(part), index(picked.len())));
        picked.extend(range.clone());
    }
    let part = |(table, picked): (&RowsWithJoins<N>, Vec<u32>)| Part {
        of: N::type_name(),
        rows: Rows::picked(Arc::clone(&table.rows), picked).with_attached(Arc::<JoinedRows>::clone(&table.joined)),
    };
    (tables.into_iter().map(part).collect(), places)
}

/// A list for each object, in order: consecutive rows of a table.
pub fn lists<'a, N: Row>(ranges: impl Iterator<Item = (&'a RowsWithJoins<N>, Range<u32>)>) -> Column {
    let ranges: Ranges<'a, N> = ranges.collect();
    let (parts, places) = parts(&ranges);
    let mut items = Vec::new();
    let cells = ranges.iter().zip(places).map(|((_, range), (part, first))| {
        let len = range.end - range.start;
        if part == 0 {
            return Cell::Objects { from: first, len };
        }
        let from = index(items.len());
        items.extend((first..first + len).map(|row| Cell::Object { part, row }));
        Cell::List { from, len }
    });
    let cells = cells.collect();
    Column::Cells(Cells { cells, items, parts, ..Cells::default() })
}

struct ConnectionNodes;

impl<N: Row> graphql::Resolve<Connection<N>> for ConnectionNodes {
    type Arguments = NoArguments;

    fn type_name(_: &mut graphql::Registry) -> String {
        format!("[{}!]!", N::type_name())
    }

    async fn resolve(call: Call<'_, Connection<N>>) -> Column {
        lists(call.iter().map(|page| (&page.list.rows, page.from..page.from + page.len)))
    }
}

struct EdgeNode;

impl<N: Row> graphql::Resolve<Edge<N>> for EdgeNode {
    type Arguments = NoArguments;

    fn type_name(_: &mut graphql::Registry) -> String {
        format!("{}!", N::type_name())
    }

    async fn resolve(call: Call<'_, Edge<N>>) -> Column {
        let (parts, places) = parts(&call.iter().map(|edge| (&edge.list.rows, edge.row..edge.row + 1)).collect());
        let cells = places.into_iter().map(|(part, row)| Cell::Object { part, row }).collect();
        Column::Cells(Cells { cells, parts, ..Cells::default() })
    }
}

struct TotalCount;

impl<N: Row> Batch<Connection<N>> for TotalCount {
    type Arguments = NoArguments;
    type Value = i32;

    async fn find(call: Call<'_, Connection<N>>) -> Result<Vec<i32>, FieldError> {
        let mut lists: Vec<(&Arc<ListRows<N>>, Vec<i32>)> = Vec::new();
        for page in call.iter() {
            match lists.iter_mut().find(|(list, _)| Arc::ptr_eq(list, &page.list)) {
                Some((_, parents)) => parents.push(page.parent),
                None => lists.push((&page.list, vec![page.parent])),
            }
        }
        let mut counts = Vec::with_capacity(lists.len());
        for (list, parents) in lists {
            counts.push((list, (list.count)(call.context, parents).await?));
        }
        let count = |page: &Connection<N>| {
            let found = counts.iter().find(|(list, _)| Arc::ptr_eq(list, &page.list));
            as_int(found.and_then(|(_, counts)| counts.get(&page.parent).copied()).unwrap_or_default())
        };
        call.iter().map(count).collect()
    }
}

/// A number of rows as GraphQL's `Int`.
///
/// # Errors
/// It does not fit.
pub fn as_int(count: u64) -> Result<i32, FieldError> {
    i32::try_from(count).map_err(|_| ApiError::Internal(format!("{count} rows are more than an Int holds")).into())
}

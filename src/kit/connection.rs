//! What clients see of a page: Relay's connection, its edges and page info.
//!
//! async-graphql has a generic connection; ours describes itself to API users and makes the
//! text of a cursor only for those who select it.

use std::borrow::Cow;

use async_graphql::connection::{CursorType, PageInfo};
use async_graphql::futures_util::future::BoxFuture;
use async_graphql::{Object, ObjectType, OutputType, TypeName};

use super::cursor::{Cursor, KeyPart};
use super::in_place::{AllInPlace, InPlace};
use super::page::Window;
use crate::error::{ApiError, ApiResult};

/// One page of a list of `N`, which is resolved where it stands.
pub type Page<N> = InPlace<Connection<N>>;

/// What is known of a page.
pub struct Connection<N> {
    edges: Vec<PageEdge<N>>,
    has_previous_page: bool,
    has_next_page: bool,
    count: Box<CountRows>,
}

/// One row of a page, with its place in the list.
pub struct PageEdge<N> {
    cursor: Cursor,
    node: N,
}

type CountRows = dyn Fn() -> BoxFuture<'static, ApiResult<u64>> + Send + Sync;

impl<N> Page<N> {
    /// Makes a page of rows as they were read: in reading order, which is from the end for a
    /// backward window, and one more than fits if there are more.
    pub(super) fn new(
        list: &'static str,
        order: &'static str,
        window: &Window,
        mut rows: Vec<(Vec<KeyPart>, N)>,
        count: impl Fn() -> BoxFuture<'static, ApiResult<u64>> + Send + Sync + 'static,
    ) -> Self {
        let size = window.size as usize;
        let more = rows.len() > size;
        rows.truncate(size);
        if window.backward {
            rows.reverse();
        }
        // What lies behind a given cursor is not looked at: the row that made it is there.
        let (has_previous_page, has_next_page) =
            if window.backward { (more, window.before.is_some()) } else { (window.after.is_some(), more) };
        let edges =
            rows.into_iter().map(|(keys, node)| PageEdge { cursor: Cursor::new(list, order, keys), node }).collect();
        InPlace(Connection { edges, has_previous_page, has_next_page, count: Box::new(count) })
    }
}

/// One page of a list, after the Relay specification of cursor connections.
#[Object(name_type)]
impl<N: ObjectType> Connection<N> {
    /// Whether there is more, and the cursors to ask for it with.
    async fn page_info(&self) -> InPlace<PageInfo> {
        InPlace(PageInfo {
            has_previous_page: self.has_previous_page,
            has_next_page: self.has_next_page,
            start_cursor: self.edges.first().map(|edge| edge.cursor.encode_cursor()),
            end_cursor: self.edges.last().map(|edge| edge.cursor.encode_cursor()),
        })
    }

    /// The objects of this page with their cursors.
    async fn edges(&self) -> AllInPlace<&PageEdge<N>> {
        AllInPlace(self.edges.iter().collect())
    }

    /// The objects of this page.
    async fn nodes(&self) -> AllInPlace<&N> {
        AllInPlace(self.edges.iter().map(|edge| &edge.node).collect())
    }

    /// How many there are on all pages together. Counted only when selected: on a long list
    /// this costs more than a page of it.
    async fn total_count(&self) -> ApiResult<i32> {
        as_int((self.count)().await?)
    }
}

/// A number of rows as GraphQL's `Int`.
pub(super) fn as_int(count: u64) -> ApiResult<i32> {
    i32::try_from(count).map_err(|_| ApiError::Internal(format!("{count} rows are more than an Int holds")))
}

impl<N: OutputType> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

/// An object of a list, with its place there.
#[Object(name_type)]
impl<N: ObjectType> PageEdge<N> {
    /// The object.
    async fn node(&self) -> InPlace<&N> {
        InPlace(&self.node)
    }

    /// The object's place in this list under this order, for `after` and `before`.
    async fn cursor(&self) -> String {
        self.cursor.encode_cursor()
    }
}

impl<N: OutputType> TypeName for PageEdge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

//! Pages of lists: of many parents in one statement, or of a root list.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use graphql::{ArgumentTypes, Arguments, Call, Column, Columns, Context, FieldError, NoArguments, Registry, index};
use request::error::{ApiError, ApiResult, log_database};
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityName, EntityTrait, QueryResult, QuerySelect, QueryTrait, Select,
};
use serde_json::Value as Json;

use super::KeyMap;
use super::cell::ColumnValue;
use super::connection::{Connection, CountRows, ListRows as Shared};
use super::join::{JoinedRows, Joins, RowsWithJoins};
use super::nested::{count_rows, select_pages};
use super::request::{ContextExt, Services, count_texts, gather};
use super::statement::Statement;
use super::table::{Record, Table, place_of, select, width};
use crate::cursor::{KeyPart, Keys};
use crate::page::{PagePlan, RANK, Window, window_of_ranked};
use crate::{ByKey, PageArgs, PageOrder};

/// A list of objects of one type: `Movie.staff`, `Person.credits`. The value contains the list's filter.
pub trait List: Clone + Debug + Send + Sync + 'static {
    /// The type that has the list.
    type Parent: Table;

    /// The type of the list's items.
    type Row: Table;

    /// The orders that the list offers.
    type Order: PageOrder<Entity = ListEntity<Self>>;

    /// The arguments in addition to Relay's four.
    type Arguments: Arguments;

    /// The list's name in cursors.
    const LIST: &'static str;

    /// The column that holds the parent's key; an index must begin with it.
    fn parent_column() -> <ListEntity<Self> as EntityTrait>::Column;

    /// The rows of the listed table that match the filter, for all parents.
    fn rows(&self) -> Select<ListEntity<Self>> {
        ListEntity::<Self>::find()
    }

    /// Makes the list and its order from the arguments.
    ///
    /// # Errors
    /// An argument is invalid.
    fn new(context: &Context, arguments: &Self::Arguments) -> ApiResult<(Self, Self::Order)>;
}

/// The table of a list's rows.
pub type ListEntity<L> = <<L as List>::Row as Record>::Entity;

/// A list of the query root.
pub trait RootList: Sized + 'static {
    /// The type of the list's items.
    type Row: Record;

    /// The arguments in addition to Relay's four.
    type Arguments: Arguments;

    /// The orders that the list offers.
    type Order: PageOrder<Entity = <Self::Row as Record>::Entity>;

    /// The list's name in cursors.
    const LIST: &'static str;

    /// The rows of the table that match the arguments, and the order.
    ///
    /// # Errors
    /// An argument is invalid, or the database failed.
    fn rows(context: &Context, arguments: &Self::Arguments)
    -> impl Future<Output = ApiResult<ListSelect<Self>>> + Send;
}

/// Rows of a root list, and their order.
pub type ListSelect<L> = (Select<<<L as RootList>::Row as Record>::Entity>, <L as RootList>::Order);

/// A table whose rows are all in a root list, oldest first.
pub trait WholeTable: Table {
    /// The list's name in cursors.
    const LIST: &'static str;
}

/// The list of all rows of a table.
#[derive(Debug)]
pub struct All<N>(PhantomData<fn() -> N>);

impl<N: WholeTable> RootList for All<N> {
    type Row = N;
    type Arguments = NoArguments;
    type Order = ByKey<N>;

    const LIST: &'static str = N::LIST;

    async fn rows(_: &Context, NoArguments: &NoArguments) -> ApiResult<ListSelect<Self>> {
        Ok((N::Entity::find(), ByKey::default()))
    }
}

/// Relay's four arguments with those of a list.
#[derive(Debug)]
pub struct PageArguments<A> {
    /// The page.
    pub page: PageArgs,
    /// The list's own.
    pub list: A,
}

/// Relay's four, with their descriptions and types.
const RELAY: [(&str, &str, &str); 4] = [
    ("first", "The number of items to return from the start of the list, 0 to 100. The default is 20.", "Int"),
    ("after", "Return items after this cursor.", "String"),
    (
        "last",
        "The number of items to return from the end of the list, 0 to 100. Cannot be combined with `first`.",
        "Int",
    ),
    ("before", "Return items before this cursor.", "String"),
];

impl<A: Arguments> Arguments for PageArguments<A> {
    fn describe(registry: &mut Registry) -> ArgumentTypes {
        let mut all = relay();
        all.extend(A::describe(registry));
        all
    }

    fn read(mut given: graphql::Inputs) -> Result<Self, FieldError> {
        Ok(Self { page: take_page(&mut given), list: A::read(given)? })
    }
}

/// The same, with the list's own arguments first.
#[derive(Debug)]
pub struct RelayLast<A>(pub PageArguments<A>);

impl<A: Arguments> Arguments for RelayLast<A> {
    fn describe(registry: &mut Registry) -> ArgumentTypes {
        let mut all = A::describe(registry);
        all.extend(relay());
        all
    }

    fn read(given: graphql::Inputs) -> Result<Self, FieldError> {
        PageArguments::read(given).map(Self)
    }
}

fn relay() -> ArgumentTypes {
    RELAY.iter().map(|(name, text, of)| ((*name).to_owned(), graphql::argument(name, text, of))).collect()
}

fn take_page(given: &mut graphql::Inputs) -> PageArgs {
    let text = |value: Option<Json>| value.as_ref().and_then(Json::as_str).map(str::to_owned);
    // Coercion has checked that they have 32 bits.
    let size = |value: Option<Json>| value.and_then(|value| i32::try_from(value.as_i64()?).ok());
    PageArgs {
        first: size(given.remove("first")),
        after: text(given.remove("after")),
        last: size(given.remove("last")),
        before: text(given.remove("before")),
    }
}

/// The rows of several parents' pages, in reading order.
struct ParentPages<N> {
    list: Arc<Shared<N>>,
    pages: KeyMap<PageRows>,
}

/// One page: its rows, and whether there are more.
#[derive(Clone, Copy, Default)]
struct PageRows {
    from: u32,
    len: u32,
    more: bool,
}

/// The pages of a list that belongs to objects.
pub(super) async fn pages<L: List>(
    call: Call<'_, L::Parent, PageArguments<L::Arguments>>,
) -> Result<Column, FieldError> {
    let (context, columns) = (call.context, call.selected.columns());
    let (edge, order) = L::new(context, &call.arguments.list)?;
    let window = call.arguments.page.window(L::LIST, order)?;
    let joins = Joins::selected::<L::Row>(&call.selected);
    let parents: Vec<i32> = call.iter().map(L::Parent::key).collect();
    let mut parameters = format!("{edge:?} {} {window:?}", order.tag());
    joins.write(&mut parameters);
    let statement = Statement { name: L::LIST, parameters };
    let services = context.services();
    let read = async |keys: Vec<i32>, columns| {
        let found = read_pages::<L>(services, &statement, (&edge, order, &window), (columns, &joins), &keys).await;
        found.map_err(log_database)
    };
    let found = gather(context, &statement, (&parents, columns), read).await?;
    let rows_of = |parent: &i32| found.pages.get(parent).copied().unwrap_or_default();
    let ranges = parents.iter().map(rows_of).map(|PageRows { from, len, .. }| from as usize..(from + len) as usize);
    count_texts(context, ranges.flat_map(|range| &found.list.rows.rows[range]))?;
    let page = |parent: &i32| page_of(&found.list, *parent, rows_of(parent), &window);
    Ok(Connection::column(parents.iter().map(page).collect()))
}

fn page_of<N>(list: &Arc<Shared<N>>, parent: i32, rows: PageRows, window: &Window) -> Connection<N> {
    let PageRows { from, len, more } = rows;
    // As Relay defines them. The rows beyond a cursor from the client are not read: the row of the cursor itself is
    // there.
    let (has_previous_page, has_next_page) = match window.backward {
        true => (more, window.before.is_some()),
        false => (window.after.is_some(), more || (!window.is_sized && window.before.is_some())),
    };
    Connection { list: Arc::clone(list), parent, from, len, has_previous_page, has_next_page }
}

/// One page of a list that is completely in memory, in ascending order of its keys.
///
/// # Errors
/// `BadInput` for invalid arguments.
pub fn cut<const KEYS: usize, N>(
    name: &'static str,
    rows: Vec<([i64; KEYS], N)>,
    args: &PageArgs,
) -> ApiResult<Connection<N>> {
    let (window, between) = window_of_ranked(name, &rows, args)?;
    let (keys, rows): (Vec<_>, Vec<N>) =
        rows.into_iter().map(|(keys, row)| (keys.map(KeyPart::Int).into_iter().collect(), row)).unzip();
    let count = rows.len() as u64;
    let count: CountRows = Arc::new(move |_, parents| {
        let counts = parents.into_iter().map(|parent| (parent, count)).collect();
        Box::pin(async move { Ok(Arc::new(counts)) })
    });
    let list = Arc::new(Shared { rows: rows.into(), keys, name, order: RANK, count });
    let len = between.len().min(window.size as usize);
    let from = if window.backward { between.end - len } else { between.start };
    let page = PageRows { from: index(from), len: index(len), more: len < between.len() };
    Ok(page_of(&list, 0, page, &window))
}

/// Puts rows into reading order: reversed for a backward window, and without the extra row that shows whether there are
/// more.
struct PageReader<N> {
    rows: Vec<N>,
    keys: Vec<Keys>,
}

impl<N> PageReader<N> {
    const fn new() -> Self {
        Self { rows: Vec::new(), keys: Vec::new() }
    }

    fn add(&mut self, mut page: Vec<(Keys, N)>, window: &Window) -> PageRows {
        let more = page.len() > window.size as usize;
        page.truncate(window.size as usize);
        if window.backward {
            page.reverse();
        }
        let (from, len) = (index(self.rows.len()), index(page.len()));
        for (keys, row) in page {
            self.keys.push(keys);
            self.rows.push(row);
        }
        PageRows { from, len, more }
    }

    fn finish(
        self,
        (name, order): (&'static str, &'static str),
        joined: JoinedRows,
        count: CountRows,
    ) -> Arc<Shared<N>> {
        let rows = RowsWithJoins { rows: Arc::new(self.rows), joined: Arc::new(joined) };
        Arc::new(Shared { rows, keys: self.keys, name, order, count })
    }
}

async fn read_pages<L: List>(
    services: &Services,
    statement: &Statement,
    (edge, order, window): (&L, L::Order, &Window),
    (columns, joins): (Columns, &Joins),
    parents: &[i32],
) -> Result<ParentPages<L::Row>, DbErr> {
    let backend = services.db.get_database_backend();
    let plan = PagePlan::new(order, window, backend);
    let shape = Shape::new::<L::Row>(&plan, columns, joins);
    let base = |rows| shape.select::<L::Row>(&plan, rows);
    let build = || select_pages::<L>(&plan, order.join(edge.rows()), parents, backend, &base);
    let found = if plan.is_empty() {
        Vec::new()
    } else {
        let statement = services.texts.bind(backend, (statement, columns), parents, || build().unwrap_or_default());
        services.db.query_all_raw(statement).await?
    };
    let (row_from, parent_at) = match (parents, backend) {
        ([_], _) => (0, None),
        (_, DbBackend::Sqlite) => (0, Some(shape.end())),
        _ => (1, Some(0)),
    };
    let mut by_parent: KeyMap<Vec<_>> = KeyMap::default();
    for row in &found {
        let parent = parent_at.map_or(Ok(parents[0]), |at| i32::read(row, at))?;
        by_parent.entry(parent).or_default().push(shape.read::<L::Row>(&plan, row, row_from)?);
    }
    let mut reading = PageReader::new();
    let add = |(parent, mut rows): (i32, Vec<_>)| {
        plan.sort(&mut rows);
        (parent, reading.add(rows, window))
    };
    let pages = by_parent.into_iter().map(add).collect();
    let joined = joins.read(&found, row_from + shape.joins_from)?;
    Ok(ParentPages { list: reading.finish((L::LIST, order.tag()), joined, count_pages(edge.clone())), pages })
}

/// The columns of a page's rows: their own, the sort keys that are not among these, and those of joined objects.
struct Shape<'a> {
    columns: Columns,
    /// The number of their own columns.
    width: usize,
    keys: Vec<usize>,
    joins: &'a Joins,
    joins_from: usize,
}

impl<'a> Shape<'a> {
    fn new<N: Record>(plan: &PagePlan, columns: Columns, joins: &'a Joins) -> Self {
        let (width, own) = (width::<N>(columns), N::Entity::default().table_name());
        let keys = plan.place_keys(width, |table, name| place_of::<N>(columns, name).filter(|_| table == own));
        let joins_from = keys.iter().map(|place| place + 1).max().unwrap_or_default().max(width);
        Self { columns, width, keys, joins, joins_from }
    }

    /// Adds the columns to an unbounded list.
    fn select<N: Record>(&self, plan: &PagePlan, rows: Select<N::Entity>) -> SelectStatement {
        let mut statement = rows.select_only().into_query();
        select::<N>(&mut statement, self.columns);
        plan.add_placed_keys(&mut statement, (&self.keys, self.width));
        self.joins.add::<N>(&mut statement);
        statement
    }

    fn end(&self) -> usize {
        self.joins_from + self.joins.width()
    }

    fn read<N: Record>(&self, plan: &PagePlan, row: &QueryResult, from: usize) -> Result<(Keys, N), DbErr> {
        Ok((plan.read_keys(row, from, &self.keys)?, N::read(row, from, self.columns)?))
    }
}

fn count_pages<L: List>(list: L) -> CountRows {
    Arc::new(move |context, parents| {
        let list = list.clone();
        Box::pin(async move { count_of(context, &list, &parents).await })
    })
}

/// The number of rows in the lists of these parents. Parents without rows are omitted.
///
/// # Errors
/// The database failed.
pub async fn count_of<L: List>(
    context: &Context,
    list: &L,
    parents: &[i32],
) -> Result<Arc<HashMap<i32, u64>>, FieldError> {
    let services = context.services();
    let statement = Statement { name: L::LIST, parameters: format!("count {list:?}") };
    let read = async |keys: Vec<i32>, _| count_rows(&services.db, list, &keys).await.map_err(log_database);
    gather(context, &statement, (parents, 0), read).await
}

/// The page of a root list.
pub(super) async fn root_page<L: RootList, T: Send + Sync + 'static>(
    call: Call<'_, T, PageArguments<L::Arguments>>,
) -> Result<Column, FieldError> {
    let (context, columns) = (call.context, call.selected.columns());
    let (rows, order) = L::rows(context, &call.arguments.list).await?;
    let window = call.arguments.page.window(L::LIST, order)?;
    let db = context.db();
    let plan = PagePlan::new(order, &window, db.get_database_backend());
    let joins = Joins::selected::<L::Row>(&call.selected);
    let shape = Shape::new::<L::Row>(&plan, columns, &joins);
    let base = shape.select::<L::Row>(&plan, order.join(rows.clone()));
    let read = async {
        let Some(statement) = plan.bound(&base) else { return Ok((Vec::new(), JoinedRows::default())) };
        let found = db.query_all(&statement).await?;
        let rows = found.iter().map(|row| shape.read::<L::Row>(&plan, row, 0)).collect::<Result<Vec<_>, DbErr>>()?;
        Ok((rows, joins.read(&found, shape.joins_from)?))
    };
    let (found, joined) = read.await.map_err(|error| ApiError::from(log_database(error)))?;
    let mut reading = PageReader::new();
    let page = reading.add(found, &window);
    let list = reading.finish((L::LIST, order.tag()), joined, count_root(rows));
    count_texts(context, list.rows.rows.iter())?;
    let pages = (0..call.rows.len()).map(|_| page_of(&list, 0, page, &window));
    Ok(Connection::column(pages.collect()))
}

/// Counts all rows, as the list of the parent 0.
fn count_root<E: EntityTrait>(rows: Select<E>) -> CountRows {
    Arc::new(move |context, _| {
        let rows = rows.clone();
        Box::pin(async move {
            let count = rows.select_only().column_as(Expr::cust("count(*)"), "count");
            let row: Result<Option<(i64,)>, DbErr> = count.into_tuple().one(context.db()).await;
            let row = row.map_err(|error| ApiError::from(log_database(error)))?;
            Ok(Arc::new(HashMap::from([(0, row.map_or(0, |(count,)| count.unsigned_abs()))])))
        })
    })
}

//! Nested lists: the pages of many parents, read in one statement.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, ExprTrait, Func, IntoIden, JoinType, Order, Query, SelectStatement, TableRef,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait,
    Select, Value,
};

use super::cursor::KeyPart;
use super::load::{Node, Row};
use super::page::{Plan, Window};
use super::sort::PageOrder;
use crate::db::dialect;

/// A list that hangs on a parent row: `Movie.staff`, `Person.credits`. The value holds the
/// list's filter.
pub trait Edge: Clone + Eq + Hash + Send + Sync + 'static {
    /// What is listed.
    type Node: Node;

    /// The orders that the list is offered in.
    type Order: PageOrder<Entity = <Self::Node as Row>::Entity>;

    /// The list's name in cursors.
    const LIST: &'static str;

    /// The column that holds the parent's key; an index must begin with it.
    fn parent_column() -> <<Self::Node as Row>::Entity as EntityTrait>::Column;

    /// What the filter leaves of the listed table, for all parents.
    fn rows(&self) -> Select<<Self::Node as Row>::Entity> {
        <Self::Node as Row>::Entity::find()
    }
}

/// Asks for one parent's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<E: Edge> {
    pub(super) parent: i32,
    pub(super) edge: E,
    pub(super) order: E::Order,
    pub(super) window: Window,
}

/// Of the parent alone: pages that are asked for at once are alike but for that.
impl<E: Edge> Hash for PageOf<E> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parent.hash(state);
    }
}

/// Asks for the number of rows in one parent's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CountOf<E> {
    pub(super) parent: i32,
    pub(super) edge: E,
}

/// A page's rows in reading order with their sort keys.
pub type Rows<N> = Vec<(Vec<KeyPart>, N)>;

const PARENT: &str = "parent_key";

/// Reads the pages of all `keys`: one statement for those alike but for the parent.
pub(super) async fn load_pages<E: Edge>(
    db: &impl ConnectionTrait,
    keys: &[PageOf<E>],
) -> Result<HashMap<PageOf<E>, Arc<Rows<E::Node>>>, DbErr> {
    let mut groups: HashMap<(&E, E::Order, &Window), Vec<i32>> = HashMap::new();
    for key in keys {
        groups.entry((&key.edge, key.order, &key.window)).or_default().push(key.parent);
    }
    let mut pages = HashMap::with_capacity(keys.len());
    let backend = db.get_database_backend();
    for ((edge, order, window), parents) in groups {
        let plan = Plan::new(order, window, backend);
        let rows = order.join(edge.rows());
        let base = |rows| plan.select_columns::<E::Node>(rows);
        let statement = select_pages::<E>(&plan, rows, &parents, backend, &base);
        // No row can be between these cursors.
        let Some(statement) = statement else { continue };
        let found = db.query_all(&statement).await?;
        let parents: Vec<i32> = found.iter().map(|row| row.try_get("", PARENT)).collect::<Result<_, _>>()?;
        // Rows come by parent.
        let mut rest = found.as_slice();
        for parents in parents.chunk_by(|one, next| one == next) {
            let (page, others) = rest.split_at(parents.len());
            rest = others;
            let key = PageOf { parent: parents[0], edge: edge.clone(), order, window: window.clone() };
            pages.insert(key, Arc::new(plan.read(page)?));
        }
    }
    Ok(pages)
}

/// Adds the columns and the sort keys to rows of an edge.
pub(super) type Base<'a, E> = &'a dyn Fn(Select<<<E as Edge>::Node as Row>::Entity>) -> SelectStatement;

/// The statement that reads a page of each parent. The parent's key comes first on PostgreSQL and last on SQLite.
pub(super) fn select_pages<E: Edge>(
    plan: &Plan,
    rows: Select<<E::Node as Row>::Entity>,
    parents: &[i32],
    backend: DbBackend,
    base: Base<'_, E>,
) -> Option<SelectStatement> {
    match backend {
        DbBackend::Sqlite => select_correlated::<E>(plan, rows, parents, base),
        _ => select_lateral::<E>(plan, rows, parents, base),
    }
}

/// PostgreSQL: a page of each parent through the index, however many rows the parent has.
fn select_lateral<E: Edge>(
    plan: &Plan,
    rows: Select<<E::Node as Row>::Entity>,
    parents: &[i32],
    base: Base<'_, E>,
) -> Option<SelectStatement> {
    let parent = || Expr::col((Alias::new(PARENT), Alias::new(PARENT)));
    let rows = rows.filter(E::parent_column().into_expr().eq(parent()));
    let page = plan.bound(&base(rows))?;
    let mut statement = Query::select();
    statement
        .expr(parent())
        .column((Alias::new("page"), Asterisk))
        .from_function(Func::cust("unnest").arg(Value::from(parents.to_vec())), PARENT)
        .join_lateral(JoinType::InnerJoin, page, Alias::new("page"), Condition::all().add(Expr::val(true)))
        .order_by_expr(parent(), Order::Asc);
    plan.order_outside(&mut statement);
    Some(statement)
}

/// SQLite has no LATERAL, but a correlated subquery may have a LIMIT: the page's keys of each
/// parent, then the rows by primary key.
fn select_correlated<E: Edge>(
    plan: &Plan,
    rows: Select<<E::Node as Row>::Entity>,
    parents: &[i32],
    base: Base<'_, E>,
) -> Option<SelectStatement> {
    let parent = || Expr::col((Alias::new(PARENT), Alias::new("value")));
    let in_page = plan.bound(&base(rows.clone().filter(E::parent_column().into_expr().eq(parent()))))?;
    let keys = Query::select().column(Alias::new("id")).from_subquery(in_page, Alias::new("page")).take();
    let mut statement = base(rows);
    statement
        .expr_as(parent(), Alias::new(PARENT))
        .join(
            JoinType::InnerJoin,
            TableRef::FunctionCall(dialect::each_of(parents), PARENT.into_iden()),
            Condition::all().add(<E::Node as Node>::key_column().into_expr().in_subquery(keys)),
        )
        .order_by_expr(parent(), Order::Asc);
    plan.order_inside(&mut statement);
    Some(statement)
}

/// Counts the lists of all `parents` in one statement; those without rows are not among them.
pub(super) async fn count_rows<E: Edge>(
    db: &impl ConnectionTrait,
    edge: &E,
    parents: &[i32],
) -> Result<HashMap<i32, u64>, DbErr> {
    let column = E::parent_column();
    let rows = edge.rows().filter(dialect::one_of(db.get_database_backend(), column.as_column_ref(), parents));
    let mut statement = rows.select_only().into_query();
    statement
        .expr_as(column.into_expr(), Alias::new(PARENT))
        .expr_as(Expr::cust("count(*)"), Alias::new("count"))
        .add_group_by([column.into_expr()]);
    let rows = db.query_all(&statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", PARENT)?, read_count(row)?))).collect()
}

/// Counts the lists of all `keys`: one statement for those alike but for the parent.
pub(super) async fn load_counts<E: Edge>(
    db: &impl ConnectionTrait,
    keys: &[CountOf<E>],
) -> Result<HashMap<CountOf<E>, u64>, DbErr> {
    let mut groups: HashMap<&E, Vec<i32>> = HashMap::new();
    for key in keys {
        groups.entry(&key.edge).or_default().push(key.parent);
    }
    let mut counts: HashMap<_, _> = keys.iter().map(|key| (key.clone(), 0)).collect();
    for (edge, parents) in groups {
        for (parent, count) in count_rows(db, edge, &parents).await? {
            counts.insert(CountOf { parent, edge: edge.clone() }, count);
        }
    }
    Ok(counts)
}

fn read_count(row: &QueryResult) -> Result<u64, DbErr> {
    Ok(row.try_get::<i64>("", "count")?.unsigned_abs())
}

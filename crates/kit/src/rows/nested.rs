//! Nested pages: pages for many parents, read in one statement. `Movie.staff` of twenty movies is twenty pages.
//!
//! - PostgreSQL: `unnest(ids)` is joined `LATERAL` with the page's statement, so that one page of each parent is read,
//!   however many rows the parent has.
//! - SQLite has no `LATERAL`, but a correlated subquery may have a `LIMIT`. It finds the primary keys of each parent's
//!   page; the rows are read by these keys. The cost is the same.
//!
//! `totalCount` is one grouped count for all parents.

use std::collections::HashMap;

use db::dialect;
use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, ExprTrait, Func, IntoIden, JoinType, Order, Query, SelectStatement, TableRef,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, QueryFilter, QueryResult, QuerySelect, QueryTrait, Select, Value,
};

use super::list::{List, ListEntity};
use super::table::Table;
use crate::page::PagePlan;

const PARENT: &str = "parent_key";

/// Adds the columns and the sort keys to rows of a list.
pub(super) type Base<'a, L> = &'a dyn Fn(Select<ListEntity<L>>) -> SelectStatement;

/// The statement that reads a page of each parent. The parent's key is the first column on PostgreSQL and the last on
/// SQLite, and is omitted if there is only one parent. On PostgreSQL the rows of different parents may come in any
/// order: sorting them would cost more than grouping them.
pub(super) fn select_pages<L: List>(
    plan: &PagePlan,
    rows: Select<ListEntity<L>>,
    parents: &[i32],
    backend: DbBackend,
    base: Base<'_, L>,
) -> Option<SelectStatement> {
    if let [parent] = parents {
        return plan.bound(&base(rows.filter(L::parent_column().eq(*parent))));
    }
    match backend {
        DbBackend::Sqlite => select_correlated::<L>(plan, rows, parents, base),
        _ => select_lateral::<L>(plan, rows, parents, base),
    }
}

/// PostgreSQL: a page of each parent through the index, however many rows the parent has.
fn select_lateral<L: List>(
    plan: &PagePlan,
    rows: Select<ListEntity<L>>,
    parents: &[i32],
    base: Base<'_, L>,
) -> Option<SelectStatement> {
    let parent = || Expr::col((Alias::new(PARENT), Alias::new(PARENT)));
    let rows = rows.filter(L::parent_column().into_expr().eq(parent()));
    let page = plan.bound(&base(rows))?;
    let mut statement = Query::select();
    statement
        .expr(parent())
        .column((Alias::new("page"), Asterisk))
        .from_function(Func::cust("unnest").arg(Value::from(parents.to_vec())), PARENT)
        .join_lateral(JoinType::InnerJoin, page, Alias::new("page"), Condition::all().add(Expr::cust("true")));
    Some(statement)
}

/// SQLite has no LATERAL, but a correlated subquery may have a LIMIT: selects the keys of each parent's page, then the
/// rows by primary key.
fn select_correlated<L: List>(
    plan: &PagePlan,
    rows: Select<ListEntity<L>>,
    parents: &[i32],
    base: Base<'_, L>,
) -> Option<SelectStatement> {
    let parent = || Expr::col((Alias::new(PARENT), Alias::new("value")));
    let of_parent = rows.clone().filter(L::parent_column().into_expr().eq(parent()));
    let mut in_page = of_parent.select_only().column(L::Row::key_column()).into_query();
    plan.add_keys(&mut in_page);
    let in_page = plan.bound(&in_page)?;
    let keys = Query::select().column(Alias::new("id")).from_subquery(in_page, Alias::new("page")).take();
    let mut statement = base(rows);
    statement
        .expr_as(parent(), Alias::new(PARENT))
        .join(
            JoinType::InnerJoin,
            TableRef::FunctionCall(dialect::each_of(parents), PARENT.into_iden()),
            Condition::all().add(L::Row::key_column().into_expr().in_subquery(keys)),
        )
        .order_by_expr(parent(), Order::Asc);
    plan.order_inside(&mut statement);
    Some(statement)
}

/// Counts the lists of all `parents` in one statement. Parents without rows are omitted.
pub(super) async fn count_rows<L: List>(
    db: &impl ConnectionTrait,
    list: &L,
    parents: &[i32],
) -> Result<HashMap<i32, u64>, DbErr> {
    let column = L::parent_column();
    let rows = list.rows().filter(dialect::one_of(db.get_database_backend(), column.as_column_ref(), parents));
    let mut statement = rows.select_only().into_query();
    statement
        .expr_as(column.into_expr(), Alias::new(PARENT))
        .expr_as(Expr::cust("count(*)"), Alias::new("count"))
        .add_group_by([column.into_expr()]);
    let rows = db.query_all(&statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", PARENT)?, read_count(row)?))).collect()
}

fn read_count(row: &QueryResult) -> Result<u64, DbErr> {
    Ok(row.try_get::<i64>("", "count")?.unsigned_abs())
}

#[cfg(test)]
mod tests;

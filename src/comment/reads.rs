//! Batch reads of comments that edges and links cannot express: which comments are deleted, and reads along a thread,
//! upwards for the depth and downwards for the whole thread.
//!
//! A read along threads is one recursive statement for all requested comments. A comment's parent has a smaller id, as
//! a database check guarantees, so the recursion ends.

use std::collections::HashMap;

use entity::{comment_tombstones, comments};
use sea_orm::sea_query::{
    Alias, Asterisk, BinOper, CommonTableExpression, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement,
    UnionType, WindowStatement, WithClause,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect};

use crate::db::dialect;

/// How a comment was deleted.
#[derive(Clone, Copy, Debug)]
pub struct Tombstone {
    /// Whether an editor hid it.
    pub hidden: bool,
}

/// The tombstones of the deleted ones among these comments.
pub async fn read_tombstones(db: &impl ConnectionTrait, comments: &[i32]) -> Result<HashMap<i32, Tombstone>, DbErr> {
    let column = comment_tombstones::Column::CommentId;
    let found: Vec<(i32, bool)> = comment_tombstones::Entity::find()
        .select_only()
        .columns([column, comment_tombstones::Column::Hidden])
        .filter(dialect::one_of(db.get_database_backend(), column.as_column_ref(), comments))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(|(id, hidden)| (id, Tombstone { hidden })).collect())
}

/// The depths of comments in their threads.
pub async fn read_depths(db: &impl ConnectionTrait, comments: &[i32]) -> Result<HashMap<i32, i32>, DbErr> {
    let (start, depth, above) = (Alias::new("start"), Alias::new("depth"), Alias::new("above"));
    let parent = (above.clone(), comments::Column::ParentId);
    let mut steps = Query::select();
    steps
        .expr_as(Expr::col(comments::Column::Id), start.clone())
        .column(comments::Column::ParentId)
        .expr_as(Expr::cust("0"), depth.clone())
        .from(comments::Entity)
        .and_where(dialect::one_of(db.get_database_backend(), comments::Column::Id, comments))
        .union(
            UnionType::All,
            Query::select()
                .column((above.clone(), start.clone()))
                .column((comments::Entity, comments::Column::ParentId))
                .expr(Expr::col((above.clone(), depth.clone())).add(Expr::cust("1")))
                .from(above.clone())
                .join(
                    JoinType::InnerJoin,
                    comments::Entity,
                    Expr::col((comments::Entity, comments::Column::Id)).equals(parent),
                )
                .take(),
        );
    let table = CommonTableExpression::new()
        .table_name(above.clone())
        .columns([start.clone(), Alias::new("parent_id"), depth.clone()])
        .query(steps)
        .to_owned();
    let statement = Query::select()
        .column(start.clone())
        .expr_as(Expr::col(depth.clone()).max(), Alias::new("deepest"))
        .from(above)
        .add_group_by([Expr::col(start)])
        .take()
        .with(WithClause::new().recursive(true).cte(table).to_owned());
    let rows = db.query_all(&statement).await?;
    rows.iter().map(|row| Ok((row.try_get("", "start")?, row.try_get("", "deepest")?))).collect()
}

/// The rows of each root's thread, by root and in reading order, with one extra row if there are more than `size`.
/// `rows` selects the columns of comments; the root's key comes after them.
pub async fn read_threads(
    db: &impl ConnectionTrait,
    mut rows: SelectStatement,
    roots: &[i32],
    (depth, size): (i32, i32),
) -> Result<Vec<QueryResult>, DbErr> {
    let tree = Alias::new("tree");
    let [id, root, level, path, place] = ["id", "root", "level", "path", "place"].map(Alias::new);
    // All ids have the same width: as text they sort like numbers, and a parent comes before its replies.
    let step = |id: Expr| id.add(Expr::cust("10000000000")).cast_as(Alias::new("text"));
    let of = |column: &Alias| Expr::col((tree.clone(), column.clone()));
    let own_id = || comments::Column::Id.into_expr();
    let mut steps = Query::select();
    steps
        .expr_as(own_id(), id.clone())
        .expr_as(own_id(), root.clone())
        .expr_as(Expr::cust("0"), level.clone())
        .expr_as(step(own_id()), path.clone())
        .from(comments::Entity)
        .and_where(dialect::one_of(db.get_database_backend(), comments::Column::Id, roots))
        .union(
            UnionType::All,
            Query::select()
                .expr(own_id())
                .expr(of(&root))
                .expr(of(&level).add(Expr::cust("1")))
                .expr(of(&path).binary(BinOper::Custom("||"), step(own_id())))
                .from(tree.clone())
                .join(JoinType::InnerJoin, comments::Entity, comments::Column::ParentId.into_expr().eq(of(&id)))
                .and_where(of(&level).lt(depth))
                .take(),
        );
    let table = CommonTableExpression::new()
        .table_name(tree.clone())
        .columns([id.clone(), root.clone(), level.clone(), path.clone()])
        .query(steps)
        .to_owned();
    let by_root = WindowStatement::partition_by(root.clone()).order_by(path.clone(), Order::Asc).to_owned();
    let placed = Query::select()
        .column(Asterisk)
        .expr_window_as(Func::cust("row_number"), by_root, place.clone())
        .from(tree)
        .take();
    let placed_table = CommonTableExpression::new().table_name(Alias::new("placed")).query(placed).to_owned();
    let found = Alias::new("placed");
    rows.expr_as(Expr::col((found.clone(), root.clone())), root.clone())
        .join(JoinType::InnerJoin, found.clone(), Expr::col((found.clone(), id)).eq(own_id()))
        .and_where(Expr::col((found.clone(), place.clone())).lte(i64::from(size) + 1))
        .order_by((found.clone(), root), Order::Asc)
        .order_by((found, place), Order::Asc);
    let clause = WithClause::new().recursive(true).cte(table).cte(placed_table).to_owned();
    db.query_all(&rows.with(clause)).await
}

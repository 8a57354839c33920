//! SQL that the two databases spell differently.

use sea_orm::sea_query::{Expr, ExprTrait, Func, FunctionCall, IntoColumnRef, Query, extension::postgres::PgFunc};
use sea_orm::{DbBackend, Value};

/// `column` is one of `ids`. The statement's text does not depend on how many there are, so
/// that it is prepared once.
pub fn one_of(backend: DbBackend, column: impl IntoColumnRef, ids: &[i32]) -> Expr {
    let column = Expr::col(column);
    match backend {
        DbBackend::Sqlite => {
            column.in_subquery(Query::select().column("value").from_function(each_of(ids), "ids").take())
        }
        _ => column.eq(PgFunc::any(Value::from(ids.to_vec()))),
    }
}

/// A table function of SQLite with a row for each of `ids`, in its column `value`.
pub fn each_of(ids: &[i32]) -> FunctionCall {
    let list: Vec<_> = ids.iter().map(ToString::to_string).collect();
    Func::cust("json_each").arg(format!("[{}]", list.join(",")))
}

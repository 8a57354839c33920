//! SQL that the two databases spell differently.

use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::extension::sqlite::SqliteBinOper;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, FunctionCall, IntoColumnRef, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};

/// `column` is one of `ids`. The statement's text does not depend on their number, so that it is prepared only once.
pub fn one_of(backend: DbBackend, column: impl IntoColumnRef, ids: &[i32]) -> Expr {
    let column = Expr::col(column);
    // PostgreSQL plans this once, but replans a look-up in an array for each length.
    if let [id] = ids {
        return column.eq(*id);
    }
    match backend {
        DbBackend::Sqlite => {
            column.in_subquery(Query::select().column("value").from_function(each_of(ids), "ids").take())
        }
        _ => column.eq(PgFunc::any(Value::from(ids.to_vec()))),
    }
}

/// A table function of SQLite with a row for each of `ids`, in its column `value`.
pub fn each_of(ids: &[i32]) -> FunctionCall {
    Func::cust("json_each").arg(key_list(ids))
}

/// Keys as SQLite gets them: a JSON array.
pub fn key_list(ids: &[i32]) -> String {
    let list: Vec<_> = ids.iter().map(ToString::to_string).collect();
    format!("[{}]", list.join(","))
}

/// The keys, in column `owner`, of rows whose texts contain each of `needles`, which have at least three letters. Uses
/// the trigram index. On SQLite, the trigrams are in a separate table, named after the table of the texts.
pub fn find_texts<C: ColumnTrait>(backend: DbBackend, owner: C, texts: &[C], needles: &[&str]) -> SelectStatement {
    let table = owner.entity_name();
    match backend {
        DbBackend::Sqlite => {
            let trigrams = Alias::new(format!("{table}_trigram"));
            let phrases: Vec<_> = needles.iter().map(|needle| format!("\"{}\"", needle.replace('"', "\"\""))).collect();
            Query::select()
                .column(Alias::new("rowid"))
                .from(trigrams.clone())
                .and_where(Expr::col(trigrams).binary(SqliteBinOper::Match, phrases.join(" AND ")))
                .take()
        }
        _ => {
            let holds = |needle: &&str| {
                let pattern = format!("%{}%", escape_like(needle));
                texts.iter().map(|text| text.like(pattern.as_str())).fold(Condition::any(), Condition::add)
            };
            let all = needles.iter().map(holds).fold(Condition::all(), Condition::add);
            Query::select().column(owner).from(table).cond_where(all).take()
        }
    }
}

/// A LIKE pattern that matches exactly `text`.
pub fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The position of `needle` in `text`, counted from 1; 0 if it is missing.
pub fn position(backend: DbBackend, text: impl ColumnTrait, needle: &str) -> Expr {
    let name = if backend == DbBackend::Sqlite { "instr" } else { "strpos" };
    Func::cust(name).arg(text.into_expr()).arg(needle).into()
}

/// The keys of a unique index over nullable columns, for ON CONFLICT. SQLite's index has 0 instead of NULL, because
/// there NULLs are distinct.
pub fn nullable_keys(backend: DbBackend, columns: &[impl ColumnTrait]) -> Vec<Expr> {
    let key = |column: &_| Expr::col(sea_orm::IdenStatic::as_str(column).to_owned());
    columns
        .iter()
        .map(|column| match backend {
            DbBackend::Sqlite => Func::coalesce([key(column), Expr::cust("0")]).into(),
            _ => key(column),
        })
        .collect()
}

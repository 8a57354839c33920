//! SQL that the two databases spell differently.

use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::extension::sqlite::SqliteBinOper;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, FunctionCall, IntoColumnRef, Query};
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};

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

/// One of the `texts` of a row holds `needle`, of three letters or more, looked up by trigrams.
/// On SQLite these are in a table of their own, named after that of the texts.
pub fn holds<C: ColumnTrait>(backend: DbBackend, owner: C, texts: &[C], needle: &str) -> Condition {
    match backend {
        DbBackend::Sqlite => {
            let table = Alias::new(format!("{}_trigram", owner.entity_name()));
            let phrase = format!("\"{}\"", needle.replace('"', "\"\""));
            let found = Query::select()
                .column(Alias::new("rowid"))
                .from(table.clone())
                .and_where(Expr::col(table).binary(SqliteBinOper::Match, phrase))
                .take();
            Condition::all().add(owner.in_subquery(found))
        }
        _ => {
            let mut pattern = String::from("%");
            for letter in needle.chars() {
                if matches!(letter, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(letter);
            }
            pattern.push('%');
            texts.iter().map(|text| text.like(pattern.as_str())).fold(Condition::any(), Condition::add)
        }
    }
}

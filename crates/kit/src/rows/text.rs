//! Columns that are too wide to be read with every row: plots, biographies, texts.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

use db::{ReadPool, dialect};
use graphql::{Batch, Call, Context, FieldError, NoArguments};
use request::budget::TURNS;
use request::error::{ApiError, log_database};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use tokio::sync::SemaphorePermit;

use super::join::JoinedRows;
use super::request::{ContextExt, gather};
use super::statement::Statement;
use super::table::{Record, Table};

/// A column that is too wide to be read with every row of a list: a plot, a biography.
pub trait WideColumn: Send + Sync + 'static {
    /// The object that shows it.
    type Row: Table;

    /// The number of a request's turns to read texts that one text takes, by its maximum length: one turn for 10,000
    /// characters, or fewer turns if texts are rarely that long.
    const TURNS: u32 = 2;

    /// The column: text.
    fn column() -> <<Self::Row as Record>::Entity as EntityTrait>::Column;

    /// The expression to read.
    fn expr() -> Expr {
        Self::column().into_expr()
    }
}

/// The wide column `W` of each object.
#[derive(Debug)]
pub struct WideText<W>(std::marker::PhantomData<W>);

impl<W, T> Batch<T> for WideText<W>
where
    W: WideColumn<Row = T>,
    T: Table,
{
    type Arguments = NoArguments;
    type Value = Option<Arc<str>>;

    async fn find(call: Call<'_, T>) -> Result<Vec<Option<Arc<str>>>, FieldError> {
        let keys: Vec<i32> = call.iter().map(T::key).collect();
        let joined = call.rows.attached::<JoinedRows>();
        if let Some(text) = joined.and_then(|joined| joined.written(TypeId::of::<W>(), &keys)) {
            count_text(call.context, text)?;
            return Ok(vec![Some(Arc::clone(text))]);
        }
        texts::<W>(call.context, &keys).await
    }
}

/// The wide column `W` of each object, if it is never NULL.
#[derive(Debug)]
pub struct RequiredText<W>(std::marker::PhantomData<W>);

impl<W, T> Batch<T> for RequiredText<W>
where
    W: WideColumn<Row = T>,
    T: Table,
{
    type Arguments = NoArguments;
    type Value = Result<Arc<str>, FieldError>;

    async fn find(call: Call<'_, T>) -> Result<Vec<Self::Value>, FieldError> {
        let texts = WideText::<W>::find(call).await?;
        Ok(texts.into_iter().map(|text| text.ok_or_else(|| ApiError::Gone.into())).collect())
    }
}

/// The wide columns of the objects with these keys.
///
/// # Errors
/// The database failed, or the response has no room for them.
pub async fn texts<W: WideColumn>(context: &Context, keys: &[i32]) -> Result<Vec<Option<Arc<str>>>, FieldError> {
    texts_as::<W, _>(context, keys, Arc::clone).await
}

/// What `get` makes of the wide columns of the objects with these keys. Only the result counts towards the response's
/// size.
///
/// # Errors
/// The database failed, or the response has no room for them.
pub async fn texts_as<W: WideColumn, V: AsRef<str>>(
    context: &Context,
    keys: &[i32],
    get: impl Fn(&Arc<str>) -> V,
) -> Result<Vec<Option<V>>, FieldError> {
    let mut all = Vec::with_capacity(keys.len());
    for keys in keys.chunks((TURNS / W::TURNS as usize).max(1)) {
        // Each chunk is counted before the next one is read.
        let _turns = admit(context, W::TURNS.saturating_mul(graphql::index(keys.len()))).await;
        let found = find_texts::<W>(context, keys).await?;
        for key in keys {
            let text = found.get(key).map(&get);
            if let Some(text) = &text {
                count_text(context, text.as_ref())?;
            }
            all.push(text);
        }
    }
    Ok(all)
}

/// # Errors
/// The response has no room for it.
fn count_text(context: &Context, text: &str) -> Result<(), FieldError> {
    match &context.request().budget {
        Some(budget) => Ok(budget.count_text(text).map_err(ApiError::from)?),
        None => Ok(()),
    }
}

/// The wide column of one object, for callers that shorten it. It does not count towards the response's size.
///
/// # Errors
/// The database failed.
pub async fn text_of<W: WideColumn>(context: &Context, key: i32) -> Result<Option<Arc<str>>, FieldError> {
    let _turn = admit(context, W::TURNS).await;
    Ok(find_texts::<W>(context, &[key]).await?.get(&key).cloned())
}

/// Waits until the request has this many turns to read texts.
async fn admit(context: &Context, turns: u32) -> Option<SemaphorePermit<'_>> {
    match &context.request().budget {
        Some(budget) => budget.admit_text(turns).await,
        None => None,
    }
}

async fn find_texts<W: WideColumn>(context: &Context, keys: &[i32]) -> Result<Arc<HashMap<i32, Arc<str>>>, FieldError> {
    let services = context.services();
    let statement = Statement { name: std::any::type_name::<W>(), parameters: "text".to_owned() };
    let read = async |keys: Vec<i32>, _| read_texts::<W>(&services.db, &keys).await.map_err(log_database);
    gather(context, &statement, (keys, 0), read).await
}

async fn read_texts<W: WideColumn>(db: &ReadPool, keys: &[i32]) -> Result<HashMap<i32, Arc<str>>, DbErr> {
    let id = W::Row::key_column();
    let rows: Vec<(i32, Option<String>)> = <W::Row as Record>::Entity::find()
        .select_only()
        .column(id)
        .expr_as(W::expr(), "text")
        .filter(dialect::one_of(db.get_database_backend(), id.as_column_ref(), keys))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(|(id, text)| Some((id, text?.into()))).collect())
}

//! Creates, updates and deletes rows of the catalogue. A domain defines its fields once, with
//! [`fields!`](crate::fields!), and everything else about its objects with [`Editable`].

use std::future::Future;
use std::marker::PhantomData;

use async_graphql::ID;
use db::Transaction;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Alias, Expr, LockType, Query, SelectStatement, sea_value_to_json_value};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic, IntoActiveModel,
    Iterable, ModelTrait, PrimaryKeyTrait, QueryFilter, QuerySelect,
};

use super::audit::{self, Changes};
use super::constraint::{Constraint, explain};
use super::form::{Check, Form, path};
use super::id::Id;
use super::mutate::Work;
use super::problem::{Rejection, UserError};
use super::reason::UserErrorReason;
use super::rows::{Record, Table};
use super::spelling::spellings;

/// A row of `N`'s table, for writing.
pub type Draft<N> = <<N as Record>::Entity as EntityTrait>::ActiveModel;
type Column<N> = <<N as Record>::Entity as EntityTrait>::Column;

/// An object whose fields editors set. [`fields!`](crate::fields!) implements it.
pub trait Fillable:
    Table<
    Entity: EntityTrait<
        ActiveModel: Send + Sync,
        PrimaryKey: PrimaryKeyTrait<ValueType = i32>,
        Model: IntoActiveModel<Draft<Self>>,
    >,
>
{
    /// The fields as clients send them.
    type Fields: Send;

    /// Checks the fields and sets the row's columns.
    fn fill(
        form: &mut Form<'_>,
        fields: Self::Fields,
        row: &mut Draft<Self>,
    ) -> impl Future<Output = Result<(), DbErr>> + Send;
}

/// An object that editors create, update and delete.
pub trait Editable: Fillable {
    /// The object's name in messages: "cinema".
    const WHAT: &'static str;

    /// Columns that must be unique.
    const UNIQUE: &'static [Unique<Self>] = &[];

    /// The rows that may refer to the object with this key and prevent its deletion.
    fn references(key: i32) -> Vec<References> {
        let _ = key;
        Vec::new()
    }
}

/// Checks that a field refers to an existing `N`, and locks it until the transaction ends.
#[derive(Debug)]
pub struct Reference<N>(PhantomData<fn() -> N>);

/// The check of a field that refers to an `N`.
pub fn reference<N: Editable>() -> Reference<N> {
    Reference(PhantomData)
}

impl<N: Editable> Check<ID, i32> for Reference<N> {
    async fn check(self, form: &mut Form<'_>, field: &str, id: ID) -> Result<Option<i32>, DbErr> {
        Ok(form.find_at::<N>(field, &id, N::WHAT).await?.map(Id::key))
    }

    fn shown(key: &i32) -> String {
        Id::<N>::new(*key).encode()
    }
}

/// Columns whose values must be unique together.
pub struct Unique<N: Record> {
    /// The columns.
    pub columns: &'static [Column<N>],
    /// The constraint, with its error message.
    pub constraint: Constraint,
}

/// Rows that refer to an object to be deleted.
#[derive(Debug)]
pub struct References {
    one: &'static str,
    many: &'static str,
    rows: SelectStatement,
}

impl References {
    /// Rows whose `column` is `value`. `one` and `many` are their singular and plural in messages.
    pub fn new(
        column: impl ColumnTrait,
        value: impl Into<sea_orm::Value>,
        one: &'static str,
        many: &'static str,
    ) -> Self {
        let rows = Query::select()
            .expr(Expr::cust("1"))
            .from(column.entity_name())
            .and_where(column.eq(value))
            .limit(COUNTED_MAX + 1)
            .take();
        Self { one, many, rows }
    }
}

/// Up to this many referring rows are counted exactly.
const COUNTED_MAX: u64 = 1_000;

/// Inserts a row.
///
/// # Errors
/// `Invalid` with all errors of the fields.
pub async fn create<N: Editable>(work: &Work, fields: N::Fields) -> Result<Id<N>, Rejection> {
    let mut form = Form::new(work);
    let mut row = <Draft<N> as ActiveModelTrait>::default();
    N::fill(&mut form, fields, &mut row).await?;
    check_unique::<N>(&mut form, &row, None).await?;
    let changes = form.check()?;
    let inserted = N::Entity::insert(row).exec(work.txn()).await.map_err(explain(&constraints::<N>()))?;
    let id = Id::new(inserted.last_insert_id);
    audit::record(work, id, changes).await?;
    Ok(id)
}

/// Changes the row with this id.
///
/// # Errors
/// `Invalid` with all errors of the id and the fields.
pub async fn update<N: Editable>(work: &Work, id: &ID, fields: N::Fields) -> Result<Id<N>, Rejection> {
    let mut form = Form::new(work);
    let id = form.problems.id::<N>(&path("id"), id);
    let found = match id {
        Some(id) => N::Entity::find_by_id(id.key()).lock(LockType::NoKeyUpdate).one(work.txn()).await?,
        None => None,
    };
    if id.is_some() && found.is_none() {
        form.problems.add(UserError::not_found(path("id"), N::WHAT));
    }
    let mut row = found.map_or_else(<Draft<N> as ActiveModelTrait>::default, IntoActiveModel::into_active_model);
    N::fill(&mut form, fields, &mut row).await?;
    check_unique::<N>(&mut form, &row, id).await?;
    let changes = form.check()?;
    let id = id.ok_or_else(|| Rejection::Invalid(Vec::new()))?;
    if !changes.is_empty() {
        N::Entity::update(row).exec_without_returning(work.txn()).await.map_err(explain(&constraints::<N>()))?;
        audit::record(work, id, changes).await?;
    }
    Ok(id)
}

/// Deletes the row with this id, unless another row that needs it refers to it.
///
/// # Errors
/// `NOT_FOUND`, or `CONFLICT` with the number of rows that refer to it.
pub async fn delete<N: Editable>(work: &Work, id: &ID) -> Result<Id<N>, Rejection> {
    remove(work, id, N::WHAT, N::references).await
}

/// The same for an object that is not [`Editable`].
///
/// # Errors
/// As for [`delete`].
pub async fn remove<N>(
    work: &Work,
    id: &ID,
    what: &str,
    references: fn(i32) -> Vec<References>,
) -> Result<Id<N>, Rejection>
where
    N: Table<Entity: EntityTrait<PrimaryKey: PrimaryKeyTrait<ValueType = i32>>>,
{
    let id = Id::<N>::parse(&path("id"), id)?;
    // A transaction that wants to refer to the row waits, and then does not find it.
    let found = N::Entity::find_by_id(id.key()).lock(LockType::Update).one(work.txn()).await?;
    let Some(row) = found else { return Err(UserError::not_found(path("id"), what).into()) };
    refuse_if_used(work.txn(), "id", references(id.key())).await?;
    N::Entity::delete_by_id(id.key()).exec(work.txn()).await?;
    audit::record(work, id, contents::<N>(&row)).await?;
    Ok(id)
}

/// The old values of a deleted row.
fn contents<N: Table>(row: &<N::Entity as EntityTrait>::Model) -> Changes {
    <N::Entity as EntityTrait>::Column::iter().fold(Changes::new(), |changes, column| {
        let held = match sea_value_to_json_value(&row.get(column)) {
            Json::Null => None,
            Json::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        changes.field(column.as_str(), held, None)
    })
}

/// Checks that no such rows exist.
///
/// # Errors
/// `CONFLICT` with their number, under the input's `field`.
pub async fn refuse_if_used(txn: &Transaction, field: &str, used: Vec<References>) -> Result<(), Rejection> {
    let mut found = Vec::new();
    for References { one, many, rows } in used {
        let count = Query::select().expr(Expr::cust("COUNT(*)")).from_subquery(rows, Alias::new("found")).take();
        let row = txn.query_one(&count).await?;
        let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        match u64::try_from(count).unwrap_or_default() {
            0 => {}
            1 => found.push(format!("1 {one}")),
            count if count > COUNTED_MAX => found.push(format!("more than {COUNTED_MAX} {many}")),
            count => found.push(format!("{count} {many}")),
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let message = format!("is still used by {}; delete these first", found.join(", "));
    Err(UserError::conflict(path(field), UserErrorReason::InUse, message).into())
}

/// Adds an error for each unique value that another row has. The constraint remains authoritative: another transaction
/// may insert one first.
async fn check_unique<N: Editable>(form: &mut Form<'_>, row: &Draft<N>, own: Option<Id<N>>) -> Result<(), DbErr> {
    for unique in N::UNIQUE {
        let values: Vec<_> = unique.columns.iter().map(|column| (column, row.get(*column))).collect();
        if !values.iter().any(|(_, value)| value.is_set()) {
            continue;
        }
        let mut rows = N::Entity::find().select_only().column(N::key_column());
        let mut is_whole = true;
        for (column, value) in values {
            match value {
                ActiveValue::Set(sea_orm::Value::String(Some(text))) => {
                    rows = rows.filter(column.is_in(spellings(&text)));
                }
                ActiveValue::Set(value) | ActiveValue::Unchanged(value) => rows = rows.filter(column.eq(value)),
                ActiveValue::NotSet => is_whole = false,
            }
        }
        if let Some(own) = own {
            rows = rows.filter(N::key_column().ne(own.key()));
        }
        if is_whole && rows.into_tuple::<i32>().one(form.work.txn()).await?.is_some() {
            form.problems.add(unique.constraint.problem());
        }
    }
    Ok(())
}

fn constraints<N: Editable>() -> Vec<Constraint> {
    N::UNIQUE.iter().map(|unique| unique.constraint).collect()
}

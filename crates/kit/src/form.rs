//! The fields of an input, checked one by one and set in the columns of a row.
//!
//! An omitted field keeps its column, null clears it if it is nullable. All errors are collected under `input.FIELD`:
//! an error does not stop the check of the next field.

use std::future::Future;
use std::mem;
use std::ops::RangeInclusive;

/// An id from a client.
pub use async_graphql::ID as InputId;
/// A field from a client: omitted, null or a value.
pub use async_graphql::MaybeUndefined as Omittable;
use chrono::{Datelike, NaiveDate};
use heck::ToLowerCamelCase;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sea_orm::sea_query::{Alias, LockType};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, DbErr, EntityName, EntityTrait, QueryFilter, QuerySelect, Set, Value,
};

use super::audit::Changes;
use super::id::Id;
use super::mutate::Work;
use super::problem::{Problems, Rejection, UserError};
use super::reason::UserErrorReason;
use super::rows::Table;
use super::scalar::{Date, Money};
use super::spelling::compose;
use db::Transaction;

/// A value that a column can hold.
pub trait Storable: Into<Value> + ToString + Clone {
    /// The value in the audit log. Databases return money with other numbers of decimals.
    fn shown(&self) -> String {
        match self.clone().into() {
            Value::Decimal(Some(money)) => format!("{money:.2}"),
            _ => self.to_string(),
        }
    }
}

impl<V: Into<Value> + ToString + Clone> Storable for V {}

/// A field of an input, with its name in the schema. [`field!`](crate::field) creates it.
#[derive(Clone, Debug)]
pub struct Field<T> {
    /// Its name in the schema.
    pub name: String,
    /// The client's value.
    pub value: T,
}

impl<T> Field<T> {
    /// Creates the field that has this name in Rust.
    pub fn new(name: &str, value: T) -> Self {
        Self { name: name.to_lower_camel_case(), value }
    }

    /// A field that a client cannot omit.
    pub fn required(self) -> Field<Omittable<T>> {
        Field { name: self.name, value: Omittable::Value(self.value) }
    }
}

/// Creates a [`Field`] from a variable, with the variable's name.
#[macro_export]
macro_rules! field {
    ($field:ident) => {
        $crate::form::Field::new(stringify!($field), $field)
    };
}
pub use field;

/// Converts a client's `T` into a column's `V`. Functions that add to [`Problems`] are checks.
pub trait Check<T: Send, V: Send>: Send {
    /// Returns the value, or adds an error with the path `field`.
    fn check(self, form: &mut Form<'_>, field: &str, value: T)
    -> impl Future<Output = Result<Option<V>, DbErr>> + Send;

    /// The value in the audit log.
    fn shown(value: &V) -> String;
}

impl<T: Send, V: Storable + Send, F: FnOnce(&mut Problems, &str, T) -> V + Send> Check<T, V> for F {
    async fn check(self, form: &mut Form<'_>, field: &str, value: T) -> Result<Option<V>, DbErr> {
        let before = form.problems.count();
        let value = self(&mut form.problems, field, value);
        Ok((form.problems.count() == before).then_some(value))
    }

    fn shown(value: &V) -> String {
        value.shown()
    }
}

/// An input that is being checked.
#[derive(Debug)]
pub struct Form<'a> {
    /// The change that the input is for.
    pub work: &'a Work,
    /// The errors so far.
    pub problems: Problems,
    /// The changes so far, for the audit log.
    pub changes: Changes,
}

impl<'a> Form<'a> {
    /// A form without errors.
    pub fn new(work: &'a Work) -> Self {
        Self { work, problems: Problems::new(), changes: Changes::new() }
    }

    /// Sets a column that must have a value.
    ///
    /// # Errors
    /// The database failed during the check.
    pub async fn must<T, V, C>(
        &mut self,
        column: &mut ActiveValue<V>,
        field: Field<Omittable<T>>,
        check: C,
    ) -> Result<(), DbErr>
    where
        T: Send,
        V: Send + Into<Value>,
        C: Check<T, V>,
    {
        match field.value {
            Omittable::Undefined => {}
            Omittable::Null => self.problems.bad_input(path(&field.name), UserErrorReason::Required, NOT_NULL),
            Omittable::Value(value) => {
                if let Some(value) = check.check(self, &path(&field.name), value).await? {
                    self.fill(column, &field.name, value, |value| Some(C::shown(value)));
                }
            }
        }
        Ok(())
    }

    /// Sets a nullable column.
    ///
    /// # Errors
    /// The database failed during the check.
    pub async fn may<T, V, C>(
        &mut self,
        column: &mut ActiveValue<Option<V>>,
        field: Field<Omittable<T>>,
        check: C,
    ) -> Result<(), DbErr>
    where
        T: Send,
        V: Send,
        Option<V>: Into<Value>,
        C: Check<T, V>,
    {
        let value = match field.value {
            Omittable::Undefined => return Ok(()),
            Omittable::Null => None,
            Omittable::Value(value) => match check.check(self, &path(&field.name), value).await? {
                None => return Ok(()),
                value => value,
            },
        };
        self.fill(column, &field.name, value, |value| value.as_ref().map(C::shown));
        Ok(())
    }

    /// Sets a column to a checked value, and records the change.
    pub fn fill<V: Into<Value>>(
        &mut self,
        column: &mut ActiveValue<V>,
        field: &str,
        value: V,
        show: impl Fn(&V) -> Option<String>,
    ) {
        let before = match column {
            ActiveValue::Set(before) | ActiveValue::Unchanged(before) => show(before),
            ActiveValue::NotSet => None,
        };
        let after = show(&value);
        // A name from before names were composed. The client does not want to change it, and another row may have the
        // composed name.
        if before != after && before.as_deref().map(compose) == after {
            return;
        }
        self.changes = mem::take(&mut self.changes).field(field, before, after);
        *column = Set(value);
    }

    /// The object whose id is in the field. It is locked until the transaction ends. `what` is the name of an `N` in
    /// messages.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find<N: Table>(&mut self, field: &Field<InputId>, what: &str) -> Result<Option<Id<N>>, DbErr> {
        self.find_at(&path(&field.name), &field.value, what).await
    }

    /// The same, with the field's path.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find_at<N: Table>(&mut self, field: &str, id: &InputId, what: &str) -> Result<Option<Id<N>>, DbErr> {
        let Some(id) = self.problems.id::<N>(field, id) else { return Ok(None) };
        let found = hold::<N>(self.work.txn(), id).await?;
        if !found {
            self.problems.add(UserError::not_found(field, what));
        }
        Ok(found.then_some(id))
    }

    /// Ends the check and returns the changes.
    ///
    /// # Errors
    /// `Invalid` with all errors, if any.
    pub fn check(self) -> Result<Changes, Rejection> {
        self.problems.check()?;
        Ok(self.changes)
    }
}

/// The maximum length of long texts such as biographies and plots, in characters.
pub const LONG_TEXT_LENGTH_MAX: usize = 20_000;

const NOT_NULL: &str = "must not be null; omit it to keep the current value";

/// The path of a field of the input.
pub fn path(field: &str) -> String {
    format!("input.{field}")
}

/// Whether the object exists. If so, it is locked until the transaction ends: a transaction that wants to delete it
/// waits.
///
/// # Errors
/// The database failed.
pub async fn hold<N: Table>(txn: &Transaction, id: Id<N>) -> Result<bool, DbErr> {
    let table = Alias::new(N::Entity::default().table_name());
    let row: Option<i32> = N::Entity::find()
        .select_only()
        .column(N::key_column())
        .filter(N::key_column().eq(id.key()))
        .filter(Condition::all().add_option(N::HIDDEN.map(|hidden| hidden.shows(&table))))
        .lock(LockType::KeyShare)
        .into_tuple()
        .one(txn)
        .await?;
    Ok(row.is_some())
}

/// A line of 1 to `max` characters.
pub fn line(max: usize) -> impl FnOnce(&mut Problems, &str, String) -> String + Send {
    move |problems, field, text| problems.line(field, &text, 1, max)
}

/// A text of 1 to `max` characters, which may have several lines.
pub fn text(max: usize) -> impl FnOnce(&mut Problems, &str, String) -> String + Send {
    move |problems, field, text| problems.text(field, &text, 1, max)
}

/// An integer in a range that fits into `V`.
pub fn whole<V: TryFrom<i32> + Default>(
    range: RangeInclusive<i32>,
) -> impl FnOnce(&mut Problems, &str, i32) -> V + Send {
    move |problems, field, number| {
        let (least, most) = (range.start(), range.end());
        let fits = range.contains(&number);
        let reason = UserErrorReason::OutOfRange.within(f64::from(*least), f64::from(*most));
        problems.require(fits, field, reason, format!("{number} is out of range; use {least} to {most}"));
        V::try_from(number).unwrap_or_default()
    }
}

/// An amount of money with at most `digits` digits before the point.
pub fn money(digits: u32) -> impl FnOnce(&mut Problems, &str, Money) -> Decimal + Send {
    move |problems, field, Money(amount)| {
        let end = Decimal::from(10_u64.saturating_pow(digits));
        let fits = amount >= Decimal::ZERO && amount < end;
        let reason = UserErrorReason::OutOfRange.within(0.0, (end - Decimal::new(1, 2)).to_f64());
        problems.require(
            fits,
            field,
            reason,
            format!("{amount} is out of range; it must be at least 0.00 and less than {end}"),
        );
        amount
    }
}

/// A date that is not in the future.
#[derive(Clone, Copy, Debug)]
pub struct PastDay;

impl Check<Date, NaiveDate> for PastDay {
    async fn check(self, form: &mut Form<'_>, field: &str, Date(day): Date) -> Result<Option<NaiveDate>, DbErr> {
        let (has_year, is_past) = (day.year() >= 1, day <= form.work.now().date_naive());
        let years = UserErrorReason::OutOfRange.within(1.0, None);
        form.problems.require(has_year, field, years, "is out of range; the year must be 1 or later");
        form.problems.require(is_past, field, UserErrorReason::NotInPast, format!("{day} is in the future"));
        Ok((has_year && is_past).then_some(day))
    }

    fn shown(day: &NaiveDate) -> String {
        day.to_string()
    }
}

/// Accepts every value.
pub fn as_given<T>(_: &mut Problems, _: &str, value: T) -> T {
    value
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_have_the_names_of_the_schema() {
        let (title, box_office, is_lead) = ("t", 1, true);
        assert_eq!((field!(title).name, field!(title).value), ("title".to_owned(), "t"));
        assert_eq!((field!(box_office).name, field!(is_lead).name), ("boxOffice".to_owned(), "isLead".to_owned()));
    }
}

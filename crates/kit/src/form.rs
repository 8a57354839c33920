//! The fields of an input, checked one by one and put into the columns of a row.
//!
//! A field that was left out leaves its column alone, null clears it if it may be empty. All problems
//! are noted under `input.FIELD`; none stops the check of the next field.

use std::future::Future;
use std::mem;
use std::ops::RangeInclusive;

/// The id that a client gives in a field.
pub use async_graphql::ID as GivenId;
/// What a client gives of a field: nothing, null or a value.
pub use async_graphql::MaybeUndefined as Given;
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

/// What a column can hold.
pub trait Storable: Into<Value> + ToString + Clone {
    /// As the audit log shows it: databases give money back with other numbers of decimals.
    fn shown(&self) -> String {
        match self.clone().into() {
            Value::Decimal(Some(money)) => format!("{money:.2}"),
            _ => self.to_string(),
        }
    }
}

impl<V: Into<Value> + ToString + Clone> Storable for V {}

/// A field of an input, by the name that clients know. [`field!`](crate::field) makes it.
#[derive(Clone, Debug)]
pub struct Field<T> {
    /// Its name in the schema.
    pub name: String,
    /// What the client gives.
    pub value: T,
}

impl<T> Field<T> {
    /// The field with this name in Rust.
    pub fn new(name: &str, value: T) -> Self {
        Self { name: name.to_lower_camel_case(), value }
    }

    /// A field that no client can leave out.
    pub fn required(self) -> Field<Given<T>> {
        Field { name: self.name, value: Given::Value(self.value) }
    }
}

/// The [`Field`] that a variable holds: it has the variable's name.
#[macro_export]
macro_rules! field {
    ($field:ident) => {
        $crate::form::Field::new(stringify!($field), $field)
    };
}
pub use field;

/// What becomes of a client's `T` before a column has it as `V`. Functions that note problems are checks.
pub trait Check<T: Send, V: Send>: Send {
    /// The value, unless there is a problem, which is noted under the path `field`.
    fn check(self, form: &mut Form<'_>, field: &str, value: T)
    -> impl Future<Output = Result<Option<V>, DbErr>> + Send;

    /// The value as the audit log shows it.
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
    /// The change that it is for.
    pub work: &'a Work,
    /// What is wrong so far.
    pub problems: Problems,
    /// What is changed so far, for the audit log.
    pub changes: Changes,
}

impl<'a> Form<'a> {
    /// A form without problems.
    pub fn new(work: &'a Work) -> Self {
        Self { work, problems: Problems::new(), changes: Changes::new() }
    }

    /// Fills a column that must have a value.
    ///
    /// # Errors
    /// What the database answers to the check.
    pub async fn must<T, V, C>(
        &mut self,
        column: &mut ActiveValue<V>,
        field: Field<Given<T>>,
        check: C,
    ) -> Result<(), DbErr>
    where
        T: Send,
        V: Send + Into<Value>,
        C: Check<T, V>,
    {
        match field.value {
            Given::Undefined => {}
            Given::Null => self.problems.bad_input(path(&field.name), UserErrorReason::Required, NOT_NULL),
            Given::Value(value) => {
                if let Some(value) = check.check(self, &path(&field.name), value).await? {
                    self.fill(column, &field.name, value, |value| Some(C::shown(value)));
                }
            }
        }
        Ok(())
    }

    /// Fills a column that may be empty.
    ///
    /// # Errors
    /// What the database answers to the check.
    pub async fn may<T, V, C>(
        &mut self,
        column: &mut ActiveValue<Option<V>>,
        field: Field<Given<T>>,
        check: C,
    ) -> Result<(), DbErr>
    where
        T: Send,
        V: Send,
        Option<V>: Into<Value>,
        C: Check<T, V>,
    {
        let value = match field.value {
            Given::Undefined => return Ok(()),
            Given::Null => None,
            Given::Value(value) => match check.check(self, &path(&field.name), value).await? {
                None => return Ok(()),
                value => value,
            },
        };
        self.fill(column, &field.name, value, |value| value.as_ref().map(C::shown));
        Ok(())
    }

    /// Fills a column with a value that was checked, and notes the change.
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
        // A name from before names were composed: nobody wants to change it, and composed it may be another row's.
        if before != after && before.as_deref().map(compose) == after {
            return;
        }
        self.changes = mem::take(&mut self.changes).field(field, before, after);
        *column = Set(value);
    }

    /// The object with the id that a field names, which stays until the transaction ends. `what` is an
    /// `N` in words.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn find<N: Table>(&mut self, field: &Field<GivenId>, what: &str) -> Result<Option<Id<N>>, DbErr> {
        self.find_at(&path(&field.name), &field.value, what).await
    }

    /// The same by the field's path.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn find_at<N: Table>(&mut self, field: &str, id: &GivenId, what: &str) -> Result<Option<Id<N>>, DbErr> {
        let Some(id) = self.problems.id::<N>(field, id) else { return Ok(None) };
        let found = hold::<N>(self.work.txn(), id).await?;
        if !found {
            self.problems.add(UserError::not_found(field, what));
        }
        Ok(found.then_some(id))
    }

    /// Ends the check, and gives what is changed.
    ///
    /// # Errors
    /// `Invalid` with all problems, if there are any.
    pub fn check(self) -> Result<Changes, Rejection> {
        self.problems.check()?;
        Ok(self.changes)
    }
}

/// Characters of a biography, a plot and the like at most.
pub const LONG_TEXT_LENGTH_MAX: usize = 20_000;

const NOT_NULL: &str = "must not be null; omit it to keep the current value";

/// The path of a field of the input.
pub fn path(field: &str) -> String {
    format!("input.{field}")
}

/// Whether the object is there. It then stays until the transaction ends: whoever wants to delete
/// it waits.
///
/// # Errors
/// What the database answers.
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

/// A text of 1 to `max` characters, on several lines if need be.
pub fn text(max: usize) -> impl FnOnce(&mut Problems, &str, String) -> String + Send {
    move |problems, field, text| problems.text(field, &text, 1, max)
}

/// A whole number in a range, which fits into `V`.
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

/// An amount of money, of `digits` digits at most before the point.
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

/// A day that has come.
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

/// A value of which every one is fine.
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

//! The fields of an input, checked one by one and put into the columns of a row.
//!
//! A field that was left out leaves its column alone, null clears it if it may be empty. All problems
//! are noted under `input.FIELD`; none stops the check of the next field.

use std::mem;
use std::ops::RangeInclusive;

/// The id that a client gives in a field.
pub use async_graphql::ID as GivenId;
/// What a client gives of a field: nothing, null or a value.
pub use async_graphql::MaybeUndefined as Given;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sea_orm::sea_query::LockType;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Set, Value};

use super::audit::Changes;
use super::id::Id;
use super::mutate::Work;
use super::problem::{Problems, Rejection, UserError};
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
    pub fn must<T, V: Storable>(
        &mut self,
        column: &mut ActiveValue<V>,
        field: &str,
        given: Given<T>,
        check: impl FnOnce(&mut Problems, &str, T) -> V,
    ) {
        match given {
            Given::Undefined => {}
            Given::Null => self.problems.bad_input(path(field), NOT_NULL),
            Given::Value(value) => {
                if let Some(value) = self.check_value(field, value, check) {
                    self.fill(column, field, value, |value| Some(value.shown()));
                }
            }
        }
    }

    /// Fills a column that may be empty.
    pub fn may<T, V: Storable>(
        &mut self,
        column: &mut ActiveValue<Option<V>>,
        field: &str,
        given: Given<T>,
        check: impl FnOnce(&mut Problems, &str, T) -> V,
    ) where
        Option<V>: Into<Value>,
    {
        let value = match given {
            Given::Undefined => return,
            Given::Null => None,
            Given::Value(value) => match self.check_value(field, value, check) {
                None => return,
                value => value,
            },
        };
        self.fill(column, field, value, |value| value.as_ref().map(Storable::shown));
    }

    /// Fills a column that refers to an `N`, which stays until the transaction ends. `what` is an
    /// `N` in words.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn must_refer<N: Table>(
        &mut self,
        column: &mut ActiveValue<i32>,
        field: &str,
        given: Given<GivenId>,
        what: &str,
    ) -> Result<(), DbErr> {
        match given {
            Given::Undefined => {}
            Given::Null => self.problems.bad_input(path(field), NOT_NULL),
            Given::Value(id) => {
                if let Some(id) = self.find::<N>(field, &id, what).await? {
                    self.fill(column, field, id.key(), |key| Some(Id::<N>::new(*key).encode()));
                }
            }
        }
        Ok(())
    }

    /// The same for a column that may be empty.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn may_refer<N: Table>(
        &mut self,
        column: &mut ActiveValue<Option<i32>>,
        field: &str,
        given: Given<GivenId>,
        what: &str,
    ) -> Result<(), DbErr> {
        let key = match given {
            Given::Undefined => return Ok(()),
            Given::Null => None,
            Given::Value(id) => match self.find::<N>(field, &id, what).await? {
                None => return Ok(()),
                Some(id) => Some(id.key()),
            },
        };
        self.fill(column, field, key, |key| key.map(|key| Id::<N>::new(key).encode()));
        Ok(())
    }

    fn check_value<T, V>(
        &mut self,
        field: &str,
        value: T,
        check: impl FnOnce(&mut Problems, &str, T) -> V,
    ) -> Option<V> {
        let before = self.problems.count();
        let value = check(&mut self.problems, &path(field), value);
        (self.problems.count() == before).then_some(value)
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

    /// The object with the id that a field names, which stays until the transaction ends. `what` is
    /// an `N` in words.
    ///
    /// # Errors
    /// What the database answers.
    pub async fn find<N: Table>(&mut self, field: &str, id: &GivenId, what: &str) -> Result<Option<Id<N>>, DbErr> {
        let field = path(field);
        let Some(id) = self.problems.id::<N>(&field, id) else { return Ok(None) };
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

const NOT_NULL: &str = "cannot be null; leave it out to keep what is there";

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
    let row: Option<i32> = N::Entity::find()
        .select_only()
        .column(N::key_column())
        .filter(N::key_column().eq(id.key()))
        .lock(LockType::KeyShare)
        .into_tuple()
        .one(txn)
        .await?;
    Ok(row.is_some())
}

/// A line of 1 to `max` characters.
pub fn line(max: usize) -> impl FnOnce(&mut Problems, &str, String) -> String {
    move |problems, field, text| problems.line(field, &text, 1, max)
}

/// A text of 1 to `max` characters, on several lines if need be.
pub fn text(max: usize) -> impl FnOnce(&mut Problems, &str, String) -> String {
    move |problems, field, text| problems.text(field, &text, 1, max)
}

/// A whole number in a range, which fits into `V`.
pub fn whole<V: TryFrom<i32> + Default>(range: RangeInclusive<i32>) -> impl FnOnce(&mut Problems, &str, i32) -> V {
    move |problems, field, number| {
        let (least, most) = (range.start(), range.end());
        let fits = range.contains(&number);
        problems.require(fits, field, format!("{number} is out of range; name {least} to {most}"));
        V::try_from(number).unwrap_or_default()
    }
}

/// An amount of money, of `digits` digits at most before the point.
pub fn money(digits: u32) -> impl FnOnce(&mut Problems, &str, Money) -> Decimal {
    move |problems, field, Money(amount)| {
        let end = Decimal::from(10_u64.saturating_pow(digits));
        let fits = amount >= Decimal::ZERO && amount < end;
        problems.require(fits, field, format!("{amount} is out of range; name 0.00 or more, less than {end}"));
        amount
    }
}

/// A day that has come.
pub fn past_day(now: DateTime<Utc>) -> impl FnOnce(&mut Problems, &str, Date) -> chrono::NaiveDate {
    move |problems, field, Date(day)| {
        let years = chrono::Datelike::year(&day);
        problems.require(years >= 1, field, "is out of range; name a day in the years from 1 on");
        problems.require(day <= now.date_naive(), field, format!("{day} is in the future"));
        day
    }
}

/// A value of which every one is fine.
pub fn as_given<T>(_: &mut Problems, _: &str, value: T) -> T {
    value
}

//! Reads columns by their position in the row, on both databases.

use std::sync::Arc;

use rust_decimal::Decimal;
use sea_orm::prelude::{DateTimeWithTimeZone, Json};
use sea_orm::{ActiveEnum, DbErr, QueryResult, RuntimeErr, TryGetable};
use sqlx::{Decode, Postgres, Row};

use crate::Id;
use crate::scalar::{BigInt, Date, DateTime, Money, UniqueNumber};

/// A value of a row.
pub trait ColumnValue: Sized {
    /// The entity's type for such a column. If it does not fit, the program does not compile.
    type Stored;

    /// Reads the column at this position. `None` if it is null.
    ///
    /// # Errors
    /// The column has another type.
    fn read_nullable(row: &QueryResult, at: usize) -> Result<Option<Self>, DbErr>;

    /// Reads the column at this position.
    ///
    /// # Errors
    /// The column has another type, or is null.
    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        Self::read_nullable(row, at)?.ok_or_else(|| DbErr::Type(format!("column {at} is null")))
    }

    /// The value of a column that was not selected.
    fn unread() -> Self;

    /// The size of the text in bytes.
    fn text_bytes(&self) -> usize {
        0
    }
}

/// Reads a column of a plain type. On PostgreSQL the driver does not check the type: the entity guarantees it, and a
/// check for each value costs more than reading it.
fn read_plain<T>(row: &QueryResult, at: usize) -> Result<Option<T>, DbErr>
where
    T: TryGetable + for<'r> Decode<'r, Postgres>,
{
    match row.try_as_pg_row() {
        Some(row) => row.try_get_unchecked(at).map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))),
        None => row.try_get_by_index(at),
    }
}

/// Uses this function for types that sea-orm reads.
macro_rules! cells {
    ($read:path: $($of:ty = $stored:ty, $unread:expr;)*) => {
        $(impl ColumnValue for $of {
            type Stored = $stored;

            fn read_nullable(row: &QueryResult, at: usize) -> Result<Option<Self>, DbErr> {
                $read(row, at)
            }

            fn unread() -> Self {
                $unread
            }
        })*
    };
}

cells! { read_plain:
    bool = bool, false;
    i16 = i16, 0;
    i32 = i32, 0;
    i64 = i64, 0;
}

cells! { QueryResult::try_get_by_index:
    Json = Json, Json::Null;
    Money = Decimal, Money(Decimal::ZERO);
    Date = chrono::NaiveDate, Self(chrono::NaiveDate::MIN);
    DateTime = DateTimeWithTimeZone, Self(chrono::DateTime::UNIX_EPOCH);
    BigInt = i64, Self(0);
    UniqueNumber = uuid::Uuid, Self(uuid::Uuid::nil());
}

impl ColumnValue for String {
    type Stored = Self;

    fn read_nullable(row: &QueryResult, at: usize) -> Result<Option<Self>, DbErr> {
        read_plain(row, at)
    }

    fn unread() -> Self {
        Self::new()
    }

    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl ColumnValue for Arc<str> {
    type Stored = String;

    fn read_nullable(row: &QueryResult, at: usize) -> Result<Option<Self>, DbErr> {
        Ok(String::read_nullable(row, at)?.map(Into::into))
    }

    fn unread() -> Self {
        "".into()
    }

    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl<N> ColumnValue for Id<N> {
    type Stored = i32;

    fn read_nullable(row: &QueryResult, at: usize) -> Result<Option<Self>, DbErr> {
        Ok(i32::read_nullable(row, at)?.map(Self::new))
    }

    fn unread() -> Self {
        Self::new(0)
    }
}

impl<C: ColumnValue> ColumnValue for Option<C> {
    type Stored = Option<C::Stored>;

    fn read_nullable(row: &QueryResult, at: usize) -> Result<Option<Self>, DbErr> {
        Self::read(row, at).map(Some)
    }

    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        C::read_nullable(row, at)
    }

    fn unread() -> Self {
        None
    }

    fn text_bytes(&self) -> usize {
        self.as_ref().map_or(0, ColumnValue::text_bytes)
    }
}

/// Implements [`ColumnValue`](crate::rows::ColumnValue) for an enum of texts.
#[macro_export]
macro_rules! choice_cells {
    ($($of:ty),* $(,)?) => {
        $(impl $crate::rows::ColumnValue for $of {
            type Stored = String;

            fn read_nullable(row: &sea_orm::QueryResult, at: usize) -> Result<Option<Self>, sea_orm::DbErr> {
                $crate::rows::cell::read_choice(row, at)
            }

            fn unread() -> Self {
                $crate::rows::cell::first_choice()
            }
        })*
    };
}
pub use choice_cells;

/// Reads a value of an enum by its text.
///
/// # Errors
/// No value of the enum has this text.
pub fn read_choice<E: ActiveEnum<Value = String>>(row: &QueryResult, at: usize) -> Result<Option<E>, DbErr> {
    String::read_nullable(row, at)?.map(|text| E::try_from_value(&text)).transpose()
}

/// Any value of the enum.
///
/// # Panics
/// The enum has no values.
#[expect(clippy::expect_used, reason = "an enum without values cannot be made")]
pub fn first_choice<E: ActiveEnum + sea_orm::Iterable>() -> E {
    E::iter().next().expect("a choice")
}

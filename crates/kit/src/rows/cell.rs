//! How a column is read: by its place in the row, on both databases alike.

use std::sync::Arc;

use rust_decimal::Decimal;
use sea_orm::prelude::{DateTimeWithTimeZone, Json};
use sea_orm::{ActiveEnum, DbErr, QueryResult, TryGetable};

use crate::Id;
use crate::scalar::{BigInt, Date, DateTime, Money, UniqueNumber};

/// A value of a row.
pub trait Cell: Sized {
    /// The entity's type of such a column: the two go together, or the program does not compile.
    type Stored;

    /// Reads the column at this place.
    ///
    /// # Errors
    /// The column has another type.
    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr>;

    /// What stands for a column that nobody has asked for.
    fn unread() -> Self;

    /// Bytes of text.
    fn text_bytes(&self) -> usize {
        0
    }
}

/// Types that sea-orm reads.
macro_rules! cells {
    ($($of:ty = $stored:ty, $unread:expr;)*) => {
        $(impl Cell for $of {
            type Stored = $stored;

            fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
                row.try_get_by_index(at)
            }

            fn unread() -> Self {
                $unread
            }
        })*
    };
}

cells! {
    bool = bool, false;
    i16 = i16, 0;
    i32 = i32, 0;
    i64 = i64, 0;
    Json = Json, Json::Null;
    Money = Decimal, Money(Decimal::ZERO);
    Date = chrono::NaiveDate, Self(chrono::NaiveDate::MIN);
    DateTime = DateTimeWithTimeZone, Self(chrono::DateTime::UNIX_EPOCH);
    BigInt = i64, Self(0);
    UniqueNumber = uuid::Uuid, Self(uuid::Uuid::nil());
}

impl Cell for String {
    type Stored = Self;

    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        row.try_get_by_index(at)
    }

    fn unread() -> Self {
        Self::new()
    }

    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl Cell for Arc<str> {
    type Stored = String;

    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        String::read(row, at).map(Into::into)
    }

    fn unread() -> Self {
        "".into()
    }

    fn text_bytes(&self) -> usize {
        self.len()
    }
}

impl<N> Cell for Id<N> {
    type Stored = i32;

    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        i32::read(row, at).map(Self::new)
    }

    fn unread() -> Self {
        Self::new(0)
    }
}

impl<C: Cell + TryGetable> Cell for Option<C> {
    type Stored = Option<C::Stored>;

    fn read(row: &QueryResult, at: usize) -> Result<Self, DbErr> {
        row.try_get_by_index(at)
    }

    fn unread() -> Self {
        None
    }

    fn text_bytes(&self) -> usize {
        self.as_ref().map_or(0, Cell::text_bytes)
    }
}

/// A choice of texts that a column may hold.
#[macro_export]
macro_rules! choice_cells {
    ($($of:ty),* $(,)?) => {
        $(impl $crate::rows::Cell for $of {
            type Stored = String;

            fn read(row: &sea_orm::QueryResult, at: usize) -> Result<Self, sea_orm::DbErr> {
                $crate::rows::cell::read_choice(row, at)
            }

            fn unread() -> Self {
                $crate::rows::cell::first_choice()
            }
        })*
    };
}
pub use choice_cells;

/// Reads a choice by its text.
///
/// # Errors
/// The text is none of the choices.
pub fn read_choice<E: ActiveEnum<Value = String>>(row: &QueryResult, at: usize) -> Result<E, DbErr> {
    E::try_from_value(&row.try_get_by_index::<String>(at)?)
}

/// Any choice.
///
/// # Panics
/// There is none.
#[expect(clippy::expect_used, reason = "an enum without values cannot be made")]
pub fn first_choice<E: ActiveEnum + sea_orm::Iterable>() -> E {
    E::iter().next().expect("a choice")
}

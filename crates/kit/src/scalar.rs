//! Scalars in addition to GraphQL's five: `Decimal`, `Date`, `DateTime`, `BigInt`, `UUID`.
//!
//! Money is a string with two decimals. SQLite stores it as a number, so amounts are rounded to kopecks when they are
//! read. Counts that may exceed 32 bits are strings too.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{NaiveDate, Utc};
use graphql::execution::leaf::write_plain;
use rust_decimal::Decimal;
use sea_orm::prelude::Json;
use sea_orm::{ColIdx, DeriveValueType, QueryResult, TryGetError, TryGetable};
use uuid::Uuid;

/// The strings of a JSON array, as tags are stored.
pub fn json_strings(array: Option<&Json>) -> Vec<&str> {
    array.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect()
}

/// A client's value, for its error message. The message may be repeated for each row of a list.
fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Whether the text is digits, with an optional minus.
fn is_whole(text: &str) -> bool {
    is_digits(text.strip_prefix('-').unwrap_or(text))
}

/// The same, with an optional point and more digits.
fn is_decimal(text: &str) -> bool {
    text.split_once('.').map_or(is_whole(text), |(whole, decimals)| is_whole(whole) && is_digits(decimals))
}

/// Whether the text is `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    parts.iter().all(|part| is_digits(part)) && parts.iter().map(|part| part.len()).eq([4, 2, 2])
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of characters of an input that an error repeats.
const QUOTED_MAX: usize = 40;

/// An amount of money with two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money(pub Decimal);

impl Money {
    /// The amount rounded to kopecks, halves away from zero.
    pub fn round(amount: Decimal) -> Self {
        let mut amount = amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        amount.rescale(2);
        Self(amount)
    }
}

/// An amount in roubles, as a string with two decimals, such as "350.00".
#[Scalar(name = "Decimal", specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#decimal")]
impl ScalarType for Money {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        // Checks the form first: the library also accepts "1_0.5_0" and "+1".
        match is_decimal(&text).then(|| Decimal::from_str_exact(&text)) {
            Some(Ok(amount)) if amount == amount.round_dp(2) => Ok(Self::round(amount)),
            Some(Ok(_)) => Err(InputValueError::custom(format!("{} has more than two decimals", quote(&text)))),
            _ => Err(InputValueError::custom(format!("{} is not a decimal number such as \"350.00\"", quote(&text)))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl TryGetable for Money {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        // SQLite stores a number without its decimals.
        Decimal::try_get_by(row, index).map(Self::round)
    }
}

/// A calendar date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
pub struct Date(pub NaiveDate);

/// A date in ISO 8601 format, such as "1932-04-04".
#[Scalar(name = "Date", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339#section-5.6")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        // Checks the form first: chrono also accepts " 024-01-01" and "+999-01-01".
        match is_date(text).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d")) {
            Some(Ok(date)) => Ok(Self(date)),
            _ => Err(InputValueError::custom(format!("{} is not a date such as \"1932-04-04\"", quote(text)))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// A date and time in RFC 3339 format, such as "2026-03-01T12:30:00+00:00". Responses use UTC, with microseconds.
/// Inputs may use another offset.
#[Scalar(name = "DateTime", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        chrono::DateTime::parse_from_rfc3339(text).map(|time| Self(time.to_utc())).map_err(|_| {
            InputValueError::custom(format!(
                "{} is not a time with an offset such as \"2026-03-01T12:30:00Z\"",
                quote(text)
            ))
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339())
    }
}

/// An integer of up to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType)]
pub struct BigInt(pub i64);

/// An integer that may not fit in 32 bits, as a string, such as "3000000000".
#[Scalar(name = "BigInt", specified_by_url = "https://www.w3.org/TR/xmlschema11-2/#long")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::String(text) if is_whole(text) => text.parse().ok(),
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| InputValueError::custom("not a 64-bit integer such as \"3000000000\""))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A globally unique 128-bit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, DeriveValueType)]
pub struct UniqueNumber(pub Uuid);

/// A UUID (RFC 9562), such as "67e55044-10b1-426f-9247-bb680e5fe0c8".
#[Scalar(name = "UUID", specified_by_url = "https://www.rfc-editor.org/rfc/rfc9562")]
impl ScalarType for UniqueNumber {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        Uuid::try_parse(text).map(Self).map_err(|_| InputValueError::custom(format!("{} is not a UUID", quote(text))))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

graphql::scalar_leaves! {
    Money: |amount, out| write_plain(out, &amount.0),
    Date: |date, out| write_plain(out, &date.0),
    DateTime: |time, out| write_plain(out, &time.0.to_rfc3339()),
    BigInt: |number, out| write_plain(out, &number.0),
    UniqueNumber: |number, out| write_plain(out, &number.0),
}

//! Cursors: a row's position in a list with an order, as opaque text.
//!
//! The text is base64url (RFC 4648, no padding) of the JSON array `[list, order, keys]`. A cursor is invalid in another
//! list, in another order, or if a key has the wrong type or range for its column.
//!
//! A time is an instant on PostgreSQL. SQLite stores text, and compares it as text: there, a cursor contains the stored
//! text.

use std::borrow::Cow;
use std::cmp::Ordering;

use async_graphql::connection::CursorType;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use request::error::{ApiError, ApiResult};
use rust_decimal::Decimal;
use sea_orm::{ColIdx, DbBackend, DbErr, QueryResult, Value};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::sort::{KeyKind, SortKey};

/// A row's position in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(Cow<'static, str>, Cow<'static, str>, Keys);

/// The sort keys of a row. Usually one or two.
pub type Keys = SmallVec<[KeyPart; 2]>;

/// The value of one sort key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyPart {
    /// No value. Such rows come last.
    #[serde(rename = "n")]
    Null,
    /// An integer of any width.
    #[serde(rename = "i")]
    Int(i64),
    /// A decimal number, as text.
    #[serde(rename = "m", with = "rust_decimal::serde::str")]
    Decimal(Decimal),
    /// Text.
    #[serde(rename = "t")]
    Text(String),
    /// A date.
    #[serde(rename = "d")]
    Date(NaiveDate),
    /// An instant in RFC 3339, exactly as the database wrote it.
    #[serde(rename = "z")]
    Time(String),
}

impl Cursor {
    /// The position of a row with these keys.
    pub fn new(list: &'static str, order: &'static str, keys: Keys) -> Self {
        Self(Cow::Borrowed(list), Cow::Borrowed(order), keys)
    }

    /// Parses the cursor that a client passed as argument `field`, for a list with an order.
    ///
    /// # Errors
    /// `BadInput` if the cursor is invalid, or is from another list or order.
    pub fn parse(field: &str, text: &str, list: &str, order: &str, keys: &[SortKey]) -> ApiResult<Keys> {
        let Self(made_list, made_order, parts) = Self::decode_cursor(text).map_err(|Malformed| {
            ApiError::bad_input(field, "is not a valid cursor; pass one that this list returned")
        })?;
        if made_list != list {
            return Err(ApiError::bad_input(
                field,
                format!("is a cursor of the list {made_list}, not of {list}; pass one that this list returned"),
            ));
        }
        if made_order != order {
            return Err(ApiError::bad_input(
                field,
                format!("is a cursor for the order {made_order}, not for {order}; start without a cursor"),
            ));
        }
        let fits = parts.len() == keys.len() && parts.iter().zip(keys).all(|(part, key)| part.fits(key));
        fits.then_some(parts)
            .ok_or_else(|| ApiError::bad_input(field, "is a damaged cursor; pass one that this list returned"))
    }
}

/// The maximum length of a cursor in bytes. Keys are titles and names of 256 characters, and JSON may write a character
/// as six bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a cursor")
    }
}

impl CursorType for Cursor {
    type Error = Malformed;

    fn decode_cursor(text: &str) -> Result<Self, Malformed> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Malformed);
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)?;
        serde_json::from_slice(&json).map_err(|_| Malformed)
    }

    fn encode_cursor(&self) -> String {
        // The array has only strings and integers: serializing cannot fail.
        serde_json::to_string(self).map(|json| BASE64_URL_SAFE_NO_PAD.encode(json)).unwrap_or_default()
    }
}

impl KeyPart {
    /// Whether the column can hold this value, so that the database accepts it.
    fn fits(&self, key: &SortKey) -> bool {
        match (self, key.kind) {
            (Self::Null, _) => key.nullable,
            (Self::Int(number), KeyKind::SmallInt) => i16::try_from(*number).is_ok(),
            (Self::Int(number), KeyKind::Int) => i32::try_from(*number).is_ok(),
            (Self::Int(_), KeyKind::BigInt) | (Self::Decimal(_), KeyKind::Decimal) => true,
            // PostgreSQL does not accept NUL.
            (Self::Text(text), KeyKind::Text) => !text.contains('\0'),
            (Self::Date(date), KeyKind::Date) => (1..=9999).contains(&date.year()),
            (Self::Time(text), KeyKind::Time) => parse_time(text).is_some_and(|time| (1..=9999).contains(&time.year())),
            _ => false,
        }
    }

    /// The value to compare a column with.
    pub fn bind(&self, kind: KeyKind, backend: DbBackend) -> Value {
        match (self, kind) {
            (Self::Null, _) => Value::String(None),
            // `fits` has checked the range.
            (Self::Int(number), KeyKind::SmallInt) => Value::SmallInt(i16::try_from(*number).ok()),
            (Self::Int(number), KeyKind::Int) => Value::Int(i32::try_from(*number).ok()),
            (Self::Int(number), _) => Value::BigInt(Some(*number)),
            (Self::Decimal(number), _) => (*number).into(),
            (Self::Text(text), _) => text.as_str().into(),
            (Self::Date(date), _) => (*date).into(),
            // SQLite stores text, and only identical text compares equal.
            (Self::Time(text), _) if backend == DbBackend::Sqlite => text.as_str().into(),
            (Self::Time(text), _) => parse_time(text).into(),
        }
    }

    /// Compares two values of one key, as both databases do. Times are not compared, because each database writes them
    /// differently.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(other)),
            (Self::Decimal(one), Self::Decimal(other)) => Some(one.cmp(other)),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Date(one), Self::Date(other)) => Some(one.cmp(other)),
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            _ => None,
        }
    }

    /// Reads the value of a key from the column `column`.
    pub fn read(row: &QueryResult, column: impl ColIdx, kind: KeyKind, backend: DbBackend) -> Result<Self, DbErr> {
        let part = match kind {
            KeyKind::SmallInt => row.try_get_by::<Option<i16>, _>(column)?.map(|number| Self::Int(number.into())),
            KeyKind::Int => row.try_get_by::<Option<i32>, _>(column)?.map(|number| Self::Int(number.into())),
            KeyKind::BigInt => row.try_get_by::<Option<i64>, _>(column)?.map(Self::Int),
            KeyKind::Decimal => row.try_get_by::<Option<Decimal>, _>(column)?.map(Self::Decimal),
            KeyKind::Text => row.try_get_by::<Option<String>, _>(column)?.map(Self::Text),
            KeyKind::Date => row.try_get_by::<Option<NaiveDate>, _>(column)?.map(Self::Date),
            KeyKind::Time if backend == DbBackend::Sqlite => {
                row.try_get_by::<Option<String>, _>(column)?.map(Self::Time)
            }
            KeyKind::Time => row
                .try_get_by::<Option<DateTime<Utc>>, _>(column)?
                .map(|time| Self::Time(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
        };
        Ok(part.unwrap_or(Self::Null))
    }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sea_orm::sea_query::Expr;
    use smallvec::smallvec;

    fn any_part() -> impl Strategy<Value = (KeyPart, KeyKind)> {
        let date = (1..=9999_i32, 1..=366_u32)
            .prop_filter_map("a day of that year", |(year, day)| NaiveDate::from_yo_opt(year, day));
        let time =
            (0..=4_000_000_000_000_000_i64).prop_filter_map("an instant", DateTime::<Utc>::from_timestamp_micros);
        prop_oneof![
            Just((KeyPart::Null, KeyKind::Int)),
            any::<i16>().prop_map(|n| (KeyPart::Int(n.into()), KeyKind::SmallInt)),
            any::<i32>().prop_map(|n| (KeyPart::Int(n.into()), KeyKind::Int)),
            any::<i64>().prop_map(|n| (KeyPart::Int(n), KeyKind::BigInt)),
            (any::<i64>(), 0..10_u32).prop_map(|(n, s)| (KeyPart::Decimal(Decimal::new(n, s)), KeyKind::Decimal)),
            "[^\0]{0,60}".prop_map(|text| (KeyPart::Text(text), KeyKind::Text)),
            date.prop_map(|date| (KeyPart::Date(date), KeyKind::Date)),
            time.prop_map(|time| (KeyPart::Time(time.to_rfc3339_opts(SecondsFormat::AutoSi, true)), KeyKind::Time)),
        ]
    }

    fn keys(kinds: impl IntoIterator<Item = KeyKind>) -> Vec<SortKey> {
        kinds.into_iter().map(|kind| SortKey { expr: Expr::val(0), kind, column: None, nullable: true }).collect()
    }

    proptest! {
        #[test]
        fn cursor_parses_to_its_keys(parts in prop::collection::vec(any_part(), 1..4)) {
            let (parts, kinds): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            let text = Cursor::new("films", "YEAR", parts.clone().into()).encode_cursor();
            let parsed = Cursor::parse("after", &text, "films", "YEAR", &keys(kinds));
            prop_assert!(parsed.is_ok_and(|parsed| parsed.as_slice() == parts));
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".{0,80}") {
            prop_assert!(Cursor::parse("after", &text, "films", "YEAR", &keys([KeyKind::Int])).is_err());
        }

        #[test]
        fn damaged_cursor_never_panics(at in 0_usize..60, byte in any::<u8>()) {
            let mut json = serde_json::to_vec(&Cursor::new("films", "YEAR", smallvec![KeyPart::Int(7)])).unwrap();
            let at = at % json.len();
            json[at] = byte;
            let text = BASE64_URL_SAFE_NO_PAD.encode(json);
            let _ = Cursor::parse("after", &text, "films", "YEAR", &keys([KeyKind::Int]));
        }
    }

    #[test]
    fn the_longest_title_has_a_cursor_and_longer_texts_are_not_read() {
        let made =
            |title: &str| Cursor::new("films", "TITLE", smallvec![KeyPart::Text(title.to_owned())]).encode_cursor();
        let parse = |text: &str| Cursor::parse("after", text, "films", "TITLE", &keys([KeyKind::Text]));
        assert!(parse(&made(&"\u{1}".repeat(1_024))).is_ok());
        assert!(parse(&made(&"x".repeat(16 << 10))).is_err());
    }

    #[test]
    fn foreign_and_forged_cursors_say_why() {
        let made = |list, order, parts| Cursor::new(list, order, parts).encode_cursor();
        let reason = |text: &str, kind| match Cursor::parse("after", text, "films", "YEAR", &keys([kind])) {
            Err(ApiError::BadInput { field, message }) => format!("{field}: {message}"),
            other => format!("{other:?}"),
        };
        assert!(
            reason(&made("people", "YEAR", smallvec![KeyPart::Int(1)]), KeyKind::Int).contains("of the list people")
        );
        assert!(
            reason(&made("films", "TITLE", smallvec![KeyPart::Int(1)]), KeyKind::Int).contains("for the order TITLE")
        );
        for (part, kind) in [
            (KeyPart::Int(70_000), KeyKind::SmallInt),
            (KeyPart::Int(1), KeyKind::Text),
            (KeyPart::Text("a\0b".to_owned()), KeyKind::Text),
            (KeyPart::Time("yesterday".to_owned()), KeyKind::Time),
        ] {
            assert!(reason(&made("films", "YEAR", smallvec![part]), kind).contains("a damaged cursor"));
        }
        assert!(reason(&made("films", "YEAR", smallvec![]), KeyKind::Int).contains("a damaged cursor"));
    }
}

//! Rows in the text format of PostgreSQL's `COPY`.

use std::fmt::Write;

use chrono::SecondsFormat;
use sea_orm::Value;

/// Appends a row. Returns false for a value of an unsupported type.
#[must_use]
pub fn write_row(row: &[Value], line: &mut String) -> bool {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        if !write_value(value, line) {
            return false;
        }
    }
    line.push('\n');
    true
}

fn write_value(value: &Value, line: &mut String) -> bool {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Bool(Some(value)) => line.write_str(if *value { "t" } else { "f" }),
        Value::SmallInt(Some(value)) => write!(line, "{value}"),
        Value::Int(Some(value)) => write!(line, "{value}"),
        Value::BigInt(Some(value)) => write!(line, "{value}"),
        Value::Decimal(Some(value)) => write!(line, "{value}"),
        Value::Uuid(Some(value)) => write!(line, "{value}"),
        Value::ChronoDate(Some(value)) => write!(line, "{value}"),
        Value::ChronoDateTimeWithTimeZone(Some(value)) => {
            line.write_str(&value.to_rfc3339_opts(SecondsFormat::AutoSi, false))
        }
        Value::String(Some(value)) => {
            escape(value, line);
            Ok(())
        }
        Value::Json(Some(value)) => {
            escape(&value.to_string(), line);
            Ok(())
        }
        Value::Bool(None)
        | Value::SmallInt(None)
        | Value::Int(None)
        | Value::BigInt(None)
        | Value::Decimal(None)
        | Value::Uuid(None)
        | Value::ChronoDate(None)
        | Value::ChronoDateTimeWithTimeZone(None)
        | Value::String(None)
        | Value::Json(None) => line.write_str("\\N"),
        _ => return false,
    };
    true
}

fn escape(text: &str, line: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\n', '\r', '\t']) {
        line.push_str(&rest[..at]);
        line.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            _ => "\\t",
        });
        rest = &rest[at + 1..];
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use serde_json::json;

    use super::*;
    use crate::fakes::calendar::now;

    fn copied(value: Value) -> String {
        let mut line = String::new();
        assert!(write_row(&[value], &mut line));
        line.trim_end().to_owned()
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(copied("а\tб\nв\\г\r".into()), "а\\tб\\nв\\\\г\\r");
        assert_eq!(copied(Value::String(None)), "\\N");
        assert_eq!(copied("\\N".into()), "\\\\N");
        assert_eq!(copied(json!(["Драма \"А\"", "\\"]).into()), r#"["Драма \\"А\\"","\\\\"]"#);
    }

    #[test]
    fn values_keep_scale_and_offset() {
        assert_eq!(copied(Decimal::new(12_750, 2).into()), "127.50");
        assert_eq!(copied(now().into()), "2026-01-01T00:00:00+00:00");
        assert_eq!(copied(true.into()), "t");
    }

    #[test]
    fn unknown_types_are_told() {
        assert!(!write_row(&[Value::Float(Some(1.0))], &mut String::new()));
    }
}

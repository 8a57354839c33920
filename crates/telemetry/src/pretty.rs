//! Log lines for people: time, level, for a request its status and duration, message, and ids last. A line of more than
//! 120 columns is wrapped and indented.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The maximum width of a line, unless a single value or message is wider.
const WIDTH: usize = 120;

/// The indent of a continued line.
const INDENT: &str = "    ";

/// Fields that come last.
const IDS: &[&str] = &["trace_id", "request_id"];

/// Formats events for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pretty;

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let begin = format!("{} {level:>5}", now()?);
        if writer.has_ansi_escapes() {
            let (time, level_name) = begin.split_at(begin.len() - 5);
            write!(writer, "\x1b[2m{time}\x1b[0m{}{level_name}\x1b[0m", color(level))?;
        } else {
            writer.write_str(&begin)?;
        }
        let mut column = begin.len();
        for part in fields.parts() {
            let width = part.chars().count();
            if column + 1 + width > WIDTH && column > INDENT.len() {
                write!(writer, "\n{INDENT}{part}")?;
                column = INDENT.len() + width;
            } else {
                write!(writer, " {part}")?;
                column += 1 + width;
            }
        }
        writeln!(writer)
    }
}

fn color(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// The time in UTC, without the year: `11-29 14:02:05.123`.
fn now() -> Result<String, fmt::Error> {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text))?;
    Ok(text.get("2026-".len().."2026-11-29T14:02:05.123".len()).unwrap_or(&text).replace('T', " "))
}

/// The fields of an event, formatted.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1)
    }

    /// The parts of the line, in order.
    fn parts(mut self) -> Vec<String> {
        let mut parts = Vec::new();
        // The fields of a request.
        parts.extend(self.take("status"));
        parts.extend(self.take("duration_ms").map(|time| format!("{time}ms")));
        parts.extend(self.take("message"));
        parts.extend(self.take("operation").filter(|name| name != "-"));
        self.0.sort_by_key(|(name, _)| IDS.contains(name));
        parts.extend(self.0.into_iter().map(|(name, value)| format!("{}={value}", shorten(name))));
        parts
    }

    fn push(&mut self, field: &Field, value: String) {
        // The crate `log` adds fields with the location in the source.
        if !field.name().starts_with("log.") {
            self.0.push((field.name(), value));
        }
    }
}

/// Short forms of long names.
fn shorten(name: &str) -> &str {
    match name {
        "statements" => "sql",
        "request_id" => "id",
        "trace_id" => "trace",
        name => name,
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, format!("{value:.1}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |c: char| c.is_alphanumeric() || "._:-/,[]".contains(c);
        let plain = field.name() == "message" || (!value.is_empty() && value.chars().all(is_plain));
        self.push(field, if plain { escape(value) } else { format!("{value:?}") });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, escape(&format!("{value:?}")));
    }
}

/// A text on one line that cannot move the cursor: a client whose input is logged must not write lines of its own.
fn escape(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut escaped = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct EventFields(Arc<Mutex<Vec<u8>>>);

    impl io::Write for EventFields {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(ansi: bool, work: impl FnOnce()) -> String {
        let written = EventFields::default();
        let writer = written.clone();
        let format = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(ansi).event_format(Pretty);
        tracing::subscriber::with_default(format.finish(), work);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_request_has_status_and_time_first_and_ids_last() {
        let line = log(false, || {
            tracing::info!(
                request_id = ID,
                status = 200_u16,
                duration_ms = 1.234,
                operation = "Titles",
                statements = 3,
                "POST /graphql"
            );
        });
        assert!(line.lines().count() == 1 && line.trim_end().len() <= WIDTH, "{line}");
        let expected = format!("  INFO 200 1.2ms POST /graphql Titles sql=3 id={ID}\n");
        assert_eq!(line["11-29 14:02:05.123".len()..], expected);
    }

    #[test]
    fn a_long_line_is_wrapped() {
        let client = std::net::IpAddr::from([0xfd00, 1, 2, 3, 4, 5, 6, 0xabcd]);
        let lines = log(false, || {
            tracing::warn!(
                trace_id = ID,
                request_id = ID,
                status = 400_u16,
                duration_ms = 0.2,
                operation = "AQuiteLongNameOfAnOperation",
                errors = "GRAPHQL_VALIDATION_FAILED",
                client = %client,
                "POST /graphql"
            );
        });
        assert!(lines.lines().count() > 1, "{lines}");
        assert!(lines.lines().all(|line| line.len() <= WIDTH), "{lines}");
        assert!(lines.lines().skip(1).all(|line| line.starts_with(INDENT)), "{lines}");
        assert!(lines.ends_with(&format!(" id={ID}\n")), "{lines}");
    }

    #[test]
    fn logged_texts_cannot_add_lines() {
        let line = log(false, || tracing::info!(agent = "a\nb \x1b[31m", "bad\nnews \x1b[2J{}", 1));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains('\x1b'), "{line}");
        assert!(log(true, || tracing::error!("x")).contains("\x1b[31mERROR\x1b[0m x"), "colours are ours");
    }
}

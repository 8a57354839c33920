//! The cost of hostile documents. The limits are wide: they detect growth beyond the text's size, not slowness.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod plans;
#[path = "../world/mod.rs"]
mod world;

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use graphql::validation::Invalid;
use graphql::{DocumentLimits, Limit, ParseError, Schema, parse, validate};

const MEGABYTE: usize = 1 << 20;

fn sdl() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema.graphql");
    std::fs::read_to_string(path).unwrap()
}

fn schema() -> Schema {
    Schema::from_sdl(&sdl()).unwrap()
}

/// A memory statistic of the process, in bytes.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Whether the test runs in its own process, which measures its memory; otherwise runs it in one.
fn is_alone(test: &str) -> bool {
    const VARIABLE: &str = "HOSTILE_ALONE";
    if std::env::var(VARIABLE).is_ok_and(|alone| alone == test) {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--nocapture"]).env(VARIABLE, test).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}");
    assert!(output.status.success(), "{printed} {}", String::from_utf8_lossy(&output.stderr));
    false
}

/// A text of `repeated` between a beginning and an end.
fn filled(begin: &str, repeated: &str, end: &str, bytes: usize) -> String {
    // Allocated at once: memory that is freed earlier would hide what parsing takes.
    let mut text = String::with_capacity(begin.len() + bytes + end.len());
    text.push_str(begin);
    for _ in 0..bytes / repeated.len() {
        text.push_str(repeated);
    }
    text.push_str(end);
    text
}

/// Texts by their beginnings, what is repeated, and their ends.
const TEXTS: [(&str, (&str, &str, &str)); 13] = [
    ("braces", ("", "{", "")),
    ("fields", ("{", "a ", "}")),
    ("comments", ("", "# comment\n", "{commentCursor}")),
    ("commas", ("", ",", "{commentCursor}")),
    ("a name", ("{", "a", "}")),
    ("a number", ("{a(b:", "1", ")}")),
    ("a list", ("{a(b:[", "1 ", "])}")),
    ("a string", ("{a(b:\"", "x", "\")}")),
    ("escapes", ("{a(b:\"", "\\u0041", "\")}")),
    ("an open string", ("{a(b:\"", "x", "")),
    ("a block string", ("{a(b:\"\"\"", " x\n", "\"\"\")}")),
    ("lines of a block string", ("{a(b:\"\"\"x", "\n", "x\"\"\")}")),
    ("escaped quotes", ("{a(b:\"\"\"", "\\\"\"\"", "\"\"\")}")),
];

const SIZE: usize = 8 * MEGABYTE;

/// The variable that names the text for a child process.
const TEXT_VARIABLE: &str = "HOSTILE_TEXT";

/// Each text is parsed in its own process, whose peak memory is that of parsing.
#[test]
fn reading_until_a_limit_is_linear_in_the_text() {
    if let Ok(name) = std::env::var(TEXT_VARIABLE) {
        return read(&name);
    }
    for (name, _) in TEXTS {
        let test = ["reading_until_a_limit_is_linear_in_the_text", "--exact", "--nocapture"];
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(test).env(TEXT_VARIABLE, name).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        println!("{}", printed.lines().find(|line| line.contains(" a MB")).unwrap_or(&printed));
        assert!(output.status.success(), "{name}: {printed} {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn read(name: &str) {
    let (_, (begin, repeated, end)) = TEXTS.into_iter().find(|(known, _)| *known == name).unwrap();
    let text = filled(begin, repeated, end, SIZE);
    let before = memory("VmRSS:");
    let started = Instant::now();
    let document = parse(&text, DocumentLimits::default());
    let (took, more) = (started.elapsed(), memory("VmHWM:").saturating_sub(before));
    println!("{name}: {:?} and {} kB a MB, read: {}", took / 8, more / 8 / 1024, document.is_ok());
    assert!(took / 8 < Duration::from_millis(600), "{took:?}");
    assert!(more < 2 * text.len(), "{more} bytes");
}

/// Fragments. `body` makes the text of each from its number and the next one's.
fn fragments(root: &str, on: &str, count: usize, body: impl Fn(usize, usize) -> String) -> String {
    let mut text = root.to_owned();
    for i in 0..count {
        write!(text, " fragment F{i} on {on} {{{}}}", body(i, i + 1)).unwrap();
    }
    write!(text, " fragment F{count} on {on} {{id}}").unwrap();
    text
}

fn numbered(begin: &str, count: usize, each: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = begin.to_owned();
    for i in 0..count {
        text.push_str(&each(i));
    }
    text + end
}

/// Sets of fragments in exponentially many combinations: of the words of `a` and `b`, those whose letter `depth` from
/// the end is `a`.
fn combinations(depth: usize) -> String {
    let mut text = "{comment(id:\"1\"){...S0}}".to_owned();
    for i in 0..2 * depth {
        let next = i + 1;
        write!(text, " fragment S{i} on Comment{{a:parent{{...S{next} ...K{next}x1}} b:parent{{...S{next}}}}}")
            .unwrap();
        for j in 1..depth.min(i + 1) {
            let below = format!("...K{next}x{}", j + 1);
            write!(text, " fragment K{i}x{j} on Comment{{a:parent{{{below}}} b:parent{{{below}}}}}").unwrap();
        }
        if i >= depth {
            write!(text, " fragment K{i}x{depth} on Comment{{id}}").unwrap();
        }
    }
    write!(text, " fragment S{} on Comment{{id}}", 2 * depth).unwrap();
    for j in 1..=depth {
        write!(text, " fragment K{}x{j} on Comment{{id}}", 2 * depth).unwrap();
    }
    text
}

#[test]
fn validation_ends_within_its_steps() {
    let schema = schema();
    let limits = DocumentLimits { tokens: 15_000, validation_steps: 100_000, ..DocumentLimits::NONE };
    let comment = "{comment(id:\"1\"){...F0}}";
    let texts = [
        ("one field", numbered("{", 7_000, |_| " commentCursor".to_owned(), "}")),
        ("objects", numbered("{", 3_700, |_| " viewer{id}".to_owned(), "}")),
        ("deep objects", numbered("{", 1_100, |_| " movies{nodes{staff{nodes{id}}}}".to_owned(), "}")),
        ("aliases", numbered("{", 1_300, |i| format!(" a{i}: movie(id:\"1\"){{id}}"), "}")),
        ("spreads", numbered("{viewer{", 7_000, |_| " ...F".to_owned(), "}} fragment F on User{id}")),
        ("variables", numbered("query(", 3_700, |i| format!("$v{i}:ID "), "){commentCursor}")),
        ("unknown fields", numbered("{", 14_000, |_| " x".to_owned(), "}")),
        ("operations", numbered("", 3_000, |i| format!("query Q{i}{{commentCursor}}"), "")),
        ("a chain", fragments("{viewer{...F0}}", "User", 1_700, |_, next| format!("...F{next}"))),
        ("a deep chain", fragments(comment, "Comment", 1_200, |_, next| format!("parent{{...F{next}}}"))),
        ("doubling", fragments("{viewer{...F0}}", "User", 1_200, |_, next| format!("...F{next} ...F{next}"))),
        (
            "doubling below",
            fragments(comment, "Comment", 550, |_, next| format!("a:parent{{...F{next}}} b:parent{{...F{next}}}")),
        ),
        ("a cycle", fragments(comment, "Comment", 1_000, |i, _| format!("parent{{...F{i} ...F{}}}", i / 2))),
        ("combinations", combinations(14)),
        (
            "operations that share fragments",
            numbered("", 700, |i| format!("query Q{i}{{...G0}}"), "")
                + &numbered(
                    "",
                    700,
                    |i| format!(" fragment G{i} on Query{{...G{}}}", i + 1),
                    " fragment G700 on Query{viewer{id}}",
                ),
        ),
    ];
    for (name, text) in &texts {
        let started = Instant::now();
        let document = parse(text, limits).unwrap_or_else(|error| panic!("{name}: {error}"));
        let read = started.elapsed();
        let judged = validate(&schema, &document, &limits);
        let took = started.elapsed();
        let verdict = match &judged {
            Ok(()) => "valid".to_owned(),
            Err(Invalid::Rules(violations)) => format!("{} violations", violations.len()),
            Err(Invalid::Limit(limit)) => limit.to_string(),
        };
        println!("{name}: {} bytes, {read:?} to read, {:?} to judge: {verdict}", text.len(), took - read);
        assert!(took < Duration::from_secs(3), "{name}: {took:?}");
        if ["combinations", "operations that share fragments"].contains(name) {
            assert!(matches!(&judged, Err(Invalid::Limit(limit)) if limit.limit == Limit::ValidationSteps), "{name}");
        }
        if let Err(Invalid::Rules(violations)) = judged {
            assert!(violations.len() <= 100, "{name}");
        }
    }
}

/// The deepest documents that `Limits::NONE` allows do not exhaust the stack of a worker thread.
#[test]
fn nesting_is_refused_before_the_stack_ends() {
    let schema = schema();
    let nested = |begin: &str, open: &str, inner: &str, close: &str, end: &str, levels: usize| {
        format!("{begin}{}{inner}{}{end}", open.repeat(levels), close.repeat(levels))
    };
    let cases = [
        ("{comment(id:\"1\")", "{parent", "{id}", "}", "}"),
        ("{viewer{", "...{", "id", "}", "}}"),
        ("{nodes(ids:", "[", "", "]", "){id}}"),
        ("query($a:", "[", "ID", "]", "){nodes(ids:$a){id}}"),
        ("{movies(filter:", "{year:", "1", "}", "){totalCount}}"),
    ];
    for (begin, open, inner, close, end) in cases {
        let text = nested(begin, open, inner, close, end, 190);
        let document = parse(&text, DocumentLimits::NONE).unwrap();
        drop(validate(&schema, &document, &DocumentLimits::NONE));
        let deeper = nested(begin, open, inner, close, end, 100_000);
        let limit = match parse(&deeper, DocumentLimits::NONE) {
            Err(ParseError::Limit(exceeded)) => exceeded.limit,
            other => panic!("{other:?}"),
        };
        assert_eq!(limit, Limit::Nesting, "{open}");
    }
}

/// A page of movies with their lists, as in the benchmarks.
#[test]
fn an_honest_document_is_judged() {
    const TIMES: u32 = 200;
    let text = "query Movies($after: String) { movies(first: 20, after: $after) { nodes { id title year rating
        staff { nodes { character isLead person { id firstName lastName } position { title } } }
        awards { nodes { award { title } nomination { title } } }
        availability { nodes { price discountPercent cinema { title } } } } } }";
    let schema = schema();
    let (mut reading, mut judging) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TIMES {
        let started = Instant::now();
        let document = parse(text, DocumentLimits::default()).unwrap();
        reading += started.elapsed();
        assert_eq!(validate(&schema, &document, &DocumentLimits::default()), Ok(()));
        judging += started.elapsed();
    }
    println!("{:?} to read, {:?} to judge", reading / TIMES, (judging - reading) / TIMES);
}

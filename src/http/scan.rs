//! Counts tokens and nesting of a document before it is parsed: one pass over its bytes, without
//! recursion or memory of its own. It lets through whatever is no GraphQL; the parser says so.

use super::limits::Limits;
use super::refusal::Refusal;

/// Passes a document that is small enough to be parsed, and counts its tokens.
///
/// # Errors
/// The limit that it is beyond.
pub(super) fn check(document: &str, limits: &Limits) -> Result<u64, Refusal> {
    let bytes = document.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0, 0u64, 0u64);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at = end_of(bytes, at, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => end_of_string(bytes, at),
            byte if is_word(byte) => {
                let end = end_of(bytes, at, is_word);
                // Names are repeated in errors, and compared with those of the schema.
                if (end - at) as u64 > limits.limit_name_bytes {
                    let max = limits.limit_name_bytes;
                    return Err(Refusal::too_complex("limit-name-bytes", "bytes in a name or a number", end - at, max));
                }
                end
            }
            b'.' => end_of(bytes, at, |byte| byte == b'.'),
            b'{' | b'[' | b'(' => {
                nesting += 1;
                if nesting > limits.limit_nesting {
                    return Err(too_nested(limits));
                }
                at + 1
            }
            b'}' | b']' | b')' => {
                nesting = nesting.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
        tokens += 1;
        if tokens > limits.limit_tokens {
            let max = limits.limit_tokens;
            return Err(Refusal::too_complex("limit-tokens", "tokens", format_args!("more than {max}"), max));
        }
    }
    Ok(tokens)
}

/// The refusal of what nests too deeply, in brackets or in fragments.
pub(super) fn too_nested(limits: &Limits) -> Refusal {
    let max = limits.limit_nesting;
    Refusal::too_complex("limit-nesting", "levels of nesting", format_args!("more than {max}"), max)
}

/// Names and numbers. A point ends a number, which then counts as three tokens.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+')
}

fn end_of(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !belongs(*byte)).map_or(bytes.len(), |length| from + length)
}

/// The end of a string or a block string; the end of the document if it has none.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let block = bytes[from..].starts_with(br#"""""#);
    let mut at = from + if block { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        at += match (byte, block) {
            (b'\\', true) if bytes[at..].starts_with(br#"\""""#) => 4,
            (b'\\', false) => 2,
            (b'"', true) if bytes[at..].starts_with(br#"""""#) => return at + 3,
            (b'"', false) => return at + 1,
            // A string ends on its line: what follows is no part of it, so that a stray quote hides nothing.
            (b'\n' | b'\r', false) => return at,
            _ => 1,
        };
    }
    bytes.len()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn count(document: &str) -> (u64, u64) {
        let passes = |tokens: u64, nesting: u64| {
            check(document, &Limits { limit_tokens: tokens, limit_nesting: nesting, ..Limits::DEFAULT }).is_ok()
        };
        let tokens = (0..200).find(|tokens| passes(*tokens, 100)).unwrap();
        (tokens, (0..100).find(|nesting| passes(200, *nesting)).unwrap())
    }

    #[test]
    fn tokens_and_nesting_are_counted() {
        for (document, counted) in [
            ("", (0, 0)),
            ("{a}", (3, 1)),
            ("query Q($a: [Int!]! = [1, -2.5e+3]) { b(c: $a) @d { ...E ... on F { g } } }", (40, 3)),
            (" ,\t\n# { { {\r{ a # }\n}", (3, 1)),
            (r#"{ a(b: "{ { \" {", c: """ { " \""" { """) }"#, (11, 2)),
            (r#"{ a(b: "") }"#, (8, 2)),
            ("{ a(b: \"{ {\n) }", (8, 2)),
            ("\"\"\" { { {", (1, 0)),
            ("\"\\", (1, 0)),
            ("}}}{", (4, 1)),
            ("{ \u{e4}\u{1F600} }", (8, 1)),
        ] {
            assert_eq!(count(document), counted, "{document}");
        }
    }

    #[test]
    fn braces_cost_nothing() {
        let braces = "{".repeat(1 << 20);
        let started = std::time::Instant::now();
        for _ in 0..1_000 {
            check(&braces, &Limits::DEFAULT).unwrap_err();
        }
        // To read them all would take longer.
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?} for 1000", started.elapsed());
    }
}

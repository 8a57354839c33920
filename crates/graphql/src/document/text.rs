//! The values of string tokens.

use std::borrow::Cow;

/// The character of an escape and the escape's length. `escape` begins with the backslash.
///
/// `None` if the escape is unknown or not a character.
pub(super) fn escaped(escape: &str) -> Option<(char, usize)> {
    let simple = match escape.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(escape.get(2..)?).map(|(character, length)| (character, length + 2)),
        _ => return None,
    };
    Some((simple, 2))
}

/// The character of an escape without its `\u`, and the length of the rest.
fn unicode(text: &str) -> Option<(char, usize)> {
    if let Some(braced) = text.strip_prefix('{') {
        let length = braced.bytes().take_while(u8::is_ascii_hexdigit).count();
        if braced.as_bytes().get(length) != Some(&b'}') {
            return None;
        }
        let digits = braced[..length].trim_start_matches('0');
        // A number with more digits is not a character.
        let code = if digits.is_empty() && length > 0 { 0 } else { hexadecimal(digits.get(..digits.len().min(7))?)? };
        return Some((char::from_u32(code)?, length + 2));
    }
    let first = hexadecimal(text.get(..4)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    let second = hexadecimal(text.get(4..)?.strip_prefix("\\u")?.get(..4)?)?;
    let is_pair = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
    let code = is_pair.then(|| 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
    Some((char::from_u32(code)?, 10))
}

fn hexadecimal(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The value of a string. `raw` is the text between its quotes. The lexer has checked the escapes.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('\\') else { return Cow::Borrowed(raw) };
    let mut value = String::with_capacity(raw.len());
    value.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some((character, length)) = escaped(rest) {
        value.push(character);
        rest = &rest[length..];
        let next = rest.find('\\').unwrap_or(rest.len());
        value.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(value)
}

/// The value of a block string: `BlockStringValue()` of the specification.
///
/// A string of one line is not copied.
pub(super) fn dedent(raw: &str) -> Cow<'_, str> {
    let is_escaped = raw.contains(ESCAPED_QUOTES);
    if !is_escaped && !raw.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        return Cow::Borrowed(if indentation(raw) == raw.len() { "" } else { raw });
    }
    let mut common = None;
    let (mut first, mut last) = (None, 0);
    for (i, line) in lines(raw).enumerate() {
        let indent = indentation(line);
        if indent == line.len() {
            continue;
        }
        first = first.or(Some(i));
        last = i;
        if i > 0 {
            common = Some(common.map_or(indent, |common: usize| common.min(indent)));
        }
    }
    let (Some(first), common) = (first, common.unwrap_or(0)) else { return Cow::Borrowed("") };
    let mut value = String::with_capacity(raw.len());
    for (i, line) in lines(raw).enumerate().skip(first).take(last - first + 1) {
        if i > first {
            value.push('\n');
        }
        let indent = if i == 0 { 0 } else { common };
        // Most lines of a hostile text are empty.
        if line.len() <= indent {
            continue;
        }
        if is_escaped {
            value.push_str(&line[indent..].replace(ESCAPED_QUOTES, "\"\"\""));
        } else {
            value.push_str(&line[indent..]);
        }
    }
    Cow::Owned(value)
}

const ESCAPED_QUOTES: &str = "\\\"\"\"";

/// The number of spaces and tabs at the start of a line.
fn indentation(line: &str) -> usize {
    line.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// The lines of a text. `\n`, `\r\n` and `\r` end a line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let mut end = start;
        while end < bytes.len() && !matches!(bytes[end], b'\n' | b'\r') {
            end += 1;
        }
        let is_pair = bytes.get(end) == Some(&b'\r') && bytes.get(end + 1) == Some(&b'\n');
        next = (end < bytes.len()).then_some(end + if is_pair { 2 } else { 1 });
        text.get(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::{Cow, dedent, escaped, unescape};

    #[test]
    fn escapes_become_characters() {
        let cases = [
            (r"plain", "plain"),
            (r#"\" \\ \/ \b \f \n \r \t"#, "\" \\ / \u{8} \u{c} \n \r \t"),
            (r"a\u0041b", "aAb"),
            (r"\u{1F600}", "😀"),
            (r"\u{000000000041}", "A"),
            (r"\u{0}", "\0"),
            (r"\uD83D\uDE00", "😀"),
            (r"\\n", "\\n"),
        ];
        for (raw, value) in cases {
            assert_eq!(unescape(raw), value, "{raw}");
        }
    }

    #[test]
    fn invalid_escapes_are_refused() {
        let cases = [
            r"\x",
            r"\",
            r"\u",
            r"\u00",
            r"\u00G0",
            r"\u+041",
            r"\u{}",
            r"\u{110000}",
            r"\u{D800}",
            r"\u{41",
            r"\u{4G}",
            r"\uD83D",
            r"\uDE00",
            r"\uD83D\u0041",
            r"\uD83D\uD83D",
            r"\uD83D\u{DE00}",
            r"\u{100000041}",
        ];
        for escape in cases {
            assert_eq!(escaped(escape), None, "{escape}");
        }
    }

    #[test]
    fn block_strings_lose_their_common_indentation() {
        let cases = [
            ("", ""),
            ("  ", ""),
            (" one line ", " one line "),
            ("\n    a\n      b\n\n    c\n  ", "a\n  b\n\nc"),
            ("a\n    b\n      c", "a\nb\n  c"),
            ("\r  a\r\n  b\n  c\r", "a\nb\nc"),
            ("\n\t\ta\n\t b\n", "a\nb"),
            ("\n      more\n    less\n", "  more\nless"),
            ("\\\"\"\" \\n", "\"\"\" \\n"),
            ("\n  a  \n   \n", "a  "),
            ("\n \n", ""),
        ];
        for (raw, value) in cases {
            assert_eq!(dedent(raw), value, "{raw:?}");
        }
    }

    #[test]
    fn strings_without_escapes_are_not_copied() {
        assert!(matches!(unescape("plain"), Cow::Borrowed(_)));
        assert!(matches!(dedent(" one line"), Cow::Borrowed(_)));
    }
}

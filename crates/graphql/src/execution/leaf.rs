//! Leaves: scalars, enums and lists of these, written as JSON.

use std::sync::Arc;

use async_graphql::ID;
use async_graphql::registry::Registry;

/// The buffer that a response is written to.
pub type Out = Vec<u8>;

/// A scalar, an enum, or a list of these. Its Rust type is its type in the schema: `Option<V>` may be null.
pub trait Leaf: Send + 'static {
    /// Whether null is a value.
    const NULLABLE: bool = false;

    /// The type as a schema writes it, without a final exclamation mark. Registers a type that is not built in.
    fn describe(registry: &mut Registry) -> String;

    /// Writes the value as JSON.
    fn write(&self, out: &mut Out);

    /// The type as a schema writes it.
    fn type_name(registry: &mut Registry) -> String {
        let name = Self::describe(registry);
        if Self::NULLABLE { name } else { format!("{name}!") }
    }
}

impl<V: Leaf> Leaf for Option<V> {
    const NULLABLE: bool = true;

    fn describe(registry: &mut Registry) -> String {
        V::describe(registry)
    }

    fn write(&self, out: &mut Out) {
        match self {
            Some(value) => value.write(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<V: Leaf> Leaf for Vec<V> {
    fn describe(registry: &mut Registry) -> String {
        format!("[{}]", V::type_name(registry))
    }

    fn write(&self, out: &mut Out) {
        out.push(b'[');
        for (i, value) in self.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            value.write(out);
        }
        out.push(b']');
    }
}

/// Built-in scalars.
macro_rules! built_in {
    ($($of:ty: $name:literal, $write:expr;)*) => {
        $(impl Leaf for $of {
            fn describe(_: &mut Registry) -> String {
                $name.to_owned()
            }

            fn write(&self, out: &mut Out) {
                let write: fn(&Self, &mut Out) = $write;
                write(self, out);
            }
        })*
    };
}

built_in! {
    i32: "Int", |value, out| write_int(out, i64::from(*value));
    i16: "Int", |value, out| write_int(out, i64::from(*value));
    f64: "Float", |value, out| write_float(out, *value);
    bool: "Boolean", |value, out| out.extend_from_slice(if *value { b"true" } else { b"false" });
    String: "String", |value, out| write_text(out, value);
    Arc<str>: "String", |value, out| write_text(out, value);
    &'static str: "String", |value, out| write_text(out, value);
    ID: "ID", |value, out| write_text(out, value);
}

/// Writes text as a JSON string.
pub fn write_text(out: &mut Out, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, escaped) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((byte, behind)) = escaped.split_first() else { break };
        write_escape(out, *byte);
        rest = behind;
    }
    out.push(b'"');
}

/// The number of bytes before the first that must be escaped.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let words = words.iter().take_while(|word| !needs_escape(u64::from_le_bytes(**word))).count();
    let rest = bytes[8 * words..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0x00..0x20)).count();
    8 * words + rest
}

/// Whether one of eight bytes is a quote, a backslash or below 0x20.
const fn needs_escape(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5C);
    // The high bit of the lowest byte that matches is set; bytes from 0x80 never match.
    let matches = quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES) | word.wrapping_sub(ONES * 0x20);
    matches & !word & HIGH_BITS != 0
}

fn write_escape(out: &mut Out, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Writes a whole number.
pub fn write_int(out: &mut Out, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a number, or null if it is not finite: JSON has no such numbers.
pub fn write_float(out: &mut Out, number: f64) {
    if serde_json::to_writer(&mut *out, &number).is_err() {
        out.extend_from_slice(b"null");
    }
}

/// Writes a value as a JSON string if its text has no quotes, backslashes and control characters.
pub fn write_plain(out: &mut Out, value: &impl std::fmt::Display) {
    // Writing to memory cannot fail.
    let _ = std::io::Write::write_fmt(out, format_args!("\"{value}\""));
}

/// Writes any JSON.
pub fn write_json(out: &mut Out, value: &serde_json::Value) {
    // Writing to memory cannot fail, and maps of JSON have strings as keys.
    let _ = serde_json::to_writer(&mut *out, value);
}

/// Implements [`Leaf`] for enums of async-graphql.
#[macro_export]
macro_rules! enum_leaves {
    ($($of:ty),* $(,)?) => {
        $(impl $crate::Leaf for $of {
            fn describe(registry: &mut async_graphql::registry::Registry) -> String {
                $crate::execution::leaf::type_of::<Self>(registry)
            }

            fn write(&self, out: &mut $crate::Out) {
                let items = <Self as async_graphql::resolver_utils::EnumType>::items();
                let name = items.iter().find(|item| item.value == *self).map_or("", |item| item.name);
                $crate::execution::leaf::write_text(out, name);
            }
        })*
    };
}

/// Implements [`Leaf`] for scalars of async-graphql, with a function that writes a value.
#[macro_export]
macro_rules! scalar_leaves {
    ($($of:ty: $write:expr),* $(,)?) => {
        $(impl $crate::Leaf for $of {
            fn describe(registry: &mut async_graphql::registry::Registry) -> String {
                $crate::execution::leaf::type_of::<Self>(registry)
            }

            fn write(&self, out: &mut $crate::Out) {
                let write: fn(&Self, &mut $crate::Out) = $write;
                write(self, out);
            }
        })*
    };
}

/// Registers an input type of async-graphql. Returns its name without an exclamation mark.
pub fn type_of<T: async_graphql::InputType>(registry: &mut Registry) -> String {
    let name = T::create_type_info(registry);
    name.strip_suffix('!').unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_as_serde_json_writes_them() {
        for text in ["", "Ёж", "a\"b\\c\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}", "🎬 / </script>"] {
            let mut out = Out::new();
            write_text(&mut out, text);
            assert_eq!(String::from_utf8(out).ok(), serde_json::to_string(text).ok());
        }
    }

    /// Each character at each position of a word, between bytes that differ from it in one bit.
    #[test]
    fn escapes_are_found_at_every_position() {
        for character in (0..0x300).chain([0x2028, 0xFFFD, 0x1F3AC]).filter_map(char::from_u32) {
            for before in 0..9 {
                let text = format!("{}{character}{}", "!".repeat(before), "\u{7f}]#Ё \u{1f}".repeat(2));
                let mut out = Out::new();
                write_text(&mut out, &text);
                assert_eq!(String::from_utf8(out).ok(), serde_json::to_string(&text).ok());
            }
        }
    }

    #[test]
    fn nullability_follows_the_rust_type() {
        let mut registry = Registry::default();
        assert_eq!(<Option<Vec<Option<i32>>>>::type_name(&mut registry), "[Int]");
        assert_eq!(<Vec<String>>::type_name(&mut registry), "[String!]!");
    }
}

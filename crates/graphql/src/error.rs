//! Errors in documents, and their positions.

use std::fmt;

use serde::Serialize;

/// A position in a document. Lines and columns count from 1; columns count UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SourcePosition {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The limits of documents.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Tokens of the text.
    pub tokens: usize,
    /// Levels of nested selections, lists and objects.
    pub nesting: usize,
    /// Fields with an alias.
    pub aliases: usize,
    /// Directives.
    pub directives: usize,
    /// Bytes of a name.
    pub name_length: usize,
    /// Items of a list in an input.
    pub list_items: usize,
    /// Fields of an object in an input.
    pub input_fields: usize,
    /// Steps of the rules whose work can exceed the document's size: merging fields and following fragments.
    pub validation_steps: usize,
    /// Fields of a plan. Those of a fragment count wherever it is spread, for each possible object type.
    pub plan_fields: usize,
    /// Values in the arguments of an operation, with variables replaced. A list, an object and each 256 bytes of a
    /// text count as one.
    pub input_values: u64,
}

impl DocumentLimits {
    /// No limits except the nesting, which protects the stack.
    pub const NONE: Self = Self {
        tokens: usize::MAX,
        nesting: 200,
        aliases: usize::MAX,
        directives: usize::MAX,
        name_length: usize::MAX,
        list_items: usize::MAX,
        input_fields: usize::MAX,
        validation_steps: usize::MAX,
        plan_fields: usize::MAX,
        input_values: u64::MAX,
    };
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            tokens: 2_000,
            nesting: 32,
            aliases: 100,
            directives: 50,
            name_length: 256,
            list_items: 1_000,
            input_fields: 100,
            validation_steps: 20_000,
            plan_fields: 10_000,
            input_values: 10_000,
        }
    }
}

/// One of the [`DocumentLimits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`DocumentLimits::tokens`].
    Tokens,
    /// [`DocumentLimits::nesting`].
    Nesting,
    /// [`DocumentLimits::aliases`].
    Aliases,
    /// [`DocumentLimits::directives`].
    Directives,
    /// [`DocumentLimits::name_length`].
    NameLength,
    /// [`DocumentLimits::list_items`].
    ListItems,
    /// [`DocumentLimits::input_fields`].
    InputFields,
    /// [`DocumentLimits::validation_steps`].
    ValidationSteps,
    /// [`DocumentLimits::plan_fields`].
    PlanFields,
}

/// A document exceeds one of the [`DocumentLimits`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LimitExceeded {
    /// The limit.
    pub limit: Limit,
    /// The maximum.
    pub maximum: usize,
    /// The position that exceeds it.
    pub position: SourcePosition,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maximum = self.maximum;
        match self.limit {
            Limit::Tokens => write!(f, "The document has more than {maximum} tokens."),
            Limit::Nesting => write!(f, "The document is nested more than {maximum} levels deep."),
            Limit::Aliases => write!(f, "The document has more than {maximum} aliases."),
            Limit::Directives => write!(f, "The document has more than {maximum} directives."),
            Limit::NameLength => write!(f, "A name is longer than {maximum} bytes."),
            Limit::ListItems => write!(f, "A list has more than {maximum} items."),
            Limit::InputFields => write!(f, "An object has more than {maximum} fields."),
            Limit::PlanFields => write!(f, "The operation selects more than {maximum} fields."),
            Limit::ValidationSteps => write!(f, "The document needs more than {maximum} steps to validate."),
        }
    }
}

/// A text is not a valid document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It violates the grammar.
    #[error("{message}")]
    Syntax {
        /// One sentence.
        message: String,
        /// The position of the error.
        position: SourcePosition,
    },
    /// It exceeds a limit.
    #[error("{0}")]
    Limit(LimitExceeded),
}

impl ParseError {
    /// The position where parsing stopped.
    pub const fn position(&self) -> SourcePosition {
        match self {
            Self::Syntax { position, .. } | Self::Limit(LimitExceeded { position, .. }) => *position,
        }
    }
}

/// The positions of byte offsets, in the given order. Reads the text once.
pub(crate) fn positions(text: &str, offsets: &[u32]) -> Vec<SourcePosition> {
    let mut order: Vec<usize> = (0..offsets.len()).collect();
    order.sort_by_key(|i| offsets[*i]);
    let bytes = text.as_bytes();
    let mut found = vec![SourcePosition { line: 1, column: 1 }; offsets.len()];
    let (mut here, mut at) = (SourcePosition { line: 1, column: 1 }, 0);
    for i in order {
        while at < offsets[i] as usize && at < bytes.len() {
            match bytes[at] {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => here.column += 1,
                b'\n' | b'\r' => here = SourcePosition { line: here.line + 1, column: 1 },
                // A character of four bytes is two UTF-16 units. Only its first byte counts.
                0xF0.. => here.column += 2,
                0x80..=0xBF => {}
                _ => here.column += 1,
            }
            at += 1;
        }
        found[i] = here;
    }
    found
}

/// The position of one byte offset.
pub(crate) fn position(text: &str, offset: usize) -> SourcePosition {
    positions(text, &[offset_of(offset)])[0]
}

/// An offset as the syntax tree stores it.
pub(crate) fn offset_of(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{SourcePosition, positions};

    #[test]
    fn columns_count_utf16_units_and_lines_end_in_three_ways() {
        let text = "a\rb\r\nc\nЁ🎬d";
        let at = |found: char| u32::try_from(text.find(found).unwrap_or(text.len())).unwrap_or(0);
        let cases = [('d', 4, 4), ('a', 1, 1), ('b', 2, 1), ('c', 3, 1), ('🎬', 4, 2), ('?', 4, 5)];
        let offsets: Vec<u32> = cases.iter().map(|(c, ..)| at(*c)).collect();
        let wanted: Vec<SourcePosition> =
            cases.iter().map(|(_, line, column)| SourcePosition { line: *line, column: *column }).collect();
        assert_eq!(positions(text, &offsets), wanted);
    }
}

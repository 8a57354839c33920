//! Splits text into tokens.

use super::text;
use crate::error::{DocumentLimits, Limit, LimitExceeded, ParseError, position};

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Punctuator(u8),
    Spread,
    Name,
    Int,
    Float,
    String,
    BlockString,
    End,
}

/// The current token of a text.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    token: Token,
    from: usize,
    to: usize,
    tokens_left: usize,
    limits: DocumentLimits,
}

impl<'a> Lexer<'a> {
    /// Starts at the first token.
    pub(super) fn new(text: &'a str, limits: DocumentLimits) -> Result<Self, ParseError> {
        let mut lexer = Self { text, token: Token::End, from: 0, to: 0, tokens_left: limits.tokens, limits };
        lexer.advance()?;
        Ok(lexer)
    }

    pub(super) const fn token(&self) -> Token {
        self.token
    }

    /// The byte offset of the token.
    pub(super) const fn from(&self) -> usize {
        self.from
    }

    /// The token as written.
    pub(super) fn lexeme(&self) -> &'a str {
        &self.text[self.from..self.to]
    }

    pub(super) fn syntax_error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::Syntax { message: message.into(), position: position(self.text, at) }
    }

    pub(super) fn limit_error(&self, limit: Limit, maximum: usize) -> ParseError {
        ParseError::Limit(LimitExceeded { limit, maximum, position: position(self.text, self.from) })
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Moves to the next token.
    pub(super) fn advance(&mut self) -> Result<(), ParseError> {
        self.from = self.skip_ignored(self.to);
        let start = self.from;
        if start == self.text.len() {
            (self.token, self.to) = (Token::End, start);
            return Ok(());
        }
        if self.tokens_left == 0 {
            return Err(self.limit_error(Limit::Tokens, self.limits.tokens));
        }
        self.tokens_left -= 1;
        let rest = &self.text[start..];
        let byte = self.byte(start);
        (self.token, self.to) = match byte {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                (Token::Punctuator(byte), start + 1)
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => (Token::Name, self.name(start)?),
            b'.' if rest.starts_with("...") => (Token::Spread, start + 3),
            b'-' | b'0'..=b'9' => self.number(start)?,
            b'"' if rest.starts_with("\"\"\"") => (Token::BlockString, self.block_string(start)?),
            b'"' => (Token::String, self.string(start)?),
            _ => return Err(self.unknown_character(start)),
        };
        Ok(())
    }

    /// The offset after spaces, line ends, commas, comments and byte order marks.
    fn skip_ignored(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(at) {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => at += 1,
                Some(b'#') => {
                    let rest = &bytes[at..];
                    at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                Some(0xEF) if bytes[at..].starts_with("\u{FEFF}".as_bytes()) => at += 3,
                _ => return at,
            }
        }
    }

    fn unknown_character(&self, at: usize) -> ParseError {
        let message = match self.text[at..].chars().next() {
            Some('\'') => "Strings begin with a double quote `\"`, not with `'`.".to_owned(),
            Some(printable @ '!'..='~') => format!("Unexpected character `{printable}`."),
            other => format!("Unexpected character U+{:04X}.", other.map_or(0, u32::from)),
        };
        self.syntax_error(at, message)
    }

    fn name(&self, start: usize) -> Result<usize, ParseError> {
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
        if length > self.limits.name_length {
            return Err(self.limit_error(Limit::NameLength, self.limits.name_length));
        }
        Ok(start + length)
    }

    fn number(&self, start: usize) -> Result<(Token, usize), ParseError> {
        let mut token = Token::Int;
        let mut at = start + usize::from(self.byte(start) == b'-');
        if self.byte(at) == b'0' {
            at += 1;
            if self.byte(at).is_ascii_digit() {
                return Err(self.syntax_error(at, "A number does not begin with 0 and another digit."));
            }
        } else {
            at = self.digits(at)?;
        }
        if self.byte(at) == b'.' {
            token = Token::Float;
            at = self.digits(at + 1)?;
        }
        if matches!(self.byte(at), b'e' | b'E') {
            token = Token::Float;
            at = self.digits(at + 1 + usize::from(matches!(self.byte(at + 1), b'+' | b'-')))?;
        }
        if matches!(self.byte(at), b'.' | b'_') || self.byte(at).is_ascii_alphabetic() {
            return Err(self.syntax_error(at, "A number must be followed by a space before a name or a dot."));
        }
        Ok((token, at))
    }

    fn digits(&self, start: usize) -> Result<usize, ParseError> {
        let mut at = start;
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        if at == start { Err(self.syntax_error(start, "Expected a digit.")) } else { Ok(at) }
    }

    fn string(&self, start: usize) -> Result<usize, ParseError> {
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                None | Some(b'\n' | b'\r') => return Err(self.syntax_error(at, "The string has no closing quote.")),
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => {
                    let escape = text::escaped(&self.text[at..]);
                    at += escape.ok_or_else(|| self.syntax_error(at, "The string has an invalid escape."))?.1;
                }
                Some(_) => at += 1,
            }
        }
    }

    fn block_string(&self, start: usize) -> Result<usize, ParseError> {
        let bytes = self.text.as_bytes();
        let mut at = start + 3;
        loop {
            match bytes.get(at) {
                None => return Err(self.syntax_error(at, "The block string has no closing quotes.")),
                Some(b'"') if bytes[at..].starts_with(b"\"\"\"") => return Ok(at + 3),
                Some(b'\\') if bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
                Some(_) => at += 1,
            }
        }
    }
}

//! Colours of a terminal, and a verdict in large letters.

use console::{Style, colors_enabled, colors_enabled_stderr};

const PASS: [&str; 5] = [
    "█████   ███   █████  █████",
    "█   █  █   █  █      █",
    "█████  █████  █████  █████",
    "█      █   █      █      █",
    "█      █   █  █████  █████",
];
const FAIL: [&str; 5] = [
    "█████   ███   ███  █",
    "█      █   █   █   █",
    "████   █████   █   █",
    "█      █   █   █   █",
    "█      █   █  ███  █████",
];

/// Whether texts are coloured. Respects `NO_COLOR` and `TERM=dumb`.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// For standard output.
    pub fn stdout() -> Self {
        Self(colors_enabled())
    }

    /// For standard error.
    pub fn stderr() -> Self {
        Self(colors_enabled_stderr())
    }

    /// No colours.
    #[cfg(test)]
    pub const fn none() -> Self {
        Self(false)
    }

    fn apply(self, style: Style, text: &str) -> String {
        match self.0 {
            true => style.force_styling(true).apply_to(text).to_string(),
            false => text.to_owned(),
        }
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.apply(Style::new().bold(), text)
    }

    /// A text that signals a problem.
    pub fn red(self, text: &str) -> String {
        self.apply(Style::new().red(), text)
    }

    /// PASS or FAIL: large on a terminal, otherwise a word.
    pub fn verdict(self, has_passed: bool, is_large: bool) -> String {
        let letters = match (is_large, has_passed) {
            (true, true) => format!("\n{}\n", PASS.join("\n")),
            (true, false) => format!("\n{}\n", FAIL.join("\n")),
            (false, true) => "PASS".to_owned(),
            (false, false) => "FAIL".to_owned(),
        };
        self.apply(if has_passed { Style::new().green().bold() } else { Style::new().red().bold() }, &letters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_coloured_only_if_enabled() {
        assert_eq!(Paint::none().verdict(true, false), "PASS");
        assert_eq!(Paint::none().verdict(false, true).lines().count(), 6);
        assert_eq!(Paint(true).red("CONFLICT 1"), "\x1b[31mCONFLICT 1\x1b[0m");
    }
}

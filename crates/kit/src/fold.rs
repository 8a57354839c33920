//! Folding of search texts. It equals `fold_text` in the database, so that a client's text can be compared with the
//! folded titles and names there.

use unicode_normalization::UnicodeNormalization;

/// Returns `text` in lower case, with ё as е, runs of white space as one space, trimmed, without stress marks and
/// characters without width.
pub fn fold(text: &str) -> String {
    let composed: String = text.nfc().collect();
    let mut folded = String::with_capacity(composed.len());
    for letter in composed.to_lowercase().chars() {
        match letter {
            'ё' => folded.push('е'),
            'ς' => folded.push('σ'),
            letter if is_left_out(letter) => {}
            blank if blank.is_whitespace() => {
                if !folded.is_empty() && !folded.ends_with(' ') {
                    folded.push(' ');
                }
            }
            letter => folded.push(letter),
        }
    }
    folded.truncate(folded.trim_end_matches(' ').len());
    folded
}

/// Whether the character is a stress mark or has no width.
pub fn is_left_out(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{301}' | '\u{307}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

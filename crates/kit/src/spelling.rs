//! Texts that look alike or show nothing: Unicode can write one text in several ways, and has invisible characters.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;

/// The text with its letters composed (NFC). Names are stored this way, so that no two look the same.
pub fn compose(text: &str) -> String {
    text.nfc().collect()
}

/// The ways in which a name may be stored, the given spelling first. Old rows and other programs may not compose names.
pub fn spellings(text: &str) -> Vec<String> {
    let mut spellings = vec![text.to_owned()];
    for other in [compose(text), text.nfd().collect()] {
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

/// The stored name that is spelled exactly like `text`, or else the composed one.
pub fn closest<T>(text: &str, stored: Vec<T>, name: impl Fn(&T) -> &str) -> Option<T> {
    let places = spellings(text);
    stored.into_iter().min_by_key(|stored| places.iter().position(|place| place == name(stored)).unwrap_or(usize::MAX))
}

/// Whether the text has no visible character.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Whether the character is invisible.
pub fn is_invisible(c: char) -> bool {
    INVISIBLE.iter().any(|range| range.contains(&c))
}

/// All invisible characters, including white space, for trimming in databases.
pub fn list_unseen() -> String {
    let blanks = ('\u{1}'..='\u{3000}').filter(|c| c.is_whitespace());
    INVISIBLE.iter().cloned().flatten().chain(blanks).collect()
}

/// Unicode's `Default_Ignorable_Code_Point`, for which fonts show nothing; the empty Braille pattern; the null
/// notehead; and the controls of annotations and hieroglyphs.
/// <https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt>
const INVISIBLE: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d159}'..='\u{1d159}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_text_is_blank() {
        for blank in ["", " \t\n", "\u{200b}", "\u{3164}", "\u{2800} \u{2800}", "\u{a0}\u{ad}", "\u{feff}\u{e0041}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for text in ["а", ".", "\u{200b}а\u{200b}", "👩\u{200d}🚀", "\u{2801}", "\u{301}"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn the_closest_spelling_is_the_given_one_then_the_composed_one() {
        let (composed, decomposed) = ("й", "и\u{306}");
        let closest = |text, stored: &[&'static str]| closest(text, stored.to_vec(), |stored| stored);
        assert_eq!(closest(decomposed, &[composed, decomposed]), Some(decomposed));
        assert_eq!(closest(composed, &[decomposed, composed]), Some(composed));
        assert_eq!(closest(decomposed, &[composed]), Some(composed));
        assert_eq!(closest(composed, &[decomposed]), Some(decomposed));
        assert_eq!(closest(composed, &[]), None);
    }
}

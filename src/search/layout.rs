//! Guesses what was meant if the query was typed in the wrong keyboard layout, or with look-alike letters of the other
//! script.

use crate::kit::fold::fold;

/// The keys of a keyboard with their English and their Russian letters (ЙЦУКЕН), from left to right.
const ENGLISH: &str = "`qwertyuiop[]asdfghjkl;'zxcvbnm,.~QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>";
const RUSSIAN: &str = "ёйцукенгшщзхъфывапролджэячсмитьбюЁЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ";

/// Lower-case Latin letters that look like Cyrillic ones, and these.
const LATIN: &str = "aceopxykmtbh";
const CYRILLIC: &str = "асеорхукмтвн";

/// What may have been meant if the query finds nothing, the likeliest first.
pub fn meant(text: &str) -> Vec<String> {
    // Single letters would match many titles.
    if text.split(|letter: char| !letter.is_alphanumeric()).all(|word| word.chars().nth(1).is_none()) {
        return Vec::new();
    }
    let others = [in_one_script(&fold(text)), in_other_layout(text)];
    others.into_iter().flatten().collect()
}

/// Replaces look-alike letters of the other script in words: "мaтрица" with a Latin "a", "cccp" in Latin letters.
/// `None` if there is no such word.
fn in_one_script(text: &str) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let is_letter = letter.is_alphanumeric();
        let (word, behind) =
            rest.split_at(rest.find(|other: char| other.is_alphanumeric() != is_letter).unwrap_or(rest.len()));
        let cyrillic = exchange_all(word, LATIN, CYRILLIC, |letter| matches!(letter, 'а'..='я'));
        let latin = || exchange_all(word, CYRILLIC, LATIN, |letter| letter.is_ascii_alphabetic());
        // Single letters may belong to either script.
        let is_word = word.chars().nth(1).is_some();
        changed += &cyrillic.or_else(latin).filter(|_| is_word).unwrap_or_else(|| word.to_owned());
        rest = behind;
    }
    (changed != text).then_some(changed)
}

/// The word with the letters of `from` replaced with those of `to`. `None` if letters remain that are not `right`.
fn exchange_all(word: &str, from: &str, to: &str, is_right: impl Fn(char) -> bool) -> Option<String> {
    word.chars().map(|letter| if is_right(letter) { Some(letter) } else { exchange(letter, from, to) }).collect()
}

/// The same keys in the other layout: "vfnhbwf" is "матрица". `None` if the letters are of both scripts or of neither.
fn in_other_layout(text: &str) -> Option<String> {
    let has = |letters: &str| text.chars().any(|letter| letter.is_alphabetic() && letters.contains(letter));
    let (from, to) = match (has(ENGLISH), has(RUSSIAN)) {
        (true, false) => (ENGLISH, RUSSIAN),
        (false, true) => (RUSSIAN, ENGLISH),
        _ => return None,
    };
    // The quote's key has a Russian letter too. Paired quotes are quotes.
    let is_quoted = text.matches('"').count().is_multiple_of(2);
    let other = |letter| match letter {
        '"' if is_quoted => '"',
        '@' => '"',
        letter => exchange(letter, from, to).unwrap_or(letter),
    };
    Some(text.chars().map(other).collect())
}

/// The letter of `to` at the same position as this one in `from`.
fn exchange(letter: char, from: &str, to: &str) -> Option<char> {
    from.chars().zip(to.chars()).find_map(|(known, other)| (known == letter).then_some(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_two_letters() {
        assert_eq!(ENGLISH.chars().count(), RUSSIAN.chars().count());
        assert_eq!(LATIN.chars().count(), CYRILLIC.chars().count());
        for (typed, expected) in [
            ("vfnhbwf", vec!["матрица"]),
            ("Ьфекшч", vec!["Matrix"]),
            ("<hfn 2", vec!["Брат 2"]),
            ("[jhjibq ,tuey", vec!["хороший бегун"]),
            ("\"djqyf b vbh\"", vec!["\"война и мир\""]),
            ("matrix матрица", vec![]),
            ("2012 !", vec![]),
            ("Мaтpица reloaded", vec!["матрица reloaded"]),
            ("человек-пaук", vec!["человек-паук"]),
            ("ёлкa", vec!["елка"]),
            ("Маtrix", vec!["matrix"]),
            ("CCCP", vec!["ссср", "СССЗ"]),
            ("духless матрица", vec![]),
        ] {
            assert_eq!(meant(typed), expected, "{typed}");
        }
    }
}

//! What was meant where the keyboard was in the other language, or lent a letter that looks alike.

/// The keys of a keyboard with their English and their Russian letters (ЙЦУКЕН), from left to right.
const ENGLISH: &str = "`qwertyuiop[]asdfghjkl;'zxcvbnm,.~QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>";
const RUSSIAN: &str = "ёйцукенгшщзхъфывапролджэячсмитьбюЁЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ";

/// Latin letters that look like Cyrillic ones, in lower case, and these.
const LATIN: &str = "aceopxykmtbh";
const CYRILLIC: &str = "асеорхукмтвн";

/// What may have been meant where nothing is found as typed.
pub fn meant(text: &str) -> Option<String> {
    in_one_script(&text.to_lowercase()).or_else(|| in_other_layout(text))
}

/// Cyrillic words without the Latin letters that only look so: "мaтрица" with a Latin "a". `None` if
/// there is no such word.
fn in_one_script(text: &str) -> Option<String> {
    let is_cyrillic = |letter: &char| ('а'..='я').contains(letter);
    let change = |word: &str| -> Option<String> {
        let change = |letter| if is_cyrillic(&letter) { Some(letter) } else { exchange(letter, LATIN, CYRILLIC) };
        word.chars().find(is_cyrillic).and_then(|_| word.chars().map(change).collect())
    };
    let words = text.split(' ').map(|word| change(word).unwrap_or_else(|| word.to_owned()));
    Some(words.collect::<Vec<_>>().join(" ")).filter(|changed| changed != text)
}

/// The same keys in the other language: "vfnhbwf" is "матрица". `None` if the letters are of both or
/// of neither.
fn in_other_layout(text: &str) -> Option<String> {
    let has = |letters: &str| text.chars().any(|letter| letter.is_alphabetic() && letters.contains(letter));
    let (from, to) = match (has(ENGLISH), has(RUSSIAN)) {
        (true, false) => (ENGLISH, RUSSIAN),
        (false, true) => (RUSSIAN, ENGLISH),
        _ => return None,
    };
    Some(text.chars().map(|letter| exchange(letter, from, to).unwrap_or(letter)).collect())
}

/// The letter of `to` at the place that this one has in `from`.
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
            ("vfnhbwf", Some("матрица")),
            ("Ьфекшч", Some("Matrix")),
            ("<hfn 2", Some("Брат 2")),
            ("[jhjibq ,tuey", Some("хороший бегун")),
            ("matrix матрица", None),
            ("2012 !", None),
            ("Мaтpица reloaded", Some("матрица reloaded")),
            ("духless матрица", None),
        ] {
            assert_eq!(meant(typed).as_deref(), expected, "{typed}");
        }
    }
}

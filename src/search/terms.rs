//! The query, parsed into words, phrases and exclusions.

use super::forms::Word;
use crate::error::{ApiError, ApiResult};
use crate::kit::fold::fold;

/// The maximum length of a query in characters.
const QUERY_LENGTH_MAX: usize = 200;
/// The maximum number of words in a query, including those of phrases and exclusions.
const WORDS_MAX: usize = 16;

/// Words that are too common to search for alone. PostgreSQL ignores some more, by its own list.
const STOP_WORDS: &str = "а без бы был была были было быть в вам вас весь во вот все всего всех вы да для до его ее \
    если есть еще же за и из или им их к как ко когда кто ли либо мне мы на над не него нее нет ни них но о об однако \
    он она они оно от очень по под при с со так также такой там те тем то того тоже той только том ты у уже хотя чего \
    чей чем что чтобы эта эти это этот я a an and are as at be but by for from had has have he her his i in is it its \
    no not of on or our she that the their they this to was we were which with you";

/// The separators between the letters of an abbreviation in a title: "E.T.", "M*A*S*H", "V/H/S", "Q & A".
const BETWEEN_LETTERS: [&str; 10] = [".", ". ", " ", "*", "-", "/", " / ", "&", " & ", "'"];

/// A parsed query. All texts are folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Words that must match, without stop words.
    pub words: Vec<Word>,
    /// Phrases that must match, except those with only stop words.
    pub phrases: Vec<Vec<String>>,
    /// Words that must not match.
    pub excluded_words: Vec<Word>,
    /// Phrases that must not match.
    pub excluded_phrases: Vec<Vec<String>>,
    /// All wanted words, including stop words, joined with spaces: they may be a whole title.
    pub plain: String,
}

impl Terms {
    /// Parses the input `field`. Every text is valid: unclosed quotes and other signs are ignored.
    ///
    /// # Errors
    /// `BadInput` if it is too long or contains only exclusions.
    pub fn parse(field: &str, text: &str) -> ApiResult<Self> {
        if text.chars().nth(QUERY_LENGTH_MAX).is_some() {
            let text = format!("must be at most {QUERY_LENGTH_MAX} characters long");
            return Err(ApiError::bad_input(field, text));
        }
        let text = fold(&text.replace(char::is_control, " ")).replace(['«', '»', '“', '”', '„'], "\"");
        let mut terms = Self::default();
        let (mut wanted, mut unwanted) = (Vec::<&str>::new(), 0);
        let mut has_abbreviation = false;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            // Some keyboards turn it into a longer dash.
            let behind_sign = rest.strip_prefix(['-', '–', '−']);
            let excluded = behind_sign.is_some();
            let unsigned = behind_sign.unwrap_or(rest);
            let quoted = unsigned.starts_with('"');
            let (piece, behind) = match unsigned.strip_prefix('"') {
                Some(open) => open.split_once('"').unwrap_or((open, "")),
                None => unsigned.split_once(' ').unwrap_or((unsigned, "")),
            };
            rest = behind.trim_start_matches(' ');
            let words: Vec<_> = split_words(piece).collect();
            match excluded {
                true => unwanted += words.len(),
                false => wanted.extend(&words),
            }
            has_abbreviation |= is_abbreviation(piece, &words);
            let is_phrase = words.len() > 1 && (quoted || excluded);
            let (single, phrases) = match excluded {
                true => (&mut terms.excluded_words, &mut terms.excluded_phrases),
                false => (&mut terms.words, &mut terms.phrases),
            };
            if is_phrase {
                phrases.push(words.into_iter().map(str::to_owned).collect());
            } else {
                let letters = words.len() > 1 && words.iter().all(|word| is_letter(word));
                let is_initial = |word: &str| letters || (is_letter(word) && piece.contains(&format!("{word}.")));
                let is_meant = |word: &&str| !is_stop_word(word) || is_initial(word);
                single.extend(words.into_iter().filter(is_meant).map(Word::new));
            }
        }
        if wanted.len() + unwanted > WORDS_MAX {
            return Err(ApiError::bad_input(field, format!("has too many words; the limit is {WORDS_MAX}")));
        }
        if wanted.is_empty() && unwanted > 0 {
            return Err(ApiError::bad_input(field, "contains only exclusions; add a word to search for"));
        }
        terms.plain = wanted.join(" ");
        let is_meant = |phrase: &Vec<String>| phrase.iter().any(|word| !is_stop_word(word));
        terms
            .phrases
            .retain(|phrase| is_meant(phrase) || (has_abbreviation && phrase.iter().all(|word| is_letter(word))));
        terms.join_letters(has_abbreviation);
        Ok(terms)
    }

    /// Letters alone are an abbreviation, such as "E.T.": a phrase. With names, they are initials.
    fn join_letters(&mut self, has_abbreviation: bool) {
        let are_letters = self.words.len() > 1 && self.words.iter().all(Word::is_initial);
        if are_letters && (has_abbreviation || self.words.iter().any(|word| !is_stop_word(&word.text))) {
            self.phrases.push(std::mem::take(&mut self.words).into_iter().map(|word| word.text).collect());
        }
    }

    /// Whether nothing is wanted: the query is blank, or has only signs.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// Whether only stop words are wanted. They can be a whole title, such as "Оно".
    pub fn is_stop_words(&self) -> bool {
        !self.is_empty() && self.words.is_empty() && self.phrases.is_empty()
    }

    /// The words that texts must contain, without initials.
    pub fn words_of_texts(&self) -> Vec<&Word> {
        self.words.iter().filter(|word| !word.is_initial() || self.words.len() == 1).collect()
    }

    /// What a title or name must contain: one of each group, which every form of a word, or of a phrase's words,
    /// contains. First those that trigrams find, with three letters and more, then shorter ones.
    pub fn needles(&self) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
        let (abbreviations, phrases): (Vec<_>, Vec<_>) =
            self.phrases.iter().partition(|phrase| phrase.iter().all(|word| is_letter(word)));
        let in_phrases = phrases.into_iter().flatten().filter(|word| !is_stop_word(word));
        let in_words = self.words.iter().map(|word| word.needles().into_iter().map(str::to_owned).collect());
        // Single letters are everywhere, so they are searched for with their separators.
        let in_abbreviations =
            abbreviations.iter().map(|letters| BETWEEN_LETTERS.map(|signs| letters.join(signs)).into());
        let all = in_words.chain(in_phrases.map(|word| vec![word.clone()])).chain(in_abbreviations);
        all.partition(|group| group.iter().all(|needle| needle.chars().nth(2).is_some()))
    }
}

fn is_letter(word: &str) -> bool {
    word.chars().nth(1).is_none()
}

/// Whether letters were typed with only signs between them: "A.I.", "M*A*S*H".
fn is_abbreviation(piece: &str, words: &[&str]) -> bool {
    words.len() > 1 && words.iter().all(|word| is_letter(word)) && !piece.trim().contains(' ')
}

/// The words of a folded text: runs of letters and digits.
pub fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word is a stop word.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.split_ascii_whitespace().any(|stop| stop == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Terms {
        Terms::parse("query", text).unwrap_or_else(|_| panic!("{text} is refused"))
    }

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn words(texts: &[&str]) -> Vec<Word> {
        texts.iter().map(|text| Word::new(text)).collect()
    }

    #[test]
    fn words_phrases_and_exclusions_are_distinguished() {
        let terms = parse("Ёлки «Война и мир» -матрица -\"войне машин\" человек-паук -спайдер-мен и");
        assert_eq!(terms.words, words(&["елки", "человек", "паук"]));
        assert_eq!(terms.phrases, [texts(&["война", "и", "мир"])]);
        assert_eq!(terms.excluded_words, words(&["матрица"]));
        assert_eq!(terms.excluded_phrases, [texts(&["войне", "машин"]), texts(&["спайдер", "мен"])]);
        assert_eq!(terms.plain, "елки война и мир человек паук и");
    }

    #[test]
    fn letters_alone_are_a_phrase() {
        for typed in ["M.A.S.H.", "M. A. S. H.", "M*A*S*H", "«M.A.S.H.»"] {
            let terms = parse(typed);
            assert!(terms.phrases == [texts(&["m", "a", "s", "h"])] && terms.words.is_empty(), "{terms:?}");
        }
        assert_eq!(parse("Чехов А. П.").words, words(&["чехов", "а", "п"]));
        assert_eq!(parse("-E.T. кино").excluded_phrases, [texts(&["e", "t"])]);
    }

    #[test]
    fn anything_can_be_typed() {
        assert_eq!(parse("\"матрица перезагрузка").phrases, [texts(&["матрица", "перезагрузка"])]);
        for nothing in ["", " \t", "?! …", "\"", "\"\"", "-", "--", "- -", "😀", "*", "\u{1}\u{7f}", "%_\\", "'"] {
            assert!(parse(nothing).is_empty(), "{nothing:?}");
        }
        assert!(parse("и на в").is_stop_words());
        assert!(!parse("и на дом").is_stop_words());
        assert!(Terms::parse("query", "-матрица").is_err());
        assert!(Terms::parse("query", &"я".repeat(200)).is_ok());
        assert!(Terms::parse("query", &"я".repeat(201)).is_err());
        assert!(Terms::parse("query", &"да ".repeat(16)).is_ok());
        assert!(Terms::parse("query", &"да ".repeat(17)).is_err());
    }
}

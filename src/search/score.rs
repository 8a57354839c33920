//! How well a title, a name or a text matches the query, from 0 to 1.
//!
//! A title or name with all words of the query scores 0.5 to 1: more for exact matches, and the more of it is matched.
//! With typos it scores 0.25 to 0.5. A text scores up to 0.5, by its rank in the database. So titles and names that
//! match come before texts that mention the words.

use super::forms::{Word, stem};
use super::inputs::SearchType;
use super::terms::{Terms, split_words};

/// A hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// From 0 to 10,000, the greatest first.
    pub score: i64,
    /// Its type.
    pub kind: SearchType,
    /// Its primary key.
    pub key: i32,
}

impl Hit {
    /// Its sort keys, in ascending order.
    pub fn rank(&self) -> [i64; 3] {
        [-self.score, self.kind as i64, -i64::from(self.key)]
    }
}

/// Whether a folded title or name contains an excluded word or phrase.
pub fn is_ruled_out(terms: &Terms, title: &str) -> bool {
    let words: Vec<_> = split_words(title).collect();
    let has = |wanted: &Word| words.iter().any(|word| wanted.stems.contains(&stem(word)));
    terms.excluded_words.iter().any(has) || terms.excluded_phrases.iter().any(|phrase| has_phrase(&words, phrase))
}

fn has_phrase(words: &[&str], phrase: &[String]) -> bool {
    words.windows(phrase.len()).any(|stretch| stretch == phrase)
}

/// The score of a folded title or name; 0 if it lacks something. Words after the first `essential` ones count only if
/// they match: patronymics are rarely typed.
pub fn rate_title(terms: &Terms, title: &str, essential: usize, typos: bool) -> f64 {
    let words: Vec<_> = split_words(title).collect();
    if terms.is_stop_words() {
        return match words.join(" ").strip_prefix(terms.plain.as_str()) {
            Some("") => 1.0,
            Some(rest) if rest.starts_with(' ') => 0.75,
            _ => 0.0,
        };
    }
    let stems: Vec<_> = words.iter().map(|word| stem(word)).collect();
    let has_names = terms.words.iter().any(|word| !word.is_initial());
    let mut met = vec![false; words.len()];
    let mut marks = Vec::new();
    for wanted in &terms.words {
        let rate = |place: usize| rate_word(wanted, words[place], &stems[place], has_names, typos);
        let best = (0..words.len()).map(|place| (rate(place), place)).max_by(|one, other| one.0.total_cmp(&other.0));
        let (mark, place) = best.unwrap_or_default();
        if mark == 0.0 {
            return 0.0;
        }
        met[place] = true;
        marks.push(mark);
    }
    for phrase in &terms.phrases {
        if !has_phrase(&words, phrase) {
            return 0.0;
        }
        for (met, word) in met.iter_mut().zip(&words) {
            *met |= phrase.iter().any(|wanted| wanted == word);
        }
        marks.push(1.0);
    }
    let (mut meant, mut all) = (0, 0);
    for (place, word) in words.iter().enumerate() {
        let letters = word.chars().count();
        meant += if met[place] { letters } else { 0 };
        all += if met[place] || place < essential { letters } else { 0 };
    }
    let share = meant as f64 / all.max(1) as f64;
    let quality = marks.iter().sum::<f64>() / marks.len() as f64 * (0.7 + 0.3 * share);
    if typos { 0.25 + 0.25 * quality } else { 0.5 + 0.5 * quality }
}

/// How well a word with this stem matches the wanted one. A single letter is an initial if there are names with it.
fn rate_word(wanted: &Word, word: &str, stem: &str, has_names: bool, typos: bool) -> f64 {
    let text = wanted.text.as_str();
    let edits = if typos { edits_allowed(text) } else { 0 };
    let letters = text.chars().count();
    let begins = |prefix: &String| word.starts_with(prefix.as_str());
    if word == text {
        1.0
    } else if letters == 1 {
        if has_names && wanted.is_initial() && word.starts_with(text) { 0.6 } else { 0.0 }
    } else if stem == wanted.stems[0] {
        0.85
    } else if wanted.stems.iter().any(|known| known == stem) || wanted.prefix.as_deref() == Some(word) {
        0.8
    } else if word.starts_with(text) {
        0.7
    } else if wanted.prefix.as_ref().is_some_and(begins) {
        0.6
    } else if letters > 2 && word.contains(text) {
        0.4
    } else if edits > 0 && is_within(edits, text, word) {
        0.6
    } else if edits > 0 && is_within(edits.min(edits_allowed(stem)), &wanted.stems[0], stem) {
        0.5
    } else {
        0.0
    }
}

/// The number of letters that may differ in a word with typos.
pub fn edits_allowed(word: &str) -> usize {
    match word.chars().count() {
        // Longer strings are not words, and are expensive to compare.
        31.. => 0,
        _ if word.contains(char::is_numeric) => 0,
        0..5 => 0,
        5..9 => 1,
        _ => 2,
    }
}

/// Whether one word becomes the other with at most `edits` letters inserted, deleted, replaced or swapped with a
/// neighbour (optimal string alignment).
fn is_within(edits: usize, left: &str, right: &str) -> bool {
    let (left, right): (Vec<_>, Vec<_>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > edits {
        return false;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut cost = (row[j + 1] + 1).min(next[j] + 1).min(row[j] + usize::from(a != b));
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().is_some_and(|cost| *cost <= edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(query: &str, title: &str, typos: bool) -> f64 {
        let terms = Terms::parse("query", query).unwrap_or_else(|_| panic!("{query} is refused"));
        if is_ruled_out(&terms, title) { 0.0 } else { rate_title(&terms, title, usize::MAX, typos) }
    }

    #[test]
    fn closer_titles_score_higher() {
        let titles = ["матрица", "матрица перезагрузка", "рецензия на матрицу", "аматрицаб и другие истории"];
        let scores = titles.map(|title| rate("матрица", title, false));
        assert_eq!(scores[0], 1.0);
        assert!(scores.is_sorted_by(|a, b| a > b) && scores[3] > 0.5, "{scores:?}");
    }

    #[test]
    fn all_wanted_words_must_match() {
        assert_eq!(rate("война мир", "война", false), 0.0);
        assert_eq!(rate("\"мир и война\"", "война и мир", false), 0.0);
        assert_eq!(rate("война -мир", "война и мир", false), 0.0);
        assert!(rate("мир война", "война и мир", false) > 0.5);
        assert!(rate("пушкин александр", "пушкин александр сергеевич", false) > 0.5);
    }

    #[test]
    fn typos_are_forgiven_when_asked() {
        for (query, title) in [("матрца", "матрица"), ("пушкын", "пушкин"), ("дозро ночной", "ночной дозор")]
        {
            assert_eq!(rate(query, title, false), 0.0, "{query}");
            let score = rate(query, title, true);
            assert!((0.25..=0.5).contains(&score), "{query}: {score}");
        }
        assert_eq!(rate("дом", "дым", true), 0.0);
    }
}

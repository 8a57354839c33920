//! How well a title, a name or a text meets what was typed, from 0 to 1.
//!
//! A title or name that holds all that is wanted scores 0.5 to 1, the higher the more exactly
//! and the more of it is meant; with typos 0.25 to 0.5. A text scores up to 0.5, by the rank
//! that its database gives. So what is named like the query comes before what mentions it.

use super::forms::{Word, stem};
use super::terms::{Terms, split_words};

/// The score of a folded title or name; 0 if it lacks something that is wanted.
pub fn rate_title(terms: &Terms, title: &str, typos: bool) -> f64 {
    let words: Vec<_> = split_words(title).collect();
    let whole = words.join(" ");
    let has_phrase = |phrase: &[String]| format!(" {whole} ").contains(&format!(" {} ", phrase.join(" ")));
    let stems: Vec<_> = words.iter().map(|word| stem(word)).collect();
    let has_word = |wanted: &Word| wanted.stems.iter().any(|stem| stems.contains(stem));
    if terms.excluded_words.iter().any(has_word) || terms.excluded_phrases.iter().any(|phrase| has_phrase(phrase)) {
        return 0.0;
    }
    if terms.is_stop_words() {
        let begins = whole.strip_prefix(terms.plain.as_str());
        return begins.map_or(0.0, |rest| {
            if rest.is_empty() {
                1.0
            } else if rest.starts_with(' ') {
                0.75
            } else {
                0.0
            }
        });
    }
    let has_names = terms.words.iter().any(|word| !word.is_initial());
    let by_words = terms.words.iter().map(|wanted| rate_word(wanted, &words, &stems, has_names, typos));
    let by_phrases = terms.phrases.iter().map(|phrase| if has_phrase(phrase) { 1.0 } else { 0.0 });
    let marks: Vec<f64> = by_words.chain(by_phrases).collect();
    if marks.contains(&0.0) || marks.is_empty() {
        return 0.0;
    }
    let letters = |words: &mut dyn Iterator<Item = &str>| words.map(|word| word.chars().count()).sum::<usize>() as f64;
    let singles = terms.words.iter().map(|word| word.text.as_str());
    let mut wanted = singles.chain(terms.phrases.iter().flatten().map(String::as_str));
    let share = letters(&mut wanted) / letters(&mut words.iter().copied()).max(1.0);
    let quality = marks.iter().sum::<f64>() / marks.len() as f64 * (0.5 + 0.5 * share.min(1.0));
    if typos { 0.25 + 0.25 * quality } else { 0.5 + 0.5 * quality }
}

/// How well the best of `words`, whose stems are `stems`, meets the wanted one. A single letter is an
/// initial if there are names beside it.
fn rate_word(wanted: &Word, words: &[&str], stems: &[String], has_names: bool, typos: bool) -> f64 {
    let text = wanted.text.as_str();
    let edits = if typos { edits_allowed(text) } else { 0 };
    let letters = text.chars().count();
    let prefix = wanted.prefix.as_deref().unwrap_or(text);
    let rate = |(word, stem): (&&str, &String)| {
        if *word == text {
            1.0
        } else if letters == 1 {
            if has_names && wanted.is_initial() && word.starts_with(text) { 0.6 } else { 0.0 }
        } else if *stem == wanted.stems[0] {
            0.95
        } else if wanted.stems.contains(stem) {
            0.85
        } else if word.starts_with(text) {
            0.8
        } else if word.starts_with(prefix) {
            0.7
        } else if letters > 2 && word.contains(prefix) {
            0.4
        } else if edits > 0 && is_within(edits, text, word) {
            0.6
        } else if edits > 0 && is_within(edits.min(edits_allowed(stem)), &wanted.stems[0], stem) {
            0.5
        } else {
            0.0
        }
    };
    words.iter().zip(stems).map(rate).fold(0.0, f64::max)
}

/// Letters that may differ in a word with typos.
pub fn edits_allowed(word: &str) -> usize {
    match word.chars().count() {
        // Longer ones are no words, and dear to compare.
        31.. => 0,
        _ if word.contains(char::is_numeric) => 0,
        0..5 => 0,
        5..9 => 1,
        _ => 2,
    }
}

/// Whether one word becomes the other by at most `edits` letters inserted, left out, exchanged or
/// swapped with their neighbour (optimal string alignment).
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
        rate_title(&terms, title, typos)
    }

    #[test]
    fn closer_titles_score_higher() {
        let titles = ["матрица", "матрица перезагрузка", "рецензия на матрицу", "аматрицаб и другие истории"];
        let scores = titles.map(|title| rate("матрица", title, false));
        assert_eq!(scores[0], 1.0);
        assert!(scores.is_sorted_by(|a, b| a > b) && scores[3] > 0.5, "{scores:?}");
    }

    #[test]
    fn all_that_is_wanted_must_be_there() {
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

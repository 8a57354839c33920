//! Snippets: the part of a text that matches the query best, with the words marked.

use super::forms::{Word, stem};
use super::terms::{Terms, is_stop_word};
use crate::kit::fold::{fold, is_left_out};
use crate::publication::SEARCHED_LENGTH_MAX;

/// The maximum length of a snippet in characters, without marks and ellipses.
const LENGTH_MAX: usize = 240;
/// The number of characters before the first marked word.
const LEAD: usize = 60;
/// The distance in bytes within which words count as close. It assumes two bytes for each letter, and is only used for
/// ranking.
const NEAR: usize = 2 * (LENGTH_MAX - LEAD);

/// The number of bytes of a word that are examined: longer words cannot be typed.
const WORD_BYTES_MAX: usize = 1_024;

/// The part of `text` with the most wanted words, as HTML: the words in `<mark>`, everything else escaped. `None` if it
/// contains none of them.
pub fn cut(terms: &Terms, text: &str) -> Option<String> {
    let in_phrases = terms.phrases.iter().flatten().filter(|word| !is_stop_word(word)).map(|word| Word::new(word));
    let wanted: Vec<_> = terms.words.iter().cloned().chain(in_phrases).collect();
    let found = find(&wanted, first_characters(text, SEARCHED_LENGTH_MAX));
    let start = best_start(&found, wanted.len())?;
    let begin = step_back(text, found[start].start);
    let end = step_on(text, begin);
    let mut html = String::from(if begin > 0 { "…" } else { "" });
    let mut at = begin;
    for word in found.iter().filter(|word| word.start >= begin && word.end <= end) {
        escape(&text[at..word.start], &mut html);
        html.push_str("<mark>");
        escape(&text[word.start..word.end], &mut html);
        html.push_str("</mark>");
        at = word.end;
    }
    escape(text[at..end].trim_end(), &mut html);
    if end < text.trim_end().len() {
        html.push('…');
    }
    Some(html)
}

/// A wanted word in the text, by byte positions.
struct WordMatch {
    start: usize,
    end: usize,
    wanted: usize,
}

/// Finds the wanted words of `text`, at least up to the end of a snippet with all of them: a long text is rarely read
/// to its end.
fn find(wanted: &[Word], text: &str) -> Vec<WordMatch> {
    let mut found: Vec<WordMatch> = Vec::new();
    let mut last = text.len();
    let mut at = 0;
    let mut near = MatchCounts::new(wanted.len());
    let mut oldest = 0;
    while let Some(skipped) = text[at..].find(char::is_alphanumeric) {
        let start = at + skipped;
        if start > last {
            break;
        }
        // Stress marks and soft hyphens are not letters, but parts of their words.
        let is_part = |letter: char| letter.is_alphanumeric() || is_left_out(letter);
        let end = text[start..].find(|letter| !is_part(letter)).map_or(text.len(), |length| start + length);
        at = end;
        // Folding and stemming each word of a long text would take most of the time.
        let first =
            text[start..end].chars().flat_map(char::to_lowercase).next().map(|c| if c == 'ё' { 'е' } else { c });
        if !wanted.iter().any(|word| word.text.chars().next() == first) {
            continue;
        }
        let folded = fold(&text[start..text.floor_char_boundary(end.min(start + WORD_BYTES_MAX))]);
        let own = stem(&folded);
        let begins = |word: &Word| word.prefix.as_ref().is_some_and(|prefix| folded.starts_with(prefix));
        let is_form = |word: &Word| begins(word) || word.stems.contains(&own);
        if let Some(place) = wanted.iter().position(is_form) {
            found.push(WordMatch { start, end, wanted: place });
            near.add(place);
            while end - found[oldest].start >= NEAR && oldest + 1 < found.len() {
                near.remove(found[oldest].wanted);
                oldest += 1;
            }
            if last == text.len() && near.different == wanted.len() {
                last = text.len().min(start + 4 * LENGTH_MAX);
            }
        }
    }
    found
}

/// Counts the wanted words in a window that moves along a text.
struct MatchCounts {
    counts: Vec<usize>,
    different: usize,
}

impl MatchCounts {
    fn new(wanted: usize) -> Self {
        Self { counts: vec![0; wanted], different: 0 }
    }

    fn add(&mut self, place: usize) {
        self.counts[place] += 1;
        self.different += usize::from(self.counts[place] == 1);
    }

    fn remove(&mut self, place: usize) {
        self.counts[place] -= 1;
        self.different -= usize::from(self.counts[place] == 0);
    }
}

/// The index in `found` from which the most different words are close together.
fn best_start(found: &[WordMatch], wanted: usize) -> Option<usize> {
    let mut near = MatchCounts::new(wanted);
    let mut end = 0;
    let mut best = None;
    for (place, first) in found.iter().enumerate() {
        while let Some(word) = found.get(end).filter(|word| end <= place || word.end - first.start < NEAR) {
            near.add(word.wanted);
            end += 1;
        }
        if best.is_none_or(|(most, _)| near.different > most) {
            best = Some((near.different, place));
        }
        if near.different == wanted {
            break;
        }
        near.remove(first.wanted);
    }
    best.map(|(_, place)| place)
}

/// At most the first `count` characters of a text.
fn first_characters(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// The beginning of a word somewhat before `at`.
fn step_back(text: &str, at: usize) -> usize {
    let Some((begin, _)) = text[..at].char_indices().rev().nth(LEAD) else { return 0 };
    let blank = text[begin..at].find(char::is_whitespace).map_or(0, |length| begin + length);
    let begin = if blank == 0 { begin } else { blank };
    begin + (text[begin..].len() - text[begin..].trim_start().len())
}

/// The end of a word before the snippet becomes too long.
fn step_on(text: &str, begin: usize) -> usize {
    let Some((far, _)) = text[begin..].char_indices().nth(LENGTH_MAX) else { return text.len() };
    let stretch = &text[begin..begin + far];
    begin + stretch.rfind(char::is_whitespace).unwrap_or(far)
}

fn escape(text: &str, html: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter => html.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(query: &str, text: &str) -> Option<String> {
        cut(&Terms::parse("query", query).unwrap_or_else(|_| panic!("{query} is refused")), text)
    }

    #[test]
    fn wanted_words_are_marked_in_any_form() {
        let text = "О Фильмах и «ёлках»: за\u{301}мок.";
        assert_eq!(snippet("фильмом", text).as_deref(), Some("О <mark>Фильмах</mark> и «ёлках»: за\u{301}мок."));
        assert_eq!(
            snippet("елки замок", text).as_deref(),
            Some("О Фильмах и «<mark>ёлках</mark>»: <mark>за\u{301}мок</mark>.")
        );
        assert_eq!(snippet("театр", text), None);
    }

    #[test]
    fn long_texts_are_cut_between_words_around_most_matches() {
        let text = format!("{0} кино {0} кино и театр {0}", "слово дело ".repeat(60));
        let html = snippet("театр кино", &text).unwrap_or_default();
        assert!(html.contains("<mark>кино</mark> и <mark>театр</mark>"), "{html}");
        assert!(html.starts_with("…дело ") || html.starts_with("…слово "), "{html}");
        assert!(html.ends_with("слово…") || html.ends_with("дело…"), "{html}");
        assert!(html.chars().count() < LENGTH_MAX + 40, "{html}");
    }

    /// The same words throughout a text of the maximum length, all of them too far apart.
    #[test]
    fn more_matches_take_no_longer() {
        let text = "кино ".repeat(20_000);
        let started = std::time::Instant::now();
        assert!(snippet("кино театр сцена", &text).is_some());
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
        let far = format!("{} театр", "слово ".repeat(SEARCHED_LENGTH_MAX / 6));
        assert_eq!(snippet("театр", &far), None, "the search does not reach its end");
        assert!(snippet("театр", &far["слово слово ".len()..]).is_some());
        assert_eq!(snippet("театр", &"т".repeat(100_000)), None);
    }

    #[test]
    fn html_in_texts_stays_text() {
        let html = snippet("кино", "<script>alert('кино & \"кот\"')</script>");
        let expected = "&lt;script&gt;alert(&#39;<mark>кино</mark> &amp; &quot;кот&quot;&#39;)&lt;/script&gt;";
        assert_eq!(html.as_deref(), Some(expected));
    }
}

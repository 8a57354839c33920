//! The statements that search titles and names.

use sea_orm::{DbBackend, Statement};

use super::inputs::SearchType;
use super::score::edits_allowed;
use super::sql::HITS_MAX;
use super::sql::{CANDIDATES_MAX, Sql, any_of};
use super::terms::Terms;

/// Titles and names that begin with the query, or contain its parts.
pub fn select_titles(backend: DbBackend, terms: &Terms, kinds: &[SearchType]) -> Statement {
    let mut sql = Sql::new(backend);
    let mut parts = Vec::new();
    let (long, short) = terms.needles();
    // Without a longer word, only prefixes can be searched for: of the whole, or of a word.
    let mut starts = vec![terms.plain.as_str()];
    if long.is_empty() && !terms.is_stop_words() {
        starts.extend(terms.plain.split(' '));
        starts.sort_unstable();
        starts.dedup();
    }
    for kind in kinds {
        let (table, key, texts) = kind.table();
        let second = texts.get(1).copied().unwrap_or("CAST(NULL AS text)");
        // A publication whose title matches may still be excluded by its text.
        let allowed = if *kind == SearchType::Publication { sql.rules_out(terms) } else { None };
        let head = format!(
            "SELECT {} AS kind, {key} AS id, {} AS text, {second} AS second FROM {table} WHERE{}",
            *kind as i32,
            texts[0],
            allowed.map(|allowed| format!(" {allowed} AND")).unwrap_or_default()
        );
        for text in texts {
            for start in starts.iter().copied() {
                let (from, to) = (sql.bind(start), sql.bind(format!("{start}\u{10ffff}")));
                parts
                    .push(format!("{head} {text} >= {from} AND {text} < {to} ORDER BY {text}, {key} LIMIT {HITS_MAX}"));
            }
        }
        if long.is_empty() {
            continue;
        }
        let mut holds = match backend {
            DbBackend::Sqlite => {
                let all: Vec<_> = long.iter().map(|group| any_of(group)).collect();
                sql.has_trigrams(table, key, all.join(" AND "))
            }
            _ => sql.holds(texts, &long),
        };
        if !short.is_empty() {
            holds += &format!(" AND {}", sql.holds(texts, &short));
        }
        // An expression instead of the key: PostgreSQL would otherwise scan by key, and test row after row.
        let newest = if backend == DbBackend::Sqlite { key.to_owned() } else { format!("{key} + 0") };
        parts.push(format!("{head} {holds} ORDER BY {newest} DESC LIMIT {CANDIDATES_MAX}"));
    }
    sql.finish(&union(&parts))
}

/// The different rows of all `parts`. SQLite allows an order and a limit in parts of a union only as subqueries.
fn union(parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| format!("SELECT * FROM ({part}) AS part")).collect();
    parts.join(" UNION ")
}

/// Titles and names that contain a piece of each long word, those with the most of their trigrams first.
pub fn select_typos(backend: DbBackend, terms: &Terms, kinds: &[SearchType]) -> Option<Statement> {
    let (long, short): (Vec<_>, Vec<_>) = terms.words.iter().partition(|word| edits_allowed(&word.text) > 0);
    if long.is_empty() {
        return None;
    }
    let pieces: Vec<_> = long.iter().map(|word| pieces(&word.text)).collect();
    let short: Vec<_> = short.iter().filter(|word| !word.is_initial()).map(|word| word.needles()).collect();
    let trigrams: Vec<_> = long.iter().flat_map(|word| trigrams(&word.text)).collect();
    let mut sql = Sql::new(backend);
    let mut parts = Vec::new();
    for kind in kinds {
        let (table, key, texts) = kind.table();
        let second = texts.get(1).copied().unwrap_or("CAST(NULL AS text)");
        let mut tests = match backend {
            DbBackend::Sqlite => {
                let all: Vec<_> = pieces.iter().map(|pieces| any_of(pieces)).collect();
                vec![sql.has_trigrams(table, key, all.join(" AND "))]
            }
            _ => vec![sql.holds(texts, &pieces)],
        };
        if !short.is_empty() {
            tests.push(sql.holds(texts, &short));
        }
        if *kind == SearchType::Publication {
            tests.extend(sql.rules_out(terms));
        }
        let mut likeness = Vec::new();
        for trigram in &trigrams {
            likeness.push(format!("CASE WHEN {} THEN 1 ELSE 0 END", sql.holds(texts, &[vec![trigram]])));
        }
        parts.push(format!(
            "SELECT {} AS kind, {key} AS id, {} AS text, {second} AS second FROM {table} WHERE {}
             ORDER BY {} DESC, {key} DESC LIMIT {CANDIDATES_MAX}",
            *kind as i32,
            texts[0],
            tests.join(" AND "),
            likeness.join(" + ")
        ));
    }
    Some(sql.finish(&union(&parts)))
}

/// Pieces of a word such that a text within the allowed edits contains one: one more piece than edits, each of at least
/// three letters, the minimum for trigrams. In a word of five letters they overlap, so another letter in the middle is
/// missed. Two swapped letters may be in two pieces, so short words are also searched for with each pair swapped.
fn pieces(word: &str) -> Vec<String> {
    let letters: Vec<_> = word.chars().collect();
    let count = edits_allowed(word) + 1;
    let mut pieces: Vec<String> = (0..count)
        .map(|piece| (piece * letters.len() / count, (piece + 1) * letters.len() / count))
        .map(|(start, end)| letters[start.min(letters.len() - 3)..end.max(3)].iter().collect())
        .collect();
    if count == 2 {
        for at in 1..letters.len() {
            let mut letters = letters.clone();
            letters.swap(at - 1, at);
            pieces.push(letters.into_iter().collect());
        }
    }
    pieces
}

/// All sequences of three letters.
fn trigrams(word: &str) -> Vec<String> {
    let letters: Vec<_> = word.chars().collect();
    letters.windows(3).map(|three| three.iter().collect()).collect()
}

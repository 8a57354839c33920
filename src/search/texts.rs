//! The statement that searches texts.

use sea_orm::{DbBackend, Statement};

use super::forms::Word;
use super::inputs::SearchType;
use super::sql::HITS_MAX;
use super::sql::{CANDIDATES_MAX, Sql, match_excluded, match_forms, match_phrases};
use super::terms::{Terms, is_stop_word};

/// The maximum number of stems that are looked up in the text index. With more than about forty, PostgreSQL would read
/// 20,000 texts instead.
const INDEXED_MAX: usize = 24;
/// The maximum number of texts found by the index that are tested for phrases and further words, divided by the number
/// of these tests: 10 microseconds for each.
const TESTED_MAX: usize = 10_000;

/// Finds texts with all words, scored by their rank.
pub fn select_texts(backend: DbBackend, terms: &Terms, kinds: &[SearchType]) -> Option<Statement> {
    let mut words = terms.words_of_texts();
    // Long words are rarer.
    words.sort_by_key(|word| std::cmp::Reverse(word.text.len()));
    if (words.is_empty() && terms.phrases.is_empty()) || !kinds.contains(&SearchType::Publication) {
        return None;
    }
    match backend {
        DbBackend::Sqlite => Some(on_sqlite(terms, &words)),
        // Phrases of words that the index omits, such as "A.I.", cannot be searched for.
        _ if words.is_empty() && terms.phrases.iter().flatten().all(|word| is_stop_word(word)) => None,
        _ => Some(on_postgres(terms, &words)),
    }
}

/// Scores a text by its rank in FTS5.
fn on_sqlite(terms: &Terms, words: &[&Word]) -> Statement {
    let mut sql = Sql::new(DbBackend::Sqlite);
    let wanted = words.iter().map(|word| match_forms(word, word.prefix.as_deref()));
    let wanted: Vec<_> = wanted.chain(match_phrases(&terms.phrases)).collect();
    let wanted = wanted.join(" AND ");
    let query = sql.bind(match match_excluded(terms) {
        Some(excluded) => format!("({wanted}) NOT ({excluded})"),
        None => wanted,
    });
    sql.finish(&format!(
        "SELECT id, 0.1 + 0.4 * -rank / (4 - rank) AS score FROM (
             SELECT rowid AS id, bm25(publication_words, 4.0, 1.0) AS rank
             FROM publication_words WHERE publication_words MATCH {query}
             ORDER BY rowid DESC LIMIT {CANDIDATES_MAX}
         ) AS found ORDER BY rank, id DESC LIMIT {HITS_MAX}"
    ))
}

/// Texts from the index are tested for what it cannot check, and ranked.
fn on_postgres(terms: &Terms, words: &[&Word]) -> Statement {
    let mut sql = Sql::new(DbBackend::Postgres);
    let mut queries: Vec<_> =
        words.iter().map(|word| (sql.words(word, word.prefix.as_deref()), word.stems.len())).collect();
    for word in terms.phrases.iter().flatten().filter(|word| !is_stop_word(word)) {
        queries.push((format!("to_tsquery('pg_catalog.russian', {})", sql.bind(word.as_str())), 1));
    }
    // Ranking with && compares all pairs of positions; with || it divides by the number of stems.
    let any = queries.iter().map(|(query, _)| query.as_str()).collect::<Vec<_>>().join(" || ");
    let factor = queries.iter().map(|(_, stems)| stems).sum::<usize>() as f64 / queries.len() as f64;
    let excluded = terms.excluded_words.iter().map(|word| (format!("!!({})", sql.excluded(word)), word.stems.len()));
    queries.extend(excluded);
    let mut looked_up = 0;
    let (indexed, tested): (Vec<_>, Vec<_>) = queries.into_iter().partition(|(_, stems)| {
        looked_up += stems;
        looked_up <= INDEXED_MAX
    });
    let every = |queries: Vec<(String, usize)>| {
        let queries: Vec<_> = queries.into_iter().map(|(query, _)| query).collect();
        queries.join(" && ")
    };
    let mut tests = Vec::new();
    if !tested.is_empty() {
        tests.push(format!("ts_match_vq(w.words, {})", every(tested)));
    }
    tests.extend(terms.phrases.iter().map(|phrase| sql.has_phrase(phrase)));
    tests.extend(terms.excluded_phrases.iter().map(|phrase| format!("NOT {}", sql.has_phrase(phrase))));
    let (candidates, held) = match tests.len() {
        0 => (CANDIDATES_MAX as usize, "found".to_owned()),
        // One after another, until there are enough.
        count => (
            TESTED_MAX / count,
            format!(
                "(SELECT w.publication_id FROM found JOIN publication_words AS w USING (publication_id)
                  WHERE {} LIMIT {CANDIDATES_MAX}) AS held",
                tests.join(" AND ")
            ),
        ),
    };
    // The order is separate, or the planner would scan in that order instead of using the index.
    sql.finish(&format!(
        "WITH matching AS MATERIALIZED (
             SELECT publication_id FROM publication_words WHERE words @@ ({}) AND numnode({any}) > 0
         ), found AS MATERIALIZED (
             SELECT publication_id FROM matching ORDER BY publication_id DESC LIMIT {candidates}
         )
         SELECT w.publication_id AS id,
             CAST(0.5 * least(1, {factor} * ts_rank(w.words, {any})) AS double precision) AS score
         FROM {held} JOIN publication_words AS w USING (publication_id)
         ORDER BY score DESC, id DESC LIMIT {HITS_MAX}",
        every(indexed)
    ))
}

//! The statement that looks for texts.

use sea_orm::{DbBackend, Statement};

use super::forms::Word;
use super::inputs::SearchType;
use super::sql::HITS_MAX;
use super::sql::{CANDIDATES_MAX, Sql, match_excluded, match_forms, match_phrases};
use super::terms::{Terms, is_stop_word};

/// Stems that are looked up in the index of texts at once. With more than some forty, PostgreSQL would
/// rather read 20,000 texts.
const INDEXED_MAX: usize = 24;
/// Texts found by the index in which phrases and further words are tested, divided by the number of these
/// tests: 10 microseconds for each.
const TESTED_MAX: usize = 10_000;

/// Texts that have all words: with the score that their rank makes.
pub fn select_texts(backend: DbBackend, terms: &Terms, kinds: &[SearchType]) -> Option<Statement> {
    let mut words = terms.words_of_texts();
    // Long ones are the rarer.
    words.sort_by_key(|word| std::cmp::Reverse(word.text.len()));
    if (words.is_empty() && terms.phrases.is_empty()) || !kinds.contains(&SearchType::Publication) {
        return None;
    }
    match backend {
        DbBackend::Sqlite => Some(on_sqlite(terms, &words)),
        // Phrases of words that the index leaves out, such as "A.I.", cannot be looked for.
        _ if words.is_empty() && terms.phrases.iter().flatten().all(|word| is_stop_word(word)) => None,
        _ => Some(on_postgres(terms, &words)),
    }
}

/// A text is scored by its rank among those that FTS5 finds.
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

/// Those that the index finds are tested for what it cannot tell, and ranked.
fn on_postgres(terms: &Terms, words: &[&Word]) -> Statement {
    let mut sql = Sql::new(DbBackend::Postgres);
    let mut queries: Vec<_> =
        words.iter().map(|word| (sql.words(word, word.prefix.as_deref()), word.stems.len())).collect();
    for word in terms.phrases.iter().flatten().filter(|word| !is_stop_word(word)) {
        queries.push((format!("to_tsquery('pg_catalog.russian', {})", sql.bind(word.as_str())), 1));
    }
    // Ranking by && compares all pairs of places; by || it divides by the number of stems.
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
        // One after the other, until there are enough.
        count => (
            TESTED_MAX / count,
            format!(
                "(SELECT w.publication_id FROM found JOIN publication_words AS w USING (publication_id)
                  WHERE {} LIMIT {CANDIDATES_MAX}) AS held",
                tests.join(" AND ")
            ),
        ),
    };
    // The order stands apart, or the planner would walk along it instead of using the index.
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

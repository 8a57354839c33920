//! Building blocks of the search statements: bound values, and shared conditions.

use sea_orm::{DbBackend, Statement, Value};

use super::forms::Word;
use super::terms::Terms;

/// The maximum number of hits.
pub const HITS_MAX: usize = 200;

/// The number of candidates of one type that are scored.
pub const CANDIDATES_MAX: u32 = 1_000;

/// A statement that is being built.
pub struct Sql {
    backend: DbBackend,
    values: Vec<Value>,
}

impl Sql {
    /// An empty statement.
    pub fn new(backend: DbBackend) -> Self {
        Self { backend, values: Vec::new() }
    }

    /// Binds a value and returns its placeholder.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// The statement with its text and the bound values.
    pub fn finish(self, text: &str) -> Statement {
        Statement::from_sql_and_values(self.backend, text, self.values)
    }

    /// The row with this `publication_id` has no excluded words. `None` if there are no exclusions.
    pub fn rules_out(&mut self, terms: &Terms) -> Option<String> {
        if self.backend == DbBackend::Sqlite {
            let excluded = self.bind(match_excluded(terms)?);
            return Some(format!(
                "publication_id NOT IN (SELECT rowid FROM publication_words WHERE publication_words MATCH {excluded})"
            ));
        }
        let mut tests = Vec::new();
        for word in &terms.excluded_words {
            let words = self.excluded(word);
            tests.push(format!(
                "publication_id NOT IN (SELECT publication_id FROM publication_words WHERE words @@ ({words}))"
            ));
        }
        for phrase in &terms.excluded_phrases {
            tests.push(format!(
                "NOT EXISTS (SELECT FROM publication_words AS w
                 WHERE w.publication_id = publication_titles.publication_id AND {})",
                self.has_phrase(phrase)
            ));
        }
        (!tests.is_empty()).then(|| tests.join(" AND "))
    }

    /// The text `w` has the phrase. It is a function, because the operator would be looked up in the index, and every
    /// text found there would be read.
    pub fn has_phrase(&mut self, phrase: &[String]) -> String {
        let phrase = self.bind(phrase.join(" "));
        format!("ts_match_vq(w.words, phraseto_tsquery('pg_catalog.russian', {phrase}))")
    }

    /// The word in all its forms as a `tsquery`, and words that begin with `prefix`. Words that PostgreSQL's own list
    /// considers too common are omitted.
    pub fn words(&mut self, word: &Word, prefix: Option<&str>) -> String {
        let own = format!("to_tsquery('pg_catalog.russian', {})", self.bind(word.text.as_str()));
        let others = word.stems[1..].iter().cloned().chain(prefix.map(|prefix| format!("{prefix}:*")));
        let others: Vec<_> = others.collect();
        if others.is_empty() {
            return own;
        }
        let others = self.bind(others.join(" | "));
        format!("CASE numnode({own}) WHEN 0 THEN {own} ELSE {own} || to_tsquery('pg_catalog.simple', {others}) END")
    }

    /// The word in all its forms as a `tsquery`, without those that PostgreSQL's own list considers too common.
    pub fn excluded(&mut self, word: &Word) -> String {
        format!("to_tsquery('pg_catalog.simple', {})", self.bind(word.stems.join(" | ")))
    }

    /// On SQLite: some text of the row matches.
    pub fn has_trigrams(&mut self, table: &str, key: &str, matching: String) -> String {
        let matching = self.bind(matching);
        format!("{key} IN (SELECT rowid FROM {table}_trigram WHERE {table}_trigram MATCH {matching})")
    }

    /// Some text of the row contains one of each group of `needles`, which have only letters and digits.
    pub fn holds<T: AsRef<str>>(&mut self, texts: &[&str], needles: &[Vec<T>]) -> String {
        let mut one = |group: &Vec<T>| {
            let patterns = group.iter().map(|needle| self.bind(format!("%{}%", needle.as_ref())));
            let tests = patterns.flat_map(|pattern| texts.iter().map(move |text| format!("{text} LIKE {pattern}")));
            format!("({})", tests.collect::<Vec<_>>().join(" OR "))
        };
        needles.iter().map(&mut one).collect::<Vec<_>>().join(" AND ")
    }
}

/// One of `texts` for FTS5. Quoted text is literal. Words have only letters and digits.
pub fn any_of(texts: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("\"{}\"", text.as_ref())).collect();
    format!("({})", quoted.join(" OR "))
}

/// A word in all its forms for FTS5, and words that begin with `prefix`.
pub fn match_forms(word: &Word, prefix: Option<&str>) -> String {
    let mut forms = word.forms();
    let Some(prefix) = prefix else { return any_of(&forms) };
    forms.retain(|form| !form.starts_with(prefix));
    if forms.is_empty() { format!("\"{prefix}\"*") } else { format!("(\"{prefix}\"* OR {})", any_of(&forms)) }
}

/// Phrases for FTS5.
pub fn match_phrases(phrases: &[Vec<String>]) -> impl Iterator<Item = String> {
    phrases.iter().map(|phrase| format!("\"{}\"", phrase.join(" ")))
}

/// All exclusions for FTS5. `None` if there are none.
pub fn match_excluded(terms: &Terms) -> Option<String> {
    let words = terms.excluded_words.iter().map(|word| match_forms(word, None));
    let excluded: Vec<_> = words.chain(match_phrases(&terms.excluded_phrases)).collect();
    (!excluded.is_empty()).then(|| excluded.join(" OR "))
}

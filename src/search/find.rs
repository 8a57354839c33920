//! The statements that look for what was typed, and their hits ranked.
//!
//! One statement over the titles and names of all kinds, one over texts. Where both find nothing,
//! one more looks for titles and names with typos. Each reads a bounded number of candidates, the newest
//! where there are more, through an index. Titles and names are scored here, so that both databases
//! rank them alike.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement, Value};

use super::forms::Word;
use super::score::{edits_allowed, rate_title};
use super::terms::{Terms, is_stop_word};
use crate::error::ApiResult;

/// What can be searched for, in the order of equally good hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, async_graphql::Enum)]
#[graphql(name = "SearchType")]
pub enum Kind {
    /// Movies and series, by title and original title.
    Movie,
    /// People, by name.
    Person,
    /// Publications, by title and text.
    Publication,
    /// Online cinemas, by title.
    Cinema,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Movie, Self::Person, Self::Publication, Self::Cinema];

    /// The table of folded texts, its key, and its columns of texts.
    fn table(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Movie => ("movie_titles", "movie_id", &["title", "original"]),
            Self::Person => ("person_names", "person_id", &["name"]),
            Self::Publication => ("publication_titles", "publication_id", &["title"]),
            Self::Cinema => ("cinema_titles", "cinema_id", &["title"]),
        }
    }
}

/// Something found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// From 0 to 10,000, the greatest first.
    pub score: i64,
    /// What it is.
    pub kind: Kind,
    /// Its primary key.
    pub key: i32,
}

/// Hits at most.
pub const HITS_MAX: usize = 200;
/// Candidates of one kind that are rated.
const CANDIDATES_MAX: u32 = 1_000;
/// Words that are looked up in the index of texts; further ones are tested in what these find. With very
/// many, PostgreSQL would rather read all texts than its index.
const INDEXED_MAX: usize = 6;
/// Texts found by the index in which phrases and further words are tested, divided by their number: 10
/// microseconds for each.
const TESTED_MAX: usize = 10_000;

/// What is found among `kinds`, the best first; equally good ones by kind, then the newest first.
///
/// # Errors
/// What the database answers.
pub async fn find(db: &DatabaseConnection, terms: &Terms, kinds: &[Kind]) -> ApiResult<Vec<Hit>> {
    if terms.is_empty() || kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut best: HashMap<(Kind, i32), f64> = HashMap::new();
    let mut keep = |kind, key, score: f64| {
        let known = best.entry((kind, key)).or_default();
        *known = known.max(score);
    };
    let titles = async { db.query_all_raw(select_titles(db.get_database_backend(), terms, kinds)).await };
    let texts = async {
        match select_texts(db.get_database_backend(), terms, kinds) {
            Some(statement) => db.query_all_raw(statement).await,
            None => Ok(Vec::new()),
        }
    };
    let (titles, texts) = tokio::try_join!(titles, texts)?;
    for row in titles {
        let (kind, key, score) = rate(&row, terms, false)?;
        keep(kind, key, score);
    }
    for row in texts {
        keep(Kind::Publication, row.try_get("", "id")?, row.try_get("", "score")?);
    }
    best.retain(|_, score| *score > 0.0);
    if best.is_empty()
        && let Some(statement) = select_typos(db.get_database_backend(), terms, kinds)
    {
        for row in db.query_all_raw(statement).await? {
            let (kind, key, score) = rate(&row, terms, true)?;
            best.insert((kind, key), score);
        }
        best.retain(|_, score| *score > 0.0);
    }
    let rank = |((kind, key), score): ((Kind, i32), f64)| Hit { score: (score * 1e4).round() as i64, kind, key };
    let mut hits: Vec<_> = best.into_iter().map(rank).collect();
    hits.sort_unstable_by_key(|hit| (-hit.score, hit.kind, -hit.key));
    hits.truncate(HITS_MAX);
    Ok(hits)
}

/// The better of a row's two texts, and nearly as good when only both together have all.
fn rate(row: &QueryResult, terms: &Terms, typos: bool) -> Result<(Kind, i32, f64), DbErr> {
    let (number, key): (i32, i32) = (row.try_get("", "kind")?, row.try_get("", "id")?);
    let (text, second): (String, Option<String>) = (row.try_get("", "text")?, row.try_get("", "second")?);
    let kind = Kind::ALL.into_iter().find(|kind| *kind as i32 == number);
    let kind = kind.ok_or_else(|| DbErr::Type(format!("{number} is no kind of hits")))?;
    let mut score = rate_title(terms, &text, typos);
    if let Some(second) = second {
        let both = rate_title(terms, &format!("{text} {second}"), typos) * 0.98;
        score = score.max(rate_title(terms, &second, typos)).max(both);
    }
    Ok((kind, key, score))
}

/// A statement in the making.
struct Sql {
    backend: DbBackend,
    values: Vec<Value>,
}

impl Sql {
    fn new(backend: DbBackend) -> Self {
        Self { backend, values: Vec::new() }
    }

    /// Binds a value and gives its place in the text.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn finish(self, text: &str) -> Statement {
        Statement::from_sql_and_values(self.backend, text, self.values)
    }

    /// The words of the row with this `publication_id` are none of those excluded.
    fn rules_out(&mut self, terms: &Terms) -> Option<String> {
        if self.backend == DbBackend::Sqlite {
            let excluded = self.bind(match_excluded(terms)?);
            return Some(format!(
                "publication_id NOT IN (SELECT rowid FROM publication_words WHERE publication_words MATCH {excluded})"
            ));
        }
        let words: Vec<_> = terms.excluded_words.iter().map(|word| self.words(word, "")).collect();
        let mut tests = Vec::new();
        if !words.is_empty() {
            tests.push(format!(
                "publication_id NOT IN (SELECT publication_id FROM publication_words WHERE words @@ ({}))",
                words.join(" || ")
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

    /// The text `w` has the phrase. As a function: the operator would be looked up in the index, and
    /// each text it finds read.
    fn has_phrase(&mut self, phrase: &[String]) -> String {
        let phrase = self.bind(phrase.join(" "));
        format!("ts_match_vq(w.words, phraseto_tsquery('pg_catalog.russian', {phrase}))")
    }

    /// The word in all its forms as a `tsquery`, its own followed by `sign`. What PostgreSQL's own list
    /// says is too common stays empty.
    fn words(&mut self, word: &Word, sign: &str) -> String {
        let own = format!("to_tsquery('pg_catalog.russian', {})", self.bind(format!("{}{sign}", word.text)));
        if word.stems.len() == 1 {
            return own;
        }
        let others = self.bind(word.stems[1..].join(" | "));
        format!("CASE numnode({own}) WHEN 0 THEN {own} ELSE {own} || to_tsquery('pg_catalog.simple', {others}) END")
    }

    /// Some text of the row matches, on SQLite.
    fn has_trigrams(&mut self, table: &str, key: &str, matching: String) -> String {
        let matching = self.bind(matching);
        format!("{key} IN (SELECT rowid FROM {table}_trigram WHERE {table}_trigram MATCH {matching})")
    }

    /// Some text of the row holds one of each group of `needles`, which are of letters and digits alone.
    fn holds<T: AsRef<str>>(&mut self, texts: &[&str], needles: &[Vec<T>]) -> String {
        let mut one = |group: &Vec<T>| {
            let patterns = group.iter().map(|needle| self.bind(format!("%{}%", needle.as_ref())));
            let tests = patterns.flat_map(|pattern| texts.iter().map(move |text| format!("{text} LIKE {pattern}")));
            format!("({})", tests.collect::<Vec<_>>().join(" OR "))
        };
        needles.iter().map(&mut one).collect::<Vec<_>>().join(" AND ")
    }
}

/// Titles and names that begin with all that is wanted, or hold its parts.
fn select_titles(backend: DbBackend, terms: &Terms, kinds: &[Kind]) -> Statement {
    let mut sql = Sql::new(backend);
    let mut parts = Vec::new();
    let (long, short) = terms.needles();
    // Without a longer word there are only beginnings to go by, of the whole or of a word.
    let mut starts = vec![terms.plain.as_str()];
    if long.is_empty() && !terms.is_stop_words() {
        starts.extend(terms.plain.split(' '));
        starts.sort_unstable();
        starts.dedup();
    }
    for kind in kinds {
        let (table, key, texts) = kind.table();
        let second = texts.get(1).copied().unwrap_or("CAST(NULL AS text)");
        // What a publication's title says, its text may still rule out.
        let allowed = if *kind == Kind::Publication { sql.rules_out(terms) } else { None };
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
        // Not the key as it is: PostgreSQL would rather walk along it, and test row after row.
        let newest = if backend == DbBackend::Sqlite { key.to_owned() } else { format!("{key} + 0") };
        parts.push(format!("{head} {holds} ORDER BY {newest} DESC LIMIT {CANDIDATES_MAX}"));
    }
    sql.finish(&union(&parts))
}

/// The different rows of all `parts`. SQLite orders and limits the parts of a union only as subqueries.
fn union(parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| format!("SELECT * FROM ({part}) AS part")).collect();
    parts.join(" UNION ")
}

/// Texts that have all words: with the score that their rank makes.
fn select_texts(backend: DbBackend, terms: &Terms, kinds: &[Kind]) -> Option<Statement> {
    let words = terms.words_of_texts();
    if (words.is_empty() && terms.phrases.is_empty()) || !kinds.contains(&Kind::Publication) {
        return None;
    }
    let mut sql = Sql::new(backend);
    if backend == DbBackend::Sqlite {
        let wanted = words.iter().map(|word| match_forms(word, word.prefix.as_deref()));
        let wanted: Vec<_> = wanted.chain(match_phrases(&terms.phrases)).collect();
        let wanted = wanted.join(" AND ");
        let query = sql.bind(match match_excluded(terms) {
            Some(excluded) => format!("({wanted}) NOT ({excluded})"),
            None => wanted,
        });
        return Some(sql.finish(&format!(
            "SELECT id, 0.1 + 0.4 * -rank / (4 - rank) AS score FROM (
                 SELECT rowid AS id, bm25(publication_words, 4.0, 1.0) AS rank
                 FROM publication_words WHERE publication_words MATCH {query}
                 ORDER BY rowid DESC LIMIT {CANDIDATES_MAX}
             ) AS found ORDER BY rank, id DESC LIMIT {HITS_MAX}"
        )));
    }
    let sign = |word: &Word| if word.prefix.is_some() { ":*" } else { "" };
    let mut queries: Vec<_> = words.iter().map(|word| sql.words(word, sign(word))).collect();
    let mut stems: usize = words.iter().map(|word| word.stems.len()).sum();
    for word in terms.phrases.iter().flatten().filter(|word| !is_stop_word(word)) {
        queries.push(format!("to_tsquery('pg_catalog.russian', {})", sql.bind(word.as_str())));
        stems += 1;
    }
    // Ranking by && compares all pairs of places; by || it divides by the number of stems.
    let any = queries.join(" || ");
    let factor = stems as f64 / queries.len() as f64;
    queries.extend(terms.excluded_words.iter().map(|word| format!("!!({})", sql.words(word, ""))));
    let tested = queries.split_off(queries.len().min(INDEXED_MAX));
    let mut tests: Vec<_> = tested.iter().map(|query| format!("ts_match_vq(w.words, {query})")).collect();
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
    Some(sql.finish(&format!(
        "WITH matching AS MATERIALIZED (
             SELECT publication_id FROM publication_words WHERE words @@ ({})
         ), found AS MATERIALIZED (
             SELECT publication_id FROM matching ORDER BY publication_id DESC LIMIT {candidates}
         )
         SELECT w.publication_id AS id,
             CAST(0.5 * least(1, {factor} * ts_rank(w.words, {any})) AS double precision) AS score
         FROM {held} JOIN publication_words AS w USING (publication_id)
         ORDER BY score DESC, id DESC LIMIT {HITS_MAX}",
        queries.join(" && ")
    )))
}

/// What FTS5 takes for one of `texts`: what stands in quotes is itself. Words are letters and
/// digits alone.
fn any_of(texts: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("\"{}\"", text.as_ref())).collect();
    format!("({})", quoted.join(" OR "))
}

/// A word in all its forms, as FTS5 takes it, and what begins with `prefix`.
fn match_forms(word: &Word, prefix: Option<&str>) -> String {
    let mut forms = word.forms();
    let Some(prefix) = prefix else { return any_of(&forms) };
    forms.retain(|form| !form.starts_with(prefix));
    if forms.is_empty() { format!("\"{prefix}\"*") } else { format!("(\"{prefix}\"* OR {})", any_of(&forms)) }
}

/// Phrases as FTS5 takes them.
fn match_phrases(phrases: &[Vec<String>]) -> impl Iterator<Item = String> {
    phrases.iter().map(|phrase| format!("\"{}\"", phrase.join(" ")))
}

fn match_excluded(terms: &Terms) -> Option<String> {
    let words = terms.excluded_words.iter().map(|word| match_forms(word, None));
    let excluded: Vec<_> = words.chain(match_phrases(&terms.excluded_phrases)).collect();
    (!excluded.is_empty()).then(|| excluded.join(" OR "))
}

/// Titles and names that hold a piece of each long word, those with the most of their trigrams first.
fn select_typos(backend: DbBackend, terms: &Terms, kinds: &[Kind]) -> Option<Statement> {
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
        if *kind == Kind::Publication {
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

/// What a text with at most the allowed edits of the word has one of: one piece more than there may be
/// edits, each of three letters at least, since trigrams find no less. Of a word of five letters they
/// overlap, so what has another letter in the middle is missed. Two letters exchanged may be in
/// two pieces, so short words are also looked for with each two exchanged.
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

/// Each three letters in a row.
fn trigrams(word: &str) -> Vec<String> {
    let letters: Vec<_> = word.chars().collect();
    letters.windows(3).map(|three| three.iter().collect()).collect()
}

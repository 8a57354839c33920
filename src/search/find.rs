//! The statements that look for what was typed, and their hits ranked.
//!
//! One statement over the titles and names of all kinds, one over texts. Where both find nothing,
//! PostgreSQL looks again with typos. Each reads a bounded number of candidates, the newest
//! where there are more, through an index. Titles and names are scored here, so that both databases
//! rank them alike.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement, Value};

use super::score::{edits_allowed, rate_title};
use super::terms::{Terms, Word, is_stop_word};
use crate::db::dialect::escape_like;
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
        let mut queries = Vec::new();
        for word in &terms.excluded_words {
            queries.push(format!("to_tsquery('pg_catalog.russian', {})", self.bind(word.text.as_str())));
        }
        for phrase in &terms.excluded_phrases {
            queries.push(format!("phraseto_tsquery('pg_catalog.russian', {})", self.bind(phrase.join(" "))));
        }
        (!queries.is_empty()).then(|| {
            format!(
                "NOT EXISTS (SELECT FROM publication_words AS w
                 WHERE w.publication_id = publication_titles.publication_id AND ts_match_vq(w.words, {}))",
                queries.join(" || ")
            )
        })
    }

    /// Some text of the row holds each of `parts`, which LIKE takes as they are.
    fn holds(&mut self, texts: &[&str], parts: &[&str]) -> String {
        let one = |sql: &mut Self, part: &&str| {
            let pattern = sql.bind(format!("%{}%", escape_like(part)));
            let tests: Vec<_> = texts.iter().map(|text| format!("{text} LIKE {pattern}")).collect();
            format!("({})", tests.join(" OR "))
        };
        parts.iter().map(|part| one(self, part)).collect::<Vec<_>>().join(" AND ")
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
                let phrases: Vec<_> = long.iter().map(|needle| format!("\"{needle}\"")).collect();
                let phrases = sql.bind(phrases.join(" AND "));
                format!("{key} IN (SELECT rowid FROM {table}_trigram WHERE {table}_trigram MATCH {phrases})")
            }
            _ => sql.holds(texts, &long),
        };
        if !short.is_empty() {
            holds += &format!(" AND {}", sql.holds(texts, &short));
        }
        parts.push(format!("{head} {holds} ORDER BY {key} DESC LIMIT {CANDIDATES_MAX}"));
    }
    // SQLite orders and limits the parts of a union only as subqueries.
    let parts: Vec<_> = parts.iter().map(|part| format!("SELECT * FROM ({part}) AS part")).collect();
    sql.finish(&parts.join(" UNION "))
}

/// Texts that have all words: with the score that their rank makes.
fn select_texts(backend: DbBackend, terms: &Terms, kinds: &[Kind]) -> Option<Statement> {
    if terms.is_stop_words() || !kinds.contains(&Kind::Publication) {
        return None;
    }
    let in_phrases = terms.phrases.iter().flatten().filter(|word| !is_stop_word(word));
    let mut sql = Sql::new(backend);
    if backend == DbBackend::Sqlite {
        let wanted = match_all(&terms.words, &terms.phrases).join(" AND ");
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
    let lexeme = |word: &Word| format!("{}{}", word.text, if word.by_prefix { ":*" } else { "" });
    let wanted: Vec<_> = terms.words.iter().map(lexeme).chain(in_phrases.cloned()).collect();
    let excluded = terms.excluded_words.iter().map(|word| format!("!{}", word.text));
    let every = sql.bind(wanted.iter().cloned().chain(excluded).collect::<Vec<_>>().join(" & "));
    // Ranking by & compares all pairs of places.
    let any = sql.bind(wanted.join(" | "));
    let mut phrases = String::new();
    for (phrase, not) in terms.phrases.iter().map(|p| (p, "")).chain(terms.excluded_phrases.iter().map(|p| (p, "NOT ")))
    {
        let phrase = sql.bind(phrase.join(" "));
        // As a function: the operator would be looked up in the index, and each text it finds read.
        phrases += &format!(" AND {not}ts_match_vq(w.words, phraseto_tsquery('pg_catalog.russian', {phrase}))");
    }
    Some(sql.finish(&format!(
        "WITH found AS MATERIALIZED (
             SELECT publication_id FROM publication_words
             WHERE words @@ to_tsquery('pg_catalog.russian', {every})
             ORDER BY publication_id DESC LIMIT {CANDIDATES_MAX}
         )
         SELECT w.publication_id AS id,
             CAST(0.5 * ts_rank(w.words, to_tsquery('pg_catalog.russian', {any})) AS double precision) AS score
         FROM found JOIN publication_words AS w USING (publication_id)
         WHERE true{phrases} ORDER BY score DESC, id DESC LIMIT {HITS_MAX}"
    )))
}

/// Words and phrases as FTS5 takes them: what stands in quotes is itself. Words are letters and
/// digits alone.
fn match_all(words: &[Word], phrases: &[Vec<String>]) -> Vec<String> {
    // One or two letters begin too many words.
    let forms = |root: &str| if root.chars().nth(2).is_some() { "*" } else { "" };
    let words = words.iter().map(Word::root).map(|root| format!("\"{root}\"{}", forms(root)));
    words.chain(phrases.iter().map(|phrase| format!("\"{}\"", phrase.join(" ")))).collect()
}

fn match_excluded(terms: &Terms) -> Option<String> {
    let excluded = match_all(&terms.excluded_words, &terms.excluded_phrases);
    (!excluded.is_empty()).then(|| excluded.join(" OR "))
}

/// Titles and names with words like those that are wanted; PostgreSQL alone can.
fn select_typos(backend: DbBackend, terms: &Terms, kinds: &[Kind]) -> Option<Statement> {
    let (long, short): (Vec<_>, Vec<_>) = terms.words.iter().partition(|word| edits_allowed(&word.text) > 0);
    if backend == DbBackend::Sqlite || long.is_empty() {
        return None;
    }
    let short: Vec<_> = short.iter().map(|word| word.root()).collect();
    let mut sql = Sql::new(backend);
    let mut parts = Vec::new();
    for kind in kinds {
        let (table, key, texts) = kind.table();
        let second = texts.get(1).copied().unwrap_or("CAST(NULL AS text)");
        let mut tests = Vec::new();
        for word in &long {
            let word = sql.bind(word.text.as_str());
            let like: Vec<_> = texts.iter().map(|text| format!("{word} <% {text}")).collect();
            tests.push(format!("({})", like.join(" OR ")));
        }
        if !short.is_empty() {
            tests.push(sql.holds(texts, &short));
        }
        parts.push(format!(
            "(SELECT {} AS kind, {key} AS id, {} AS text, {second} AS second FROM {table}
              WHERE {} ORDER BY {key} DESC LIMIT {CANDIDATES_MAX})",
            *kind as i32,
            texts[0],
            tests.join(" AND ")
        ));
    }
    Some(sql.finish(&parts.join(" UNION ALL ")))
}

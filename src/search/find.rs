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
/// Texts with all words of a phrase that are read for it: 10 microseconds for each where it is not.
const PHRASE_CANDIDATES_MAX: u32 = 20_000;

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
        let mut queries: Vec<_> = terms.excluded_words.iter().map(|word| self.words(word)).collect();
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

    /// The word in all its forms as a `tsquery`. What PostgreSQL's own list says is too common stays empty.
    fn words(&mut self, word: &Word) -> String {
        let begins = if word.prefix.is_some() { ":*" } else { "" };
        let own = format!("to_tsquery('pg_catalog.russian', {})", self.bind(format!("{}{begins}", word.text)));
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

    /// Some text of the row has a word like this one.
    fn is_like(&mut self, texts: &[&str], word: &str) -> String {
        let like = self.bind(word);
        let like: Vec<_> = texts.iter().map(|text| format!("{like} <% {text}")).collect();
        let swapped = swapped(word);
        let swapped: Vec<_> = swapped.iter().map(String::as_str).collect();
        if swapped.is_empty() {
            return format!("({})", like.join(" OR "));
        }
        format!("({} OR {})", like.join(" OR "), self.holds(texts, &[swapped]))
    }

    /// Some text of the row holds one of each group of `needles`, which LIKE takes as they are.
    fn holds(&mut self, texts: &[&str], needles: &[Vec<&str>]) -> String {
        let one = |sql: &mut Self, group: &Vec<&str>| {
            let patterns = group.iter().map(|needle| sql.bind(format!("%{}%", escape_like(needle))));
            let tests = patterns.flat_map(|pattern| texts.iter().map(move |text| format!("{text} LIKE {pattern}")));
            format!("({})", tests.collect::<Vec<_>>().join(" OR "))
        };
        needles.iter().map(|group| one(self, group)).collect::<Vec<_>>().join(" AND ")
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
                let all: Vec<_> = long.iter().map(|group| any_of(group)).collect();
                sql.has_trigrams(table, key, all.join(" AND "))
            }
            _ => sql.holds(texts, &long),
        };
        if !short.is_empty() {
            holds += &format!(" AND {}", sql.holds(texts, &short));
        }
        parts.push(format!("{head} {holds} ORDER BY {key} DESC LIMIT {CANDIDATES_MAX}"));
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
    let mut wanted: Vec<_> = terms.words.iter().map(|word| sql.words(word)).collect();
    for word in in_phrases {
        wanted.push(format!("to_tsquery('pg_catalog.russian', {})", sql.bind(word.as_str())));
    }
    // Ranking by && compares all pairs of places.
    let any = wanted.join(" || ");
    wanted.extend(terms.excluded_words.iter().map(|word| format!("!!({})", sql.words(word))));
    let every = wanted.join(" && ");
    let mut phrases = Vec::new();
    for (phrase, not) in terms.phrases.iter().map(|p| (p, "")).chain(terms.excluded_phrases.iter().map(|p| (p, "NOT ")))
    {
        let phrase = sql.bind(phrase.join(" "));
        // As a function: the operator would be looked up in the index, and each text it finds read.
        phrases.push(format!("{not}ts_match_vq(w.words, phraseto_tsquery('pg_catalog.russian', {phrase}))"));
    }
    let (candidates, held) = match phrases.join(" AND ") {
        none if none.is_empty() => (CANDIDATES_MAX, "found".to_owned()),
        // One after the other, until there are enough.
        phrases => (
            PHRASE_CANDIDATES_MAX,
            format!(
                "(SELECT w.publication_id FROM found JOIN publication_words AS w USING (publication_id)
                  WHERE {phrases} LIMIT {CANDIDATES_MAX}) AS held"
            ),
        ),
    };
    Some(sql.finish(&format!(
        "WITH found AS MATERIALIZED (
             SELECT publication_id FROM publication_words WHERE words @@ ({every})
             ORDER BY publication_id DESC LIMIT {candidates}
         )
         SELECT w.publication_id AS id, CAST(0.5 * ts_rank(w.words, {any}) AS double precision) AS score
         FROM {held} JOIN publication_words AS w USING (publication_id)
         ORDER BY score DESC, id DESC LIMIT {HITS_MAX}"
    )))
}

/// What FTS5 takes for one of `texts`: what stands in quotes is itself. Words are letters and
/// digits alone.
fn any_of(texts: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("\"{}\"", text.as_ref())).collect();
    format!("({})", quoted.join(" OR "))
}

/// Words in all their forms and phrases, as FTS5 takes them.
fn match_all(words: &[Word], phrases: &[Vec<String>]) -> Vec<String> {
    let words = words.iter().map(|word| match (&word.prefix, word.forms()) {
        (Some(prefix), forms) if forms.is_empty() => format!("\"{prefix}\"*"),
        (Some(prefix), forms) => format!("(\"{prefix}\"* OR {})", any_of(&forms)),
        (None, forms) => any_of(&forms),
    });
    words.chain(phrases.iter().map(|phrase| format!("\"{}\"", phrase.join(" ")))).collect()
}

fn match_excluded(terms: &Terms) -> Option<String> {
    let excluded = match_all(&terms.excluded_words, &terms.excluded_phrases);
    (!excluded.is_empty()).then(|| excluded.join(" OR "))
}

/// Titles and names with words like those that are wanted, by the trigrams that they share.
fn select_typos(backend: DbBackend, terms: &Terms, kinds: &[Kind]) -> Option<Statement> {
    let (long, short): (Vec<_>, Vec<_>) = terms.words.iter().partition(|word| edits_allowed(&word.text) > 0);
    if long.is_empty() {
        return None;
    }
    let short: Vec<_> = short.iter().map(|word| word.needles()).collect();
    let mut sql = Sql::new(backend);
    let mut parts = Vec::new();
    for kind in kinds {
        let (table, key, texts) = kind.table();
        let second = texts.get(1).copied().unwrap_or("CAST(NULL AS text)");
        let columns = format!("{} AS kind, {key} AS id, {} AS text, {second} AS second", *kind as i32, texts[0]);
        let mut tests: Vec<_> = match backend {
            DbBackend::Sqlite => vec![sql.has_trigrams(table, key, match_like(&long))],
            _ => long.iter().map(|word| sql.is_like(texts, &word.text)).collect(),
        };
        if !short.is_empty() {
            tests.push(sql.holds(texts, &short));
        }
        let tests = tests.join(" AND ");
        parts.push(format!("SELECT {columns} FROM {table} WHERE {tests} ORDER BY {key} DESC LIMIT {CANDIDATES_MAX}"));
    }
    Some(sql.finish(&union(&parts)))
}

/// What has a piece of each of the words, as FTS5 takes it: one piece more than letters may be wrong, so
/// that one is right.
fn match_like(words: &[&Word]) -> String {
    let one = |word: &&Word| {
        let letters: Vec<_> = word.text.chars().collect();
        let pieces = edits_allowed(&word.text) + 1;
        let length = letters.len().div_ceil(pieces);
        let starts = (0..pieces).map(|piece| (piece * length).min(letters.len() - length));
        let pieces = starts.map(|start| letters[start..start + length].iter().collect());
        any_of(&pieces.chain(swapped(&word.text)).collect::<Vec<String>>())
    };
    words.iter().map(one).collect::<Vec<_>>().join(" AND ")
}

/// The word with each two neighbours exchanged; none for long words, of which enough trigrams are left
/// to be found by them.
fn swapped(word: &str) -> Vec<String> {
    let letters: Vec<_> = word.chars().collect();
    let swap = |at: usize| {
        let mut letters = letters.clone();
        letters.swap(at, at + 1);
        letters.into_iter().collect()
    };
    if edits_allowed(word) > 1 { Vec::new() } else { (0..letters.len() - 1).map(swap).collect() }
}

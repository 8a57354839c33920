//! Exclusions that PostgreSQL's text index cannot check: it omits the words that its own list considers too common,
//! such as "три". They are searched for in the texts of the hits.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::inputs::SearchType;
use super::score::Hit;
use super::sql::HITS_MAX;
use super::terms::Terms;
use crate::db::ReadPool;

/// The maximum number of texts that are searched: some milliseconds for each of the longest.
const LOOKED_THROUGH_MAX: usize = 2 * HITS_MAX;

/// The exclusions of one search that the index does not know.
#[derive(Debug, Default)]
pub struct ExtraExclusions {
    /// What texts must not match, as a regular expression.
    pattern: Option<String>,
}

impl ExtraExclusions {
    /// Takes the phrases with such words out of `terms`, whose statements would only find the other words.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_from(terms: &mut Terms, db: &ReadPool) -> Result<Self, DbErr> {
        if db.get_database_backend() == DbBackend::Sqlite {
            return Ok(Self::default());
        }
        let forms: Vec<_> = terms.excluded_words.iter().flat_map(|word| word.forms()).collect();
        let words: Vec<_> = forms.iter().chain(terms.excluded_phrases.iter().flatten()).cloned().collect();
        if words.is_empty() {
            return Ok(Self::default());
        }
        let sql = "SELECT word FROM unnest($1::text[]) AS word
                   WHERE numnode(to_tsquery('pg_catalog.russian', word)) = 0";
        let mut common: Vec<String> = Vec::new();
        for row in db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [words.into()])).await? {
            common.push(row.try_get_by_index(0)?);
        }
        let (unindexed, indexed) = std::mem::take(&mut terms.excluded_phrases)
            .into_iter()
            .partition(|phrase: &Vec<String>| phrase.iter().any(|word| common.contains(word)));
        terms.excluded_phrases = indexed;
        let phrases = Vec::into_iter(unindexed).map(|phrase| phrase.join("[^[:alnum:]]+"));
        let alone = forms.into_iter().filter(|form| common.contains(form));
        // They contain only letters and digits, and are folded.
        let all: Vec<_> = alone.chain(phrases).map(|text| text.replace('е', "[её]")).collect();
        let pattern = (!all.is_empty()).then(|| format!("(^|[^[:alnum:]])({})([^[:alnum:]]|$)", all.join("|")));
        Ok(Self { pattern })
    }

    /// Removes the publications with excluded words from the best of `hits`, and all hits after these.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rule_out(&self, hits: &mut Vec<Hit>, db: &ReadPool) -> Result<(), DbErr> {
        let Some(pattern) = &self.pattern else { return Ok(()) };
        hits.truncate(LOOKED_THROUGH_MAX);
        let publications = hits.iter().filter(|hit| hit.kind == SearchType::Publication);
        let keys: Vec<i32> = publications.map(|hit| hit.key).collect();
        // The database's locale may not support Cyrillic letters.
        let sql = "SELECT id FROM publications
                   WHERE id = ANY($1) AND (title || ' ' || text) COLLATE \"und-x-icu\" ~* $2";
        let values = [keys.into(), pattern.as_str().into()];
        let mut ruled_out: Vec<i32> = Vec::new();
        for row in db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await? {
            ruled_out.push(row.try_get_by_index(0)?);
        }
        hits.retain(|hit| hit.kind != SearchType::Publication || !ruled_out.contains(&hit.key));
        Ok(())
    }
}

//! Finds and ranks hits.
//!
//! One statement searches the titles and names of all types, and one the texts. If both find nothing, another one
//! searches titles and names for typos. Each reads a bounded number of candidates through an index. Titles and names
//! are scored here, so that both databases rank them alike.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::exclusions::ExtraExclusions;
use super::inputs::SearchType;
use super::layout::meant;
use super::score::{Hit, is_ruled_out, rate_title};
use super::sql::HITS_MAX;
use super::terms::Terms;
use super::texts::select_texts;
use super::titles::{select_titles, select_typos};
use crate::db::ReadPool;
use crate::error::ApiResult;

/// The hits for `query` among `kinds`, or for what was probably meant, and the terms that found them.
///
/// # Errors
/// `BadInput` for an invalid query, or the database failed.
pub async fn find_meant(
    db: &ReadPool,
    query: &str,
    kinds: Option<Vec<SearchType>>,
) -> ApiResult<(Arc<Terms>, Vec<Hit>)> {
    let mut terms = Terms::parse("query", query)?;
    let mut kinds = kinds.unwrap_or_else(|| SearchType::ALL.to_vec());
    kinds.sort_unstable();
    kinds.dedup();
    let mut hits = find(db, &terms, &kinds).await?;
    for meant in meant(query).iter().filter_map(|query| Terms::parse("query", query).ok()) {
        if !hits.is_empty() {
            break;
        }
        hits = find(db, &meant, &kinds).await?;
        terms = meant;
    }
    Ok((Arc::new(terms), hits))
}

/// The hits among `kinds`, best first. Equal scores are sorted by type, then newest first.
///
/// # Errors
/// The database failed.
async fn find(db: &ReadPool, terms: &Terms, kinds: &[SearchType]) -> ApiResult<Vec<Hit>> {
    if terms.is_empty() || kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut best: HashMap<(SearchType, i32), f64> = HashMap::new();
    let mut keep = |kind, key, score: f64| {
        let known = best.entry((kind, key)).or_default();
        *known = known.max(score);
    };
    let mut indexed = terms.clone();
    let unindexed = ExtraExclusions::take_from(&mut indexed, db).await?;
    let titles = async { db.query_all_raw(select_titles(db.get_database_backend(), &indexed, kinds)).await };
    let texts = async {
        match select_texts(db.get_database_backend(), &indexed, kinds) {
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
        keep(SearchType::Publication, row.try_get("", "id")?, row.try_get("", "score")?);
    }
    best.retain(|_, score| *score > 0.0);
    if best.is_empty()
        && let Some(statement) = select_typos(db.get_database_backend(), &indexed, kinds)
    {
        for row in db.query_all_raw(statement).await? {
            let (kind, key, score) = rate(&row, terms, true)?;
            best.insert((kind, key), score);
        }
        best.retain(|_, score| *score > 0.0);
    }
    let rank = |((kind, key), score): ((SearchType, i32), f64)| Hit { score: (score * 1e4).round() as i64, kind, key };
    let mut hits: Vec<_> = best.into_iter().map(rank).collect();
    hits.sort_unstable_by_key(Hit::rank);
    unindexed.rule_out(&mut hits, db).await?;
    hits.truncate(HITS_MAX);
    Ok(hits)
}

/// The score of the better of a row's two texts; slightly less if only both together contain all words.
fn rate(row: &QueryResult, terms: &Terms, typos: bool) -> Result<(SearchType, i32, f64), DbErr> {
    let (number, key): (i32, i32) = (row.try_get("", "kind")?, row.try_get("", "id")?);
    let (text, second): (String, Option<String>) = (row.try_get("", "text")?, row.try_get("", "second")?);
    let kind = SearchType::ALL.into_iter().find(|kind| *kind as i32 == number);
    let kind = kind.ok_or_else(|| DbErr::Type(format!("{number} is not a type of hits")))?;
    let texts = [Some(text.as_str()), second.as_deref()];
    if texts.iter().flatten().any(|text| is_ruled_out(terms, text)) {
        return Ok((kind, key, 0.0));
    }
    let essential = if kind == SearchType::Person { 2 } else { usize::MAX };
    let rate = |text: &str| rate_title(terms, text, essential, typos);
    let both = second.as_ref().map_or(0.0, |second| rate(&format!("{text} {second}")) * 0.98);
    let score = texts.into_iter().flatten().map(rate).fold(both, f64::max);
    Ok((kind, key, score))
}

//! Building blocks of filters: ranges, texts, rows of other tables, folded texts.

use async_graphql::InputObject;
use chrono::{Datelike, FixedOffset, NaiveDate};
use db::{ReadPool, dialect};
use request::error::{ApiError, ApiResult};
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use super::fold::fold;
use super::scalar::DateTime;

/// A range of integers. Both bounds are inclusive. `from` must not be greater than `to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, InputObject)]
pub struct IntRange {
    /// The minimum.
    from: Option<i32>,
    /// The maximum.
    to: Option<i32>,
}

impl IntRange {
    /// The first and the last day of a range of years. `field` is the input's name.
    ///
    /// # Errors
    /// `BadInput` if the range is reversed or the years are not in the calendar.
    pub fn days(self, field: &str) -> ApiResult<(Option<NaiveDate>, Option<NaiveDate>)> {
        self.check(field)?;
        let day = |year: i32, month, day| {
            let date = NaiveDate::from_ymd_opt(year, month, day).filter(|_| (1..=9999).contains(&year));
            date.ok_or_else(|| ApiError::bad_input(field, format!("{year} is out of range; use years 1 to 9999")))
        };
        let from = self.from.map(|year| day(year, 1, 1)).transpose()?;
        Ok((from, self.to.map(|year| day(year, 12, 31)).transpose()?))
    }

    fn check(self, field: &str) -> ApiResult<()> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => {
                Err(ApiError::bad_input(field, format!("`from` ({from}) is greater than `to` ({to}); swap them")))
            }
            _ => Ok(()),
        }
    }

    /// `column` is in the range. `field` is the input's name.
    ///
    /// # Errors
    /// `BadInput` if the range is reversed.
    pub fn condition(self, field: &str, column: impl ColumnTrait) -> ApiResult<Condition> {
        self.check(field)?;
        let column = || Expr::col(column.as_column_ref());
        Ok(Condition::all()
            .add_option(self.from.map(|from| column().gte(from)))
            .add_option(self.to.map(|to| column().lte(to))))
    }
}

/// Checks that both databases can compare the time in the input `field`.
///
/// # Errors
/// `BadInput` if its year does not have four digits.
pub fn check_time(field: &str, DateTime(time): DateTime) -> ApiResult<chrono::DateTime<FixedOffset>> {
    if !(1..=9999).contains(&time.year()) {
        return Err(ApiError::bad_input(field, "is out of range; use a time in the years 1 to 9999"));
    }
    Ok(time.fixed_offset())
}

/// The maximum length of a text in a filter, in characters.
const TEXT_LENGTH_MAX: usize = 1_000;

/// Checks that a database accepts the text in the input `field`.
///
/// # Errors
/// `BadInput` if it is too long or contains a NUL.
pub fn check_text(field: &str, text: String) -> ApiResult<String> {
    if text.chars().nth(TEXT_LENGTH_MAX).is_some() {
        return Err(ApiError::bad_input(field, format!("must be at most {TEXT_LENGTH_MAX} characters long")));
    }
    if text.contains('\0') {
        return Err(ApiError::bad_input(field, "contains a NUL character; remove it"));
    }
    Ok(text)
}

/// The table of `E` has a row whose column `link` refers to `own` and that matches `terms`.
///
/// Not EXISTS: SQLite would search for such a row for each row of the list, even if there are few.
pub fn has_row<E: EntityTrait>(link: E::Column, own: impl ColumnTrait, terms: impl IntoCondition) -> Expr {
    own.in_subquery(E::find().select_only().column(link).filter(terms).into_query())
}

/// The location of the folded texts of a list's rows.
#[derive(Clone, Copy, Debug)]
pub struct FoldedTexts<E: EntityTrait> {
    /// The column that refers to the listed row.
    pub owner: E::Column,
    /// The columns with the texts.
    pub texts: &'static [E::Column],
    /// Whether the words of a search text may appear anywhere, as in names, or only as one phrase.
    pub by_words: bool,
}

/// The number of letters that a trigram index needs. Shorter texts match only at the start.
const NEEDLE_LENGTH_MIN: usize = 3;

/// Up to this many matching rows are selected by their ids.
const FOUND_MAX: u64 = 1_000;

/// A folded text of the row with the key `own` contains the text in the input `field`, or starts with it if that has
/// one or two letters. `None` if it is blank. With `by_words`, the folded text contains every word, and starts with all
/// of them if none has three letters.
///
/// First counts the matches. A few are passed to the list as ids. Many are found quickly while the list is read in any
/// order. Without the count, the database would have to guess, and a plan for all texts reads the whole order if
/// nothing matches.
///
/// # Errors
/// `BadInput` for a text that is too long or that a database does not accept.
pub async fn has_text<E: EntityTrait>(
    db: &ReadPool,
    own: impl ColumnTrait,
    folded: FoldedTexts<E>,
    field: &str,
    text: Option<String>,
) -> ApiResult<Option<Expr>> {
    let needle = fold(&check_text(field, text.unwrap_or_default())?);
    let (FoldedTexts { owner, texts, by_words }, backend) = (folded, db.get_database_backend());
    if needle.is_empty() {
        return Ok(None);
    }
    let any = |test: &dyn Fn(&E::Column) -> Expr| texts.iter().map(test).fold(Condition::any(), Condition::add);
    let parts: Vec<_> = if by_words { needle.split(' ').collect() } else { vec![needle.as_str()] };
    let is_long = |part: &&str| part.chars().nth(NEEDLE_LENGTH_MIN - 1).is_some();
    let long: Vec<_> = parts.iter().copied().filter(is_long).collect();
    let holds = |part: &&str| any(&|column| dialect::position(backend, *column, part).gt(0));
    let all = parts.iter().map(holds).fold(Condition::all(), Condition::add);
    // No character sorts after the last one.
    let end = format!("{needle}\u{10ffff}");
    let begins = |column: &E::Column| column.gte(needle.as_str()).and(column.lt(end.as_str()));
    let rows = E::find().select_only().column(owner);
    let (mut look_up, test) = if long.is_empty() {
        (rows.filter(any(&begins)).into_query(), any(&begins))
    } else if long.len() == parts.len() {
        (dialect::find_texts(backend, owner, texts, &long), all)
    } else {
        let found = dialect::find_texts(backend, owner, texts, &long);
        (rows.filter(owner.in_subquery(found)).filter(all.clone()).into_query(), all)
    };
    let rows = db.query_all(look_up.limit(FOUND_MAX + 1)).await?;
    if rows.len() as u64 <= FOUND_MAX {
        let ids: Vec<i32> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        return Ok(Some(dialect::one_of(backend, own.as_column_ref(), &ids)));
    }
    let mut row = E::find().select_only().filter(owner.into_expr().eq(own.into_expr())).into_query();
    Ok(Some(Expr::SubQuery(None, Box::new(row.expr(test).take().into()))))
}

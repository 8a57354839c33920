//! Inputs of ratings: those of mutations, and the order of other lists by ratings.

use async_graphql::{ID, InputObject};
use entity::rating_totals;
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationDef, Select};

use crate::kit::SortKey;

/// A rating of a movie or a publication.
#[derive(Clone, Debug, InputObject)]
pub struct RateInput {
    /// The id of the movie or publication.
    pub(super) subject_id: ID,
    /// The rating, from 1 to 5.
    pub(super) rating: i32,
}

/// A rating to delete.
#[derive(Clone, Debug, InputObject)]
pub struct RemoveRatingInput {
    /// The id of the rated movie or publication.
    pub(super) subject_id: ID,
}

/// The keys of an order by average user rating. `subject` is the listed table's key in the totals.
pub fn order_keys(subject: rating_totals::Column) -> Vec<SortKey> {
    vec![SortKey::column(rating_totals::Column::Average), SortKey::present(subject)]
}

/// Joins the totals of the listed rows. `relation` leads to the rows from the totals.
pub fn join_totals<E: EntityTrait>(
    rows: Select<E>,
    relation: RelationDef,
    subject: rating_totals::Column,
) -> Select<E> {
    // The databases use the partial index only if the subject is certainly not null.
    rows.join_rev(JoinType::InnerJoin, relation).filter(subject.is_not_null())
}

//! Rules of availabilities: on what terms a cinema shows a movie.

use entity::cinema_online_movie_presence::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, EntityTrait, Set};

use super::mutation::{RemoveAvailabilityInput, SetAvailabilityInput};
use super::{Availability, Cinema};
use crate::audit;
use crate::kit::form::{Form, Given, money, whole};
use crate::kit::scalar::BigInt;
use crate::kit::{Id, Problems, Rejection, Work, edit};
use crate::movie::Movie;

/// Sets the terms on which a cinema shows a movie: there is one row for the two.
///
/// # Errors
/// `Invalid` with all that is wrong with the input.
pub async fn set_availability(work: &Work, input: &SetAvailabilityInput) -> Result<Id<Availability>, Rejection> {
    let mut form = Form::new(work);
    let mut row = ActiveModel { last_update: Set(Some(work.now().fixed_offset())), ..Default::default() };
    form.must_refer::<Movie>(&mut row.movie_id, "movieId", Given::Value(input.movie_id.clone()), "movie").await?;
    form.must_refer::<Cinema>(&mut row.cinema_id, "cinemaId", Given::Value(input.cinema_id.clone()), "cinema").await?;
    form.must(&mut row.price, "price", Given::Value(input.price), money(8));
    form.must(&mut row.rating, "rating", Given::Value(input.rating), whole(1..=5));
    form.must(&mut row.discount, "discountPercent", input.discount_percent, whole(0..=100));
    form.may(&mut row.view_count, "viewCount", input.view_count, check_count);
    let changes = form.check()?;
    let terms = [Column::Price, Column::Rating, Column::Discount, Column::ViewCount, Column::LastUpdate];
    let given = terms.into_iter().filter(|column| row.get(*column).is_set());
    let again = OnConflict::columns([Column::MovieId, Column::CinemaId]).update_columns(given).to_owned();
    let inserted = Entity::insert(row).on_conflict(again).exec(work.txn()).await?;
    let id = Id::new(inserted.last_insert_id);
    audit::record(work, id, changes).await?;
    Ok(id)
}

fn check_count(problems: &mut Problems, field: &str, BigInt(count): BigInt) -> i64 {
    problems.require(count >= 0, field, "is below zero");
    count
}

/// Ends that a cinema shows a movie.
///
/// # Errors
/// `Invalid` when it does not.
pub async fn remove_availability(work: &Work, input: &RemoveAvailabilityInput) -> Result<Id<Availability>, Rejection> {
    edit::remove(work, &input.id, "availability", |_| Vec::new()).await
}

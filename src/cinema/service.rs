//! Rules of availabilities: the terms at which a cinema offers a movie.

use entity::cinema_online_movie_presence::{ActiveModel, Column, Entity};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Set};

use super::inputs::{RemoveAvailabilityInput, SetAvailabilityInput};
use super::{Availability, Cinema};
use crate::kit::edit::Editable;
use crate::kit::form::{Form, field, money, whole};
use crate::kit::scalar::BigInt;
use crate::kit::{Id, Problems, Rejection, UserErrorReason, Work, audit, edit};
use crate::movie::Movie;

/// Sets the terms at which a cinema offers a movie. The two have one row.
///
/// # Errors
/// `Invalid` with all errors of the input.
pub async fn set_availability(work: &Work, input: &SetAvailabilityInput) -> Result<Id<Availability>, Rejection> {
    let SetAvailabilityInput { movie_id, cinema_id, price, rating, discount_percent, view_count } = input.clone();
    let mut form = Form::new(work);
    let (movie_id, cinema_id) = (field!(movie_id), field!(cinema_id));
    let movie = form.find::<Movie>(&movie_id, Movie::WHAT).await?;
    let cinema = form.find::<Cinema>(&cinema_id, Cinema::WHAT).await?;
    let mut row = current_terms(work, movie, cinema).await?;
    if let (Some(movie), Some(cinema)) = (movie, cinema) {
        form.fill(&mut row.movie_id, &movie_id.name, movie.key(), |_| Some(movie.encode()));
        form.fill(&mut row.cinema_id, &cinema_id.name, cinema.key(), |_| Some(cinema.encode()));
    }
    form.must(&mut row.price, field!(price).required(), money(8)).await?;
    form.must(&mut row.rating, field!(rating).required(), whole(1..=5)).await?;
    form.must(&mut row.discount, field!(discount_percent), whole(0..=100)).await?;
    form.may(&mut row.view_count, field!(view_count), check_count).await?;
    let changes = form.check()?;
    if let Some(&known) = row.id.try_as_ref() {
        let id = Id::new(known);
        if !changes.is_empty() {
            row.last_update = Set(Some(work.now().fixed_offset()));
            Entity::update(row).exec_without_returning(work.txn()).await?;
            audit::record(work, id, changes).await?;
        }
        return Ok(id);
    }
    row.last_update = Set(Some(work.now().fixed_offset()));
    // Another request may be inserting the same row.
    let terms = [Column::Price, Column::Rating, Column::Discount, Column::ViewCount, Column::LastUpdate];
    let given = terms.into_iter().filter(|column| row.get(*column).is_set());
    let again = OnConflict::columns([Column::MovieId, Column::CinemaId]).update_columns(given).to_owned();
    let inserted = Entity::insert(row).on_conflict(again).exec(work.txn()).await?;
    let id = Id::new(inserted.last_insert_id);
    audit::record(work, id, changes).await?;
    Ok(id)
}

/// The row of a movie at a cinema, locked until the transaction ends. An empty one if it does not exist.
async fn current_terms(
    work: &Work,
    movie: Option<Id<Movie>>,
    cinema: Option<Id<Cinema>>,
) -> Result<ActiveModel, Rejection> {
    let empty = <ActiveModel as Default>::default;
    let (Some(movie), Some(cinema)) = (movie, cinema) else { return Ok(empty()) };
    let found = Entity::find()
        .filter(Column::MovieId.eq(movie.key()))
        .filter(Column::CinemaId.eq(cinema.key()))
        .lock(LockType::NoKeyUpdate)
        .one(work.txn())
        .await?;
    Ok(found.map_or_else(empty, IntoActiveModel::into_active_model))
}

fn check_count(problems: &mut Problems, field: &str, BigInt(count): BigInt) -> i64 {
    problems.require(count >= 0, field, UserErrorReason::OutOfRange.within(0.0, None), "must not be negative");
    count
}

/// Removes a movie from a cinema's offers.
///
/// # Errors
/// `Invalid` if the cinema does not offer it.
pub async fn remove_availability(work: &Work, input: &RemoveAvailabilityInput) -> Result<Id<Availability>, Rejection> {
    edit::remove(work, &input.id, "availability", |_| Vec::new()).await
}

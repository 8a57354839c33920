//! Rules of screenings: which festival shows which film.

use sea_orm::EntityTrait;

use super::inputs::AddScreeningInput;
use super::objects::{Festival, Screening};
use super::tables::screenings::{ActiveModel, Entity};
use crate::kit::edit::reference;
use crate::kit::form::{Form, field, line};
use crate::kit::{Constraint, Id, Rejection, Work, explain};

const FILM: Constraint = Constraint::unique(
    "screenings_festival_id_film_key",
    "screenings.festival_id, screenings.film",
    "input.film",
    "the festival already shows this film",
);

/// Adds a screening.
///
/// # Errors
/// `Invalid` with all errors of the input.
pub async fn add_screening(work: &Work, input: &AddScreeningInput) -> Result<Id<Screening>, Rejection> {
    let AddScreeningInput { festival_id, film } = input.clone();
    let mut form = Form::new(work);
    let mut row = <ActiveModel as Default>::default();
    form.must(&mut row.festival_id, field!(festival_id).required(), reference::<Festival>()).await?;
    form.must(&mut row.film, field!(film).required(), line(128)).await?;
    form.check()?;
    let inserted = Entity::insert(row).exec(work.txn()).await.map_err(explain(&[FILM]))?;
    Ok(Id::new(inserted.last_insert_id))
}

//! Rules of orders: what one costs, and that nobody orders the same twice.

use entity::{cinema_online_movie_presence as presence, user_movie_orders as orders};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};
use uuid::Builder;

use super::Order;
use super::inputs::OrderMovieInput;
use crate::cinema::{Cinema, student_price};
use crate::kit::edit::Editable;
use crate::kit::form::{Form, field, path};
use crate::kit::scalar::Money;
use crate::kit::{Constraint, Id, Rejection, UserError, Work, explain};
use crate::movie::Movie;

const ONCE: Constraint = Constraint::unique(
    "user_movie_orders_m2m_pk2",
    "user_movie_orders.user_id, user_movie_orders.movie_id, user_movie_orders.online_cinema_id",
    "input.movieId",
    ORDERED,
);

const ORDERED: &str = "you have ordered this movie at this cinema already";

/// Orders a movie for the viewer.
///
/// # Errors
/// `Invalid`: there is no such movie or cinema, the cinema does not show the movie, or the viewer
/// has ordered it there already.
pub async fn order(work: &Work, input: &OrderMovieInput) -> Result<Id<Order>, Rejection> {
    let OrderMovieInput { movie_id, cinema_id } = input.clone();
    let mut form = Form::new(work);
    let (movie_id, cinema_id) = (field!(movie_id), field!(cinema_id));
    let movie = form.find::<Movie>(&movie_id, Movie::WHAT).await?;
    let cinema = form.find::<Cinema>(&cinema_id, Cinema::WHAT).await?;
    form.check()?;
    let not_shown = || UserError::not_found(path(&cinema_id.name), "movie at this cinema");
    let (Some(movie), Some(cinema)) = (movie, cinema) else { return Err(not_shown().into()) };
    // Its terms stay as they are until the order is made.
    let terms = presence::Entity::find()
        .filter(presence::Column::MovieId.eq(movie.key()))
        .filter(presence::Column::CinemaId.eq(cinema.key()))
        .lock(LockType::Share)
        .one(work.txn())
        .await?
        .ok_or_else(not_shown)?;
    // The insertion would say so too, but take an id for each try.
    let ordered = orders::Entity::find()
        .filter(orders::Column::UserId.eq(work.viewer()?.user))
        .filter(orders::Column::MovieId.eq(movie.key()))
        .filter(orders::Column::OnlineCinemaId.eq(cinema.key()));
    if ordered.one(work.txn()).await?.is_some() {
        return Err(UserError::conflict(path(&movie_id.name), ORDERED).into());
    }
    let Money(price) = student_price(Money::round(terms.price), terms.discount);
    let row = orders::ActiveModel {
        cinema_order_id: Set(Builder::from_random_bytes(rand::random()).into_uuid()),
        movie_id: Set(movie.key()),
        user_id: Set(work.viewer()?.user),
        online_cinema_id: Set(cinema.key()),
        price: Set(price),
        date: Set(work.now().fixed_offset()),
        ..Default::default()
    };
    let inserted = orders::Entity::insert(row).exec(work.txn()).await.map_err(explain(&[ONCE]))?;
    Ok(Id::new(inserted.last_insert_id))
}

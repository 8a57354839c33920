//! Rules of orders: the price, and that a user orders a movie from a cinema only once.

use std::sync::LazyLock;

use entity::{cinema_online_movie_presence as presence, user_movie_orders as orders};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Set};
use uuid::{Builder, Uuid};

use super::Order;
use super::inputs::OrderMovieInput;
use crate::cinema::{Cinema, student_price};
use crate::kit::edit::Editable;
use crate::kit::form::{Form, field, path};
use crate::kit::rows::Returning;
use crate::kit::scalar::Money;
use crate::kit::single::{SingleCall, SingleSql, SingleStatement};
use crate::kit::{Constraint, Id, Rejection, UserError, UserErrorReason, Work, explain};
use crate::movie::Movie;

const ONCE: Constraint = Constraint::unique(
    "user_movie_orders_m2m_pk2",
    "user_movie_orders.user_id, user_movie_orders.movie_id, user_movie_orders.online_cinema_id",
    "input.movieId",
    ORDERED,
);

const ORDERED: &str = "you have already ordered this movie from this cinema";

/// Orders a movie for the viewer.
///
/// # Errors
/// `Invalid` if the movie or the cinema does not exist, if the cinema does not offer the movie, or if the viewer has
/// already ordered it there.
pub async fn order(work: &Work, input: &OrderMovieInput) -> Result<Id<Order>, Rejection> {
    let OrderMovieInput { movie_id, cinema_id } = input.clone();
    let mut form = Form::new(work);
    let (movie_id, cinema_id) = (field!(movie_id), field!(cinema_id));
    let movie = form.find::<Movie>(&movie_id, Movie::WHAT).await?;
    let cinema = form.find::<Cinema>(&cinema_id, Cinema::WHAT).await?;
    form.check()?;
    let not_shown = || UserError::missing(path(&cinema_id.name), "the cinema does not offer this movie");
    let (Some(movie), Some(cinema)) = (movie, cinema) else { return Err(not_shown().into()) };
    // The terms are locked until the order is inserted.
    let terms = presence::Entity::find()
        .filter(presence::Column::MovieId.eq(movie.key()))
        .filter(presence::Column::CinemaId.eq(cinema.key()))
        .lock(LockType::Share)
        .one(work.txn())
        .await?
        .ok_or_else(not_shown)?;
    // The insertion would detect this too, but each try would use up an id.
    let ordered = orders::Entity::find()
        .filter(orders::Column::UserId.eq(work.viewer()?.user))
        .filter(orders::Column::MovieId.eq(movie.key()))
        .filter(orders::Column::OnlineCinemaId.eq(cinema.key()));
    if ordered.one(work.txn()).await?.is_some() {
        return Err(UserError::conflict(path(&movie_id.name), UserErrorReason::Taken, ORDERED).into());
    }
    let Money(price) = student_price(Money::round(terms.price), terms.discount);
    let row = orders::ActiveModel {
        cinema_order_id: Set(new_number()),
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

/// The terms and the price are the same as in [`order`]: [`student_price`] in SQL.
static ORDER: LazyLock<SingleSql> = LazyLock::new(|| {
    let insert = "terms AS (
            SELECT movie_id, cinema_id, price, discount FROM cinema_online_movie_presence
            WHERE movie_id = $1 AND cinema_id = $2
            FOR SHARE
        ), done AS (
            INSERT INTO user_movie_orders (movie_id, online_cinema_id, user_id, cinema_order_id, date, price)
            SELECT movie_id, cinema_id, $3, $4, $5, round(price * (100 - discount) * 0.01, 2) FROM terms
            WHERE {is_new} AND NOT EXISTS (
                SELECT FROM user_movie_orders WHERE user_id = $3 AND movie_id = $1 AND online_cinema_id = $2
            )
            RETURNING *
        )";
    SingleSql::new(insert, Returning::<Order>::alone())
});

/// The statement of [`order`].
pub fn order_single(call: SingleCall, input: &OrderMovieInput) -> Option<SingleStatement> {
    let movie = Id::<Movie>::parse("", &input.movie_id).ok()?;
    let cinema = Id::<Cinema>::parse("", &input.cinema_id).ok()?;
    let user = call.viewer.user;
    Some(ORDER.bind([
        movie.key().into(),
        cinema.key().into(),
        user.into(),
        new_number().into(),
        call.now.fixed_offset().into(),
    ]))
}

fn new_number() -> Uuid {
    Builder::from_random_bytes(rand::random()).into_uuid()
}

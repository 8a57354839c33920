//! The order as the user sees it who has made it. Nobody else sees it.

use async_graphql::{ComplexObject, Context, SimpleObject};
use entity::user_movie_orders as orders;
use sea_orm::DerivePartialModel;

use crate::account::User;
use crate::cinema::Cinema;
use crate::error::ApiResult;
use crate::kit::scalar::{DateTime, Money, UniqueNumber};
use crate::kit::{ByKey, ContextExt, Edge, Id, InPlace, node};
use crate::movie::Movie;

/// That the viewer has ordered a movie at an online cinema. Others do not see it.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "orders::Entity")]
pub struct Order {
    /// The opaque id, the same in every answer.
    pub id: Id<Order>,
    /// The order's number at the cinema.
    #[sea_orm(from_col = "cinema_order_id")]
    number: UniqueNumber,
    /// What was paid, in roubles: the price of the moment less the discount for students.
    price: Money,
    /// When it was ordered.
    #[sea_orm(from_col = "date")]
    ordered_at: DateTime,
    #[graphql(skip)]
    user_id: Id<User>,
    #[graphql(skip)]
    movie_id: Id<Movie>,
    #[graphql(skip)]
    #[sea_orm(from_col = "online_cinema_id")]
    cinema_id: Id<Cinema>,
}

node!(Order, orders, owner: |order: &Order| order.user_id.key());

#[ComplexObject]
impl Order {
    /// The movie.
    async fn movie(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Movie>> {
        ctx.load(self.movie_id).await.map(InPlace)
    }

    /// The cinema.
    async fn cinema(&self, ctx: &Context<'_>) -> ApiResult<InPlace<Cinema>> {
        ctx.load(self.cinema_id).await.map(InPlace)
    }
}

/// `User.orders`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrdersOfUser;

impl Edge for OrdersOfUser {
    type Node = Order;
    type Order = ByKey<Order>;

    const LIST: &'static str = "User.orders";

    fn parent_column() -> orders::Column {
        orders::Column::UserId
    }
}

//! Relay's global object identification: any object by its id.

use async_graphql::futures_util::future::try_join_all;
use async_graphql::{Context, ID, Interface, Object};

use crate::account::{Session, User};
use crate::award::{FilmAward, FilmAwardNomination, MovieAward};
use crate::cinema::{Availability, Cinema};
use crate::comment::Comment;
use crate::error::{ApiError, ApiResult};
use crate::kit::{ContextExt, Id, InPlace, NodeType, id};
use crate::movie::Movie;
use crate::order::Order;
use crate::person::Person;
use crate::publication::{Publication, PublicationCategory};
use crate::rating::Rating;
use crate::staff::{PersonPosition, StaffMember};

/// Ids that one `nodes` may name.
const NODES_MAX: usize = 100;

/// Makes the interface and its look-up from one list, so that neither forgets a type.
macro_rules! any_node {
    ($($node:ident),+ $(,)?) => {
        /// An object that has an id, good for every query that asks for one.
        #[derive(Clone, Debug, Interface)]
        #[graphql(name = "Node", field(name = "id", ty = "ID", desc = "The opaque id, the same in every answer."))]
        pub enum AnyNode {
            $(
                #[doc = concat!("A `", stringify!($node), "`.")]
                $node(InPlace<$node>),
            )+
        }

        /// The object of a type, by its key; `None` when there is none, or no such type.
        ///
        /// # Errors
        /// Whatever the database answers.
        pub async fn find_any(ctx: &Context<'_>, type_name: &str, key: i32) -> ApiResult<Option<AnyNode>> {
            match type_name {
                $($node::TYPE => Ok(ctx.find::<$node>(Id::new(key)).await?.map(InPlace).map(AnyNode::$node)),)+
                _ => Ok(None),
            }
        }

        /// Whether objects of this type have ids.
        pub fn has_type(type_name: &str) -> bool {
            [$($node::TYPE),+].contains(&type_name)
        }
    };
}

any_node!(
    Availability,
    Cinema,
    Comment,
    FilmAward,
    FilmAwardNomination,
    Movie,
    MovieAward,
    Order,
    Person,
    PersonPosition,
    Publication,
    PublicationCategory,
    Rating,
    Session,
    StaffMember,
    User,
);

async fn find(ctx: &Context<'_>, field: &str, id: &ID) -> ApiResult<Option<AnyNode>> {
    match id::split(id) {
        Some((name, key)) if has_type(&name) => find_any(ctx, &name, key).await,
        _ => Err(ApiError::bad_input(field, "not an id of this API; pass an id that a query has returned")),
    }
}

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The object with this id, whatever its type, or null if there is none.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Any id.")] id: ID) -> ApiResult<Option<AnyNode>> {
        find(ctx, "id", &id).await
    }

    /// The objects with these ids in the order of the ids; null where there is none.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Any ids, 100 at most.")] ids: Vec<ID>,
    ) -> ApiResult<Vec<Option<AnyNode>>> {
        if ids.len() > NODES_MAX {
            let text = format!("{} are too many; ask for {NODES_MAX} at most", ids.len());
            return Err(ApiError::bad_input("ids", text));
        }
        let fields: Vec<_> = (0..ids.len()).map(|position| format!("ids.{position}")).collect();
        try_join_all(ids.iter().zip(&fields).map(|(id, field)| find(ctx, field, id))).await
    }
}

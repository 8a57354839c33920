//! Relay's global object identification: any object by its id.

use async_graphql::{ID, InputObject};
use futures_util::future::BoxFuture;
use graphql::{Call, Cell, Cells, Column, Context, FieldError, Object, Registry, Root, index};

use crate::account::objects::{Session, User};
use crate::award::objects::{FilmAward, FilmAwardNomination, MovieAward};
use crate::cinema::objects::{Availability, Cinema};
use crate::comment::objects::Comment;
use crate::error::ApiError;
use crate::kit::NodeType;
use crate::kit::id;
use crate::kit::rows::link::Missing;
use crate::kit::rows::{Table, by_key, find_all};
use crate::movie::objects::Movie;
use crate::order::objects::Order;
use crate::person::objects::Person;
use crate::publication::objects::{Publication, PublicationCategory};
use crate::rating::objects::Rating;
use crate::staff::objects::{PersonPosition, StaffMember};

/// The maximum number of ids in one `nodes`.
const NODES_MAX: usize = 100;

/// Reads objects of one type by their keys.
type Find = for<'a> fn(&'a Context, Vec<Option<i32>>, graphql::Columns) -> BoxFuture<'a, Result<Column, FieldError>>;

fn find<N: Table>(
    context: &Context,
    keys: Vec<Option<i32>>,
    columns: graphql::Columns,
) -> BoxFuture<'_, Result<Column, FieldError>> {
    Box::pin(by_key::<N>(context, keys, columns, Missing::IsNull))
}

/// The types that have ids.
macro_rules! node_types {
    ($($node:ident),+ $(,)?) => {
        const NODE_TYPES: &[(&str, Find)] = &[$(($node::TYPE, find::<$node>)),+];
    };
}

node_types!(
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

fn of_type(name: &str) -> Option<&'static (&'static str, Find)> {
    NODE_TYPES.iter().find(|(other, _)| *other == name)
}

/// Parses the type and the key of an id.
fn read(field: &str, id: &ID) -> Result<(&'static str, i32), ApiError> {
    let found = id::split(id).and_then(|(name, key)| Some((of_type(&name)?.0, key)));
    found.ok_or_else(|| ApiError::bad_input(field, "is not a valid id; pass an id that a query returned"))
}

/// The name of a type with ids.
pub fn type_named(name: &str) -> Option<&'static str> {
    of_type(name).map(|(name, _)| *name)
}

/// Objects by their types and keys. Null for a missing object.
///
/// # Errors
/// The database failed.
pub async fn find_any<T, A>(call: &Call<'_, T, A>, keys: &[Option<(&'static str, i32)>]) -> Result<Column, FieldError> {
    find_all(keys, |name, keys| async move {
        match of_type(name) {
            Some((name, find)) => find(call.context, keys, call.selected.columns_of(name)).await,
            None => Err(ApiError::Internal(format!("{name} has no ids")).into()),
        }
    })
    .await
}

/// The object to find.
#[derive(Debug, InputObject)]
struct NodeArguments {
    /// The id of an object of any type.
    id: ID,
}

/// The objects to find.
#[derive(Debug, InputObject)]
struct NodesArguments {
    /// The ids of at most 100 objects of any type.
    ids: Vec<ID>,
}

/// Adds the fields to the query root.
pub fn describe(query: Object<Root>) -> Object<Root> {
    query
        .resolve_by::<NodeArguments>(
            "node",
            "The object with this id, of any type. Null if it does not exist.",
            |_: &mut Registry| "Node".to_owned(),
            |call| Box::pin(async move { node(call).await.into() }),
        )
        // Only their owners can see sessions and orders.
        .personal()
        .resolve_by::<NodesArguments>(
            "nodes",
            "The objects with these ids, in the same order. Null for each object that does not exist.",
            |_: &mut Registry| "[Node]!".to_owned(),
            |call| Box::pin(async move { nodes(call).await.into() }),
        )
        .personal()
}

async fn node(call: Call<'_, Root, NodeArguments>) -> Result<Column, FieldError> {
    let NodeArguments { id } = &*call.arguments;
    find_any(&call, &[Some(read("id", id)?)]).await
}

async fn nodes(call: Call<'_, Root, NodesArguments>) -> Result<Column, FieldError> {
    let NodesArguments { ids } = &*call.arguments;
    if ids.len() > NODES_MAX {
        let text = format!("has {} ids; the limit is {NODES_MAX}", ids.len());
        return Err(ApiError::bad_input("ids", text).into());
    }
    let keys = ids.iter().enumerate().map(|(i, id)| read(&format!("ids.{i}"), id).map(Some));
    match find_any(&call, &keys.collect::<Result<Vec<_>, _>>()?).await? {
        Column::Cells(cells) => {
            let list = Cell::List { from: 0, len: index(cells.cells.len()) };
            Ok(Column::Cells(Cells { items: cells.cells, cells: vec![list], ..cells }))
        }
        other => Ok(other),
    }
}

//! Users and their sessions.

use chrono::FixedOffset;
use entity::{sessions, users};
use graphql::{Batch, Call, Column, Context, Description, FieldError, NoArguments, Object, Registry, Root};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::inputs::UserArguments;
use super::reads::{find_by_name, read_roles};
use crate::clock;
use crate::comment::CommentsOfUser;
use crate::error::ApiResult;
use crate::kit::rows::link::Missing;
use crate::kit::rows::{ContextExt, List, RowObject, Statement, WideColumn, by_key, look_up, row};
use crate::kit::scalar::{Date, DateTime};
use crate::kit::{ByKey, Id};
use crate::order::OrdersOfUser;
use crate::publication::PublicationsOfUser;
use crate::rating::RatingsOfUser;
use crate::viewer::Role;

row! {
    /// A user of the library. Deleted users are never shown.
    User of users [hidden: deleted_at] {
        id: Id<User>,
        username: String,
        full_name: String = fio,
        joined_at: Date = created_at,
        email: String,
        birthday: Date,
    }
}

row! {
    /// A session of the viewer.
    Session of sessions [owner: user_id] {
        id: Id<Session>,
        created_at: DateTime,
        seen_at: DateTime,
        expires_at: DateTime,
        address: Option<String>,
        agent: Option<String>,
        user_id: Id<User>,
    }
}

/// `User.bio`.
struct UserBio;

impl WideColumn for UserBio {
    type Row = User;

    fn column() -> users::Column {
        users::Column::Bio
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<User>::new("A user. Deleted users are not visible.")
            .node()
            .column("username", "The unique name, in ASCII.", User::username)
            .column("fullName", "The full name.", User::full_name)
            .column("joinedAt", "The date on which the account was created.", User::joined_at)
            .column("email", "The email address. Null for other users.", User::email)
            .only_if(is_viewer)
            .column("birthday", "The date of birth. Null for other users.", User::birthday)
            .only_if(is_viewer)
            .batch::<RoleOfUser>("role", "The role of the user. Only the user and admins can see it. Null for others.")
            .needs(1)
            .only_if(|context, user| is_viewer(context, user) || is_admin(context))
            .edge::<SessionsOfUser>("sessions", "The user's active sessions, oldest first. Null for other users.")
            .only_if(is_viewer)
            .text::<UserBio>("bio", "The user's description of themselves.")
            .costs(8)
            .edge::<PublicationsOfUser>("publications", "The user's publications, oldest first.")
            .edge::<CommentsOfUser>("comments", "The user's comments and replies.")
            .edge::<RatingsOfUser>("ratings", "The user's ratings, oldest first.")
            .edge::<OrdersOfUser>("orders", "The user's orders, oldest first. Null for other users.")
            .only_if(is_viewer),
    );
    description.object(
        Object::<Session>::new("A session of the viewer. Other users' sessions are not visible.")
            .node()
            .column("createdAt", "When the user logged in.", Session::created_at)
            .column("seenAt", "The approximate time when the session was last used.", Session::seen_at)
            .column("expiresAt", "When the session expires if it is not used.", Session::expires_at)
            .column("address", "The IP address from which the user logged in.", Session::address)
            .column("agent", "The `User-Agent` of the client that logged in.", Session::agent)
            .derive("isCurrent", "Whether this request belongs to the session.", |context, session: &Session| {
                context.viewer().is_some_and(|viewer| viewer.session == session.id.key())
            })
            .needs(1)
            .personal(),
    );
}

fn is_viewer(context: &Context, user: &User) -> bool {
    context.is_viewer(user.id.key())
}

fn is_admin(context: &Context) -> bool {
    context.viewer().is_some_and(|viewer| viewer.role >= Role::Admin)
}

/// `User.role`.
struct RoleOfUser;

impl Batch<User> for RoleOfUser {
    type Arguments = NoArguments;
    type Value = Role;

    async fn find(call: Call<'_, User>) -> Result<Vec<Role>, FieldError> {
        let statement = Statement { name: "User.role", parameters: String::new() };
        let keys: Vec<i32> = call.iter().map(|user| user.id.key()).collect();
        let read = async |db, keys: Vec<i32>| read_roles(db, &keys).await;
        let roles = look_up(call.context, &statement, &keys, read).await?;
        Ok(keys.iter().map(|key| roles.get(key).copied().unwrap_or_default()).collect())
    }
}

/// `User.sessions`.
#[derive(Clone, Debug)]
struct SessionsOfUser {
    alive_at: chrono::DateTime<FixedOffset>,
}

impl List for SessionsOfUser {
    type Parent = User;
    type Row = Session;
    type Order = ByKey<Session>;
    type Arguments = NoArguments;

    const LIST: &'static str = "User.sessions";

    fn parent_column() -> sessions::Column {
        sessions::Column::UserId
    }

    fn rows(&self) -> Select<sessions::Entity> {
        sessions::Entity::find().filter(sessions::Column::ExpiresAt.gt(self.alive_at))
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self { alive_at: clock::now().fixed_offset() }, ByKey::default()))
    }
}

/// Adds the fields to the query root.
pub fn add_to_query(query: Object<Root>) -> Object<Root> {
    let user = |_: &mut Registry| "User".to_owned();
    query
        .resolve_by::<NoArguments>("viewer", "The signed-in user. Null if the request is anonymous.", user, |call| {
            Box::pin(async move {
                let key = call.context.viewer().map(|viewer| viewer.user);
                find_user(&call, key).await.into()
            })
        })
        .personal()
        .resolve_by::<UserArguments>("user", "The user with this username. Null if it does not exist.", user, |call| {
            Box::pin(async move { user_by_name(&call).await.into() })
        })
}

async fn find_user<A>(call: &Call<'_, Root, A>, key: Option<i32>) -> Result<Column, FieldError> {
    by_key::<User>(call.context, vec![key; call.rows.len()], call.selected.columns(), Missing::IsNull).await
}

async fn user_by_name(call: &Call<'_, Root, UserArguments>) -> Result<Column, FieldError> {
    let UserArguments { username } = &*call.arguments;
    let key = find_by_name(call.context.db(), username).await?;
    find_user(call, key).await
}

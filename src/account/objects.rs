//! Users, for the engine.

use entity::users;
use graphql::{Description, Object};
use sea_orm::ColumnTrait;

use crate::comment::CommentsOfUser;
use crate::kit::Id;
use crate::kit::rows::{RowObject, row};
use crate::publication::PublicationsOfUser;
use crate::rating::RatingsOfUser;

row! {
    /// A user of the library.
    User of users [hidden: users::Column::DeletedAt.is_not_null()] {
        id: Id<User>,
        username: String,
        full_name: String = fio,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<User>::new("A user of the library. Users with deleted accounts are shown nowhere.")
            .node()
            .column("username", "The unique name, in ASCII.", User::username)
            .column("fullName", "The full name.", User::full_name)
            .edge::<PublicationsOfUser>("publications", "The user's publications, oldest first.")
            .edge::<CommentsOfUser>("comments", "The user's comments and replies.")
            .edge::<RatingsOfUser>("ratings", "The user's ratings, oldest first."),
    );
}

//! Lists of comments: on a subject, by a user, and replies to a comment.

use async_graphql::InputObject;
use entity::comments;
use graphql::Context;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::{Comment, CommentOrder};
use crate::account::User;
use crate::error::ApiResult;
use crate::kit::rows::List;
use crate::movie::Movie;
use crate::publication::Publication;

/// In which order to list comments.
#[derive(Debug, InputObject)]
pub struct CommentsArguments {
    /// The order of the list. A cursor is valid only for the order that returned it.
    #[graphql(default)]
    order_by: CommentOrder,
}

/// In which order to list replies.
#[derive(Debug, InputObject)]
pub struct RepliesArguments {
    /// The order of the list. A cursor is valid only for the order that returned it.
    #[graphql(default_with = "CommentOrder::Oldest")]
    order_by: CommentOrder,
}

/// A list of comments: its name, what it hangs on, by which column, its arguments, and whether it has only comments
/// that start a thread.
macro_rules! comment_list {
    ($list:ident, $name:literal, $parent:ty, $column:ident, $arguments:ident, top_level: $top_level:literal) => {
        #[doc = concat!("`", $name, "`.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $list;

        impl List for $list {
            type Parent = $parent;
            type Row = Comment;
            type Order = CommentOrder;
            type Arguments = $arguments;

            const LIST: &'static str = $name;

            fn parent_column() -> comments::Column {
                comments::Column::$column
            }

            fn rows(&self) -> Select<comments::Entity> {
                let rows = comments::Entity::find();
                if $top_level { rows.filter(comments::Column::ParentId.is_null()) } else { rows }
            }

            fn new(_: &Context, $arguments { order_by }: &$arguments) -> ApiResult<(Self, CommentOrder)> {
                Ok((Self, *order_by))
            }
        }
    };
}

comment_list!(CommentsOfMovie, "Movie.comments", Movie, MovieId, CommentsArguments, top_level: true);
comment_list!(
    CommentsOfPublication,
    "Publication.comments",
    Publication,
    PublicationId,
    CommentsArguments,
    top_level: true
);
comment_list!(CommentsOfUser, "User.comments", User, UserId, CommentsArguments, top_level: false);
comment_list!(RepliesOfComment, "Comment.replies", Comment, ParentId, RepliesArguments, top_level: false);

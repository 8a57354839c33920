//! Threaded comments on movies and publications.

mod loaders;
mod subscription;
mod types;

pub use subscription::CommentSubscription;
pub use types::{
    Comment, CommentOrder, CommentQuery, CommentsOfMovie, CommentsOfPublication, CommentsOfUser, RepliesOfComment,
};

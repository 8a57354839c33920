//! Threaded comments on movies and publications.

mod loaders;
mod types;

pub use types::{
    Comment, CommentOrder, CommentQuery, CommentsOfMovie, CommentsOfPublication, CommentsOfUser, RepliesOfComment,
};

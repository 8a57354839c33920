//! Threaded comments on movies and publications.

mod loaders;
mod mutation;
pub mod objects;
mod reads;
mod service;
mod subscription;
mod types;

pub use mutation::CommentMutation;
pub use subscription::CommentSubscription;
pub use types::{
    Comment, CommentOrder, CommentQuery, CommentsOfMovie, CommentsOfPublication, CommentsOfUser, RepliesOfComment,
};

/// Levels of replies below a comment that begins a thread, at most.
const DEPTH_MAX: i32 = 32;

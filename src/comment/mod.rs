//! Threaded comments on movies and publications.

mod inputs;
mod lists;
pub mod mutations;
pub mod objects;
mod reads;
mod service;
pub mod subscription;

pub use inputs::CommentOrder;
pub use lists::{CommentsOfMovie, CommentsOfPublication, CommentsOfUser, RepliesOfComment};
pub use objects::{Comment, THREAD_SIZE_MAX};

/// Levels of replies below a comment that begins a thread, at most.
const DEPTH_MAX: i32 = 32;

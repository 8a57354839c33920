//! Threaded comments on movies and publications.

mod inputs;
pub mod mutations;
pub mod objects;
mod reads;
mod service;
pub mod subscription;

pub use inputs::{CommentOrder, THREAD_SIZE_MAX};
pub use objects::{Comment, CommentsOfMovie, CommentsOfPublication, CommentsOfUser};

/// Levels of replies below a comment that begins a thread, at most.
const DEPTH_MAX: i32 = 32;

//! Threaded comments on movies and publications.

mod inputs;
pub mod mutations;
pub mod objects;
mod reads;
mod service;
pub mod subscription;

pub use inputs::{CommentOrder, THREAD_SIZE_MAX};
pub use objects::{Comment, CommentsOfMovie, CommentsOfPublication, CommentsOfUser};

/// The maximum depth of a reply. The comment that starts a thread has depth 0.
const DEPTH_MAX: i32 = 32;

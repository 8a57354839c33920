//! Publications about film: reviews, essays, articles.

mod inputs;
pub mod mutations;
pub mod objects;
mod service;

pub use inputs::{PublicationFilter, PublicationOrder};
pub use objects::{Publication, PublicationCategory, PublicationsOfUser, SEARCHED_LENGTH_MAX, SearchText};
pub use service::remove_deleted;

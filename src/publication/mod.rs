//! Publications about film: reviews, essays, articles.

mod inputs;
mod mutation;
pub mod objects;
mod query;
mod service;
mod types;

pub use inputs::{PublicationFilter, PublicationOrder};
pub use mutation::{CategoryMutation, PublicationMutation};
pub use query::PublicationQuery;
pub use types::{Publication, PublicationCategory, PublicationsOfUser, SEARCHED_LENGTH_MAX, Searched};

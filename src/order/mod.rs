//! Movies that users order at online cinemas.

mod mutation;
pub mod objects;
mod service;
mod types;

pub use mutation::OrderMutation;
pub use types::{Order, OrdersOfUser};

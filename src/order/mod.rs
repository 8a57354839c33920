//! Movies that users order at online cinemas.

mod inputs;
pub mod mutations;
pub mod objects;
mod service;

pub use objects::{Order, OrdersOfUser};

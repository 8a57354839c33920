//! The people who use the library: their accounts, sessions and roles.
//!
//! `types` is what others see of a user and what the viewer sees of themselves, `mutation` and
//! `inputs` what the viewer can do, by the rules in `service`. `session` knows whose token is whose.

mod mutation;
mod role;
mod service;
mod session;
mod types;

pub use mutation::AccountMutation;
pub use session::Sessions;
pub use types::{AccountQuery, User};

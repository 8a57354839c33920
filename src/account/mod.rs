//! The people who use the library: their accounts, sessions and roles.
//!
//! `types` is what others see of a user and what the viewer sees of themselves, `mutation` and
//! `inputs` what people can do, by the rules in `service` and, for admins, in `admin`. `credentials` is all that needs a
//! password, which `password` hashes and `throttle` guards. `session` knows whose token is whose.

mod admin;
mod credentials;
mod inputs;
mod loaders;
mod mutation;
pub mod objects;
pub mod operator;
mod password;
mod role;
mod service;
mod session;
mod throttle;
mod types;

pub use credentials::Accounts;
pub use mutation::AccountMutation;
pub use password::Passwords;
pub use session::{SessionChanges, Sessions};
pub use throttle::Throttle;
pub use types::{AccountQuery, Session, User};

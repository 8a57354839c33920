//! The people who use the library: their accounts, sessions and roles.
//!
//! [`objects`] is what others see of a user and what the viewer sees of themselves. [`mutations`] and `inputs` are what
//! people can do, by the rules in `service` and, for admins, in `admin`. `credentials` is all that needs a password, which
//! `password` hashes and `throttle` guards. `session` knows whose token is
//! whose, and `session_cache` for a moment what it knew.

mod admin;
mod credentials;
mod events;
mod inputs;
pub mod mutations;
pub mod objects;
pub mod operator;
mod password;
mod reads;
mod role;
mod service;
mod session;
mod session_cache;
mod throttle;

pub use credentials::AccountServices;
pub use objects::{Session, User};
pub use password::Passwords;
pub use session::{SessionChanges, Sessions};
pub use throttle::Throttle;

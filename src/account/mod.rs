//! The people who use the library: their accounts, sessions and roles.
//!
//! [`objects`] is what others see of a user, and what the viewer sees of themselves. [`mutations`] and `inputs` are
//! what people can do, by the rules in `service` and, for admins, in `admin`. `credentials` has everything with a
//! password, which `password` hashes and `throttle` protects. `session` resolves tokens, and `session_cache` caches the
//! result briefly.

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

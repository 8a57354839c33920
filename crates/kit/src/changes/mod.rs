//! How domains describe their mutations.
//!
//! A domain describes its mutations in `mutations.rs`. The rule stands at the mutation:
//!
//! ```ignore
//! mutation.change(
//!     "addComment",
//!     "Adds a comment. For signed-in users.",
//!     Rule::SignedIn,
//!     object::<Comment>("comment", "The new comment."),
//!     |work, input| Box::pin(service::add(work, input)),
//! )
//! ```
//!
//! The type of the input gives the argument `input` and the name of the payload: `AddCommentInput`,
//! `AddCommentPayload`.
//!
//! - [`Change`]: what is requested, and what it needs of the server. [`mutate`](super::mutate) runs it.
//! - [`input`]: arguments. [`payload`]: what clients see of an outcome.
//! - [`object`]: the builder's methods. [`catalogue`]: three mutations at once, for objects of the catalogue.

pub mod catalogue;
pub mod input;
pub mod object;
pub mod payload;

pub use catalogue::{CatalogueObject, EditableInputs};
pub use input::{Input, MutationArguments};
pub use object::MutationObject;
pub use payload::{Payload, PayloadObject, deleted, object, payload};

pub use super::change::Change;
pub use super::services::{WriteRates, WriteServices};

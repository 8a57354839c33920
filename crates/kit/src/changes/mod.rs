//! How domains describe their mutations.
//!
//! A domain describes its mutations in `mutations.rs`, each with its rule:
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
//! The input type determines the argument `input` and the payload's name: `AddCommentInput`, `AddCommentPayload`.
//!
//! - [`Change`]: a mutation in a request. [`mutate`](super::mutate) runs it.
//! - [`input`]: arguments. [`payload`]: what clients see of an outcome.
//! - [`object`]: the builder's methods. [`catalogue`]: the three mutations of a catalogue object.

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

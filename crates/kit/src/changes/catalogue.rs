//! Mutations that create, update and delete rows of the catalogue.

use futures_util::future::BoxFuture;
use graphql::{Object, Root};
use request::policy::Rule;

use super::input::Input;
use super::object::MutationObject;
use super::payload::{deleted, object};
use crate::Id;
use crate::edit::Editable;
use crate::mutate::Work;
use crate::problem::Rejection;

/// An object with inputs for its mutations. `editable!` implements it.
pub trait EditableInputs: Editable {
    /// A new object.
    type Create: Input;
    /// The changes of an object.
    type Update: Input;
    /// The object to delete.
    type Delete: Input;

    /// Creates an object.
    fn create<'w>(work: &'w Work, input: &'w Self::Create) -> BoxFuture<'w, Result<Id<Self>, Rejection>>;

    /// Updates an object.
    fn update<'w>(work: &'w Work, input: &'w Self::Update) -> BoxFuture<'w, Result<Id<Self>, Rejection>>;

    /// Deletes an object.
    fn delete<'w>(work: &'w Work, input: &'w Self::Delete) -> BoxFuture<'w, Result<Id<Self>, Rejection>>;
}

/// The name and the description of a mutation.
type MutationDocs = (&'static str, &'static str);

/// Fields of the mutation root for an object of the catalogue.
pub trait CatalogueObject: Sized {
    /// Mutations that create, update and delete an `N`. Payloads show it as `field`.
    #[must_use]
    fn catalogue<N: EditableInputs>(self, field: &'static str, rule: Rule, mutations: [MutationDocs; 3]) -> Self;
}

impl CatalogueObject for Object<Root> {
    fn catalogue<N: EditableInputs>(self, field: &'static str, rule: Rule, mutations: [MutationDocs; 3]) -> Self {
        let [create, update, delete] = mutations;
        self.change(create.0, create.1, rule, object::<N>(field, "The new object."), N::create)
            .change(update.0, update.1, rule, object::<N>(field, "The object after the change."), N::update)
            .change(delete.0, delete.1, rule, deleted::<N>("deletedId", "The id of the deleted object."), N::delete)
    }
}

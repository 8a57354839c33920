//! Mutations that create, update and delete rows of the catalogue.

use async_graphql::ID;
use graphql::{Object, Root};
use request::policy::Rule;

use super::input::Input;
use super::object::MutationObject;
use super::payload::{deleted, object};
use crate::edit::{self, Editable};

/// An object with inputs for its mutations. [`fields!`](crate::fields) implements it.
pub trait EditableInputs: Editable {
    /// A new object.
    type Create: Input + Clone;
    /// The changes of an object.
    type Update: Input + Clone;
    /// The object to delete.
    type Delete: Input;

    /// The fields of a new object.
    fn new_fields(input: Self::Create) -> Self::Fields;

    /// An object and its changed fields.
    fn changed_fields(input: Self::Update) -> (ID, Self::Fields);

    /// The object to delete.
    fn deleted(input: &Self::Delete) -> &ID;
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
        self.change(create.0, create.1, rule, object::<N>(field, "The created object."), |work, input: &N::Create| {
            Box::pin(edit::create::<N>(work, N::new_fields(input.clone())))
        })
        .change(update.0, update.1, rule, object::<N>(field, "The updated object."), |work, input: &N::Update| {
            let (id, fields) = N::changed_fields(input.clone());
            Box::pin(async move { edit::update::<N>(work, &id, fields).await })
        })
        .change(
            delete.0,
            delete.1,
            rule,
            deleted::<N>("deletedId", "The id of the deleted object."),
            |work, input: &N::Delete| Box::pin(edit::delete::<N>(work, N::deleted(input))),
        )
    }
}

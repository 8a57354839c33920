//! Mutations of orders.

use graphql::{Object, Root};

use super::{Order, service};
use crate::kit::changes::{MutationObject, object};
use crate::policy::Rule;

/// Adds the mutation to its root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation.single_change(
        "orderMovie",
        "Orders a movie at an online cinema. The price is the current one, after the student discount. A user can\n\
         order a movie at a cinema once. For users who are signed in.",
        Rule::SignedIn,
        object::<Order>("order", "The new order."),
        (service::order_single, |work, input| Box::pin(service::order(work, input))),
    )
}

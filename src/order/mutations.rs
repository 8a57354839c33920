//! Mutations of orders.

use graphql::{Object, Root};

use super::{Order, service};
use crate::kit::changes::{MutationObject, object};
use crate::policy::Rule;

/// Adds the mutation to its root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation.single_change(
        "orderMovie",
        "Orders a movie from an online cinema at the current price, minus the student discount. A user can order a \
         movie from a cinema only once. For signed-in users.",
        Rule::SignedIn,
        object::<Order>("order", "The new order."),
        (service::order_single, |work, input| Box::pin(service::order(work, input))),
    )
}

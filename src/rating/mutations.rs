//! Mutations of ratings.

use graphql::{Object, Root};

use super::{Rating, service};
use crate::kit::changes::{MutationObject, object};
use crate::policy::Rule;
use crate::subject;

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .single_change(
            "rate",
            "Rates a movie or a publication. A second rating by the same user replaces the first. For users who are\n\
             signed in.",
            Rule::SignedIn,
            object::<Rating>("rating", "The viewer's rating."),
            (service::rate_single, |work, input| Box::pin(service::rate(work, input))),
        )
        .single_change(
            "removeRating",
            "Deletes the viewer's rating of a movie or a publication. For users who are signed in.",
            Rule::SignedIn,
            subject::objects::payload("The movie or publication that is no longer rated."),
            (service::remove_single, |work, input| Box::pin(service::remove(work, input))),
        )
}

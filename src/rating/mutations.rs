//! Mutations of ratings.

use entity::users_rating;
use graphql::{Call, Column, FieldError, NoArguments, Object, Root};
use sea_orm::EntityTrait;

use super::{Rating, service};
use crate::error::ApiError;
use crate::kit::Id;
use crate::kit::changes::{MutationObject, Payload, object};
use crate::kit::rows::ContextExt;
use crate::policy::Rule;
use crate::subject::{self, SubjectId};

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .single_change(
            "rate",
            "Rates a movie or a publication. A second rating by the same user replaces the first. For signed-in \
             users.",
            Rule::SignedIn,
            object::<Rating>("rating", "The viewer's rating.").resolve_by::<NoArguments>(
                "subject",
                "The rated movie or publication. Its `userRating` includes the new rating.",
                |_| "Subject".to_owned(),
                |call| Box::pin(rated_subject(call)),
            ),
            (service::rate_single, |work, input| Box::pin(service::rate(work, input))),
        )
        .single_change(
            "removeRating",
            "Deletes the viewer's rating of a movie or a publication. For signed-in users.",
            Rule::SignedIn,
            subject::objects::payload("The movie or publication whose rating was deleted."),
            (service::remove_single, |work, input| Box::pin(service::remove(work, input))),
        )
}

/// The subject of a payload's rating.
async fn rated_subject(call: Call<'_, Payload<Id<Rating>>>) -> Column {
    let mut subjects = Vec::new();
    for payload in call.iter() {
        let Some(id) = payload.outcome else {
            subjects.push(None);
            continue;
        };
        match users_rating::Entity::find_by_id(id.key()).one(call.context.db()).await {
            Ok(row) => subjects.push(row.and_then(|row| SubjectId::of(row.movie_id, row.publication_id))),
            Err(error) => return Column::Failed(FieldError::from(ApiError::from(error))),
        }
    }
    subject::objects::show(&call, &subjects).await
}

//! Mutations of tags. A tag has no id: its title identifies it.

use entity::tags;
use graphql::{Batch, Call, FieldError, Maybe, NoArguments, Object, Root};
use sea_orm::EntityTrait;

use super::{Tag, service};
use crate::error::ApiError;
use crate::kit::changes::{MutationObject, Payload, payload};
use crate::kit::rows::ContextExt;
use crate::policy::Rule;
use crate::viewer::Role;

/// Editors change tags.
const EDITORS: Rule = Rule::Has(Role::Editor);

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    mutation
        .change(
            "createTag",
            "Creates a tag for movies and publications. For editors.",
            EDITORS,
            payload().batch::<TagByTitle>("tag", "The new tag."),
            |work, input| Box::pin(service::create(work, input)),
        )
        .change(
            "updateTag",
            "Renames a tag. Fails with `CONFLICT` if a movie or a publication has it. For editors.",
            EDITORS,
            payload().batch::<TagByTitle>("tag", "The updated tag."),
            |work, input| Box::pin(service::rename(work, input)),
        )
        .change(
            "deleteTag",
            "Deletes a tag. Fails with `CONFLICT` if a movie or a publication has it. For editors.",
            EDITORS,
            payload().value("deletedTitle", "The title of the deleted tag.", |payload: &Payload<String>| {
                payload.outcome.clone()
            }),
            |work, input| Box::pin(service::delete(work, input)),
        )
}

/// The present tag of a payload.
struct TagByTitle;

impl Batch<Payload<String>> for TagByTitle {
    type Arguments = NoArguments;
    type Value = Maybe<Tag>;

    async fn find(call: Call<'_, Payload<String>>) -> Result<Vec<Maybe<Tag>>, FieldError> {
        let mut found = Vec::new();
        for payload in call.iter() {
            let tag = match &payload.outcome {
                Some(title) => tags::Entity::find_by_id(title).one(call.context.db()).await.map_err(ApiError::from)?,
                None => None,
            };
            found.push(Maybe(Ok(tag.map(|tag| Tag { title: tag.title }))));
        }
        Ok(found)
    }
}

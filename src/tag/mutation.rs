//! Mutations of tags. A tag has no id: its title is its identity.

use async_graphql::{Context, InputObject, Object};
use entity::tags;
use sea_orm::EntityTrait;

use super::{Tag, service};
use crate::error::ApiResult;
use crate::kit::ContextExt;
use crate::kit::mutate::{Answer, Produced, mutate, payload};

/// What a new tag is like.
#[derive(Clone, Debug, InputObject)]
pub struct CreateTagInput {
    /// Its title, which no other tag has, of 1 to 56 characters.
    pub(super) title: String,
}

/// How to rename a tag.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateTagInput {
    /// The title that it has.
    pub(super) title: String,
    /// The title that it gets, of 1 to 56 characters.
    pub(super) new_title: String,
}

/// Which tag to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeleteTagInput {
    /// Its title.
    pub(super) title: String,
}

impl Produced for Tag {
    type Outcome = String;

    async fn find(ctx: &Context<'_>, title: String) -> ApiResult<Option<Self>> {
        Ok(tags::Entity::find_by_id(title).into_partial_model().one(ctx.db()).await?)
    }
}

payload!(CreateTagPayload, "What was made.", tag: Tag, "The new tag.");
payload!(UpdateTagPayload, "What was renamed.", tag: Tag, "The tag as it is now.");
payload!(DeleteTagPayload, "What was deleted.", deleted_title: String, "The title of the tag that is no more.");

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct TagMutation;

#[Object]
impl TagMutation {
    /// Adds a tag that movies and publications may then carry. For editors.
    async fn create_tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it is like.")] input: CreateTagInput,
    ) -> Answer<CreateTagPayload> {
        mutate(ctx, async move |work| service::create(work, &input).await).await
    }

    /// Renames a tag. One that a movie or a publication carries is a `CONFLICT`. For editors.
    async fn update_tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateTagInput,
    ) -> Answer<UpdateTagPayload> {
        mutate(ctx, async move |work| service::rename(work, &input).await).await
    }

    /// Deletes a tag. One that a movie or a publication carries is a `CONFLICT`. For editors.
    async fn delete_tag(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeleteTagInput,
    ) -> Answer<DeleteTagPayload> {
        mutate(ctx, async move |work| service::delete(work, &input).await).await
    }
}

impl Produced for String {
    type Outcome = Self;

    async fn find(_: &Context<'_>, outcome: Self) -> ApiResult<Option<Self>> {
        Ok(Some(outcome))
    }
}

//! Mutations of publications and of their kinds.

use async_graphql::{Context, ID, InputObject, Object};
use entity::{publications, publications_category};
use sea_orm::DbErr;

use super::{Publication, PublicationCategory, service};
use crate::kit::InPlace;
use crate::kit::constraint::Constraint;
use crate::kit::edit::{Editable, References, Unique, editable};
use crate::kit::form::{Form, Given, line};
use crate::kit::mutate::{Answer, Deleted, mutate, payload};
use crate::kit::scalar::DateTime;

/// What to publish.
#[derive(Clone, Debug, InputObject)]
pub struct CreatePublicationInput {
    /// The headline, of 1 to 256 characters.
    pub(super) title: String,
    /// The text, of 1 to 100,000 characters.
    pub(super) text: String,
    /// What kind of publication it is.
    pub(super) category_id: ID,
    /// The titles of its tags, 20 at most, just as `tags` lists them.
    pub(super) tags: Given<Vec<String>>,
}

/// What to change about a publication. Fields that are left out stay as they are; null clears one
/// that may be null. `changedAt` moves forward, unless everything is as it was.
#[derive(Clone, Debug, InputObject)]
pub struct UpdatePublicationInput {
    /// Which one to change.
    pub(super) id: ID,
    /// The `changedAt` of the publication that was edited, just as it was read. If it has changed since, nothing
    /// is changed, and the answer is `CONFLICT` with the publication as it is. Left out, nothing
    /// is compared.
    pub(super) expected_changed_at: Option<DateTime>,
    /// The headline, of 1 to 256 characters.
    pub(super) title: Given<String>,
    /// The text, of 1 to 100,000 characters.
    pub(super) text: Given<String>,
    /// What kind of publication it is.
    pub(super) category_id: Given<ID>,
    /// The titles of all its tags, 20 at most, just as `tags` lists them; null for none.
    pub(super) tags: Given<Vec<String>>,
}

/// Which publication to delete.
#[derive(Clone, Debug, InputObject)]
pub struct DeletePublicationInput {
    /// The id of the one to delete.
    pub(super) id: ID,
}

payload!(
    CreatePublicationPayload,
    "What was published.",
    publication: InPlace<Publication>,
    "The new publication."
);
payload!(
    UpdatePublicationPayload,
    "What was changed.",
    publication: InPlace<Publication>,
    "The publication as it is now, also when `expectedChangedAt` was not met."
);
payload!(
    DeletePublicationPayload,
    "What was deleted.",
    deleted_id: Deleted<Publication>,
    "The id of the publication that is no more."
);

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct PublicationMutation;

#[Object]
impl PublicationMutation {
    /// Publishes a text. For whoever is signed in.
    async fn create_publication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to publish.")] input: CreatePublicationInput,
    ) -> Answer<CreatePublicationPayload> {
        mutate(ctx, async move |work| service::create(work, &input).await).await
    }

    /// Changes a publication. For its author and editors.
    async fn update_publication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdatePublicationInput,
    ) -> Answer<UpdatePublicationPayload> {
        mutate(ctx, async move |work| service::update(work, &input).await).await
    }

    /// Deletes a publication, with its comments and ratings. For its author and editors.
    async fn delete_publication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to delete.")] input: DeletePublicationInput,
    ) -> Answer<DeletePublicationPayload> {
        mutate(ctx, async move |work| service::delete(work, &input).await).await
    }
}

editable! {
    PublicationCategory as category, fields CategoryFields, mutations CategoryMutation;
    /// Adds a kind of publications. For editors.
    create_publication_category(CreatePublicationCategoryInput) -> CreatePublicationCategoryPayload;
    /// Changes a kind of publications. For editors.
    update_publication_category(UpdatePublicationCategoryInput) -> UpdatePublicationCategoryPayload;
    /// Deletes a kind of publications. One that publications are of is a `CONFLICT`. For editors.
    delete_publication_category(DeletePublicationCategoryInput) -> DeletePublicationCategoryPayload;
    required {
        /// Its name, which no other kind has, of 1 to 24 characters.
        title: String,
    }
    optional {}
}

impl Editable for PublicationCategory {
    type Fields = CategoryFields;

    const WHAT: &'static str = "publication category";

    const UNIQUE: &'static [Unique<Self>] = &[Unique {
        columns: &[publications_category::Column::Title],
        constraint: Constraint::unique(
            "publications_category_title_key",
            "publications_category.title",
            "input.title",
            "there is such a category already; choose another title",
        ),
    }];

    async fn fill(
        form: &mut Form<'_>,
        fields: CategoryFields,
        row: &mut publications_category::ActiveModel,
    ) -> Result<(), DbErr> {
        form.must(&mut row.title, "title", fields.title, line(24));
        Ok(())
    }

    fn references(key: i32) -> Vec<References> {
        vec![References::new(publications::Column::Category, key, "publication", "publications")]
    }
}

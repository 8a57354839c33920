//! Rules of publications: what makes one, and who may change it.

use entity::publications;
use sea_orm::sea_query::LockType;
use sea_orm::{EntityTrait, IntoActiveModel, QuerySelect, Set};

use super::inputs::{CreatePublicationInput, DeletePublicationInput, UpdatePublicationInput};
use super::{Publication, PublicationCategory};
use crate::kit::Id;
use crate::kit::form::{Form, Given, GivenId, line, path, text};
use crate::kit::mutate::Work;
use crate::kit::problem::{Rejection, UserError};
use crate::tag;

/// Characters of a headline at most.
const TITLE_LENGTH_MAX: usize = 256;

/// Characters of a text at most. PostgreSQL's full-text search takes a megabyte of different words,
/// which this many can never be.
const TEXT_LENGTH_MAX: usize = 100_000;

/// Publishes a text of the viewer's.
///
/// # Errors
/// `Invalid` with all that is wrong with the input.
pub async fn create(work: &Work, input: &CreatePublicationInput) -> Result<Id<Publication>, Rejection> {
    let mut form = Form::new(work);
    let now = work.now().fixed_offset();
    let mut row = publications::ActiveModel {
        author: Set(work.viewer()?.user),
        created_at: Set(now),
        changed_at: Set(now),
        ..Default::default()
    };
    let fields = Fields {
        title: Given::Value(input.title.clone()),
        text: Given::Value(input.text.clone()),
        category_id: Given::Value(input.category_id.clone()),
        tags: input.tags.clone(),
    };
    fields.fill(&mut form, &mut row).await?;
    form.check()?;
    let inserted = publications::Entity::insert(row).exec(work.txn()).await?;
    Ok(Id::new(inserted.last_insert_id))
}

/// Changes a publication; its `changed_at` moves forward, unless everything is as it was.
///
/// # Errors
/// `Stale` when it has changed since the client read it, `Invalid` with all that is wrong with the
/// input, `Forbidden` when it is somebody else's.
pub async fn update(work: &Work, input: &UpdatePublicationInput) -> Result<Id<Publication>, Rejection> {
    let row = find(work, &input.id, LockType::NoKeyUpdate).await?;
    let id = Id::new(row.id);
    if input.expected_changed_at.is_some_and(|expected| expected.0 != row.changed_at) {
        let text = "the publication has changed since; look at it as it is now, and send its `changedAt`";
        return Err(Rejection::stale(UserError::conflict(path("expectedChangedAt"), text), id));
    }
    let mut form = Form::new(work);
    let changed_at = work.later_than(row.changed_at);
    let mut changed = row.into_active_model();
    let fields = Fields {
        title: input.title.clone(),
        text: input.text.clone(),
        category_id: input.category_id.clone(),
        tags: input.tags.clone(),
    };
    fields.fill(&mut form, &mut changed).await?;
    let changes = form.check()?;
    if !changes.is_empty() {
        changed.changed_at = Set(changed_at);
        publications::Entity::update(changed).exec_without_returning(work.txn()).await?;
    }
    Ok(id)
}

/// Deletes a publication. Its comments, with their threads, and its ratings go with it: the database
/// sees to that.
///
/// # Errors
/// `Invalid` when it is not there, `Forbidden` when it is somebody else's.
pub async fn delete(work: &Work, input: &DeletePublicationInput) -> Result<Id<Publication>, Rejection> {
    let row = find(work, &input.id, LockType::Update).await?;
    publications::Entity::delete_by_id(row.id).exec(work.txn()).await?;
    Ok(Id::new(row.id))
}

/// A publication that the viewer may change, which nobody else changes until the transaction ends.
async fn find(work: &Work, id: &GivenId, lock: LockType) -> Result<publications::Model, Rejection> {
    let id = Id::<Publication>::parse(&path("id"), id)?;
    let row = publications::Entity::find_by_id(id.key()).lock(lock).one(work.txn()).await?;
    let row = row.ok_or_else(|| UserError::not_found(path("id"), "publication"))?;
    work.may_change(Some(row.author))?;
    Ok(row)
}

/// What an author gives.
struct Fields {
    title: Given<String>,
    text: Given<String>,
    category_id: Given<GivenId>,
    tags: Given<Vec<String>>,
}

impl Fields {
    async fn fill(self, form: &mut Form<'_>, row: &mut publications::ActiveModel) -> Result<(), Rejection> {
        form.must(&mut row.title, "title", self.title, line(TITLE_LENGTH_MAX));
        form.must(&mut row.text, "text", self.text, text(TEXT_LENGTH_MAX));
        form.must_refer::<PublicationCategory>(
            &mut row.category,
            "categoryId",
            self.category_id,
            "publication category",
        )
        .await?;
        tag::service::fill(form, &mut row.tags, self.tags).await?;
        Ok(())
    }
}

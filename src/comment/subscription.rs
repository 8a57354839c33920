//! Subscriptions to comments: the root fields, and their events.
//!
//! All three types are views of the same rows, the feed's events.

use std::sync::Arc;

use async_graphql::{Enum, ID};
use graphql::{Call, Column, Description, Engine, FieldError, NoArguments, Object, Prepared};

use super::Comment;
use super::inputs::EventArguments;
use crate::error::{ApiError, ApiResult};
use crate::feed::{About, EventKind, EventWithCursor, Kinds, RootField, Topic};
use crate::kit::rows::{Missing, by_key, or_failed};
use crate::kit::{Id, NodeType};
use crate::movie::Movie;
use crate::publication::Publication;
use crate::subject::SubjectId;

/// The root fields.
const ADDED: &str = "commentAdded";
const CHANGED: &str = "commentChanged";

/// The types of their events.
const NEW_COMMENT: &str = "NewComment";
const COMMENT_CHANGE: &str = "CommentChange";

/// The subscription root, and the events.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<EventWithCursor>::new(
            "Events to subscribe to. Each event arrives once, in an order that is the same for all clients. To resume,\n\
             pass the `cursor` of the last event that arrived.",
        )
        .resolve_by::<EventArguments>(ADDED, "New comments.", |_| format!("{NEW_COMMENT}!"), |call| {
            Box::pin(async move { events(&call, NEW_COMMENT) })
        })
        .resolve_by::<EventArguments>(
            CHANGED,
            "Changes of comments: edited, deleted or hidden.",
            |_| format!("{COMMENT_CHANGE}!"),
            |call| Box::pin(async move { events(&call, COMMENT_CHANGE) }),
        ),
    );
    let new = Object::<EventWithCursor>::new("A new comment.").value("cursor", CURSOR, cursor);
    let new = with_comment(new, "The comment as it is when the event is sent; null if it no longer exists.");
    description.object_named(NEW_COMMENT.into(), new);
    let change = Object::<EventWithCursor>::new("A change of a comment.").value("cursor", CURSOR, cursor).value(
        "kind",
        "What happened to the comment.",
        |sent| CommentChangeKind::from(sent.event.kind),
    );
    let change = with_comment(
        change,
        "The comment as it is when the event is sent; null if it no longer exists. A comment that was deleted or hidden\n\
         exists while it has replies, without its text and author.",
    );
    description.object_named(COMMENT_CHANGE.into(), change);
}

const CURSOR: &str = "The position after this event, as opaque text: pass it as `after`.";

fn cursor(sent: &EventWithCursor) -> Arc<str> {
    Arc::clone(&sent.cursor)
}

/// Adds the fields that tell which comment an event is about.
fn with_comment(event: Object<EventWithCursor>, description: &'static str) -> Object<EventWithCursor> {
    event
        .value("subjectId", "The id of the comment's subject.", subject_id)
        .value("commentId", "The comment's id.", |sent| Id::<Comment>::new(sent.event.comment))
        .resolve_by::<NoArguments>(
            "comment",
            description,
            |_| Comment::TYPE.to_owned(),
            |call: Call<'_, EventWithCursor>| {
                Box::pin(async move {
                    let keys = call.iter().map(|sent| Some(sent.event.comment)).collect();
                    let columns = call.selected.columns();
                    or_failed(by_key::<Comment>(call.context, keys, columns, Missing::IsNull)).await
                })
            },
        )
}

/// The events as objects of this type.
fn events(call: &Call<'_, EventWithCursor, EventArguments>, of: &'static str) -> Column {
    Column::rows(of, call.rows.clone())
}

/// Which events a subscription wants.
///
/// # Errors
/// An argument is not usable.
pub fn read_root_field(engine: &Engine, prepared: &Prepared) -> Result<RootField, FieldError> {
    let EventArguments { subject_id, after } = &*engine.root_arguments(prepared)?;
    let kinds = match prepared.root_field() {
        ADDED => Kinds::Added,
        CHANGED => Kinds::Changes,
        other => return Err(ApiError::Internal(format!("{other} is not a field of the feed")).into()),
    };
    let about = subject_id.as_ref().map(read_subject).transpose()?;
    Ok(RootField { topic: Topic { kinds, about }, after: after.clone() })
}

fn read_subject(id: &ID) -> ApiResult<About> {
    Ok(match SubjectId::parse("subjectId", id)? {
        SubjectId::Movie(id) => About::Movie(id.key()),
        SubjectId::Publication(id) => About::Publication(id.key()),
    })
}

fn subject_id(sent: &EventWithCursor) -> ID {
    ID(match sent.event.about {
        About::Movie(key) => Id::<Movie>::new(key).encode(),
        About::Publication(key) => Id::<Publication>::new(key).encode(),
    })
}

/// A kind of change of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentChangeKind {
    /// The text was changed.
    Edited,
    /// The comment was deleted by its author, or with its subject.
    Deleted,
    /// An editor hid the comment.
    Hidden,
}

graphql::enum_leaves!(CommentChangeKind);

impl From<EventKind> for CommentChangeKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Added | EventKind::Edited => Self::Edited,
            EventKind::Deleted => Self::Deleted,
            EventKind::Hidden => Self::Hidden,
        }
    }
}

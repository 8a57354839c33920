//! Subscriptions to comments: the root fields and their events.
//!
//! All event types are views of the same rows: the feed's events.

use std::sync::Arc;

use async_graphql::{Enum, ID};
use graphql::{Arguments, Call, Column, Description, Engine, FieldError, NoArguments, Object, PreparedOperation};

use super::Comment;
use super::inputs::{CommentEventKind, EventArguments, EventsArguments};
use crate::error::{ApiError, ApiResult};
use crate::feed::{About, EventKind, EventWithCursor, Kinds, RootField, Topic};
use crate::kit::rows::{Missing, by_key, or_failed};
use crate::kit::{Id, NodeType};
use crate::movie::Movie;
use crate::publication::Publication;
use crate::subject::SubjectId;

/// The root fields.
const EVENTS: &str = "commentEvents";
const ADDED: &str = "commentAdded";
const CHANGED: &str = "commentChanged";

/// The types of their events.
const COMMENT_EVENT: &str = "CommentEvent";
const NEW_COMMENT: &str = "NewComment";
const COMMENT_CHANGE: &str = "CommentChange";

/// The subscription root, and the events.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<EventWithCursor>::new(
            "The subscriptions. Each event is delivered once, in the same order for all clients. To resume, pass \
             the `cursor` of the last event that you received.",
        )
        .resolve_by::<EventsArguments>(
            EVENTS,
            "New comments and changes to comments, in one sequence.",
            |_| format!("{COMMENT_EVENT}!"),
            |call| Box::pin(async move { events(&call, COMMENT_EVENT) }),
        )
        .resolve_by::<EventArguments>(
            ADDED,
            "New comments. The same as `commentEvents(kinds: [ADDED])`.",
            |_| format!("{NEW_COMMENT}!"),
            |call| Box::pin(async move { events(&call, NEW_COMMENT) }),
        )
        .resolve_by::<EventArguments>(
            CHANGED,
            "Changes to comments. The same as `commentEvents(kinds: [EDITED, DELETED, HIDDEN])`.",
            |_| format!("{COMMENT_CHANGE}!"),
            |call| Box::pin(async move { events(&call, COMMENT_CHANGE) }),
        ),
    );
    let event = Object::<EventWithCursor>::new("An event in the comment feed.").value("cursor", CURSOR, cursor).value(
        "kind",
        KIND,
        |sent| CommentEventKind::from(sent.event.kind),
    );
    description.object_named(COMMENT_EVENT.into(), with_comment(event, COMMENT_OR_TOMBSTONE));
    let new = Object::<EventWithCursor>::new("A new comment.").value("cursor", CURSOR, cursor);
    let new = with_comment(new, "The comment at the time when the event is sent. Null if it no longer exists.");
    description.object_named(NEW_COMMENT.into(), new);
    let change = Object::<EventWithCursor>::new("A change to a comment.").value("cursor", CURSOR, cursor).value(
        "kind",
        KIND,
        |sent| CommentChangeKind::from(sent.event.kind),
    );
    description.object_named(COMMENT_CHANGE.into(), with_comment(change, COMMENT_OR_TOMBSTONE));
}

const KIND: &str = "The kind of the event.";

const COMMENT_OR_TOMBSTONE: &str = "The comment at the time when the event is sent. Null if it no longer exists. A \
 deleted comment remains while it has replies. A hidden comment always remains. \
 Neither has a text or an author.";

const CURSOR: &str = "An opaque cursor for the position after this event. To resume there, pass it as `after`.";

fn cursor(sent: &EventWithCursor) -> Arc<str> {
    Arc::clone(&sent.cursor)
}

/// Adds the fields with the comment of an event.
fn with_comment(event: Object<EventWithCursor>, description: &'static str) -> Object<EventWithCursor> {
    event
        .value("subjectId", "The id of the movie or publication that the comment is about.", subject_id)
        .value("commentId", "The id of the comment.", |sent| Id::<Comment>::new(sent.event.comment))
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
fn events<A: Arguments>(call: &Call<'_, EventWithCursor, A>, of: &'static str) -> Column {
    Column::rows(of, call.rows.clone())
}

/// Reads which events a subscription selects.
///
/// # Errors
/// An argument is invalid.
pub fn read_root_field(engine: &Engine, prepared: &PreparedOperation) -> Result<RootField, FieldError> {
    let kinds = match prepared.root_field() {
        EVENTS => {
            let EventsArguments { subject_id, after, kinds } = &*engine.root_arguments(prepared)?;
            return root_field(subject_id.as_ref(), after, read_kinds(kinds.as_deref())?);
        }
        ADDED => Kinds::ADDED,
        CHANGED => Kinds::CHANGES,
        other => return Err(ApiError::Internal(format!("{other} is not a field of the feed")).into()),
    };
    let EventArguments { subject_id, after } = &*engine.root_arguments(prepared)?;
    root_field(subject_id.as_ref(), after, kinds)
}

fn root_field(subject_id: Option<&ID>, after: &Option<String>, kinds: Kinds) -> Result<RootField, FieldError> {
    let about = subject_id.map(read_subject).transpose()?;
    Ok(RootField { topic: Topic { kinds, about }, after: after.clone() })
}

fn read_kinds(kinds: Option<&[CommentEventKind]>) -> ApiResult<Kinds> {
    match kinds {
        None => Ok(Kinds::ALL),
        Some([]) => Err(ApiError::bad_input("kinds", "is empty; pass a kind, or omit the argument for all kinds")),
        Some(kinds) => Ok(kinds.iter().map(|kind| EventKind::from(*kind)).collect()),
    }
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

/// The kind of a change to a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CommentChangeKind {
    /// The text was edited.
    Edited,
    /// The comment was deleted, on its own or with its subject.
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

//! Payloads of mutations: the outcome, and `errors`.

use async_graphql::ID;
use graphql::{Call, NoArguments, Object, One, Registry, Row, TypeName};
use request::error::ApiResult;
use serde::de::DeserializeOwned;

use crate::idempotency::Ending;
use crate::mutate::{Outcome, read};
use crate::rows::{ContextExt, Missing, ReturnedRow, Table, by_key, or_failed};
use crate::{Id, NodeType, UserError, UserErrorCode, UserErrorReason};

/// The payload of a mutation with outcomes of type `O`.
#[derive(Clone, Debug)]
pub struct Payload<O> {
    /// The outcome. `None` with most errors.
    pub outcome: Option<O>,
    /// Why nothing was changed.
    pub errors: Vec<UserError>,
    /// The changed row, if the statement returned it.
    pub row: Option<ReturnedRow>,
}

impl Outcome {
    /// The payload for the engine, which reads the object to show.
    ///
    /// # Errors
    /// The outcome has another type.
    pub fn payload<O: DeserializeOwned>(self) -> ApiResult<Payload<O>> {
        let (outcome, errors) = match self.ending {
            Ending::Done(outcome) => (Some(outcome), Vec::new()),
            Ending::Refused(errors, outcome) => (outcome, errors),
        };
        Ok(Payload { outcome: outcome.map(read).transpose()?, errors, row: self.row })
    }
}

/// Payloads are [named](graphql::Description::object_named) after their mutations.
impl<O: Send + Sync + 'static> Row for Payload<O> {
    fn type_name() -> TypeName {
        "Payload".into()
    }
}

impl Row for UserError {
    fn type_name() -> TypeName {
        "UserError".into()
    }
}

graphql::enum_leaves!(UserErrorCode, UserErrorReason);

/// Describes a payload. [`MutationObject`](super::MutationObject) adds the field `errors`.
pub fn payload<O: Send + Sync + 'static>() -> Object<Payload<O>> {
    Object::new("The payload of the mutation with the same name.")
}

/// Fields of payloads.
pub trait PayloadObject<O>: Sized {
    /// The object whose key is in the outcome: as the statement returned it, or else read after the change. Null if it
    /// was deleted since.
    #[must_use]
    fn object<N: Table>(self, name: &'static str, description: &'static str, key: fn(&O) -> i32) -> Self;
}

impl<O: Send + Sync + 'static> PayloadObject<O> for Object<Payload<O>> {
    fn object<N: Table>(self, name: &'static str, description: &'static str, key: fn(&O) -> i32) -> Self {
        let of = |_: &mut Registry| N::type_name().into_owned();
        self.resolve_by::<NoArguments>(name, description, of, move |call: Call<'_, Payload<O>>| {
            Box::pin(async move {
                let keys: Vec<_> = call.iter().map(|payload| payload.outcome.as_ref().map(key)).collect();
                // A mutation has one payload.
                if let ([Some(key)], Some(row)) = (&*keys, call.iter().find_map(|payload| payload.row.as_ref()))
                    && let Some(shown) = row.show::<N>(call.context, *key)
                {
                    return shown.into();
                }
                // The change is read from the leader that made it; the leader may have changed since.
                let request = call.context.request();
                if let Some(caller) = &request.caller {
                    let queue = &request.services.writes.db.leader_queue;
                    // If there are too many waiters, the read fails.
                    let _ = queue.pass(caller.address, caller.mutations.began()).await;
                }
                or_failed(by_key::<N>(call.context, keys, call.selected.columns(), Missing::IsNull)).await
            })
        })
    }
}

/// A payload with one object. The outcome is the object's id.
pub fn object<N: Table>(name: &'static str, description: &'static str) -> Object<Payload<Id<N>>> {
    payload().object::<N>(name, description, |id: &Id<N>| id.key())
}

/// A payload with the id of a deleted object.
pub fn deleted<N: NodeType>(name: &'static str, description: &'static str) -> Object<Payload<Id<N>>> {
    payload().value(name, description, |payload: &Payload<Id<N>>| payload.outcome.map(|id| ID(id.encode())))
}

/// Adds the field that all payloads have.
pub(super) fn with_errors<O: Send + Sync + 'static>(payload: Object<Payload<O>>) -> Object<Payload<O>> {
    let errors = |payload: &Payload<O>| payload.errors.iter().cloned().map(One).collect::<Vec<_>>();
    payload
        .derive(
            "errors",
            "The errors that prevented the change. Empty if the mutation succeeded.",
            move |_, payload| errors(payload),
        )
        .with(|description| description.object_once(user_error))
}

fn user_error() -> Object<UserError> {
    Object::<UserError>::new("An error that prevented a change.")
        .value("code", "The kind of error.", |error| error.code)
        .value(
            "field",
            "The path of the invalid input field, such as `input.tags.2`. Null if it is not a single field.",
            |error| error.field.clone(),
        )
        .value("message", "The message for people. It states the problem and the solution.", |error| {
            error.message.clone()
        })
        .value("reason", "The reason for programs.", |error| error.reason)
        .value("min", "A parameter of `reason`: the minimum. Null if the reason has none.", |error| error.min)
        .value("max", "A parameter of `reason`: the maximum. Null if the reason has none.", |error| error.max)
}

//! The builder's methods for the mutation root.

use futures_util::future::BoxFuture;
use graphql::{Call, Column, Object, Registry, Root};
use request::error::{ApiError, ApiResult};
use request::policy::Rule;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::input::{Input, MutationArguments};
use super::payload::{Payload, with_errors};
use crate::change::Change;
use crate::idempotency::Repeat;
use crate::mutate::{WorkFn, mutate_keyed, mutate_single};
use crate::rows::ContextExt;
use crate::single::SingleFn;

/// Fields of the mutation root.
pub trait MutationObject: Sized {
    /// A mutation that is one transaction: its rule, its payload and its work.
    #[must_use]
    fn change<I: Input, O>(
        self,
        name: &'static str,
        description: &'static str,
        rule: Rule,
        payload: Object<Payload<O>>,
        work: WorkFn<I, O>,
    ) -> Self
    where
        O: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The same, with a single statement that does the work if nothing conflicts.
    #[must_use]
    fn single_change<I: Input, O>(
        self,
        name: &'static str,
        description: &'static str,
        rule: Rule,
        payload: Object<Payload<O>>,
        work: (SingleFn<I>, WorkFn<I, O>),
    ) -> Self
    where
        O: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// A mutation that needs more than one transaction.
    #[must_use]
    fn perform<I: Input, O: Send + Sync + 'static>(
        self,
        name: &'static str,
        description: &'static str,
        rule: Rule,
        payload: Object<Payload<O>>,
        perform: impl for<'a> Fn(&'a Change<'a>, &'a I) -> BoxFuture<'a, ApiResult<Payload<O>>>
        + Copy
        + Send
        + Sync
        + 'static,
    ) -> Self;
}

impl MutationObject for Object<Root> {
    fn change<I: Input, O>(
        self,
        name: &'static str,
        description: &'static str,
        rule: Rule,
        payload: Object<Payload<O>>,
        work: WorkFn<I, O>,
    ) -> Self
    where
        O: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.perform(name, description, rule, payload, move |change, input: &I| {
            Box::pin(async move { mutate_keyed(change, Repeat::SameArguments, input, work).await?.payload() })
        })
    }

    fn single_change<I: Input, O>(
        self,
        name: &'static str,
        description: &'static str,
        rule: Rule,
        payload: Object<Payload<O>>,
        work: (SingleFn<I>, WorkFn<I, O>),
    ) -> Self
    where
        O: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.perform(name, description, rule, payload, move |change, input: &I| {
            Box::pin(async move { mutate_single(change, input, work).await?.payload() })
        })
    }

    fn perform<I: Input, O: Send + Sync + 'static>(
        self,
        name: &'static str,
        description: &'static str,
        rule: Rule,
        payload: Object<Payload<O>>,
        perform: impl for<'a> Fn(&'a Change<'a>, &'a I) -> BoxFuture<'a, ApiResult<Payload<O>>>
        + Copy
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let of = |_: &mut Registry| I::payload();
        self.resolve_by(name, description, of, move |call: Call<'_, Root, MutationArguments<I>>| {
            Box::pin(async move {
                let MutationArguments { input, json } = &*call.arguments;
                let request = call.context.request();
                let first = request.caller.as_ref().is_none_or(|caller| !caller.mutations.begin());
                let run = async {
                    let (mutation, services) = (call.selected.name(), &request.services.writes);
                    let caller = request.caller.as_ref();
                    let change = Change { mutation, rule, caller, arguments: json, services };
                    let confirmed = change.confirm(first).await?;
                    let change = Change { caller: confirmed.as_ref().or(caller), ..change };
                    change.admit()?;
                    // Waits before any work, such as hashing a password.
                    change.pass_to_leader().await?;
                    perform(&change, input).await
                };
                let payload = run.await.map_err(ApiError::of_mutation);
                payload.map(|payload| Column::objects(I::payload(), vec![payload])).into()
            })
        })
        .extension(rule)
        .with(|description| description.object_named(I::payload().into(), with_errors(payload)))
    }
}

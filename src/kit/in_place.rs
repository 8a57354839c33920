//! Objects whose fields are resolved where they stand.
//!
//! async-graphql makes a task of every field of every object and lets all of them wait for each
//! other: two allocations and several atomic operations for a title that is there already, and
//! megabytes of tasks at once for a page of lists. [`InPlace`] polls each field once, in order; only what
//! has to wait is kept. Otherwise it does as async-graphql does.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_graphql::futures_util::future::{BoxFuture, join_all};
use async_graphql::indexmap::IndexMap;
use async_graphql::indexmap::map::Entry;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::{
    ContainerType, ContextSelectionSet, Name, ObjectType, OutputType, Positioned, ServerResult, Value,
};

/// An object of the API, as fields and lists give it: its own are resolved in place.
#[derive(Clone, Copy, Debug)]
pub struct InPlace<T>(pub T);

impl<T: ObjectType> OutputType for InPlace<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        let mut fields = Vec::with_capacity(ctx.item.node.items.len());
        select(&T::type_name(), ctx, &mut fields);
        let mut values = IndexMap::with_capacity(fields.len());
        let mut waiting = Vec::new();
        for field in fields {
            let key = &field.node.response_key().node;
            match resolve_at_once(ctx, &self.0, field) {
                Some(Ok(value)) => {
                    insert(&mut values, key.clone(), value);
                    continue;
                }
                Some(Err(error)) => {
                    ctx.add_error(error);
                    continue;
                }
                None => {}
            }
            let mut resolved = resolve_field(ctx, &self.0, field);
            match poll_fn(|cx| Poll::Ready(resolved.as_mut().poll(cx))).await {
                Poll::Ready(Ok(value)) => insert(&mut values, key.clone(), value),
                Poll::Ready(Err(error)) => ctx.add_error(error),
                Poll::Pending => {
                    // Its place among the others.
                    values.entry(key.clone()).or_insert(Value::Null);
                    waiting.push(async move { (key, resolved.await) });
                }
            }
        }
        for (key, resolved) in join_all(waiting).await {
            match resolved {
                Ok(value) => insert(&mut values, key.clone(), value),
                Err(error) => ctx.add_error(error),
            }
        }
        Ok(if values.is_empty() { Value::Null } else { Value::Object(values) })
    }
}

/// The value of a scalar field that need not wait, without an allocation for the wait. One that does
/// is begun again, so that its resolver may do no more than ask a loader, which reads a key once
/// however often it is asked for.
fn resolve_at_once<T: ContainerType>(
    ctx: &ContextSelectionSet<'_>,
    object: &T,
    field: &Positioned<Field>,
) -> Option<ServerResult<Value>> {
    if field.node.name.node == "__typename" || !field.node.selection_set.node.items.is_empty() {
        return None;
    }
    let ctx = ctx.with_field(field);
    let resolved = pin!(object.resolve_field(&ctx));
    match resolved.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(resolved) => Some(resolved.map(Option::unwrap_or_default)),
        Poll::Pending => None,
    }
}

fn resolve_field<'a, T: ContainerType>(
    ctx: &'a ContextSelectionSet<'_>,
    object: &'a T,
    field: &'a Positioned<Field>,
) -> BoxFuture<'a, ServerResult<Value>> {
    Box::pin(async move {
        if field.node.name.node == "__typename" {
            return Ok(Value::String(object.introspection_type_name().into_owned()));
        }
        Ok(object.resolve_field(&ctx.with_field(field)).await?.unwrap_or_default())
    })
}

/// The fields that are selected of an object of type `name`, those of fragments that apply to it
/// too. Validation has seen that fragments exist and do not spread themselves.
fn select<'a>(name: &str, ctx: &ContextSelectionSet<'a>, fields: &mut Vec<&'a Positioned<Field>>) {
    for selection in &ctx.item.node.items {
        let (condition, set) = match &selection.node {
            Selection::Field(field) => {
                fields.push(field);
                continue;
            }
            Selection::InlineFragment(fragment) => {
                (fragment.node.type_condition.as_ref(), &fragment.node.selection_set)
            }
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = ctx.query_env.fragments.get(&spread.node.fragment_name.node) else { continue };
                (Some(&fragment.node.type_condition), &fragment.node.selection_set)
            }
        };
        let applies = condition.is_none_or(|condition| {
            let condition = condition.node.on.node.as_str();
            let interfaces = || ctx.schema_env.registry.implements.get(name);
            condition == name || interfaces().is_some_and(|interfaces| interfaces.contains(condition))
        });
        if applies {
            select(name, &ctx.with_selection_set(set), fields);
        }
    }
}

/// Puts a field's value to its place; a field that is selected twice has what both select.
fn insert(values: &mut IndexMap<Name, Value>, key: Name, value: Value) {
    match values.entry(key) {
        Entry::Occupied(mut known) => merge(known.get_mut(), value),
        Entry::Vacant(place) => {
            place.insert(value);
        }
    }
}

fn merge(known: &mut Value, more: Value) {
    match (known, more) {
        (Value::Object(known), Value::Object(more)) => {
            more.into_iter().for_each(|(key, value)| insert(known, key, value));
        }
        (Value::List(known), Value::List(more)) => {
            known.iter_mut().zip(more).for_each(|(known, value)| merge(known, value));
        }
        (known @ Value::Null, value) => *known = value,
        _ => {}
    }
}

//! Objects whose fields are resolved where they stand.
//!
//! async-graphql makes a task of every field of every object and lets all of them wait for each
//! other: two allocations and several atomic operations for a title that is there already, and
//! megabytes of tasks at once for a page of lists. Here each field is polled once, in order, and only what
//! has to wait is kept; what is selected is looked at once for all objects of a list.

use std::borrow::Cow;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;

use async_graphql::futures_util::future::{BoxFuture, join_all};
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, Name, ObjectType, OutputType, Positioned, ServerError, ServerResult,
    Value,
};

use crate::answer::{Budget, Spent};

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
        resolve(ctx, &self.0, &Selected::new::<T>(ctx)).await
    }
}

/// The same as a member of a union or an interface, which resolve their members' fields themselves.
impl<T: ObjectType> ContainerType for InPlace<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let value = self.0.resolve_field(ctx).await?;
        let Some(budget) = ctx.data_opt::<Arc<Budget>>() else { return Ok(value) };
        let key_bytes = ctx.item.node.response_key().node.len() as u64 + KEY_BYTES;
        let counted = budget.count_object(key_bytes, 1);
        match counted.and_then(|()| value.as_ref().map_or(Ok(()), |value| budget.count_value(value))) {
            Ok(()) => Ok(value),
            Err(spent) => Err(ctx.set_error_path(refuse(budget, spent).await)),
        }
    }
}

impl<T: ObjectType> ObjectType for InPlace<T> {}

/// An interface asks its members for the fields that all of them have.
impl<T> Deref for InPlace<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The objects of a list, which are resolved as [`InPlace`] does.
#[derive(Clone, Debug)]
pub struct AllInPlace<T>(pub Vec<T>);

impl<T: ObjectType> OutputType for AllInPlace<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        let selected = Selected::new::<T>(ctx);
        let mut values = vec![Value::Null; self.0.len()];
        let selected = &selected;
        let objects = self.0.iter().enumerate().map(|(place, object)| -> BoxFuture<'_, ServerResult<Value>> {
            Box::pin(async move { resolve(&ctx.with_index(place), object, selected).await })
        });
        let mut failed = None;
        in_turn(objects, |place, value| match value {
            Ok(value) => values[place] = value,
            Err(error) => failed = failed.take().or(Some(error)),
        })
        .await;
        failed.map_or(Ok(Value::List(values)), Err)
    }
}

/// What is selected of objects of one type.
struct Selected<'a> {
    /// The fields, each with the place of its value among those of the object.
    fields: Vec<(&'a Positioned<Field>, usize)>,
    /// An object before its fields are resolved.
    blank: IndexMap<Name, Value>,
    /// Bytes of the names in the answer, with the signs around them and the least that a value has.
    key_bytes: u64,
    budget: Option<&'a Arc<Budget>>,
}

/// Of a field, besides its name and value: quotes, a colon and a comma.
const KEY_BYTES: u64 = 4;

impl<'a> Selected<'a> {
    fn new<T: ObjectType>(ctx: &ContextSelectionSet<'a>) -> Self {
        let mut fields = Vec::with_capacity(ctx.item.node.items.len());
        select(&T::type_name(), ctx, &mut fields);
        let mut blank = IndexMap::with_capacity(fields.len());
        let place = |field: &'a Positioned<Field>| {
            let entry = blank.entry(field.node.response_key().node.clone());
            let place = entry.index();
            entry.or_insert(Value::Null);
            (field, place)
        };
        let fields: Vec<_> = fields.into_iter().map(place).collect();
        let key_bytes = blank.keys().map(|key| key.len() as u64 + KEY_BYTES).sum();
        Self { fields, blank, key_bytes, budget: ctx.data_opt() }
    }

    fn count_object(&self) -> Result<(), (&'a Budget, Spent)> {
        let Some(budget) = self.budget else { return Ok(()) };
        budget.count_object(self.key_bytes, self.blank.len()).map_err(|spent| (&**budget, spent))
    }

    fn count_value(&self, value: Option<&Value>) -> Result<(), (&'a Budget, Spent)> {
        let (Some(budget), Some(value)) = (self.budget, value) else { return Ok(()) };
        budget.count_value(value).map_err(|spent| (&**budget, spent))
    }
}

/// Resolves the fields of an object. One that fails stays null, and its error says what becomes of
/// those around it.
///
/// # Errors
/// The answer's budget is used up.
async fn resolve<T: ContainerType>(
    ctx: &ContextSelectionSet<'_>,
    object: &T,
    selected: &Selected<'_>,
) -> ServerResult<Value> {
    if selected.fields.is_empty() {
        return Ok(Value::Null);
    }
    if let Err((budget, spent)) = selected.count_object() {
        return Err(ctx.set_error_path(refuse(budget, spent).await));
    }
    let mut values = selected.blank.clone();
    let resolved = selected.fields.iter().map(|(field, _)| -> BoxFuture<'_, ServerResult<Option<Value>>> {
        Box::pin(async move {
            if field.node.name.node == "__typename" {
                return Ok(Some(Value::String(object.introspection_type_name().into_owned())));
            }
            let ctx = ctx.with_field(field);
            let value = object.resolve_field(&ctx).await?;
            match selected.count_value(value.as_ref()) {
                Ok(()) => Ok(value),
                Err((budget, spent)) => Err(ctx.set_error_path(refuse(budget, spent).await)),
            }
        })
    });
    in_turn(resolved, |number, resolved| match resolved {
        // A field that is selected twice has what both select.
        Ok(value) => merge(&mut values[selected.fields[number].1], value.unwrap_or_default()),
        Err(error) => {
            if let Some(budget) = selected.budget {
                budget.count_error(&error);
            }
            ctx.add_error(error);
        }
    })
    .await;
    Ok(Value::Object(values))
}

/// The error of what cannot be made; nothing at all if the request stops.
fn refuse(budget: &Budget, spent: Spent) -> BoxFuture<'_, ServerError> {
    // So that what usually does not happen takes no room in what waits.
    Box::pin(async move { budget.refuse(spent).await.into_server_error() })
}

/// Polls futures one after the other, each once, and then those together that have to wait. What each
/// gives is taken with its number.
async fn in_turn<'a, T>(futures: impl Iterator<Item = BoxFuture<'a, T>>, mut take: impl FnMut(usize, T)) {
    let mut waiting = Vec::new();
    for (number, mut future) in futures.enumerate() {
        match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            Poll::Ready(given) => take(number, given),
            Poll::Pending => waiting.push(async move { (number, future.await) }),
        }
    }
    for (number, given) in join_all(waiting).await {
        take(number, given);
    }
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
            let ty = || ctx.schema_env.registry.types.get(condition);
            condition == name || ty().is_some_and(|ty| ty.is_possible_type(name))
        });
        if applies {
            select(name, &ctx.with_selection_set(set), fields);
        }
    }
}

fn merge(known: &mut Value, more: Value) {
    match (known, more) {
        (Value::Object(known), Value::Object(more)) => {
            more.into_iter().for_each(|(key, value)| merge(known.entry(key).or_insert(Value::Null), value));
        }
        (Value::List(known), Value::List(more)) => {
            known.iter_mut().zip(more).for_each(|(known, value)| merge(known, value));
        }
        (known @ Value::Null, value) => *known = value,
        _ => {}
    }
}

//! Objects, one line per field.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::Registry;
use futures_util::future::BoxFuture;

use super::arguments::{self, ArgumentTypes, ArgumentValues, Arguments, NoArguments, ReadArguments};
use super::output::Output;
use super::{Columns, Description, TypeName};
use crate::execution::column::{Column, Rows, table};
use crate::execution::leaf::{Leaf, Out};
use crate::execution::{Context, FieldError, FieldSelection};

/// A Rust type for the objects of one object type.
pub trait Row: Send + Sync + 'static {
    /// The type's name in the schema.
    fn type_name() -> TypeName;
}

/// The row of a root type, which has no columns.
#[derive(Clone, Copy, Debug)]
pub struct Root;

/// The query root. Other roots are [named](super::Description::object_named).
impl Row for Root {
    fn type_name() -> TypeName {
        "Query".into()
    }
}

/// Writes a leaf of a row.
pub(crate) type WriteLeaf = Arc<dyn Fn(&(dyn Any + Send + Sync), usize, &mut Out) + Send + Sync>;
/// Resolves a field for many rows.
pub(crate) type ResolveAll = Arc<dyn for<'a> Fn(RawCall<'a>) -> BoxFuture<'a, Column> + Send + Sync>;

/// How a field gets its values.
#[derive(Clone)]
pub(crate) enum Resolver {
    /// Written from the object's row.
    Leaf(WriteLeaf),
    /// Resolved for all rows together.
    Resolve(ReadArguments, ResolveAll),
}

/// A call of a resolver, before its types are known.
pub(crate) struct RawCall<'a> {
    pub(crate) context: &'a Context,
    pub(crate) rows: &'a Rows,
    pub(crate) arguments: ArgumentValues,
    pub(crate) selected: FieldSelection<'a>,
}

/// A call of a resolver.
#[derive(Debug)]
pub struct Call<'a, T, A = NoArguments> {
    /// The context of the request.
    pub context: &'a Context,
    /// The objects whose field is resolved, in order.
    pub rows: &'a Rows,
    /// The field's arguments.
    pub arguments: Arc<A>,
    /// The selections of the field.
    pub selected: FieldSelection<'a>,
    row: PhantomData<fn() -> T>,
}

impl<'a, T: Send + Sync + 'static, A> Call<'a, T, A> {
    /// The objects.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a T> + Clone {
        self.rows.iter::<T>()
    }
}

#[expect(clippy::expect_used, reason = "the same builder reads the arguments and resolves the field")]
fn typed<'a, T, A: Arguments>(call: RawCall<'a>) -> Call<'a, T, A> {
    let RawCall { context, rows, arguments, selected } = call;
    let arguments = arguments.downcast().expect("arguments of the field's type");
    Call { context, rows, arguments, selected, row: PhantomData }
}

/// Resolves a field of many objects to any column. [`Batch`] is simpler.
pub trait Resolve<T>: 'static {
    /// The field's arguments; [`NoArguments`] if it has none.
    type Arguments: Arguments;

    /// The type of the field, as a schema writes it.
    fn type_name(registry: &mut Registry) -> String;

    /// Resolves the field for all objects.
    fn resolve(call: Call<'_, T, Self::Arguments>) -> impl Future<Output = Column> + Send;
}

/// Resolves a field of many objects to a value for each, in order.
pub trait Batch<T>: 'static {
    /// The field's arguments; [`NoArguments`] if it has none.
    type Arguments: Arguments;
    /// A leaf, [`One`](super::One) object, a `Vec` or an `Option` of these, or a `Result` if objects may have their
    /// own errors.
    type Value: Output;

    /// Returns the values.
    ///
    /// # Errors
    /// An error that every object gets.
    fn find(call: Call<'_, T, Self::Arguments>) -> impl Future<Output = Result<Vec<Self::Value>, FieldError>> + Send;
}

/// Data of any type.
pub(crate) type Extension = Arc<dyn Any + Send + Sync>;

/// A field of an object.
pub(crate) struct FieldDescription {
    pub(crate) description: &'static str,
    pub(crate) of: fn(&mut Registry) -> String,
    pub(crate) arguments: fn(&mut Registry) -> ArgumentTypes,
    pub(crate) deprecated: Option<&'static str>,
    pub(crate) is_personal: bool,
    /// Whether the field may be null even if its values may not.
    pub(crate) is_nullable: bool,
    pub(crate) cost: u64,
    pub(crate) columns: Columns,
    pub(crate) resolver: Resolver,
    pub(crate) extension: Option<Extension>,
}

impl FieldDescription {
    /// The field's type, as a schema writes it.
    pub(crate) fn type_name(&self, registry: &mut Registry) -> String {
        let mut name = (self.of)(registry);
        if self.is_nullable && name.ends_with('!') {
            name.pop();
        }
        name
    }
}

/// The description of an object type.
pub(crate) struct ObjectType {
    pub(crate) description: &'static str,
    pub(crate) interfaces: Vec<&'static str>,
    pub(crate) fields: IndexMap<&'static str, FieldDescription>,
    /// Whether its fields need the columns of the selections below them, as in a connection.
    pub(crate) is_transparent: bool,
}

/// A union or an interface.
#[derive(Debug)]
pub struct Abstract {
    pub(crate) description: &'static str,
    pub(crate) members: Vec<TypeName>,
    pub(crate) fields: Vec<(&'static str, &'static str, &'static str)>,
}

impl Abstract {
    /// A union of these objects.
    pub fn union(description: &'static str, members: Vec<TypeName>) -> Self {
        Self { description, members, fields: Vec::new() }
    }

    /// An interface with these fields: name, description and type.
    pub fn interface(description: &'static str, fields: Vec<(&'static str, &'static str, &'static str)>) -> Self {
        Self { description, members: Vec::new(), fields }
    }
}

/// Adds types to a description.
pub(super) type Add = Box<dyn FnOnce(&mut Description)>;

/// Describes an object type whose objects are of type `T`.
pub struct Object<T> {
    pub(super) of: ObjectType,
    /// Adds types that belong to this one.
    pub(super) more: Vec<Add>,
    row: PhantomData<fn() -> T>,
}

impl<T: Row> Object<T> {
    /// A type without fields.
    #[must_use]
    pub fn new(description: &'static str) -> Self {
        let of = ObjectType { description, interfaces: Vec::new(), fields: IndexMap::new(), is_transparent: false };
        Self { of, more: Vec::new(), row: PhantomData }
    }

    /// Declares that the type implements an interface.
    #[must_use]
    pub fn implements(mut self, interface: &'static str) -> Self {
        self.of.interfaces.push(interface);
        self
    }

    /// Declares that the type has no columns of its own, such as a connection: its fields need the columns of the
    /// selections below them.
    #[must_use]
    pub fn transparent(mut self) -> Self {
        self.of.is_transparent = true;
        self
    }

    /// Adds further types that belong to this one.
    #[must_use]
    pub fn with(mut self, add: impl FnOnce(&mut Description) + 'static) -> Self {
        self.more.push(Box::new(add));
        self
    }

    /// A leaf of the row. It needs all columns.
    #[must_use]
    pub fn value<V: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        get: impl Fn(&T) -> V + Send + Sync + 'static,
    ) -> Self {
        self.leaf(name, description, Columns::MAX, move |row| get(row))
    }

    /// A leaf of the row by reference. It needs these columns.
    #[must_use]
    pub fn leaf_ref<V: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        columns: Columns,
        get: impl Fn(&T) -> &V + Send + Sync + 'static,
    ) -> Self {
        let write: WriteLeaf = Arc::new(move |rows, at, out| get(&table::<T>(rows)[at]).write(out));
        self.push(name, description, V::type_name, Resolver::Leaf(write)).needs(columns)
    }

    /// A leaf of the row. It needs these columns.
    #[must_use]
    pub fn leaf<V: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        columns: Columns,
        get: impl Fn(&T) -> V + Send + Sync + 'static,
    ) -> Self {
        let write: WriteLeaf = Arc::new(move |rows, at, out| get(&table::<T>(rows)[at]).write(out));
        self.push(name, description, V::type_name, Resolver::Leaf(write)).needs(columns)
    }

    /// A field that is resolved for all objects together.
    #[must_use]
    pub fn batch<B: Batch<T>>(self, name: &'static str, description: &'static str) -> Self {
        let resolve: ResolveAll = Arc::new(|call| {
            Box::pin(async move {
                match B::find(typed(call)).await {
                    Ok(values) => B::Value::complete(values),
                    Err(error) => Column::Failed(error),
                }
            })
        });
        let resolver = Resolver::Resolve(arguments::read::<B::Arguments>, resolve);
        self.push(name, description, B::Value::type_name, resolver)
            .takes(B::Arguments::describe)
            .needs(Columns::MAX)
            .along_with(B::Value::register)
    }

    /// A field that is computed from the object and the context, without I/O.
    #[must_use]
    pub fn derive<V: Output>(
        self,
        name: &'static str,
        description: &'static str,
        get: impl Fn(&Context, &T) -> V + Send + Sync + 'static,
    ) -> Self {
        let get = Arc::new(get);
        let resolve: ResolveAll = Arc::new(move |call| {
            let get = Arc::clone(&get);
            Box::pin(async move {
                let rows = call.rows.iter::<T>();
                V::complete(rows.map(|row| get(call.context, row)).collect())
            })
        });
        let resolver = Resolver::Resolve(arguments::read::<NoArguments>, resolve);
        self.push(name, description, V::type_name, resolver).needs(Columns::MAX).along_with(V::register)
    }

    /// A field that is resolved to any column.
    #[must_use]
    pub fn resolve<R: Resolve<T>>(self, name: &'static str, description: &'static str) -> Self {
        let resolve: ResolveAll = Arc::new(|call| Box::pin(R::resolve(typed(call))));
        let resolver = Resolver::Resolve(arguments::read::<R::Arguments>, resolve);
        self.push(name, description, R::type_name, resolver).takes(R::Arguments::describe).needs(Columns::MAX)
    }

    /// A field of this type that a function resolves to any column.
    #[must_use]
    pub fn resolve_by<A: Arguments>(
        self,
        name: &'static str,
        description: &'static str,
        of: fn(&mut Registry) -> String,
        resolve: impl for<'a> Fn(Call<'a, T, A>) -> BoxFuture<'a, Column> + Send + Sync + 'static,
    ) -> Self {
        let resolve: ResolveAll = Arc::new(move |call| resolve(typed(call)));
        let resolver = Resolver::Resolve(arguments::read::<A>, resolve);
        self.push(name, description, of, resolver).takes(A::describe).needs(Columns::MAX)
    }

    /// The last field needs these columns of the row.
    #[must_use]
    pub fn needs(self, columns: Columns) -> Self {
        self.last(|field| field.columns = columns)
    }

    /// The last field depends on the viewer.
    #[must_use]
    pub fn personal(self) -> Self {
        self.last(|field| field.is_personal = true)
    }

    /// The last field is deprecated, for this reason.
    #[must_use]
    pub fn deprecated(self, reason: &'static str) -> Self {
        self.last(|field| field.deprecated = Some(reason))
    }

    /// A value of the last field has this cost instead of 1.
    #[must_use]
    pub fn costs(self, cost: u64) -> Self {
        self.last(|field| field.cost = cost)
    }

    /// The last field has this data for resolvers above it: see [`FieldSelection::extension`].
    #[must_use]
    pub fn extension(self, data: impl Any + Send + Sync) -> Self {
        self.last(|field| field.extension = Some(Arc::new(data)))
    }

    fn takes(self, arguments: fn(&mut Registry) -> ArgumentTypes) -> Self {
        self.last(|field| field.arguments = arguments)
    }

    fn along_with(self, register: fn(&mut Description)) -> Self {
        self.with(register)
    }

    pub(super) fn last(mut self, change: impl FnOnce(&mut FieldDescription)) -> Self {
        if let Some(mut entry) = self.of.fields.last_entry() {
            change(entry.get_mut());
        }
        self
    }

    fn push(
        mut self,
        name: &'static str,
        description: &'static str,
        of: fn(&mut Registry) -> String,
        resolver: Resolver,
    ) -> Self {
        let field = FieldDescription {
            description,
            of,
            arguments: NoArguments::describe,
            deprecated: None,
            is_personal: false,
            is_nullable: false,
            cost: 1,
            columns: 0,
            resolver,
            extension: None,
        };
        self.of.fields.insert(name, field);
        self
    }
}

impl<T> std::fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("fields", &self.of.fields.keys()).finish_non_exhaustive()
    }
}

//! Objects, a field a line.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::registry::Registry;
use futures_util::future::BoxFuture;

use super::arguments::{self, Arguments, Described, NoArguments, Read, Reader};
use super::output::Output;
use super::{Columns, Description, Name};
use crate::execution::column::{Column, Rows, table};
use crate::execution::leaf::{Leaf, Out};
use crate::execution::{Context, FieldError, Selected};

/// A Rust type whose values are objects of one type of the schema.
pub trait Row: Send + Sync + 'static {
    /// The type's name in the schema.
    fn type_name() -> Name;
}

/// The one object of a root, which has nothing but fields.
#[derive(Clone, Copy, Debug)]
pub struct Root;

/// The root of queries; others are [named](super::Description::object_named).
impl Row for Root {
    fn type_name() -> Name {
        "Query".into()
    }
}

/// Writes a leaf of one row.
pub(crate) type WriteLeaf = Arc<dyn Fn(&(dyn Any + Send + Sync), usize, &mut Out) + Send + Sync>;
/// Finds a field of many rows.
pub(crate) type ResolveAll = Arc<dyn for<'a> Fn(RawCall<'a>) -> BoxFuture<'a, Column> + Send + Sync>;

/// How a field comes by its values.
#[derive(Clone)]
pub(crate) enum How {
    /// Written from its own row.
    Leaf(WriteLeaf),
    /// Found for all rows at once.
    Resolve(Reader, ResolveAll),
}

/// What a resolver gets, before its types are known.
pub(crate) struct RawCall<'a> {
    pub(crate) context: &'a Context,
    pub(crate) rows: &'a Rows,
    pub(crate) arguments: Read,
    pub(crate) selected: Selected<'a>,
}

/// What a field is asked for.
#[derive(Debug)]
pub struct Call<'a, T, A = NoArguments> {
    /// What the request brought.
    pub context: &'a Context,
    /// The objects whose field is wanted, in order.
    pub rows: &'a Rows,
    /// The field's arguments.
    pub arguments: Arc<A>,
    /// What is selected of the field.
    pub selected: Selected<'a>,
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

/// Finds a field of many objects. For what [`Batch`] cannot say.
pub trait Resolve<T>: 'static {
    /// The field's arguments; [`NoArguments`] if it has none.
    type Arguments: Arguments;

    /// The type of the field, as a schema writes it.
    fn type_name(registry: &mut Registry) -> String;

    /// Finds it for all objects.
    fn resolve(call: Call<'_, T, Self::Arguments>) -> impl Future<Output = Column> + Send;
}

/// Finds a value for each of many objects, in order.
pub trait Batch<T>: 'static {
    /// The field's arguments; [`NoArguments`] if it has none.
    type Arguments: Arguments;
    /// A leaf, [`One`](super::One) object, a `Vec` or an `Option` of these, or a `Result` where objects may have errors
    /// of their own.
    type Value: Output;

    /// Finds the values.
    ///
    /// # Errors
    /// Why none of the objects has a value.
    fn find(call: Call<'_, T, Self::Arguments>) -> impl Future<Output = Result<Vec<Self::Value>, FieldError>> + Send;
}

/// A field of an object.
pub(crate) struct Field {
    pub(crate) description: &'static str,
    pub(crate) of: fn(&mut Registry) -> String,
    pub(crate) arguments: fn(&mut Registry) -> Described,
    pub(crate) deprecated: Option<&'static str>,
    pub(crate) is_personal: bool,
    /// Whether it may be null, even though its values are not.
    pub(crate) is_nullable: bool,
    pub(crate) cost: u64,
    pub(crate) columns: Columns,
    pub(crate) how: How,
}

impl Field {
    /// The field's type, as a schema writes it.
    pub(crate) fn type_name(&self, registry: &mut Registry) -> String {
        let mut name = (self.of)(registry);
        if self.is_nullable && name.ends_with('!') {
            name.pop();
        }
        name
    }
}

/// What is known of an object type.
pub(crate) struct ObjectType {
    pub(crate) description: &'static str,
    pub(crate) interfaces: Vec<&'static str>,
    pub(crate) fields: IndexMap<&'static str, Field>,
    /// Whether it is made for others' rows, as a connection is: what is selected of it tells the columns of its fields.
    pub(crate) is_transparent: bool,
}

/// A union or an interface.
#[derive(Debug)]
pub struct Abstract {
    pub(crate) description: &'static str,
    pub(crate) members: Vec<Name>,
    pub(crate) fields: Vec<(&'static str, &'static str, &'static str)>,
}

impl Abstract {
    /// A type that these objects may have.
    pub fn union(description: &'static str, members: Vec<Name>) -> Self {
        Self { description, members, fields: Vec::new() }
    }

    /// What objects have in common: fields with their descriptions and types.
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

    /// The type implements an interface.
    #[must_use]
    pub fn implements(mut self, interface: &'static str) -> Self {
        self.of.interfaces.push(interface);
        self
    }

    /// The type is made for others' rows, as a connection is: which columns they need is told by what is selected
    /// further down.
    #[must_use]
    pub fn transparent(mut self) -> Self {
        self.of.is_transparent = true;
        self
    }

    /// Adds further types along with this one.
    #[must_use]
    pub fn with(mut self, add: impl FnOnce(&mut Description) + 'static) -> Self {
        self.more.push(Box::new(add));
        self
    }

    /// A leaf of the row itself.
    #[must_use]
    pub fn value<V: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        get: impl Fn(&T) -> V + Send + Sync + 'static,
    ) -> Self {
        self.leaf(name, description, Columns::MAX, move |row| get(row))
    }

    /// A leaf that is written where it stands, of these columns of the row.
    #[must_use]
    pub fn leaf_ref<V: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        columns: Columns,
        get: impl Fn(&T) -> &V + Send + Sync + 'static,
    ) -> Self {
        let write: WriteLeaf = Arc::new(move |rows, at, out| get(&table::<T>(rows)[at]).write(out));
        self.push(name, description, V::type_name, How::Leaf(write)).needs(columns)
    }

    /// A leaf that is made of these columns of the row.
    #[must_use]
    pub fn leaf<V: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        columns: Columns,
        get: impl Fn(&T) -> V + Send + Sync + 'static,
    ) -> Self {
        let write: WriteLeaf = Arc::new(move |rows, at, out| get(&table::<T>(rows)[at]).write(out));
        self.push(name, description, V::type_name, How::Leaf(write)).needs(columns)
    }

    /// A value that is found for all objects at once.
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
        let how = How::Resolve(arguments::read::<B::Arguments>, resolve);
        self.push(name, description, B::Value::type_name, how)
            .takes(B::Arguments::describe)
            .needs(Columns::MAX)
            .along_with(B::Value::register)
    }

    /// A value that is made of the objects and the request alone, for all of them at once.
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
        let how = How::Resolve(arguments::read::<NoArguments>, resolve);
        self.push(name, description, V::type_name, how).needs(Columns::MAX).along_with(V::register)
    }

    /// A field that is found in a way of its own.
    #[must_use]
    pub fn resolve<R: Resolve<T>>(self, name: &'static str, description: &'static str) -> Self {
        let resolve: ResolveAll = Arc::new(|call| Box::pin(R::resolve(typed(call))));
        let how = How::Resolve(arguments::read::<R::Arguments>, resolve);
        self.push(name, description, R::type_name, how).takes(R::Arguments::describe).needs(Columns::MAX)
    }

    /// A field of this type that is found by a function.
    #[must_use]
    pub fn resolve_by<A: Arguments>(
        self,
        name: &'static str,
        description: &'static str,
        of: fn(&mut Registry) -> String,
        resolve: impl for<'a> Fn(Call<'a, T, A>) -> BoxFuture<'a, Column> + Send + Sync + 'static,
    ) -> Self {
        let resolve: ResolveAll = Arc::new(move |call| resolve(typed(call)));
        let how = How::Resolve(arguments::read::<A>, resolve);
        self.push(name, description, of, how).takes(A::describe).needs(Columns::MAX)
    }

    /// The field before needs these columns of the row.
    #[must_use]
    pub fn needs(self, columns: Columns) -> Self {
        self.last(|field| field.columns = columns)
    }

    /// The field before depends on who asks.
    #[must_use]
    pub fn personal(self) -> Self {
        self.last(|field| field.is_personal = true)
    }

    /// The field before is an old one; why, and what to use instead.
    #[must_use]
    pub fn deprecated(self, reason: &'static str) -> Self {
        self.last(|field| field.deprecated = Some(reason))
    }

    /// A value of the field before costs as much as so many usual ones.
    #[must_use]
    pub fn costs(self, cost: u64) -> Self {
        self.last(|field| field.cost = cost)
    }

    fn takes(self, arguments: fn(&mut Registry) -> Described) -> Self {
        self.last(|field| field.arguments = arguments)
    }

    fn along_with(self, register: fn(&mut Description)) -> Self {
        self.with(register)
    }

    pub(super) fn last(mut self, change: impl FnOnce(&mut Field)) -> Self {
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
        how: How,
    ) -> Self {
        let field = Field {
            description,
            of,
            arguments: NoArguments::describe,
            deprecated: None,
            is_personal: false,
            is_nullable: false,
            cost: 1,
            columns: 0,
            how,
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

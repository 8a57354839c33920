//! Describes a schema with Rust types and resolvers.
//!
//! ```
//! use graphql::{Description, Object, Row};
//!
//! struct Movie { title: String, year: Option<i32> }
//! impl Row for Movie {
//!     fn type_name() -> std::borrow::Cow<'static, str> { "Movie".into() }
//! }
//!
//! let movie = Object::<Movie>::new("A movie or a series.")
//!     .value("title", "The Russian title.", |movie| movie.title.clone())
//!     .value("year", "The year of release.", |movie| movie.year);
//! let mut description = Description::new();
//! description.object(movie);
//! ```

mod arguments;
mod object;
mod only;
mod output;
mod registry;

use std::any::Any;
use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::{InputType, Pos, ScalarType, Value};
use serde_json::Value as Json;

pub use arguments::{ArgumentTypes, Arguments, NoArguments, argument};
pub(crate) use arguments::{ArgumentValues, ReadArguments};
pub use object::{Abstract, Batch, Call, Object, Resolve, Root, Row};
pub(crate) use object::{Extension, ObjectType, RawCall, ResolveAll, Resolver, WriteLeaf};
pub use output::{Maybe, One, Output};
pub(crate) use registry::Introspect;
pub use registry::{Describe, Introspection};

use crate::schema::Check;

/// The name of a type.
pub type TypeName = Cow<'static, str>;

/// A set of columns of a row: a bit for each.
pub type Columns = u64;

/// The types of a schema, with their resolvers.
#[derive(Default)]
pub struct Description {
    pub(crate) objects: IndexMap<TypeName, ObjectType>,
    pub(crate) unions: IndexMap<TypeName, Abstract>,
    pub(crate) interfaces: IndexMap<TypeName, Abstract>,
    /// Checks of the values of scalars.
    pub(crate) checks: Vec<(TypeName, Check)>,
}

impl Description {
    /// A schema without types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object type and the types that belong to it, such as those of its connections. The roots are named
    /// `Query`,
    /// `Mutation` and `Subscription`.
    pub fn object<T: Row>(&mut self, object: Object<T>) {
        self.object_named(T::type_name(), object);
    }

    /// Adds an object type with this name instead of that of its rows.
    pub fn object_named<T: Row>(&mut self, name: TypeName, object: Object<T>) {
        let Object { of, more, .. } = object;
        self.objects.insert(name, of);
        for add in more {
            add(self);
        }
    }

    /// The fields of an object type that have extension data of type `D`, with the data.
    pub fn extensions<D: Any>(&self, object: &str) -> Vec<(&'static str, &D)> {
        let fields = self.objects.get(object).into_iter().flat_map(|object| &object.fields);
        fields.filter_map(|(name, field)| Some((*name, field.extension.as_ref()?.downcast_ref()?))).collect()
    }

    /// Adds an object type unless one with its name exists.
    pub fn object_once<T: Row>(&mut self, object: impl FnOnce() -> Object<T>) {
        if !self.objects.contains_key(&T::type_name()) {
            self.object(object());
        }
    }

    /// Checks values of an async-graphql scalar when inputs are coerced.
    pub fn scalar<S: ScalarType + InputType>(&mut self) {
        let check = |value: &Json| {
            let value = Value::from_json(value.clone()).unwrap_or_default();
            <S as InputType>::parse(Some(value)).map(drop).map_err(|error| {
                let message = error.into_server_error(Pos::default()).message;
                let reason = message.split_once(": ").map_or(message.as_str(), |(_, reason)| reason);
                format!("is invalid: {reason}")
            })
        };
        self.checks.push((<S as InputType>::type_name(), Check::new(check)));
    }

    /// Adds a union.
    pub fn union(&mut self, name: &'static str, union: Abstract) {
        self.unions.insert(name.into(), union);
    }

    /// Adds an interface. Objects declare that they implement it.
    pub fn interface(&mut self, name: &'static str, interface: Abstract) {
        self.interfaces.insert(name.into(), interface);
    }
}

impl std::fmt::Debug for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { objects, unions, interfaces, .. } = self;
        f.debug_struct("Description")
            .field("objects", &objects.keys())
            .field("unions", &unions.keys())
            .field("interfaces", &interfaces.keys())
            .finish_non_exhaustive()
    }
}

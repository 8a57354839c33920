//! The builder's methods for rows of tables.

use std::future::Future;

use graphql::{ArgumentTypes, Arguments, Call, Column, FieldError, Inputs, Leaf, Object, Registry, Row};

use super::connection::{Connection, connection};
use super::join::Link;
use super::link::{Missing, by_key, follow};
use super::list::{List, PageArguments, RootList, pages, root_page};
use super::table::{KEY, Record, RowColumn, Table};
use super::text::{RequiredText, WideColumn, WideText};
use crate::Id;

/// The key that a row refers to: required or optional.
pub trait Reference<N>: Send + Sync + 'static {
    /// Whether it may be missing.
    const NULLABLE: bool;

    /// Its key.
    fn key(&self) -> Option<i32>;
}

impl<N: 'static> Reference<N> for Id<N> {
    const NULLABLE: bool = false;

    fn key(&self) -> Option<i32> {
        Some(Id::key(*self))
    }
}

impl<N: 'static> Reference<N> for Option<Id<N>> {
    const NULLABLE: bool = true;

    fn key(&self) -> Option<i32> {
        self.map(Id::key)
    }
}

impl<N: Table> Leaf for Id<N> {
    fn describe(_: &mut Registry) -> String {
        "ID".to_owned()
    }

    fn write(&self, out: &mut graphql::Out) {
        graphql::execution::leaf::write_text(out, &self.encode());
    }
}

/// Fields of objects that are rows.
pub trait RowObject<T>: Sized {
    /// The id, by which clients can request the object.
    #[must_use]
    fn node(self) -> Self
    where
        T: Table;

    /// A column. Its Rust type is its type in the schema.
    #[must_use]
    fn column<V: Leaf>(self, name: &'static str, description: &'static str, field: RowColumn<T, V>) -> Self;

    /// A value computed from one column.
    #[must_use]
    fn column_as<V: 'static, L: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        field: RowColumn<T, V>,
        get: impl Fn(&V) -> L + Send + Sync + 'static,
    ) -> Self;

    /// A value computed from two columns.
    #[must_use]
    fn columns_as<A: 'static, B: 'static, L: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        fields: (RowColumn<T, A>, RowColumn<T, B>),
        get: impl Fn(&A, &B) -> L + Send + Sync + 'static,
    ) -> Self;

    /// A column that is too wide to be read with every row.
    #[must_use]
    fn text<W>(self, name: &'static str, description: &'static str) -> Self
    where
        W: WideColumn<Row = T>,
        T: Table;

    /// The same for a column that is never NULL.
    #[must_use]
    fn required_text<W>(self, name: &'static str, description: &'static str) -> Self
    where
        W: WideColumn<Row = T>,
        T: Table;

    /// The object that a column refers to.
    #[must_use]
    fn link<N: Table, R: Reference<N>>(
        self,
        name: &'static str,
        description: &'static str,
        field: RowColumn<T, R>,
    ) -> Self;

    /// The object that a column refers to, or null if it is deleted or hidden.
    #[must_use]
    fn nullable_link<N: Table, R: Reference<N>>(
        self,
        name: &'static str,
        description: &'static str,
        field: RowColumn<T, R>,
    ) -> Self;

    /// A list of the object's rows, as a Relay connection.
    #[must_use]
    fn edge<L: List<Parent = T>>(self, name: &'static str, description: &'static str) -> Self;
}

fn reference<N: Table, R: Reference<N>>(_: &mut Registry) -> String {
    format!("{}{}", N::type_name(), if R::NULLABLE { "" } else { "!" })
}

fn connection_of<N: Row>(_: &mut Registry) -> String {
    format!("{}!", Connection::<N>::type_name())
}

/// The column that was found, or the error for all objects.
pub async fn or_failed(found: impl Future<Output = Result<Column, FieldError>>) -> Column {
    found.await.unwrap_or_else(Column::Failed)
}

fn link<T: Record, N: Table, R: Reference<N>>(
    object: Object<T>,
    (name, description): (&'static str, &'static str),
    of: fn(&mut Registry) -> String,
    field: RowColumn<T, R>,
    missing: Missing,
) -> Object<T> {
    let (get, columns, join) = (field.get, field.columns(), Link::new::<T, N, R>(&field));
    let resolve = object.resolve_by::<graphql::NoArguments>(name, description, of, move |call: Call<'_, T>| {
        Box::pin(async move {
            let keys = call.iter().map(|row| get(row).key()).collect();
            or_failed(follow::<T, N>(&call, keys, missing)).await
        })
    });
    let resolve = resolve.needs(columns);
    match join {
        Some(join) => resolve.extension(join),
        None => resolve,
    }
}

impl<T: Record> RowObject<T> for Object<T> {
    fn node(self) -> Self
    where
        T: Table,
    {
        self.implements("Node").leaf("id", "An opaque id. It is globally unique and never changes.", KEY, |row: &T| {
            Id::<T>::new(row.key())
        })
    }

    fn column<V: Leaf>(self, name: &'static str, description: &'static str, field: RowColumn<T, V>) -> Self {
        self.leaf_ref(name, description, field.columns(), field.get)
    }

    fn column_as<V: 'static, L: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        field: RowColumn<T, V>,
        get: impl Fn(&V) -> L + Send + Sync + 'static,
    ) -> Self {
        let RowColumn { get: column, .. } = field;
        self.leaf(name, description, field.columns(), move |row| get(column(row)))
    }

    fn columns_as<A: 'static, B: 'static, L: Leaf>(
        self,
        name: &'static str,
        description: &'static str,
        (first, second): (RowColumn<T, A>, RowColumn<T, B>),
        get: impl Fn(&A, &B) -> L + Send + Sync + 'static,
    ) -> Self {
        let columns = first.columns() | second.columns();
        let (first, second) = (first.get, second.get);
        self.leaf(name, description, columns, move |row| get(first(row), second(row)))
    }

    fn text<W>(self, name: &'static str, description: &'static str) -> Self
    where
        W: WideColumn<Row = T>,
        T: Table,
    {
        self.batch::<WideText<W>>(name, description).needs(KEY)
    }

    fn required_text<W>(self, name: &'static str, description: &'static str) -> Self
    where
        W: WideColumn<Row = T>,
        T: Table,
    {
        self.batch::<RequiredText<W>>(name, description).needs(KEY)
    }

    fn link<N: Table, R: Reference<N>>(
        self,
        name: &'static str,
        description: &'static str,
        field: RowColumn<T, R>,
    ) -> Self {
        link(self, (name, description), reference::<N, R>, field, Missing::IsError)
    }

    fn nullable_link<N: Table, R: Reference<N>>(
        self,
        name: &'static str,
        description: &'static str,
        field: RowColumn<T, R>,
    ) -> Self {
        link(self, (name, description), nullable::<N>, field, Missing::IsNull)
    }

    fn edge<L: List<Parent = T>>(self, name: &'static str, description: &'static str) -> Self {
        let field = self.resolve_by::<PageArguments<L::Arguments>>(
            name,
            description,
            connection_of::<L::Row>,
            |call: Call<'_, T, _>| Box::pin(or_failed(pages::<L>(call))),
        );
        field.needs(KEY).with(|description| description.object_once(connection::<L::Row>))
    }
}

/// Fields of the query root.
pub trait QueryObject: Sized {
    /// The object with an id.
    #[must_use]
    fn find<N: Table>(self, name: &'static str, description: &'static str) -> Self;

    /// A root list, as a Relay connection.
    #[must_use]
    fn list<L: RootList>(self, name: &'static str, description: &'static str) -> Self;
}

/// The id of an object of one type.
struct ById<N>(Id<N>);

impl<N: Table> Arguments for ById<N> {
    fn describe(_: &mut Registry) -> ArgumentTypes {
        let text = format!("The id of a {}.", N::TYPE.to_lowercase());
        ArgumentTypes::from_iter([("id".to_owned(), graphql::argument("id", &text, "ID!"))])
    }

    fn read(given: Inputs) -> Result<Self, FieldError> {
        let id = given.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
        Ok(Self(Id::parse("id", &id.into())?))
    }
}

fn nullable<N: Row>(_: &mut Registry) -> String {
    N::type_name().into_owned()
}

impl<T: Row> QueryObject for Object<T> {
    fn find<N: Table>(self, name: &'static str, description: &'static str) -> Self {
        self.resolve_by::<ById<N>>(name, description, nullable::<N>, |call: Call<'_, T, ById<N>>| {
            Box::pin(async move {
                let keys = vec![Some(call.arguments.0.key()); call.rows.len()];
                or_failed(by_key::<N>(call.context, keys, call.selected.columns(), Missing::IsNull)).await
            })
        })
    }

    fn list<L: RootList>(self, name: &'static str, description: &'static str) -> Self {
        let field = self.resolve_by::<PageArguments<L::Arguments>>(
            name,
            description,
            connection_of::<L::Row>,
            |call: Call<'_, T, _>| Box::pin(or_failed(root_page::<L, T>(call))),
        );
        field.with(|description| description.object_once(connection::<L::Row>))
    }
}

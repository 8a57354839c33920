//! The values of fields: leaves, objects, lists of them, and errors.

use async_graphql::registry::Registry;

use super::{Description, Row};
use crate::execution::FieldError;
use crate::execution::column::{Cell, Cells, Column, Part, Rows, index};
use crate::execution::leaf::Leaf;

/// A value of a field. Its Rust type is its type in the schema.
pub trait Output: Send + Sized + 'static {
    /// The type as a schema writes it.
    fn type_name(registry: &mut Registry) -> String;

    /// Makes a column of the values for many objects.
    fn complete(values: Vec<Self>) -> Column;

    /// Adds the types that the value brings along.
    fn register(_: &mut Description) {}
}

impl<V: Leaf + Sync> Output for V {
    fn type_name(registry: &mut Registry) -> String {
        V::type_name(registry)
    }

    fn complete(values: Vec<Self>) -> Column {
        Column::Leaves(Box::new(values))
    }
}

/// An object, as a value of a field.
#[derive(Clone, Debug)]
pub struct One<T>(pub T);

/// An object, null or an error for each object.
#[derive(Clone, Debug)]
pub struct Maybe<T>(pub Result<Option<T>, FieldError>);

fn one_part<T: Row>(rows: Vec<T>, cells: Vec<Cell>, errors: Vec<FieldError>) -> Column {
    let parts = vec![Part { of: T::type_name(), rows: Rows::new(rows) }];
    Column::Cells(Cells { cells, parts, errors, ..Cells::default() })
}

impl<T: Row> Output for One<T> {
    fn type_name(_: &mut Registry) -> String {
        format!("{}!", T::type_name())
    }

    fn complete(values: Vec<Self>) -> Column {
        let cells = (0..index(values.len())).map(|row| Cell::Object { part: 0, row }).collect();
        one_part(values.into_iter().map(|one| one.0).collect(), cells, Vec::new())
    }
}

impl<T: Row> Output for Option<One<T>> {
    fn type_name(_: &mut Registry) -> String {
        T::type_name().into_owned()
    }

    fn complete(values: Vec<Self>) -> Column {
        Maybe::<T>::complete(values.into_iter().map(|value| Maybe(Ok(value.map(|one| one.0)))).collect())
    }
}

impl<T: Row> Output for Maybe<T> {
    fn type_name(_: &mut Registry) -> String {
        T::type_name().into_owned()
    }

    fn complete(values: Vec<Self>) -> Column {
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        let cells = values.into_iter().map(|value| match value.0 {
            Ok(Some(row)) => {
                rows.push(row);
                Cell::Object { part: 0, row: index(rows.len() - 1) }
            }
            Ok(None) => Cell::Null,
            Err(error) => {
                errors.push(error);
                Cell::Error(index(errors.len() - 1))
            }
        });
        let cells = cells.collect();
        one_part(rows, cells, errors)
    }
}

impl<T: Row> Output for Vec<One<T>> {
    fn type_name(_: &mut Registry) -> String {
        format!("[{}!]!", T::type_name())
    }

    fn complete(values: Vec<Self>) -> Column {
        let mut rows = Vec::new();
        let cells = values.into_iter().map(|list| {
            let from = index(rows.len());
            rows.extend(list.into_iter().map(|one| one.0));
            Cell::Objects { from, len: index(rows.len()) - from }
        });
        let cells = cells.collect();
        one_part(rows, cells, Vec::new())
    }
}

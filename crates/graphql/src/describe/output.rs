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

    /// Makes a column of the values of many objects.
    fn complete(values: Vec<Self>) -> Column;

    /// Adds the types of the value.
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

/// An object, null or an error.
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

/// A non-null leaf, or an error.
impl<V: Leaf + Sync> Output for Result<V, FieldError> {
    fn type_name(registry: &mut Registry) -> String {
        <V as Leaf>::type_name(registry)
    }

    fn complete(values: Vec<Self>) -> Column {
        let (mut leaves, mut errors) = (Vec::with_capacity(values.len()), Vec::new());
        let cells = split(values, &mut leaves, &mut errors, Cell::Leaf);
        if errors.is_empty() {
            return Column::Leaves(Box::new(leaves));
        }
        Column::Cells(Cells { cells, leaves: Some(Box::new(leaves)), errors, ..Cells::default() })
    }
}

/// A non-null object, or an error.
impl<T: Row> Output for Result<One<T>, FieldError> {
    fn type_name(registry: &mut Registry) -> String {
        One::<T>::type_name(registry)
    }

    fn complete(values: Vec<Self>) -> Column {
        let (mut rows, mut errors) = (Vec::with_capacity(values.len()), Vec::new());
        let cells = split(values, &mut rows, &mut errors, |row| Cell::Object { part: 0, row });
        one_part(rows.into_iter().map(|one| one.0).collect(), cells, errors)
    }
}

/// Separates values and errors. A cell says where each one is.
fn split<V>(
    values: Vec<Result<V, FieldError>>,
    found: &mut Vec<V>,
    errors: &mut Vec<FieldError>,
    cell: impl Fn(u32) -> Cell,
) -> Vec<Cell> {
    let cell = |value| match value {
        Ok(value) => {
            found.push(value);
            cell(index(found.len() - 1))
        }
        Err(error) => {
            errors.push(error);
            Cell::Error(index(errors.len() - 1))
        }
    };
    values.into_iter().map(cell).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_replace_their_objects() {
        let error = || FieldError::plain("gone");
        let Column::Cells(cells) = Output::complete(vec![Ok(1), Err(error()), Ok(3)]) else { panic!("no cells") };
        assert_eq!(cells.cells, [Cell::Leaf(0), Cell::Error(0), Cell::Leaf(1)]);
        assert_eq!(cells.errors, [error()]);
        let mut out = Vec::new();
        cells.leaves.iter().for_each(|leaves| leaves.write(1, &mut out));
        assert_eq!(out, b"3");
        assert!(matches!(Result::<i32, _>::complete(vec![Ok(1)]), Column::Leaves(_)), "no cells without errors");
    }
}

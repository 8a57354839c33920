//! Fields that are visible on some objects only, depending on the caller.

use std::sync::Arc;

use super::object::{RawCall, ResolveAll, Resolver, Row, WriteLeaf};
use super::{NoArguments, Object, arguments};
use crate::execution::Context;
use crate::execution::column::{Cell, Cells, Column, Leaves, Rows, index};
use crate::execution::leaf::Out;

impl<T: Row> Object<T> {
    /// The previous field is null for objects for which `shows` returns false: it is neither read nor resolved for
    /// them.
    /// `shows` gets the columns that the field needs and the context, so the field is [personal](Self::personal).
    #[must_use]
    pub fn only_if(self, shows: impl Fn(&Context, &T) -> bool + Send + Sync + 'static) -> Self {
        let shows = Arc::new(shows);
        self.last(|field| {
            field.is_personal = true;
            field.is_nullable = true;
            let (reader, resolve) = match field.resolver.clone() {
                Resolver::Leaf(write) => {
                    (arguments::read::<NoArguments> as arguments::ReadArguments, write_later(write))
                }
                Resolver::Resolve(reader, resolve) => (reader, resolve),
            };
            let resolve: ResolveAll = Arc::new(move |call| {
                let (shows, resolve) = (Arc::clone(&shows), Arc::clone(&resolve));
                Box::pin(async move {
                    let rows = call.rows.iter::<T>();
                    let shown: Vec<bool> = rows.map(|row| shows(call.context, row)).collect();
                    resolve_shown(&shown, call, &resolve).await
                })
            });
            field.resolver = Resolver::Resolve(reader, resolve);
        })
    }
}

/// Leaves of rows as a column.
struct LeafColumn {
    rows: Rows,
    write: WriteLeaf,
}

impl Leaves for LeafColumn {
    fn write(&self, position: usize, out: &mut Out) {
        (self.write)(self.rows.table(), self.rows.row(position), out);
    }
}

fn write_later(write: WriteLeaf) -> ResolveAll {
    Arc::new(move |call| {
        let leaves = LeafColumn { rows: call.rows.clone(), write: Arc::clone(&write) };
        Box::pin(async move { Column::Leaves(Box::new(leaves)) })
    })
}

async fn resolve_shown(shown: &[bool], call: RawCall<'_>, resolve: &ResolveAll) -> Column {
    if shown.iter().all(|is_shown| *is_shown) {
        return resolve(call).await;
    }
    let positions: Vec<usize> = (0..shown.len()).filter(|position| shown[*position]).collect();
    if positions.is_empty() {
        return Column::Cells(Cells { cells: vec![Cell::Null; shown.len()], ..Cells::default() });
    }
    let rows = call.rows.at(&positions);
    let found = resolve(RawCall { rows: &rows, ..call }).await;
    spread(found, &positions, shown.len())
}

/// Expands the column of the objects at these positions to `len` objects; the others are null.
fn spread(found: Column, positions: &[usize], len: usize) -> Column {
    let (found, cells) = match found {
        Column::Leaves(leaves) => {
            let cells = Cells { leaves: Some(leaves), ..Cells::default() };
            ((0..index(positions.len())).map(Cell::Leaf).collect(), cells)
        }
        Column::Cells(cells) => (cells.cells, Cells { cells: Vec::new(), ..cells }),
        Column::Failed(error) => {
            (vec![Cell::Error(0); positions.len()], Cells { errors: vec![error], ..Cells::default() })
        }
    };
    let mut all = vec![Cell::Null; len];
    for (position, cell) in positions.iter().zip(found) {
        all[*position] = cell;
    }
    Column::Cells(Cells { cells: all, ..cells })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::FieldError;

    #[test]
    fn hidden_fields_are_null() {
        let objects = Cells { cells: vec![Cell::Object { part: 0, row: 0 }, Cell::Error(0)], ..Cells::default() };
        for (found, first, second) in [
            (Column::Leaves(Box::new(vec![1, 2])), Cell::Leaf(0), Cell::Leaf(1)),
            (Column::Cells(objects), Cell::Object { part: 0, row: 0 }, Cell::Error(0)),
            (Column::Failed(FieldError::plain("no")), Cell::Error(0), Cell::Error(0)),
        ] {
            let Column::Cells(cells) = spread(found, &[1, 3], 5) else { panic!("cells are spread") };
            assert_eq!(cells.cells, [Cell::Null, first, Cell::Null, second, Cell::Null]);
        }
    }

    #[test]
    fn picked_objects_are_picked_again() {
        let rows = Rows::picked(Arc::new(vec!['a', 'b', 'c', 'd']), vec![3, 1, 0]).at(&[0, 2]);
        assert_eq!(rows.iter::<char>().collect::<String>(), "da");
    }
}

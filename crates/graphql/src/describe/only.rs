//! Fields that some objects show and others do not, by who asks.

use std::sync::Arc;

use super::object::{How, RawCall, ResolveAll, Row, WriteLeaf};
use super::{NoArguments, Object, arguments};
use crate::execution::Context;
use crate::execution::column::{Cell, Cells, Column, Leaves, Rows, index};
use crate::execution::leaf::Out;

impl<T: Row> Object<T> {
    /// The field before is null for objects that `shows` says no to: it is neither read nor resolved for them.
    /// `shows` sees the columns that the field needs, and who asks: the field is [personal](Self::personal).
    #[must_use]
    pub fn only_if(self, shows: impl Fn(&Context, &T) -> bool + Send + Sync + 'static) -> Self {
        let shows = Arc::new(shows);
        self.last(|field| {
            field.is_personal = true;
            field.is_nullable = true;
            let (reader, resolve) = match field.how.clone() {
                How::Leaf(write) => (arguments::read::<NoArguments> as arguments::Reader, write_later(write)),
                How::Resolve(reader, resolve) => (reader, resolve),
            };
            let resolve: ResolveAll = Arc::new(move |call| {
                let (shows, resolve) = (Arc::clone(&shows), Arc::clone(&resolve));
                Box::pin(async move {
                    let rows = call.rows.iter::<T>();
                    let shown: Vec<bool> = rows.map(|row| shows(call.context, row)).collect();
                    resolve_shown(&shown, call, &resolve).await
                })
            });
            field.how = How::Resolve(reader, resolve);
        })
    }
}

/// Leaves of rows, as a column.
struct Written {
    rows: Rows,
    write: WriteLeaf,
}

impl Leaves for Written {
    fn write(&self, place: usize, out: &mut Out) {
        (self.write)(self.rows.table(), self.rows.row(place), out);
    }
}

fn write_later(write: WriteLeaf) -> ResolveAll {
    Arc::new(move |call| {
        let leaves = Written { rows: call.rows.clone(), write: Arc::clone(&write) };
        Box::pin(async move { Column::Leaves(Box::new(leaves)) })
    })
}

async fn resolve_shown(shown: &[bool], call: RawCall<'_>, resolve: &ResolveAll) -> Column {
    if shown.iter().all(|is_shown| *is_shown) {
        return resolve(call).await;
    }
    let places: Vec<usize> = (0..shown.len()).filter(|place| shown[*place]).collect();
    if places.is_empty() {
        return Column::Cells(Cells { cells: vec![Cell::Null; shown.len()], ..Cells::default() });
    }
    let rows = call.rows.at(&places);
    let found = resolve(RawCall { rows: &rows, ..call }).await;
    let (of_shown, cells) = match found {
        Column::Leaves(leaves) => {
            let of_shown = (0..index(places.len())).map(Cell::Leaf).collect();
            (of_shown, Cells { leaves: Some(leaves), ..Cells::default() })
        }
        Column::Cells(cells) => (cells.cells, Cells { cells: Vec::new(), ..cells }),
        Column::Failed(error) => {
            (vec![Cell::Error(0); places.len()], Cells { errors: vec![error], ..Cells::default() })
        }
    };
    let mut all = vec![Cell::Null; shown.len()];
    for (place, cell) in places.into_iter().zip(of_shown) {
        all[place] = cell;
    }
    Column::Cells(Cells { cells: all, ..cells })
}

//! Rows and columns: the objects at one position of the response, and the values of a field for all of them.

use std::any::Any;
use std::sync::Arc;

use super::error::FieldError;
use super::leaf::{Leaf, Out};
use crate::describe::TypeName;

/// The objects at one position of the response: rows of a table of type `Vec<T>`, in order.
#[derive(Clone)]
pub struct Rows {
    table: Arc<dyn Any + Send + Sync>,
    /// The rows of the table; `None` means all.
    picked: Option<Arc<[u32]>>,
    len: usize,
    attached: Option<Arc<dyn Any + Send + Sync>>,
}

impl Rows {
    /// Owned rows.
    pub fn new<T: Send + Sync + 'static>(rows: Vec<T>) -> Self {
        Self::shared(Arc::new(rows))
    }

    /// All rows of a shared table.
    pub fn shared<T: Send + Sync + 'static>(table: Arc<Vec<T>>) -> Self {
        let len = table.len();
        Self { table, picked: None, len, attached: None }
    }

    /// Some rows of a shared table.
    ///
    /// # Panics
    /// When a missing row is read.
    pub fn picked<T: Send + Sync + 'static>(table: Arc<Vec<T>>, picked: Vec<u32>) -> Self {
        let len = picked.len();
        Self { table, picked: Some(picked.into()), len, attached: None }
    }

    /// Attaches data for the resolvers of the rows' fields.
    #[must_use]
    pub fn with_attached(mut self, data: Arc<dyn Any + Send + Sync>) -> Self {
        self.attached = Some(data);
        self
    }

    /// The attached data, if it has this type.
    pub fn attached<D: Any>(&self) -> Option<&D> {
        self.attached.as_ref()?.downcast_ref()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The objects at these positions.
    pub(crate) fn at(&self, positions: &[usize]) -> Self {
        let picked: Arc<[u32]> = positions.iter().map(|position| index(self.row(*position))).collect();
        Self {
            table: Arc::clone(&self.table),
            len: picked.len(),
            picked: Some(picked),
            attached: self.attached.clone(),
        }
    }

    /// The rows.
    ///
    /// # Panics
    /// If they have another type. The builder's types rule that out.
    pub fn iter<T: Send + Sync + 'static>(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        let table = table::<T>(&*self.table);
        (0..self.len).map(move |position| &table[self.row(position)])
    }

    /// The table, and the row of each position.
    pub(crate) fn table(&self) -> &(dyn Any + Send + Sync) {
        &*self.table
    }

    pub(crate) fn row(&self, position: usize) -> usize {
        self.picked.as_ref().map_or(position, |picked| picked[position] as usize)
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The rows of a table with their type.
#[expect(clippy::expect_used, reason = "the builder gives a field to rows of its own type only")]
pub(crate) fn table<T: 'static>(table: &(dyn Any + Send + Sync)) -> &Vec<T> {
    table.downcast_ref().expect("rows of the field's type")
}

/// The values of a field for all objects at one position.
pub enum Column {
    /// A leaf for each object, in order.
    Leaves(Box<dyn Leaves>),
    /// Objects, lists, nulls or errors.
    Cells(Cells),
    /// The same error for each object.
    Failed(FieldError),
}

impl Column {
    /// One object for each object, in order.
    pub fn objects<T: Send + Sync + 'static>(of: impl Into<TypeName>, rows: Vec<T>) -> Self {
        Self::rows(of, Rows::new(rows))
    }

    /// The same for rows of a table.
    pub fn rows(of: impl Into<TypeName>, rows: Rows) -> Self {
        let cells = (0..index(rows.len())).map(|row| Cell::Object { part: 0, row }).collect();
        Self::Cells(Cells { cells, parts: vec![Part { of: of.into(), rows }], ..Cells::default() })
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Leaves(_) => f.write_str("Leaves"),
            Self::Cells(cells) => cells.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl From<FieldError> for Column {
    fn from(error: FieldError) -> Self {
        Self::Failed(error)
    }
}

impl<E: Into<FieldError>> From<Result<Self, E>> for Column {
    fn from(found: Result<Self, E>) -> Self {
        found.unwrap_or_else(|error| Self::Failed(error.into()))
    }
}

/// Values of leaves.
pub trait Leaves: Send + Sync {
    /// Writes the value at this index as JSON.
    fn write(&self, position: usize, out: &mut Out);
}

impl<V: Leaf + Sync> Leaves for Vec<V> {
    fn write(&self, position: usize, out: &mut Out) {
        self[position].write(out);
    }
}

/// The value of a field for one object, or an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Null.
    Null,
    /// An error: an index in [`Cells::errors`].
    Error(u32),
    /// An object.
    Object {
        /// The index in [`Cells::parts`].
        part: u32,
        /// The index in [`Part::rows`].
        row: u32,
    },
    /// A leaf: an index in [`Cells::leaves`].
    Leaf(u32),
    /// A list of objects: consecutive rows of the first part.
    Objects {
        /// The first row.
        from: u32,
        /// The length of the list.
        len: u32,
    },
    /// A list of anything: consecutive cells of [`Cells::items`].
    List {
        /// The first cell.
        from: u32,
        /// The length of the list.
        len: u32,
    },
}

/// Objects, lists, nulls and errors.
#[derive(Default)]
pub struct Cells {
    /// A cell for each object, in order.
    pub cells: Vec<Cell>,
    /// The items of lists.
    pub items: Vec<Cell>,
    /// The objects by type.
    pub parts: Vec<Part>,
    /// The leaves.
    pub leaves: Option<Box<dyn Leaves>>,
    /// The errors.
    pub errors: Vec<FieldError>,
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cells, items, parts, errors, .. } = self;
        f.debug_struct("Cells")
            .field("cells", cells)
            .field("items", items)
            .field("parts", parts)
            .field("errors", errors)
            .finish_non_exhaustive()
    }
}

/// Objects of one type.
#[derive(Clone, Debug)]
pub struct Part {
    /// The object type's name.
    pub of: TypeName,
    /// The objects.
    pub rows: Rows,
}

/// An index of a row or cell. Responses are limited far below the maximum.
pub fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

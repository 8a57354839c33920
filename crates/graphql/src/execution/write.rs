//! Writes a response as JSON: fields in the order of the selections, nulls and errors by section 6.4.4.

use super::column::{Cell, Cells, Column, Leaves};
use super::error::FieldError;
use super::leaf::{Out, write_int, write_json, write_text};
use super::run::{Below, FieldValues, ResponseObjects};
use crate::plan::{Plan, PlanField, PlanSelection, ValueSource};
use crate::schema::TypeRef;

/// A response.
pub(crate) struct Response {
    /// `{"data":...}`, with `errors` if there are some.
    pub(crate) json: Out,
    /// The errors.
    pub(crate) errors: Vec<FieldError>,
}

/// The response is larger than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Writes the values of a plan's fields as JSON, for one object of the root.
///
/// # Errors
/// The response is larger than `bytes_max`.
pub(crate) fn write(
    plan: &Plan,
    (root, at): (&ResponseObjects, usize),
    capacity: usize,
    bytes_max: usize,
) -> Result<Response, TooLarge> {
    let mut out = Out::with_capacity(capacity);
    out.extend_from_slice(b"{\"data\":");
    finish(ResponseWriter::new(plan, out, bytes_max), (root, at))
}

/// Writes the values of a mutation's fields as JSON. Fields of the root and of payloads that do not fit in
/// `bytes_max` bytes are null, with this error.
///
/// # Errors
/// The response is still larger.
pub(crate) fn write_shortened(
    plan: &Plan,
    root: &ResponseObjects,
    bytes_max: usize,
    error: &FieldError,
) -> Result<Response, TooLarge> {
    let writer = ResponseWriter::new(plan, b"{\"data\":".to_vec(), bytes_max);
    finish(ResponseWriter { too_large: Some(error), ..writer }, (root, 0))
}

fn finish(mut writer: ResponseWriter<'_>, (root, at): (&ResponseObjects, usize)) -> Result<Response, TooLarge> {
    let start = writer.out.len();
    let plan = writer.plan;
    match writer.object(&plan.root, root, at, &ResponsePath::Root) {
        Ok(()) => {}
        Err(WriteStop::Null) => {
            writer.out.truncate(start);
            writer.out.extend_from_slice(b"null");
        }
        Err(WriteStop::TooLarge) => return Err(TooLarge),
    }
    // Objects that become null do not count, but their errors stay.
    if writer.is_too_large() {
        return Err(TooLarge);
    }
    let ResponseWriter { mut out, errors, failed, bytes_max, uncounted, .. } = writer;
    if !errors.is_empty() {
        out.extend_from_slice(b",\"errors\":[");
        out.extend_from_slice(&errors);
        out.push(b']');
    }
    out.push(b'}');
    if out.len() - uncounted > bytes_max { Err(TooLarge) } else { Ok(Response { json: out, errors: failed }) }
}

/// Whether a field of the root makes the root null.
pub(crate) fn makes_null(plan: &Plan, field: &PlanField, values: &FieldValues) -> bool {
    let mut writer = ResponseWriter::new(plan, Out::new(), usize::MAX);
    writer.values(field, values, 0, &ResponsePath::Root) == Err(WriteStop::Null)
}

/// Why writing a value stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteStop {
    /// A non-null value is null, so the value around it becomes null.
    Null,
    TooLarge,
}

/// The path of a value in the response.
enum ResponsePath<'a> {
    Root,
    Name(&'a Self, &'a str),
    Index(&'a Self, u32),
}

impl ResponsePath<'_> {
    /// Whether it is the path of a field of the root, or of the object of such a field.
    const fn is_of_payload(&self) -> bool {
        matches!(self, Self::Name(Self::Root | Self::Name(Self::Root, _), _))
    }

    fn write(&self, out: &mut Out) {
        let above = match self {
            Self::Root => return,
            Self::Name(above, _) | Self::Index(above, _) => above,
        };
        above.write(out);
        if !matches!(above, ResponsePath::Root) {
            out.push(b',');
        }
        match self {
            Self::Name(_, name) => write_text(out, name),
            Self::Index(_, i) => write_int(out, (*i).into()),
            Self::Root => {}
        }
    }
}

/// The values of a field that are being written.
struct FieldCells<'a> {
    field: &'a PlanField,
    cells: &'a Cells,
    below: &'a [Option<Below>],
}

struct ResponseWriter<'a> {
    plan: &'a Plan,
    out: Out,
    /// Errors as JSON, separated by commas.
    errors: Out,
    failed: Vec<FieldError>,
    bytes_max: usize,
    /// The error of fields that do not fit, if the other fields are written.
    too_large: Option<&'a FieldError>,
    /// The size of these errors.
    uncounted: usize,
}

impl<'a> ResponseWriter<'a> {
    const fn new(plan: &'a Plan, out: Out, bytes_max: usize) -> Self {
        Self { plan, out, errors: Out::new(), failed: Vec::new(), bytes_max, too_large: None, uncounted: 0 }
    }

    fn object(
        &mut self,
        set: &PlanSelection,
        objects: &ResponseObjects,
        at: usize,
        path: &ResponsePath<'_>,
    ) -> Result<(), WriteStop> {
        let (table, row) = (objects.rows.table(), objects.rows.row(at));
        let mut values = objects.values.iter();
        self.out.push(b'{');
        for field in &set.fields {
            self.out.extend_from_slice(&field.key);
            match &field.kind {
                ValueSource::Leaf(write) => write(table, row, &mut self.out),
                ValueSource::TypeName(name) => self.out.extend_from_slice(name),
                _ => {
                    let path = ResponsePath::Name(path, &field.response_name);
                    match values.next() {
                        Some(values) => {
                            let start = self.out.len();
                            let written = self.values(field, values, at, &path);
                            self.shorten(written, field, &path, start)?;
                        }
                        None => self.failure(field, &FieldError::internal("The field was not resolved."), &path)?,
                    }
                }
            }
        }
        self.out.push(b'}');
        if self.is_too_large() { Err(WriteStop::TooLarge) } else { Ok(()) }
    }

    const fn is_too_large(&self) -> bool {
        self.out.len() + self.errors.len() - self.uncounted > self.bytes_max
    }

    /// Writes null for a value that does not fit, which began at `start`, if it is a field of the root or of a
    /// payload.
    fn shorten(
        &mut self,
        written: Result<(), WriteStop>,
        field: &PlanField,
        path: &ResponsePath<'_>,
        start: usize,
    ) -> Result<(), WriteStop> {
        match self.too_large {
            Some(error) if written == Err(WriteStop::TooLarge) && !field.of.is_non_null() && path.is_of_payload() => {
                self.out.truncate(start);
                self.out.extend_from_slice(b"null");
                let errors = self.errors.len();
                self.fail(field, error, path);
                // They replace something larger.
                self.uncounted += self.errors.len() - errors + 1;
                Ok(())
            }
            _ => written,
        }
    }

    /// Writes the value of a field for one object.
    fn values(
        &mut self,
        field: &PlanField,
        values: &FieldValues,
        at: usize,
        path: &ResponsePath<'_>,
    ) -> Result<(), WriteStop> {
        let (column, below) = match values {
            FieldValues::Column { column, below } => (column, below),
            FieldValues::Introspection(json) => {
                self.out.extend_from_slice(json);
                return Ok(());
            }
        };
        match column {
            Column::Leaves(leaves) => self.leaf(field, &field.of, &**leaves, at, path),
            Column::Cells(cells) => {
                let cell = cells.cells.get(at).copied().unwrap_or(Cell::Null);
                self.value(&FieldCells { field, cells, below }, &field.of, cell, path)
            }
            Column::Failed(error) => self.failure(field, error, path),
        }
    }

    /// Writes a leaf. Rust types rule out null at non-null positions, but not for all implementations of [`Leaves`].
    fn leaf(
        &mut self,
        field: &PlanField,
        of: &TypeRef,
        leaves: &dyn Leaves,
        at: usize,
        path: &ResponsePath<'_>,
    ) -> Result<(), WriteStop> {
        let start = self.out.len();
        leaves.write(at, &mut self.out);
        if of.is_non_null() && &self.out[start..] == b"null" {
            self.out.truncate(start);
            return self.nothing(field, of, path);
        }
        Ok(())
    }

    /// Section 6.4.3, CompleteValue.
    fn value(
        &mut self,
        values: &FieldCells<'_>,
        of: &TypeRef,
        cell: Cell,
        path: &ResponsePath<'_>,
    ) -> Result<(), WriteStop> {
        let FieldCells { field, cells, .. } = values;
        let start = self.out.len();
        let written = match cell {
            Cell::Null => return self.nothing(field, of, path),
            Cell::Error(at) => {
                self.fail(field, &cells.errors[at as usize], path);
                Err(WriteStop::Null)
            }
            Cell::Object { part, row } => self.part(values, part, row, path),
            Cell::Leaf(at) => match &cells.leaves {
                Some(leaves) => self.leaf(field, of, &**leaves, at as usize, path),
                None => return self.nothing(field, of, path),
            },
            Cell::Objects { from, len } => {
                self.list(values, of, len, path, |i| Cell::Object { part: 0, row: from + i })
            }
            Cell::List { from, len } => self.list(values, of, len, path, |i| cells.items[(from + i) as usize]),
        };
        match written {
            Err(WriteStop::Null) if !of.is_non_null() => {
                self.out.truncate(start);
                self.out.extend_from_slice(b"null");
                Ok(())
            }
            other => other,
        }
    }

    fn list(
        &mut self,
        values: &FieldCells<'_>,
        of: &TypeRef,
        len: u32,
        path: &ResponsePath<'_>,
        cell: impl Fn(u32) -> Cell,
    ) -> Result<(), WriteStop> {
        let item = match of.nullable() {
            TypeRef::List(item) => &**item,
            // The resolver returned a list for a type that is not a list.
            other => other,
        };
        self.out.push(b'[');
        for i in 0..len {
            if i > 0 {
                self.out.push(b',');
            }
            self.value(values, item, cell(i), &ResponsePath::Index(path, i))?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn part(&mut self, values: &FieldCells<'_>, part: u32, row: u32, path: &ResponsePath<'_>) -> Result<(), WriteStop> {
        let FieldCells { field, cells, below } = values;
        if let Some(Some(Below { set, objects })) = below.get(part as usize) {
            return self.object(&field.selected[*set].1, objects, row as usize, path);
        }
        let name = cells.parts.get(part as usize).map_or("?", |part| &part.of);
        let message = format!("`{}` has no objects of type `{name}`.", field.coordinate);
        self.fail(field, &FieldError::internal(message), path);
        Err(WriteStop::Null)
    }

    /// Writes null, or fails if the type is non-null.
    fn nothing(&mut self, field: &PlanField, of: &TypeRef, path: &ResponsePath<'_>) -> Result<(), WriteStop> {
        if of.is_non_null() {
            let message = format!("Cannot return null for non-nullable field {}.", field.coordinate);
            self.fail(field, &FieldError::internal(message), path);
            return Err(WriteStop::Null);
        }
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    /// Reports an error of the field, and writes null.
    fn failure(&mut self, field: &PlanField, error: &FieldError, path: &ResponsePath<'_>) -> Result<(), WriteStop> {
        self.fail(field, error, path);
        if field.of.is_non_null() {
            return Err(WriteStop::Null);
        }
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn fail(&mut self, field: &PlanField, error: &FieldError, path: &ResponsePath<'_>) {
        let out = &mut self.errors;
        // Too large: the response is not sent.
        if out.len() > self.bytes_max {
            return;
        }
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"message\":");
        write_text(out, &error.message);
        let position = self.plan.positions[field.position];
        out.extend_from_slice(b",\"locations\":[{\"line\":");
        write_int(out, position.line.into());
        out.extend_from_slice(b",\"column\":");
        write_int(out, position.column.into());
        out.extend_from_slice(b"}],\"path\":[");
        path.write(out);
        out.push(b']');
        if !error.extensions.is_empty() {
            out.extend_from_slice(b",\"extensions\":{");
            for (i, (name, value)) in error.extensions.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
                write_json(out, value);
            }
            out.push(b'}');
        }
        out.push(b'}');
        self.failed.push(error.clone());
    }
}

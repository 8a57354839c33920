//! Rows of tables as objects of the schema.
//!
//! - [`table`]: a row type, a column a line, checked against the entity when the program is compiled.
//! - [`cell`]: one reader of columns, by position, for both databases.
//! - [`link`]: objects by their keys. [`list`]: pages of lists, of many parents at once. [`text`]: wide columns.
//! - [`mod@join`]: linked objects that are read along with their rows.
//! - [`connection`]: what clients see of a page. [`objects`]: the builder's methods for all of these.
//! - [`returned`]: rows that the statement which changed them has returned.
//! - [`request`]: what a request brings along.

pub mod cell;
pub mod connection;
pub mod join;
pub mod link;
pub mod list;
mod nested;
pub mod objects;
mod order;
pub mod request;
pub mod returned;
pub mod statement;
pub mod table;
pub mod text;

/// Values by keys of rows. Clients do not choose the keys of rows: a quick hash is safe.
pub type KeyMap<V> = std::collections::HashMap<i32, V, foldhash::fast::RandomState>;

pub use cell::ColumnValue;
pub use link::{Missing, by_key, find_all};
pub use list::{All, List, ListEntity, ListSelect, RootList, WholeTable, count_of};
pub use objects::{QueryObject, RowObject, or_failed};
pub use order::ByKey;
pub use request::{ContextExt, RequestData, Services, count_texts, look_up, look_up_columns};
pub use returned::{ReturnedRow, Returning};
pub use statement::{Statement, StatementTexts};
pub use table::row;
pub use table::{Hidden, KEY, Record, RowColumn, Table, shows_with};
pub use text::WideColumn;

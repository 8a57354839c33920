//! Rows of tables as objects of the schema.
//!
//! - [`table`]: a row type, one line for each column, checked against the entity at compile time.
//! - [`cell`]: reads columns by position, for both databases.
//! - [`link`]: objects by their keys. [`list`]: pages of lists, of many parents in one statement. [`text`]: wide
//!   columns.
//! - [`mod@join`]: linked objects that are read with their rows.
//! - [`connection`]: what clients see of a page. [`objects`]: the builder's methods for all of these.
//! - [`returned`]: rows that the statement returned which changed them.
//! - [`request`]: the data of a request.

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

/// Values by row keys. Clients do not choose row keys, so a fast hash is safe.
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

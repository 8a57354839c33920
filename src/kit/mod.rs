//! Machinery that names no domain: ids, scalars, orders, keyset pages, batched reads.

pub mod batch;
pub mod children;
pub mod connection;
pub mod ctx;
pub mod cursor;
pub mod filter;
pub mod fold;
pub mod id;
pub mod load;
pub mod object;
pub mod page;
pub mod scalar;
pub mod sort;

pub use children::Edge;
pub use connection::Page;
pub use ctx::ContextExt;
pub use filter::{FoldedTexts, IntRange, check_text, check_time, has_row, has_text};
pub use id::{Id, NodeType};
pub(crate) use load::node;
pub use load::{Node, Row, WideColumn};
pub use object::Object;
pub use page::PageArgs;
pub use scalar::json_strings;
pub use sort::{ByKey, PageOrder, SortKey, choice_name};

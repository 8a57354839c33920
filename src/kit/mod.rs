//! Machinery that names no domain: ids, scalars, orders, keyset pages, batched reads, mutations.

pub mod batch;
pub mod children;
pub mod connection;
pub mod constraint;
pub mod ctx;
pub mod cursor;
pub mod edit;
pub mod filter;
pub mod fold;
pub mod form;
pub mod id;
pub mod in_place;
pub mod kept;
pub mod load;
pub mod mutate;
pub mod page;
pub mod problem;
pub mod scalar;
pub mod sort;
pub mod wake;

pub use children::Edge;
pub use connection::Page;
pub use constraint::{Constraint, explain};
pub use ctx::ContextExt;
pub use filter::{FoldedTexts, IntRange, check_text, check_time, has_row, has_text};
pub use id::{Id, NodeType};
pub use in_place::InPlace;
pub(crate) use load::node;
pub use load::{Node, Row, WideColumn};
pub(crate) use mutate::payload;
pub use mutate::{Answer, Deleted, Produced, Work, mutate};
pub use page::PageArgs;
pub use problem::{Problems, Rejection, UserError, UserErrorCode};
pub use scalar::json_strings;
pub use sort::{ByKey, PageOrder, SortKey, choice_name};
pub use wake::Wake;

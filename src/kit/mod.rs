//! Machinery that names no domain: ids, scalars, orders, keyset pages, batched reads, mutations.

pub mod changes;
pub mod constraint;
pub mod cursor;
pub mod edit;
pub mod filter;
pub mod fold;
pub mod form;
pub mod id;
pub mod kept;
pub mod mutate;
pub mod page;
pub mod problem;
pub mod rows;
pub mod scalar;
pub mod sort;
pub mod spelling;
pub mod wake;

pub use constraint::{Constraint, explain};
pub use filter::{FoldedTexts, IntRange, check_text, check_time, has_row, has_text};
pub use id::{Id, NodeType};
pub use mutate::Work;
pub use page::PageArgs;
pub use problem::{Problems, Rejection, UserError, UserErrorCode};
pub use scalar::json_strings;
pub use sort::{ByKey, PageOrder, SortKey, choice_name};
pub use wake::Wake;

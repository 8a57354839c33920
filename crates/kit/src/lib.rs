//! Machinery without a domain: ids, scalars, orders, keyset pages, batched reads, mutations.

pub mod audit;
pub mod change;
pub mod changes;
pub mod constraint;
pub mod cursor;
pub mod edit;
pub mod fields;
pub mod filter;
pub mod fold;
pub mod form;
pub mod id;
pub mod idempotency;
pub mod mutate;
pub mod page;
pub mod problem;
pub mod reason;
pub mod registry_cache;
pub mod rows;
pub mod scalar;
pub mod services;
pub mod single;
pub mod sort;
pub mod spelling;
pub mod upkeep;

pub use constraint::{Constraint, explain};
pub use filter::{FoldedTexts, IntRange, check_text, check_time, has_row, has_text};
pub use id::{Id, NodeType};
pub use mutate::Work;
pub use page::PageArgs;
pub use problem::{Problems, Rejection, UserError, UserErrorCode};
pub use reason::UserErrorReason;
pub use rows::ByKey;
pub use scalar::json_strings;
pub use sort::{PageOrder, SortKey, choice_name};

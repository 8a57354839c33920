//! Limits of a request's content.

use super::limits::Limits;

/// Limits of a request's content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Operations; 0 refuses batches.
    pub(super) batch: u64,
    /// Values in all variables.
    pub(super) values: u64,
    /// Nesting of lists and objects in variables.
    pub(super) nesting: u64,
    /// Items of a list in variables.
    pub(super) list_items: u64,
    /// Fields of an object in variables, and variables.
    pub(super) input_fields: u64,
}

impl Bounds {
    /// What these limits allow.
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            batch: limits.limit_batch,
            values: limits.limit_input_values,
            nesting: limits.limit_nesting,
            list_items: limits.limit_list_items,
            input_fields: limits.limit_input_fields,
        }
    }
}

//! The order of the audit log.

use async_graphql::{Enum, InputObject};
use entity::audit_log;

use crate::kit::{PageOrder, SortKey, choice_name};

/// The sort order of the audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum AuditOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
}

impl PageOrder for AuditOrder {
    type Entity = audit_log::Entity;

    fn tag(self) -> &'static str {
        choice_name(self)
    }

    fn keys(self) -> Vec<SortKey> {
        vec![SortKey::column(audit_log::Column::Id)]
    }
}

/// The order of the list.
#[derive(Debug, InputObject)]
pub struct AuditLogArguments {
    /// The sort order of the list. A cursor is valid only in the order that returned it.
    #[graphql(default)]
    pub(super) order_by: AuditOrder,
}

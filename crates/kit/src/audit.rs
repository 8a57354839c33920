//! The audit log: who changed what in the catalogue and in roles. An entry is written in the change's transaction.

use entity::audit_log;
use request::error::ApiError;
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use serde::Serialize;

use super::{Id, NodeType, Rejection, Work};

/// A field that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct FieldChange {
    /// The name of the field.
    field: String,
    /// The old value, its first 200 characters. `None` if there was none.
    before: Option<String>,
    /// The new value, its first 200 characters. `None` if there is none.
    after: Option<String>,
}

/// The changed object: one with an id, or one with only a name, such as a tag.
#[derive(Clone, Debug)]
pub struct AuditSubject {
    type_name: &'static str,
    key: String,
}

impl AuditSubject {
    /// An object with a name instead of an id.
    pub fn named(type_name: &'static str, name: &str) -> Self {
        Self { type_name, key: name.to_owned() }
    }
}

impl<N: NodeType> From<Id<N>> for AuditSubject {
    fn from(id: Id<N>) -> Self {
        Self { type_name: N::TYPE, key: id.key().to_string() }
    }
}

/// The number of characters of a value that are stored.
const VALUE_LENGTH_MAX: usize = 200;

/// The changed fields of an object.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<FieldChange>);

impl Changes {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field if its value changes. `None` means no value, such as before a creation.
    #[must_use]
    pub fn field<T: ToString>(mut self, field: &str, before: Option<T>, after: Option<T>) -> Self {
        let show = |value: Option<T>| value.map(|value| value.to_string());
        let (before, after) = (show(before), show(after));
        if before != after {
            let cut = |text: Option<String>| text.map(|text| text.chars().take(VALUE_LENGTH_MAX).collect());
            self.0.push(FieldChange { field: field.to_owned(), before: cut(before), after: cut(after) });
        }
        self
    }
}

/// Records a change, in its transaction.
///
/// # Errors
/// The database failed.
pub async fn record(work: &Work, object: impl Into<AuditSubject>, changes: Changes) -> Result<(), Rejection> {
    let object = object.into();
    let changes = serde_json::to_value(changes.0).map_err(|error| ApiError::Internal(error.to_string()))?;
    let row = audit_log::ActiveModel {
        at: Set(work.now().fixed_offset()),
        user_id: Set(work.anyone().map(|viewer| viewer.user)),
        action: Set(work.mutation().to_owned()),
        object_type: Set(object.type_name.to_owned()),
        object_key: Set(object.key),
        changes: Set(changes),
        ..Default::default()
    };
    audit_log::Entity::insert(row).exec_without_returning(work.txn()).await?;
    Ok(())
}

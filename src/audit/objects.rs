//! The audit log, as admins see it.

use entity::audit_log;
use graphql::{
    Call, Cell, Cells, Column, Context, Description, FieldError, NoArguments, Object, Part, Registry, Resolve, Row,
    Rows, TypeName, index,
};
use sea_orm::EntityTrait;
use sea_orm::prelude::Json;
use serde::Deserialize;

use super::inputs::{AuditLogArguments, AuditOrder};
use crate::account::User;
use crate::error::{ApiError, ApiResult};
use crate::kit::rows::link::Missing;
use crate::kit::rows::list::ListSelect;
use crate::kit::rows::{ContextExt, KEY, RootList, RowObject, by_key, row};
use crate::kit::scalar::DateTime;
use crate::kit::{Id, id};
use crate::node;
use crate::viewer::Role;

row! {
    /// A change to the catalogue or to a user's role.
    AuditEntry of audit_log {
        id: Id<AuditEntry>,
        at: DateTime,
        action: String,
        object_type: String,
        object_key: String,
        user_id: Option<Id<User>>,
        changes: Json,
    }
}

impl AuditEntry {
    /// The type and the key of an object with an id. The title of a tag may look like an id.
    fn object(&self) -> Option<(&'static str, i32)> {
        Some((node::type_named(&self.object_type)?, self.object_key.parse().ok()?))
    }
}

/// A field that was changed.
#[derive(Debug, Deserialize)]
struct Change {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

impl Row for Change {
    fn type_name() -> TypeName {
        "AuditChange".into()
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    let object = AuditEntry::object_type.columns() | AuditEntry::object_key.columns();
    description.object(
        Object::<AuditEntry>::new("A change to the catalogue or to a user's role.")
            .leaf("id", "An opaque id for client caches. `node` does not accept it.", KEY, |entry: &AuditEntry| {
                entry.id
            })
            .column("at", "The time of the change.", AuditEntry::at)
            .column("action", "The mutation that made the change, such as `updateMovie`.", AuditEntry::action)
            .column("objectType", "The type of the changed object, such as `Movie`.", AuditEntry::object_type)
            .resolve::<Actor>(
                "actor",
                "The user who made the change. Null if the account was deleted, or if the change was made on the \
                 server's command line.",
            )
            .needs(AuditEntry::user_id.columns())
            .column(
                "actorId",
                "The id of the user who made the change. It remains after the account is deleted. Null if the \
                 change was made on the server's command line.",
                AuditEntry::user_id,
            )
            .leaf("objectId", "The id of the changed object, or the title of a tag.", object, |entry: &AuditEntry| {
                match entry.object() {
                    Some((name, key)) => id::encode(name, key),
                    None => entry.object_key.clone(),
                }
            })
            .resolve::<ObjectOfEntry>(
                "object",
                "The current object. Null if it was deleted, and always null for a tag.",
            )
            .needs(object)
            // Only their owners can see sessions and orders.
            .personal()
            .resolve::<ChangesOfEntry>("changes", "The changed fields.")
            .needs(AuditEntry::changes.columns()),
    );
    description.object(
        Object::<Change>::new("A field that was changed.")
            .value("field", "The name of the field.", |change| change.field.clone())
            .value("before", "The old value, cut to 200 characters. Null if there was none.", |change| {
                change.before.clone()
            })
            .value("after", "The new value, cut to 200 characters. Null if there is none.", |change| {
                change.after.clone()
            }),
    );
}

/// `AuditEntry.actor`.
struct Actor;

impl Resolve<AuditEntry> for Actor {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        "User".to_owned()
    }

    async fn resolve(call: Call<'_, AuditEntry>) -> Column {
        let keys = call.iter().map(|entry| entry.user_id.map(Id::key)).collect();
        by_key::<User>(call.context, keys, call.selected.columns(), Missing::IsNull).await.into()
    }
}

/// `AuditEntry.object`.
struct ObjectOfEntry;

impl Resolve<AuditEntry> for ObjectOfEntry {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        "Node".to_owned()
    }

    async fn resolve(call: Call<'_, AuditEntry>) -> Column {
        let keys: Vec<_> = call.iter().map(AuditEntry::object).collect();
        node::find_any(&call, &keys).await.into()
    }
}

/// `AuditEntry.changes`.
struct ChangesOfEntry;

impl Resolve<AuditEntry> for ChangesOfEntry {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        format!("[{}!]!", Change::type_name())
    }

    async fn resolve(call: Call<'_, AuditEntry>) -> Column {
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        let cells = call.iter().map(|entry| match read_changes(&entry.changes) {
            Ok(changes) => {
                let from = index(rows.len());
                rows.extend(changes);
                Cell::Objects { from, len: index(rows.len()) - from }
            }
            Err(error) => {
                errors.push(FieldError::from(error));
                Cell::Error(index(errors.len() - 1))
            }
        });
        let cells = cells.collect();
        let parts = vec![Part { of: Change::type_name(), rows: Rows::new(rows) }];
        Column::Cells(Cells { cells, parts, errors, ..Cells::default() })
    }
}

fn read_changes(changes: &Json) -> ApiResult<Vec<Change>> {
    Vec::deserialize(changes)
        .map_err(|error| ApiError::Internal(format!("the changes of an audit entry are invalid: {error}")))
}

/// `auditLog`.
#[derive(Debug)]
pub struct AuditLog;

impl RootList for AuditLog {
    type Row = AuditEntry;
    type Arguments = AuditLogArguments;
    type Order = AuditOrder;

    const LIST: &'static str = "auditLog";

    async fn rows(
        context: &Context,
        AuditLogArguments { order_by }: &AuditLogArguments,
    ) -> ApiResult<ListSelect<Self>> {
        context.viewer_with(Role::Admin)?;
        Ok((audit_log::Entity::find(), *order_by))
    }
}

//! Who changed what in the catalogue and in roles: written with the change, read by admins.

pub mod objects;

use async_graphql::{ComplexObject, Context, Enum, Object, SimpleObject};
use entity::audit_log;
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Json;
use sea_orm::{DerivePartialModel, EntityTrait};
use serde::{Deserialize, Serialize};

use crate::account::User;
use crate::error::{ApiError, ApiResult};
use crate::kit::scalar::DateTime;
use crate::kit::{
    ContextExt, Id, InPlace, NodeType, Page, PageArgs, PageOrder, Rejection, Row, SortKey, Work, choice_name, id, page,
};
use crate::node::{self, AnyNode};
use crate::viewer::Role;

/// A change of the catalogue or of roles.
#[derive(Clone, Debug, SimpleObject, DerivePartialModel)]
#[graphql(complex)]
#[sea_orm(entity = "audit_log::Entity")]
pub struct AuditEntry {
    /// When it was changed.
    at: DateTime,
    /// By what mutation, such as `updateMovie`.
    action: String,
    /// What kind of object was changed, such as `Movie`.
    object_type: String,
    #[graphql(skip)]
    object_key: String,
    #[graphql(skip)]
    user_id: Option<Id<User>>,
    #[graphql(skip)]
    changes: Json,
}

impl Row for AuditEntry {
    type Entity = audit_log::Entity;
}

/// A value that was changed.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject, Serialize, Deserialize)]
#[graphql(name = "AuditChange")]
pub struct Change {
    /// The field's name.
    field: String,
    /// What it was, its first 200 characters; null for nothing.
    before: Option<String>,
    /// What it is since, its first 200 characters; null for nothing.
    after: Option<String>,
}

#[ComplexObject]
impl AuditEntry {
    /// Who changed it; null when the account is gone, and for what was changed at the server's
    /// command line.
    async fn actor(&self, ctx: &Context<'_>) -> ApiResult<Option<InPlace<User>>> {
        match self.user_id {
            Some(id) => Ok(ctx.find(id).await?.map(InPlace)),
            None => Ok(None),
        }
    }

    /// The id of whoever changed it, also when the account is gone; null for what was changed at the server's
    /// command line.
    async fn actor_id(&self) -> Option<Id<User>> {
        self.user_id
    }

    /// What was changed: the object's id, or the title of a tag.
    async fn object_id(&self) -> String {
        match self.key() {
            Some(key) => id::encode(&self.object_type, key),
            None => self.object_key.clone(),
        }
    }

    /// The object as it is now; null when it is gone, and for tags.
    async fn object(&self, ctx: &Context<'_>) -> ApiResult<Option<AnyNode>> {
        match self.key() {
            Some(key) => node::find_any(ctx, &self.object_type, key).await,
            None => Ok(None),
        }
    }

    /// What was changed of it.
    async fn changes(&self) -> ApiResult<Vec<Change>> {
        read_changes(&self.changes)
    }
}

fn read_changes(changes: &Json) -> ApiResult<Vec<Change>> {
    Vec::deserialize(changes)
        .map_err(|error| ApiError::Internal(format!("an audit entry's changes cannot be read: {error}")))
}

impl AuditEntry {
    /// The key of an object that has an id; the title of a tag may look like one.
    fn key(&self) -> Option<i32> {
        if node::has_type(&self.object_type) { self.object_key.parse().ok() } else { None }
    }
}

/// The order of the audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum AuditOrder {
    /// The latest first.
    #[default]
    Newest,
    /// The earliest first.
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

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// Who changed what in the catalogue and in roles. For admins.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 if neither size is named.")] first: Option<i32>,
        #[graphql(desc = "Start behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 0 to 100. Cannot go with `first`.")] last: Option<i32>,
        #[graphql(desc = "End before this cursor.")] before: Option<String>,
        #[graphql(desc = "The order of the list. Its cursors are good for this order only.", default)]
        order_by: AuditOrder,
    ) -> ApiResult<Page<AuditEntry>> {
        ctx.viewer_with(Role::Admin)?;
        let rows = audit_log::Entity::find();
        page::load(ctx.db(), "auditLog", rows, order_by, PageArgs { first, after, last, before }).await
    }
}

/// What is changed: a row, or what has a name instead of an id.
#[derive(Clone, Debug)]
pub struct Subject {
    type_name: &'static str,
    key: String,
}

impl Subject {
    /// What has a name instead of an id, as a tag.
    pub fn named(type_name: &'static str, name: &str) -> Self {
        Self { type_name, key: name.to_owned() }
    }
}

impl<N: NodeType> From<Id<N>> for Subject {
    fn from(id: Id<N>) -> Self {
        Self { type_name: N::TYPE, key: id.key().to_string() }
    }
}

/// Characters of a value that are kept.
const VALUE_LENGTH_MAX: usize = 200;

/// What is changed of an object.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a field if it changes: `None` is nothing, as before a creation.
    #[must_use]
    pub fn field<T: ToString>(mut self, field: &str, before: Option<T>, after: Option<T>) -> Self {
        let show = |value: Option<T>| value.map(|value| value.to_string());
        let (before, after) = (show(before), show(after));
        if before != after {
            let cut = |text: Option<String>| text.map(|text| text.chars().take(VALUE_LENGTH_MAX).collect());
            self.0.push(Change { field: field.to_owned(), before: cut(before), after: cut(after) });
        }
        self
    }
}

/// Notes a change, in its transaction.
///
/// # Errors
/// Whatever the database answers.
pub async fn record(work: &Work, object: impl Into<Subject>, changes: Changes) -> Result<(), Rejection> {
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

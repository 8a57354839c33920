//! Idempotency keys: a mutation that is sent again with the same key does not run again.
//!
//! A key's row is written in the mutation's own transaction. It exists exactly if the change does, and a second request
//! with the same key waits for the first. A transaction writes the key first; a single statement writes it last, from
//! the changed row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use db::{Db, Transaction};
use entity::idempotency_keys as keys;
use request::error::{ApiError, ApiResult};
use request::rate::{Rate, Who};
use request::viewer::{KeyPosition, RequestMutations};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockBehavior, LockType, OnConflict, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::change::Change;
use super::problem::UserError;
use super::upkeep::BATCH;

/// Which mutations have the same input.
#[derive(Clone, Debug)]
pub enum Repeat {
    /// Those with the same arguments.
    SameArguments,
    /// Those with the same arguments, except that these values replace secret fields of the input. A secret must not be
    /// in a hash, because a hash can be brute-forced.
    SameBut(Vec<(&'static str, Vec<u8>)>),
    /// None: the outcome is not stored.
    Never,
}

/// How a mutation ended. It is stored as JSON with the idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The change was made. The value identifies what it changed.
    Done(Json),
    /// Nothing was changed, for these reasons. The value is the object's present state, if that matters.
    Refused(Vec<UserError>, Option<Json>),
}

/// How long a key is stored.
pub const RETENTION: TimeDelta = TimeDelta::days(1);

/// The condition that a change with a key checks before it writes, so that a repeated change does not use up a row id.
/// `{hash}` is replaced with the key's hash.
pub(super) const IS_NEW: &str = "NOT EXISTS (SELECT FROM idempotency_keys WHERE key_hash = {hash})";

/// Stores the key with the outcome of a change, in the change's own statement, whose row is `done`. The statement fails
/// if the key was stored meanwhile. `{values}` is replaced with [`IdempotencyKey::values`]; the hash is the first.
pub(super) const KEEP_DONE: &str = ", kept AS (
    INSERT INTO idempotency_keys (key_hash, input_hash, created_at, outcome)
    SELECT sent.key_hash, sent.input_hash, sent.created_at,
        jsonb_build_object('done', coalesce(sent.outcome, to_jsonb(done.id)))
    FROM done CROSS JOIN (VALUES ({values})) AS sent (key_hash, input_hash, created_at, outcome)
)";

/// A key from a client, for one mutation of one viewer's request.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    key_hash: [u8; 32],
    input_hash: [u8; 32],
    request: RequestMutations,
    new: Option<Arc<NewKeyCount>>,
}

/// Counts the key if it is new: once, even if its transaction is retried.
#[derive(Debug)]
struct NewKeyCount {
    rate: Rate,
    who: Who,
    counted: AtomicBool,
}

/// The state of a key.
#[derive(Debug)]
pub enum Claim {
    /// New: this request has claimed it.
    New,
    /// How the earlier request ended, and the time of its change.
    Known(Ending, DateTime<FixedOffset>),
}

impl IdempotencyKey {
    /// The key of a mutation, if the client sent one. Each mutation of a request has its own, by its position: by name,
    /// another mutation could pass with a used key. The request's other mutations are part of the input.
    pub fn of(change: &Change<'_>, repeat: &Repeat) -> Option<Self> {
        let (key, request) = (change.idempotency_key()?, change.caller?.mutations.clone());
        let mut input = Sha256::new();
        // The hash is keyed with a secret of the client, so that nobody can brute-force inputs.
        part(&mut input, key.as_bytes());
        part(&mut input, change.mutation.as_bytes());
        let secrets = match repeat {
            Repeat::Never => return None,
            Repeat::SameArguments => &[],
            Repeat::SameBut(secrets) => secrets.as_slice(),
        };
        let KeyPosition { indices: [operation, mutation], operations, names } = request.next_keyed();
        part(&mut input, names.as_bytes());
        part(&mut input, &operations.to_be_bytes());
        for (name, value) in change.arguments {
            part(&mut input, name.as_bytes());
            part(&mut input, canonical(value, &|field| secrets.iter().all(|(secret, _)| *secret != field)).as_bytes());
        }
        for (field, print) in secrets {
            part(&mut input, field.as_bytes());
            part(&mut input, print);
        }
        let mut whole = Sha256::new();
        part(&mut whole, key.as_bytes());
        part(&mut whole, &change.viewer().map_or(0, |viewer| viewer.user).to_be_bytes());
        part(&mut whole, &operation.to_be_bytes());
        part(&mut whole, &mutation.to_be_bytes());
        Some(Self { key_hash: whole.finalize().into(), input_hash: input.finalize().into(), request, new: None })
    }

    /// The same key, counted for a user or address if it is new.
    pub fn count_by(self, rate: Rate, who: Who) -> Self {
        Self { new: Some(Arc::new(NewKeyCount { rate, who, counted: AtomicBool::new(false) })), ..self }
    }

    fn count(&self) -> ApiResult<()> {
        match &self.new {
            Some(new) if !new.counted.load(Ordering::Relaxed) => {
                new.rate.take(new.who, Instant::now())?;
                new.counted.store(true, Ordering::Relaxed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Counts the key before a statement that stores it. Returns whether the statement may run: the key was not
    /// rejected, and the limit of new keys is not reached.
    pub(super) fn admit(&self) -> bool {
        !self.request.key_is_refused() && self.count().is_ok()
    }

    /// The values of [`KEEP_DONE`]. Without an outcome, the key of the changed row is stored.
    pub(super) fn values(&self, now: DateTime<Utc>, outcome: Option<&Json>) -> [Value; 4] {
        [
            self.key_hash.to_vec().into(),
            self.input_hash.to_vec().into(),
            now.fixed_offset().into(),
            Value::Json(outcome.cloned().map(Box::new)),
        ]
    }

    /// Undoes the count: the transaction has failed, and the row does not exist.
    pub fn give_back(&self) {
        if let Some(new) = &self.new
            && new.counted.swap(false, Ordering::Relaxed)
        {
            new.rate.give_back(new.who, Instant::now());
        }
    }

    /// Claims the key for this transaction, or returns how the earlier request with it ended. Waits for an earlier
    /// request that is still running.
    ///
    /// # Errors
    /// `Conflict` if the earlier request had another mutation or input, here or at an earlier position. `RateLimited`
    /// if the limit of new keys is reached.
    pub async fn claim(&self, txn: &impl ConnectionTrait, now: DateTime<Utc>) -> ApiResult<Claim> {
        if self.request.key_is_refused() {
            return Err(conflict());
        }
        let row = keys::ActiveModel {
            key_hash: Set(self.key_hash.to_vec()),
            input_hash: Set(self.input_hash.to_vec()),
            created_at: Set(now.fixed_offset()),
            ..Default::default()
        };
        let nothing = OnConflict::column(keys::Column::KeyHash).do_nothing().to_owned();
        let inserted = keys::Entity::insert(row).on_conflict(nothing).exec_without_returning(txn).await;
        match inserted {
            Ok(rows) if rows > 0 => return self.count().map(|()| Claim::New),
            Ok(_) | Err(DbErr::RecordNotInserted) => {}
            Err(error) => return Err(ApiError::Database(error.into())),
        }
        let found = keys::Entity::find_by_id(self.key_hash.to_vec()).one(txn).await;
        let Some(row) = found.map_err(|error| ApiError::Database(error.into()))? else {
            return Err(ApiError::Conflict("the idempotency key has just expired; send a new one".to_owned()));
        };
        if row.input_hash != self.input_hash {
            self.request.refuse_key();
            return Err(conflict());
        }
        let ending = row.outcome.and_then(|outcome| serde_json::from_value(outcome).ok());
        ending
            .map(|ending| Claim::Known(ending, row.created_at))
            .ok_or_else(|| ApiError::Internal("an idempotency key has no outcome that can be read".to_owned()))
    }

    /// Stores how the mutation ended.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep(&self, txn: &impl ConnectionTrait, ending: &Ending) -> ApiResult<()> {
        let ending = serde_json::to_value(ending).map_err(|error| ApiError::Internal(error.to_string()))?;
        keys::Entity::update_many()
            .col_expr(keys::Column::Outcome, Expr::value(ending))
            .filter(keys::Column::KeyHash.eq(self.key_hash.to_vec()))
            .exec(txn)
            .await
            .map_err(|error| ApiError::Database(error.into()))?;
        Ok(())
    }
}

/// Deletes one batch of expired keys and returns their number.
///
/// # Errors
/// The database failed.
pub async fn forget(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let old = Query::select()
        .column(keys::Column::KeyHash)
        .from(keys::Entity)
        .and_where(keys::Column::CreatedAt.lt((now - RETENTION).fixed_offset()))
        .limit(BATCH)
        // Skips rows that another instance is deleting.
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take();
    let rows = keys::Entity::delete_many().filter(keys::Column::KeyHash.in_subquery(old));
    Ok(rows.exec(db).await?.rows_affected)
}

/// The number of bytes that [`write_and_forget`] writes. A few bytes might still fit on a disk that is too full for a
/// comment.
const TRIAL: usize = 64 << 10;

/// Commits a row without meaning and deletes it. This shows whether the database can be written.
///
/// # Errors
/// The database cannot be written, or the row remains for [`forget`].
pub async fn write_and_forget(db: &Db, now: DateTime<Utc>) -> Result<(), DbErr> {
    let key_hash = rand::random::<[u8; 32]>().to_vec();
    // PostgreSQL would compress repetitive text to almost nothing.
    let filler: String = (0..TRIAL / 16).map(|_| format!("{:016x}", rand::random::<u64>())).collect();
    let row = keys::ActiveModel {
        key_hash: Set(key_hash.clone()),
        input_hash: Set(Vec::new()),
        outcome: Set(Some(filler.into())),
        created_at: Set((now - RETENTION).fixed_offset()),
    };
    let txn = Transaction::begin(&db.writer()).await?;
    keys::Entity::insert(row).exec_without_returning(&txn).await?;
    txn.commit().await?;
    keys::Entity::delete_by_id(key_hash).exec(&db.write).await.map(drop)
}

fn conflict() -> ApiError {
    let text = "the idempotency key was already used for another mutation or input; use a new key for each new request";
    ApiError::Conflict(text.to_owned())
}

/// The lengths separate the parts.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

/// The same text for the same value, whatever the order of its fields. `has` returns which fields of the value itself
/// count.
fn canonical(value: &Json, has: &dyn Fn(&str) -> bool) -> String {
    match value {
        Json::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| has(name));
            let mut fields: Vec<_> =
                fields.map(|(name, value)| format!("{name}:{}", canonical(value, &|_| true))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(|item| canonical(item, &|_| true)).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::canonical;

    /// Keys live for a day: a new version must produce the same text as the previous one.
    #[test]
    fn arguments_have_one_text_whatever_the_order_of_their_fields() {
        let text = r#"{id:"TW92aWU6MQ",more:{a:[1,2.5,null],b:true},text:"Ё \"a\"\n\\"}"#;
        let same = [
            json!({ "id": "TW92aWU6MQ", "more": { "a": [1, 2.5, null], "b": true }, "text": "Ё \"a\"\n\\" }),
            json!({ "text": "Ё \"a\"\n\\", "more": { "b": true, "a": [1, 2.5, null] }, "id": "TW92aWU6MQ" }),
        ];
        for value in &same {
            assert_eq!(canonical(value, &|_| true), text);
        }
        assert_eq!(canonical(&json!({ "more": { "id": 1 }, "id": 2 }), &|field| field != "id"), "{more:{id:1}}");
    }
}

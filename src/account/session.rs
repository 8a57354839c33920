//! Sessions: a random token for the client, its hash in the database.
//!
//! A session is extended by use: it lives for `lifetime` after it was last used. The use is recorded at most once in a
//! hundredth of the lifetime, so that a request costs one look-up and no write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use entity::{sessions, user_roles, users};
use futures_util::future::BoxFuture;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Order, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select,
};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::timeout;

use super::session_cache::{FoundSession, SessionCache, SessionKey};
use super::{AccountServices, role};
use crate::clock;
use crate::db::{self, Db};
use crate::error::{ApiError, ApiResult, describe, is_unavailable};
use crate::kit::Work;
use crate::kit::changes::Change;
use crate::kit::upkeep::BATCH;
use crate::planted::{self, PlantedFault};
use crate::position::Position;
use crate::viewer::{Authenticate, Role, SignedIn, Viewer};

/// A client's credential: 256 random bits. Never logged, never stored.
pub struct SessionToken(String);

impl SessionToken {
    /// A new token.
    pub fn random() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// Returns the text for the client, once.
    pub fn reveal(self) -> String {
        self.0
    }

    fn hash(&self) -> Vec<u8> {
        hash(&self.0).to_vec()
    }
}

/// The stored form of a token. It needs no salt, because random bits cannot be guessed.
fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A session that may begin, without its token.
#[derive(Clone, Debug)]
pub struct NewSession {
    token_hash: Vec<u8>,
    lifetime: TimeDelta,
    address: Option<String>,
    agent: Option<String>,
}

impl NewSession {
    /// The session of the request's sender.
    pub fn of(change: &Change<'_>, token: &SessionToken) -> Self {
        let caller = change.caller;
        Self {
            token_hash: token.hash(),
            lifetime: AccountServices::of(change).session_lifetime,
            address: caller.map(|caller| caller.address.to_string()),
            agent: caller.and_then(|caller| caller.agent.clone()),
        }
    }
}

/// Begins a session.
///
/// # Errors
/// The database failed.
pub async fn begin(work: &Work, user: i32, new: &NewSession) -> Result<(), DbErr> {
    let now = work.now().fixed_offset();
    let row = sessions::ActiveModel {
        user_id: Set(user),
        token_hash: Set(new.token_hash.clone()),
        created_at: Set(now),
        seen_at: Set(now),
        expires_at: Set(now + new.lifetime),
        address: Set(new.address.clone()),
        agent: Set(new.agent.clone()),
        ..Default::default()
    };
    sessions::Entity::insert(row).exec_without_returning(work.txn()).await.map(drop)
}

/// Ends all sessions of a user except `kept`.
///
/// # Errors
/// The database failed.
pub async fn end_all(db: &impl ConnectionTrait, user: i32, kept: Option<i32>) -> Result<u64, DbErr> {
    let mut rows = sessions::Entity::delete_many().filter(sessions::Column::UserId.eq(user));
    if let Some(kept) = kept {
        rows = rows.filter(sessions::Column::Id.ne(kept));
    }
    Ok(rows.exec(db).await?.rows_affected)
}

/// The maximum number of sessions of one user. The oldest are removed.
const SESSIONS_MAX: u64 = 100;

/// Ends the oldest sessions of a user who has reached the limit. Returns whether there were any.
///
/// # Errors
/// The database failed.
pub async fn make_room(db: &impl ConnectionTrait, user: i32) -> Result<bool, DbErr> {
    let oldest_kept = Query::select()
        .column(sessions::Column::Id)
        .from(sessions::Entity)
        .and_where(sessions::Column::UserId.eq(user))
        .order_by(sessions::Column::Id, Order::Desc)
        .limit(1)
        .offset(SESSIONS_MAX - 1)
        .take();
    sessions::Entity::delete_many()
        .filter(sessions::Column::UserId.eq(user))
        .filter(ExprTrait::lte(Expr::col(sessions::Column::Id), Expr::SubQuery(None, Box::new(oldest_kept.into()))))
        .exec(db)
        .await
        .map(|ended| ended.rows_affected > 0)
}

/// Notifies a user's open connections that the user's sessions or roles have changed on this instance, and clears the
/// user's cached sessions. Cloning is cheap; clones share the state.
#[derive(Clone, Debug)]
pub struct SessionChanges {
    watched: Arc<Mutex<HashMap<i32, watch::Sender<()>>>>,
    known: Arc<SessionCache>,
}

/// From this many users on, those without open connections are removed.
const USERS_SWEPT: usize = 64;

/// Reports a change on drop: its outcome may never be known, for example if the response to its commit is lost or its
/// client leaves.
pub(super) struct ChangeInProgress<'a> {
    changes: &'a SessionChanges,
    user: Option<i32>,
}

impl Drop for ChangeInProgress<'_> {
    fn drop(&mut self) {
        if let Some(user) = self.user {
            self.changes.notify(user);
        }
    }
}

impl SessionChanges {
    /// For sessions that are cached for this long.
    pub fn new(cache: Duration) -> Self {
        Self { watched: Arc::default(), known: Arc::new(SessionCache::new(cache)) }
    }

    /// Begins a change of a user's sessions or roles, which is reported at its end.
    pub(super) fn begin(&self, user: Option<i32>) -> ChangeInProgress<'_> {
        ChangeInProgress { changes: self, user }
    }

    /// Reports a change.
    pub fn notify(&self, user: i32) {
        self.known.forget(user);
        if let Some(watchers) = self.lock().get(&user) {
            watchers.send_replace(());
        }
    }

    /// Changes whenever this user's sessions or roles have.
    fn of(&self, user: i32) -> watch::Receiver<()> {
        let mut users = self.lock();
        if users.len() >= USERS_SWEPT && users.len().is_power_of_two() && !users.contains_key(&user) {
            users.retain(|_, watchers| watchers.receiver_count() > 0);
        }
        users.entry(user).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, watch::Sender<()>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves tokens. An ended session is unknown immediately on the instance that ends it, and on others when their
/// cached copy expires.
#[derive(Clone, Debug)]
pub struct Sessions {
    db: Db,
    lifetime: TimeDelta,
    changes: SessionChanges,
}

/// A session's key, its user, its last use and its expiry, a role of the user, and the leader's position.
type SessionRow = (i32, i32, DateTime<Utc>, DateTime<Utc>, Option<String>, Option<i64>);

/// How long a request waits while its session is extended.
const PROLONG_TIMEOUT: Duration = Duration::from_millis(100);

impl Sessions {
    /// The sessions of `accounts`.
    pub fn new(db: &Db, accounts: &AccountServices) -> Self {
        Self { db: db.fresh(), lifetime: accounts.session_lifetime, changes: accounts.session_changes.clone() }
    }

    /// Deletes one batch of expired sessions, and returns their number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_expired(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, DbErr> {
        let old = Query::select()
            .column(sessions::Column::Id)
            .from(sessions::Entity)
            .and_where(sessions::Column::ExpiresAt.lte(now.fixed_offset()))
            .limit(BATCH)
            // Skips rows that another instance is deleting.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .take();
        let rows = sessions::Entity::delete_many().filter(sessions::Column::Id.in_subquery(old));
        Ok(rows.exec(db).await?.rows_affected)
    }

    /// The cached session, or else the one that `which` finds.
    async fn find(&self, key: SessionKey, which: SimpleExpr) -> ApiResult<SignedIn> {
        let now = clock::now();
        match self.changes.known.get(&key, now) {
            Some(viewer) => Ok(SignedIn { viewer, position: None, by_replica: false }),
            None => self.look_up(key, which, now, true).await,
        }
    }

    /// The session that `which` finds on the leader or, if allowed and the leader is away, on a replica.
    async fn look_up(
        &self,
        key: SessionKey,
        which: SimpleExpr,
        now: DateTime<Utc>,
        may_ask_replica: bool,
    ) -> ApiResult<SignedIn> {
        let looked_up_at = Instant::now();
        // A user has at most two roles besides the common one: a row for each.
        let select = sessions::Entity::find()
            .select_only()
            .column(sessions::Column::Id)
            .column(sessions::Column::UserId)
            .column(sessions::Column::SeenAt)
            .column(sessions::Column::ExpiresAt)
            .column(user_roles::Column::Role)
            .column_as(self.db.position_column(), "position")
            .join(JoinType::InnerJoin, sessions::Relation::Users.def())
            .join(JoinType::LeftJoin, users::Relation::UserRoles.def())
            .filter(which)
            .filter(sessions::Column::ExpiresAt.gt(now))
            .filter(users::Column::DeletedAt.is_null());
        let (rows, is_leader) = self.read(select, may_ask_replica).await?;
        let Some((session, user, seen_at, expires_at, _, position)) = rows.first() else {
            // A replica may not have it yet, and a rejected client forgets its token.
            let unknown = ApiError::Busy("the database that stores sessions cannot be reached");
            return Err(if is_leader { ApiError::UnknownToken } else { unknown });
        };
        let (session, user, seen_at, expires_at) = (*session, *user, *seen_at, *expires_at);
        let position = position.filter(|_| is_leader).map(Position);
        let role = rows.iter().filter_map(|(.., role, _)| role::read(role.as_deref()?)).max().unwrap_or(Role::Member);
        let viewer = Viewer { user, session, role };
        let found = FoundSession { viewer, expires_at, looked_up_at };
        if is_leader {
            for key in [key, SessionKey::Session(session)] {
                self.changes.known.put(key, found);
            }
        }
        if is_leader && now - seen_at > self.lifetime / 100 {
            // After it was cached, so that other requests do not wait as well.
            self.prolong(session, now).await;
        }
        Ok(SignedIn { viewer, position, by_replica: !is_leader })
    }

    /// The rows of a session, and whether the leader returned them. Without a leader, a replica does if allowed.
    async fn read(
        &self,
        select: Select<sessions::Entity>,
        may_ask_replica: bool,
    ) -> ApiResult<(Vec<SessionRow>, bool)> {
        // Fails immediately while the leader is known to be away.
        let error = match select.clone().into_tuple().all(&self.db.sessions).await {
            Err(error) if may_ask_replica && is_unavailable(&error) => error,
            rows => return Ok((rows?, true)),
        };
        let ask = |replica| {
            let select = select.clone();
            async move { select.into_tuple().all(&replica).await }
        };
        match self.db.resolve_on_replica(ask).await {
            Some(rows) if !rows.is_empty() => Ok((rows, false)),
            // The leader is back, or there is another one.
            _ if !self.db.cluster.is_leader_away() => Ok((select.into_tuple().all(&self.db.sessions).await?, true)),
            Some(rows) => Ok((rows, false)),
            None => Err(error.into()),
        }
    }

    /// The behaviour of a planted fault.
    async fn know_for_ever(&self, token: &str) -> ApiResult<SignedIn> {
        static KNOWN: Mutex<Vec<(Vec<u8>, SignedIn)>> = Mutex::new(Vec::new());
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(token).to_vec();
        let signed_in = known().iter().find(|(known, _)| *known == hash).map(|(_, signed_in)| *signed_in);
        if let Some(signed_in) = signed_in {
            return Ok(signed_in);
        }
        let signed_in = self.authenticate_uncached(token).await?;
        known().push((hash, signed_in));
        Ok(signed_in)
    }

    /// A failure must not reject the viewer: the next request tries again. Nor should the request wait for other
    /// changes, or for a transaction that has locked the session.
    async fn prolong(&self, session: i32, now: DateTime<Utc>) {
        // Includes the connection and the commit: a commit may wait for a standby that is away.
        match timeout(PROLONG_TIMEOUT, self.try_prolong(session, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.db.writes.note_failure(&error);
                let error = self.db.explain(Arc::new(error)).await;
                tracing::warn!("session {session} could not be prolonged: {}", describe(&error));
            }
            Err(_) => tracing::debug!("session {session} could not be prolonged within {PROLONG_TIMEOUT:?}"),
        }
    }

    async fn try_prolong(&self, session: i32, now: DateTime<Utc>) -> Result<(), DbErr> {
        let Ok(_turn) = self.db.turn_to_write(db::OWN).await else { return Ok(()) };
        let unlocked = Query::select()
            .column(sessions::Column::Id)
            .from(sessions::Entity)
            .and_where(sessions::Column::Id.eq(session))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .take();
        sessions::Entity::update_many()
            .col_expr(sessions::Column::SeenAt, Expr::value(now.fixed_offset()))
            .col_expr(sessions::Column::ExpiresAt, Expr::value((now + self.lifetime).fixed_offset()))
            .filter(sessions::Column::Id.in_subquery(unlocked))
            .exec(&self.db.write)
            .await
            .map(drop)
    }
}

impl Authenticate for Sessions {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>> {
        if planted::is_planted(PlantedFault::StaleSession) {
            return Box::pin(self.know_for_ever(token));
        }
        let hash = hash(token);
        Box::pin(self.find(SessionKey::Token(hash), sessions::Column::TokenHash.eq(hash.to_vec())))
    }

    fn authenticate_uncached<'a>(&'a self, token: &'a str) -> BoxFuture<'a, ApiResult<SignedIn>> {
        let hash = hash(token);
        let which = sessions::Column::TokenHash.eq(hash.to_vec());
        Box::pin(self.look_up(SessionKey::Token(hash), which, clock::now(), true))
    }

    fn confirm(&self, viewer: Viewer) -> BoxFuture<'_, ApiResult<Viewer>> {
        Box::pin(async move {
            let (key, now) = (SessionKey::Session(viewer.session), clock::now());
            if let Some(viewer) = self.changes.known.get(&key, now) {
                return Ok(viewer);
            }
            Ok(self.look_up(key, sessions::Column::Id.eq(viewer.session), now, false).await?.viewer)
        })
    }

    fn watch(&self, viewer: Viewer) -> watch::Receiver<()> {
        self.changes.of(viewer.user)
    }
}

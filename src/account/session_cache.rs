//! Sessions that this instance looked up recently, so that most requests do not query the database for their token.
//!
//! Only existing sessions are cached, and none for longer than its time to live: that bounds how long a change by
//! another instance stays unknown. A change by this instance is known immediately, also to look-ups in progress: one
//! that began before the change does not count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use quick_cache::sync::Cache;

use crate::viewer::Viewer;

/// The maximum number of sessions. The cache is divided by hash, so evictions begin at about nine tenths of it.
const SESSIONS_MAX: usize = 10_000;

/// A session is cached by its token and by its key.
const KEYS_OF_A_SESSION: usize = 2;

/// From this many changed users on, changes that no longer matter are removed.
const CHANGES_SWEPT: usize = 64;

/// How to find a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SessionKey {
    /// By the hash of its token.
    Token([u8; 32]),
    /// By its key.
    Session(i32),
}

/// An existing session.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundSession {
    pub viewer: Viewer,
    pub expires_at: DateTime<Utc>,
    /// When the look-up began.
    pub looked_up_at: Instant,
}

/// The sessions.
#[derive(Debug)]
pub(super) struct SessionCache {
    sessions: Cache<SessionKey, FoundSession>,
    /// The last change of each user's sessions or roles.
    changes: Mutex<HashMap<i32, Instant>>,
    time_to_live: Duration,
}

impl SessionCache {
    /// Caches sessions for this long. Caches none if it is zero.
    pub(super) fn new(time_to_live: Duration) -> Self {
        Self { sessions: Cache::new(SESSIONS_MAX * KEYS_OF_A_SESSION), changes: Mutex::default(), time_to_live }
    }

    /// The session's viewer, if it is cached.
    pub(super) fn get(&self, key: &SessionKey, now: DateTime<Utc>) -> Option<Viewer> {
        let FoundSession { viewer, expires_at, looked_up_at } = self.sessions.get(key)?;
        let is_fresh = looked_up_at.elapsed() < self.time_to_live && now < expires_at;
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = changes.get(&viewer.user).is_some_and(|changed_at| *changed_at >= looked_up_at);
        (is_fresh && !is_changed).then_some(viewer)
    }

    /// Caches a session.
    pub(super) fn put(&self, key: SessionKey, found: FoundSession) {
        if !self.time_to_live.is_zero() {
            self.sessions.insert(key, found);
        }
    }

    /// Removes the sessions of a user.
    pub(super) fn forget(&self, user: i32) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() >= CHANGES_SWEPT && changes.len().is_power_of_two() {
            // Look-ups from before are outdated by now.
            changes.retain(|_, changed_at| changed_at.elapsed() < self.time_to_live);
        }
        changes.insert(user, Instant::now());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::ops::Range;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::clock;
    use crate::viewer::Role;

    const LONG: Duration = Duration::from_secs(3_600);

    fn found(user: i32) -> FoundSession {
        let viewer = Viewer { user, session: user, role: Role::Member };
        FoundSession { viewer, expires_at: clock::now() + LONG, looked_up_at: Instant::now() }
    }

    fn get(cache: &SessionCache, session: i32) -> Option<i32> {
        cache.get(&SessionKey::Session(session), clock::now()).map(|viewer| viewer.user)
    }

    #[test]
    fn a_look_up_that_a_change_overtakes_does_not_count() {
        let cache = SessionCache::new(LONG);
        let (one, other) = (found(1), found(2));
        cache.forget(1);
        cache.put(SessionKey::Session(1), one);
        cache.put(SessionKey::Session(2), other);
        assert_eq!((get(&cache, 1), get(&cache, 2)), (None, Some(2)));
        cache.put(SessionKey::Session(1), found(1));
        assert_eq!(get(&cache, 1), Some(1));
        cache.forget(1);
        assert_eq!(get(&cache, 1), None);
    }

    #[test]
    fn nothing_outlives_its_time() {
        let cache = SessionCache::new(LONG);
        cache.put(SessionKey::Session(1), FoundSession { expires_at: clock::now(), ..found(1) });
        let before = Instant::now().checked_sub(LONG).unwrap_or_else(Instant::now);
        cache.put(SessionKey::Session(2), FoundSession { looked_up_at: before, ..found(2) });
        assert_eq!((get(&cache, 1), get(&cache, 2).filter(|_| before.elapsed() >= LONG)), (None, None));
        let off = SessionCache::new(Duration::ZERO);
        off.put(SessionKey::Session(1), found(1));
        assert_eq!(get(&off, 1), None);
    }

    #[test]
    fn each_session_is_cached_by_both_keys() {
        let cache = SessionCache::new(LONG);
        let keys = |session: i32| {
            let token = Sha256::digest(session.to_be_bytes()).into();
            [SessionKey::Token(token), SessionKey::Session(session)]
        };
        let put = |sessions: Range<i32>| {
            for session in sessions {
                for key in keys(session) {
                    cache.put(key, found(session));
                }
            }
        };
        let most = i32::try_from(SESSIONS_MAX).unwrap();
        put(0..most * 9 / 10);
        let kept = (0..most * 9 / 10).flat_map(keys).filter(|key| cache.get(key, clock::now()).is_some()).count();
        assert!(kept >= SESSIONS_MAX * KEYS_OF_A_SESSION * 89 / 100, "{kept}");
        put(most..most * 3);
        assert!(cache.sessions.len() <= SESSIONS_MAX * KEYS_OF_A_SESSION + 64, "{}", cache.sessions.len());
    }

    #[test]
    fn changes_do_not_pile_up() {
        let cache = SessionCache::new(Duration::from_nanos(1));
        (0..100_000).for_each(|user| cache.forget(user));
        assert!(cache.changes.lock().unwrap_or_else(PoisonError::into_inner).len() <= CHANGES_SWEPT);
    }
}

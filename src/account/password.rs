//! Password rules, and hashing that does not block other work.
//!
//! argon2id takes tens of milliseconds and megabytes on purpose. It runs on separate threads, a few at a time. Clients
//! get their turns in rotation, and each may have only a part of the waiting slots: a client that sends many passwords
//! must retry, and delays nobody else.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher};
use tokio::time::timeout;
use unicode_normalization::UnicodeNormalization;

use crate::error::{ApiError, ApiResult};
use crate::kit::{Problems, UserErrorReason};
use crate::metrics;
use crate::quota::{Exhausted, Quota, QuotaNames, Share};

/// Stored if there is no password. It is not the hash of any, so nobody can log in.
pub const UNUSABLE: &str = "!";

/// The minimum length of a password in characters.
const LENGTH_MIN: usize = 8;
/// The maximum length of a password in characters.
const LENGTH_MAX: usize = 128;

/// The maximum length of a password in bytes: before a letter is composed, it may be several characters.
const BYTES_MAX: usize = 4_096;

/// Common passwords in lower case. Those that are too short anyway are not listed.
const COMMON: &str = include_str!("common_passwords.txt");

/// The maximum wait for a turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// The number of seconds until a retry, if the slots are full.
const RETRY_AFTER_S: u64 = 2;

/// The names of the waiting slots in errors.
const SLOTS: QuotaNames = QuotaNames {
    limit: "passwords-waiting",
    limit_per_client: "passwords-waiting-per-client",
    held: "log-ins are waiting",
    retry_after_s: 2,
};

/// Adds the errors of a new password. `names` are the user's own, which it must not be.
pub fn check_new(problems: &mut Problems, field: &str, password: &str, names: &[&str]) {
    if password.len() > BYTES_MAX {
        let reason = UserErrorReason::of_length(password.len(), LENGTH_MIN, LENGTH_MAX);
        problems.bad_input(field, reason, format!("must be at most {LENGTH_MAX} characters long"));
        return;
    }
    let password: String = password.nfc().collect();
    let length = password.chars().count();
    let reason = UserErrorReason::of_length(length, LENGTH_MIN, LENGTH_MAX);
    let too_short = format!("must be at least {LENGTH_MIN} characters long");
    problems.require(length >= LENGTH_MIN, field, reason, too_short);
    problems.require(length <= LENGTH_MAX, field, reason, format!("must be at most {LENGTH_MAX} characters long"));
    let is_plain = !password.chars().any(char::is_control);
    problems.require(is_plain, field, UserErrorReason::InvalidCharacter, "contains a control character; remove it");
    let lower = password.to_lowercase();
    let common = length >= LENGTH_MIN && COMMON.lines().any(|line| line == lower);
    let reason = UserErrorReason::CommonPassword;
    problems.require(!common, field, reason, "is too common; choose another password");
    let own = names.iter().any(|name| !name.is_empty() && name.trim().to_lowercase() == lower);
    let reason = UserErrorReason::PasswordIsName;
    problems.require(!own, field, reason, "is your username or email address; choose another password");
}

/// Whether no password can be this long.
pub fn is_too_long(password: &str) -> bool {
    password.len() > BYTES_MAX || password.nfc().nth(LENGTH_MAX).is_some()
}

/// Hashes and verifies passwords. Cloning is cheap.
#[derive(Clone)]
pub struct Passwords {
    params: Params,
    /// Slots for running and waiting log-ins.
    slots: Arc<Quota>,
    turns: Arc<Quota>,
    /// The number of slots for running log-ins.
    at_once: u64,
    /// Verified if there is nothing else to verify, so that the time is the same.
    dummy: Arc<str>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("params", &self.params).finish_non_exhaustive()
    }
}

/// A turn to hash. Others wait while it is held.
#[derive(Clone, Debug)]
pub struct HashTurn {
    params: Params,
    dummy: Arc<str>,
    _shares: Arc<[Share; 2]>,
}

impl Passwords {
    /// Hashes with `memory_kib` and `passes`: at most `at_once` passwords concurrently, while at most `waiting` wait,
    /// and of one client `waiting_per_client`.
    ///
    /// # Errors
    /// argon2 rejects the parameters.
    pub fn new(
        memory_kib: u32,
        passes: u32,
        at_once: u64,
        waiting: u64,
        waiting_per_client: u64,
    ) -> anyhow::Result<Self> {
        let params = Params::new(memory_kib, passes, 1, None).map_err(|error| anyhow::anyhow!("argon2id: {error}"))?;
        let dummy = hash(&params, "").map_err(|fault| anyhow::anyhow!(fault.0))?;
        Ok(Self {
            params,
            slots: Quota::new(SLOTS, at_once + waiting, at_once + waiting_per_client),
            // A single client may have all turns.
            turns: Quota::new(SLOTS, at_once, at_once),
            at_once,
            dummy: dummy.into(),
        })
    }

    /// Waits for a turn of the client at `address`.
    ///
    /// # Errors
    /// `RateLimited` if too many are waiting already, `Busy` if the wait takes too long.
    pub async fn turn(&self, address: IpAddr) -> ApiResult<HashTurn> {
        // A running log-in has a slot too, which the flags do not count.
        let refused = |exhausted: Exhausted| busy(Exhausted { max: exhausted.max - self.at_once, ..exhausted });
        let place = self.slots.take(address, 1).map_err(refused)?;
        let turn = timeout(PATIENCE, self.turns.wait(address)).await;
        // No limit was reached: the log-in was admitted to wait.
        let late = |_| ApiError::Busy("too many log-ins are waiting");
        let shares = Arc::new([place, turn.map_err(late)?]);
        Ok(HashTurn { params: self.params.clone(), dummy: Arc::clone(&self.dummy), _shares: shares })
    }

    /// Whether a stored hash has weaker parameters than the present settings.
    pub fn is_weaker(&self, stored: &str) -> bool {
        let stored = PasswordHash::new(stored).ok().and_then(|hash| Params::try_from(&hash).ok());
        stored.is_some_and(|stored| {
            stored.m_cost() < self.params.m_cost()
                || stored.t_cost() < self.params.t_cost()
                || stored.p_cost() < self.params.p_cost()
        })
    }
}

fn busy(exhausted: Exhausted) -> ApiError {
    let Exhausted { names, by_client, max } = exhausted;
    let (what, limit) = match by_client {
        true => ("too many concurrent log-ins from your address", names.limit_per_client),
        false => ("too many concurrent log-ins", names.limit),
    };
    metrics::count_limit(limit);
    ApiError::RateLimited { what, limit, max, retry_after_s: RETRY_AFTER_S }
}

impl HashTurn {
    /// The hash of a new password for storage: a PHC string with its parameters and salt.
    ///
    /// # Errors
    /// An internal error.
    pub async fn hash(&self, password: &str) -> ApiResult<String> {
        self.work(password, |turn, password| hash(&turn.params, password)).await
    }

    /// Whether the password matches this hash. It takes as long if there is no hash.
    ///
    /// # Errors
    /// An internal error.
    pub async fn verify(&self, password: &str, stored: Option<String>) -> ApiResult<bool> {
        self.work(password, move |turn, password| {
            let stored = stored.as_deref().and_then(|stored| PasswordHash::new(stored).ok());
            match stored {
                Some(stored) => Ok(Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()),
                None => {
                    let _ = Argon2::default().verify_password(password.as_bytes(), &*turn.dummy);
                    Ok(false)
                }
            }
        })
        .await
    }

    /// A value that represents a password in comparisons: as expensive to brute-force as its hash, and always the same.
    ///
    /// # Errors
    /// An internal error.
    pub async fn print(&self, password: &str, salt: [u8; 32]) -> ApiResult<Vec<u8>> {
        self.work(password, move |turn, password| {
            let mut print = vec![0; 32];
            Argon2::from(&turn.params).hash_password_into(password.as_bytes(), &salt, &mut print)?;
            Ok(print)
        })
        .await
    }

    /// Runs on a separate thread, which holds the turn even if the caller is dropped.
    async fn work<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(&Self, &str) -> Result<T, Fault> + Send + 'static,
    ) -> ApiResult<T> {
        let turn = self.clone();
        // Keyboards compose letters in different ways.
        let password: String = password.nfc().collect();
        let done = tokio::task::spawn_blocking(move || work(&turn, &password)).await;
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(ApiError::Internal(fault.0)),
            Err(error) => Err(ApiError::Internal(format!("hashing a password: {error}"))),
        }
    }
}

/// An error of argon2.
struct Fault(String);

impl<E: fmt::Display> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(format!("argon2id: {error}"))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hash(params: &Params, password: &str) -> Result<String, Fault> {
    let salt: [u8; 16] = rand::random();
    Ok(Argon2::from(params).hash_password_with_salt(password.as_bytes(), &salt)?.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::kit::Rejection;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn problems(password: &str) -> usize {
        let mut problems = Problems::new();
        check_new(&mut problems, "input.password", password, &["annushka", "anna@example.org"]);
        match problems.check() {
            Err(Rejection::Invalid(errors)) => errors.len(),
            _ => 0,
        }
    }

    #[test]
    fn passwords_are_checked_on_both_sides_of_each_bound() {
        for good in ["tram N 47", &"d".repeat(128), "пароль-из-снов", "🎬🎬🎬🎬🎬🎬🎬🎬", "' OR 1=1 --"]
        {
            assert_eq!(problems(good), 0, "{good}");
        }
        for bad in
            ["", "seven77", &"d".repeat(129), "Password1", "12345678", "Annushka", "ANNA@example.org", "null\0null"]
        {
            assert_eq!(problems(bad), 1, "{bad}");
        }
    }

    #[test]
    fn common_passwords_are_in_lower_case_and_long_enough() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.len() >= 100);
        for line in &lines {
            assert!(line.chars().count() >= LENGTH_MIN && *line == line.to_lowercase(), "{line}");
        }
    }

    #[tokio::test]
    async fn hashes_verify_and_contain_their_parameters() {
        let passwords = Passwords::new(64, 1, 1, 4, 4).unwrap();
        let turn = passwords.turn(HERE).await.unwrap();
        let hash = turn.hash("tram N 47").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && hash.len() <= 128, "{hash}");
        assert!(turn.verify("tram N 47", Some(hash.clone())).await.unwrap());
        for (password, stored) in [("tram N 48", Some(hash.clone())), ("!", Some("!".to_owned())), ("", None)] {
            assert!(!turn.verify(password, stored).await.unwrap());
        }
        // The same letters, composed differently.
        let composed = turn.hash("caf\u{e9}-noir").await.unwrap();
        assert!(turn.verify("cafe\u{301}-noir", Some(composed)).await.unwrap());
        assert!(!passwords.is_weaker(&hash) && !passwords.is_weaker("!"));
        for raised in [Passwords::new(65, 1, 1, 1, 1), Passwords::new(64, 2, 1, 1, 1)] {
            assert!(raised.unwrap().is_weaker(&hash));
        }
    }

    #[tokio::test]
    async fn one_client_s_log_ins_leave_slots_and_turns_to_others() {
        let passwords = Passwords::new(64, 1, 1, 2, 1).unwrap();
        let first = passwords.turn(HERE).await.unwrap();
        let waits = |address| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.turn(address).await.map(drop) })
        };
        let own = waits(HERE);
        while passwords.slots.taken() < 2 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.turn(HERE).await;
        assert!(matches!(refused, Err(ApiError::RateLimited { limit: "passwords-waiting-per-client", max: 1, .. })));
        let other = waits(THERE);
        while passwords.slots.taken() < 3 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.turn([192, 0, 2, 3].into()).await;
        assert!(matches!(refused, Err(ApiError::RateLimited { limit: "passwords-waiting", max: 2, .. })));
        drop(first);
        assert!(own.await.unwrap().is_ok() && other.await.unwrap().is_ok());
        assert_eq!((passwords.slots.taken(), passwords.turns.taken()), (0, 0));
    }

    #[tokio::test]
    async fn a_log_in_that_waited_too_long_reached_no_limit() {
        let passwords = Passwords::new(64, 1, 1, 2, 1).unwrap();
        let held = passwords.turn(HERE).await.unwrap();
        assert!(matches!(passwords.turn(THERE).await, Err(ApiError::Busy(_))));
        drop(held);
        assert!(passwords.turn(THERE).await.is_ok());
    }
}

//! The settings of accounts and sessions.

use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use settings::number;

use crate::account::{AccountServices, Passwords, SessionChanges, Throttle};
use crate::kit::changes::WriteRates;
use crate::rate::{self, Rate};

/// The settings of accounts and sessions.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Accounts")]
pub struct AccountArgs {
    /// How long after its last use a session expires, in hours.
    #[arg(long, env = "KINOTEKA_SESSION_HOURS", value_name = "HOURS", default_value_t = 720,
          value_parser = number::<u32>(1..=87_600))]
    pub session_hours: u32,

    /// How long a session is cached, in milliseconds. During this time, requests of a session that another instance
    /// has ended may still pass. 0 looks up the session for each request.
    #[arg(long, env = "KINOTEKA_SESSION_CACHE_MS", value_name = "MS", default_value_t = 1_000,
          value_parser = number::<u64>(0..=1_000))]
    pub session_cache_ms: u64,

    /// How passwords are hashed.
    #[command(flatten)]
    pub hashing: HashArgs,

    /// Passwords that are hashed concurrently. The default is half of the processors, at least one.
    #[arg(long, env = "KINOTEKA_PASSWORDS_AT_ONCE", value_name = "N",
          value_parser = number::<u16>(1..=1_000))]
    pub passwords_at_once: Option<u16>,

    /// The maximum number of log-ins that wait for their turn. Further ones must retry.
    #[arg(long, env = "KINOTEKA_PASSWORDS_WAITING", value_name = "N", default_value_t = 64,
          value_parser = number::<u16>(0..=65_535))]
    pub passwords_waiting: u16,

    /// The maximum of --passwords-waiting for one network address.
    #[arg(long, env = "KINOTEKA_PASSWORDS_WAITING_PER_CLIENT", value_name = "N", default_value_t = 16,
          value_parser = number::<u16>(0..=65_535))]
    pub passwords_waiting_per_client: u16,

    /// Sign-ups and new e-mail addresses of users from one network address in an hour, successful or not.
    #[arg(long, env = "KINOTEKA_SIGNUPS_PER_ADDRESS", value_name = "N", default_value_t = 30,
          value_parser = number::<u32>(1..=1_000_000_000))]
    pub signups_per_address: u32,

    /// Mutations of one user in a minute; without a session, of one network address. Editors and admins have no
    /// limit.
    #[arg(long, env = "KINOTEKA_MUTATIONS_PER_USER", value_name = "N", default_value_t = 600,
          value_parser = number::<u32>(1..=1_000_000_000))]
    pub mutations_per_user: u32,

    /// New idempotency keys of one user in an hour; without a session, of one network address. Editors and admins
    /// have no limit.
    #[arg(long, env = "KINOTEKA_IDEMPOTENCY_KEYS_PER_USER", value_name = "N", default_value_t = 1_000,
          value_parser = number::<u32>(1..=1_000_000_000))]
    pub idempotency_keys_per_user: u32,

    /// Failed log-ins to one account from one network address in 15 minutes. The limits for one account from all
    /// addresses, and for one address to all accounts, are ten times as high.
    #[arg(long, env = "KINOTEKA_LOGIN_FAILURES", value_name = "N", default_value_t = 10,
          value_parser = number::<u32>(1..=1_000_000))]
    pub login_failures: u32,
}

/// The cost of hashing a password with argon2id. The defaults are OWASP's recommendation.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Accounts")]
pub struct HashArgs {
    /// Memory for hashing a password, in KiB. A hash with less is replaced when its user logs in.
    #[arg(long, env = "KINOTEKA_PASSWORD_MEMORY_KIB", value_name = "KIB", default_value_t = 19_456,
          value_parser = number::<u32>(8..=1_048_576))]
    pub password_memory_kib: u32,

    /// Passes of the password hash over its memory. A hash with fewer is replaced when its user logs in.
    #[arg(long, env = "KINOTEKA_PASSWORD_PASSES", value_name = "N", default_value_t = 2,
          value_parser = number::<u32>(1..=100))]
    pub password_passes: u32,
}

impl HashArgs {
    /// Hashes at most `at_once` passwords concurrently, while at most `waiting` wait, and of one client
    /// `waiting_per_client`.
    ///
    /// # Errors
    /// argon2id rejects the settings.
    pub fn open(&self, at_once: u64, waiting: u64, waiting_per_client: u64) -> anyhow::Result<Passwords> {
        Passwords::new(self.password_memory_kib, self.password_passes, at_once, waiting, waiting_per_client)
            .context("--password-memory-kib, --password-passes")
    }
}

impl AccountArgs {
    /// The maximum number of passwords that are hashed concurrently.
    pub fn at_once(&self) -> u64 {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.passwords_at_once.map_or((processors as u64 / 2).max(1), u64::from)
    }

    /// What log-ins need.
    ///
    /// # Errors
    /// The settings of password hashing are invalid.
    pub fn open(&self) -> anyhow::Result<AccountServices> {
        let waiting = u64::from(self.passwords_waiting);
        let passwords = self.hashing.open(self.at_once(), waiting, self.passwords_waiting_per_client.into())?;
        let throttle = Throttle::new(self.login_failures);
        let too_many = "too many sign-ups or new e-mail addresses from your address";
        let names = rate::RateNames { limit: "signups-per-address", too_many };
        let signups = Rate::new(names, self.signups_per_address, Duration::from_secs(3_600));
        let session_lifetime = TimeDelta::hours(i64::from(self.session_hours));
        Ok(AccountServices {
            passwords,
            throttle,
            signups,
            session_lifetime,
            session_changes: SessionChanges::new(Duration::from_millis(self.session_cache_ms)),
        })
    }

    /// How much users may change.
    pub fn writes(&self) -> WriteRates {
        let names = rate::RateNames { limit: "mutations-per-user", too_many: "too many mutations" };
        let mutations = Rate::new(names, self.mutations_per_user, Duration::from_secs(60));
        let names = rate::RateNames { limit: "idempotency-keys-per-user", too_many: "too many new idempotency keys" };
        let keys = Rate::new(names, self.idempotency_keys_per_user, Duration::from_secs(3_600));
        WriteRates { mutations, keys }
    }
}

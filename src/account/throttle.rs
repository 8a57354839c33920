//! Counts failed log-ins, so that passwords cannot be brute-forced.
//!
//! The pair of an account and an address has `failures` tries in [`WINDOW`]. An account from all addresses, and an
//! address for all accounts, have ten times as many: so it is hard to lock others out, and to try one password on many
//! accounts. The given name counts, whether or not such an account exists. A rejected address creates no further
//! counters, so that it cannot evict those of others.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::error::{ApiError, ApiResult};
use crate::metrics;
use crate::quota::network;
use crate::rate::{Counter, Counters};

/// How long failures count.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// The factor for the tries of an account or an address alone.
const WIDER: u32 = 10;

/// An account, by the hash of its name: clients may send names of any length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ThrottleKey {
    Pair([u8; 32], IpAddr),
    Account([u8; 32]),
    Address(IpAddr),
}

/// Counts failures. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Throttle {
    counters: Arc<Counters<ThrottleKey>>,
    /// Held while a try is checked and counted: otherwise several simultaneous tries would pass as one.
    turn: Arc<Mutex<()>>,
    failures: u32,
}

/// A try that counts as a failure until it is reported as successful.
#[derive(Debug)]
pub struct Try {
    pair: Arc<Counter>,
    others: [Arc<Counter>; 2],
}

impl Throttle {
    /// Allows this many failures for the pair of an account and an address.
    pub fn new(failures: u32) -> Self {
        Self { counters: Arc::new(Counters::new(WINDOW)), turn: Arc::default(), failures }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// `RateLimited` if the limit is reached.
    pub fn admit(&self, account: &str, address: IpAddr, now: Instant) -> ApiResult<Try> {
        let (account, address) = (Sha256::digest(account.to_lowercase()).into(), network(address));
        let wider = self.failures.saturating_mul(WIDER);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let by_address = self.counters.of(&ThrottleKey::Address(address), now);
        self.refuse(by_address.wait(wider, now))?;
        let pair = self.counters.of(&ThrottleKey::Pair(account, address), now);
        let by_account = self.counters.of(&ThrottleKey::Account(account), now);
        self.refuse(pair.wait(self.failures, now).max(by_account.wait(wider, now)))?;
        let others = [by_account, by_address];
        for counter in others.iter().chain([&pair]) {
            counter.add(now);
        }
        Ok(Try { pair, others })
    }

    fn refuse(&self, wait: Option<Duration>) -> ApiResult<()> {
        let Some(wait) = wait else { return Ok(()) };
        metrics::count_limit(LIMIT);
        Err(ApiError::RateLimited {
            what: "too many failed attempts",
            limit: LIMIT,
            max: u64::from(self.failures),
            retry_after_s: wait.as_secs() + 1,
        })
    }
}

/// The flag.
const LIMIT: &str = "login-failures";

impl Try {
    /// Reports success: the try does not count, nor do the account's earlier ones from this address.
    pub fn succeed(self, now: Instant) {
        self.pair.clear(now);
        self.take_back(now);
    }

    /// Removes the try, because the server could not check the password.
    pub fn forget(self, now: Instant) {
        self.pair.take_back(now);
        self.take_back(now);
    }

    fn take_back(&self, now: Instant) {
        for counter in &self.others {
            counter.take_back(now);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn there(number: u8) -> IpAddr {
        IpAddr::V4([192, 0, 2, number].into())
    }

    #[test]
    fn failures_end_tries_until_the_window_is_over() {
        let (throttle, start) = (Throttle::new(3), Instant::now());
        for _ in 0..3 {
            assert!(throttle.admit("anna", HERE, start).is_ok());
        }
        assert!(matches!(throttle.admit("Anna", HERE, start), Err(ApiError::RateLimited { retry_after_s: 901, .. })));
        // Other accounts' failures do not matter.
        assert!(throttle.admit("anna", there(1), start).is_ok());
        assert!(throttle.admit("boris", HERE, start).is_ok());
        assert!(throttle.admit("anna", HERE, start + WINDOW).is_ok());
    }

    #[test]
    fn simultaneous_tries_are_counted_one_by_one() {
        for _ in 0..200 {
            let (throttle, now) = (Throttle::new(3), Instant::now());
            let admit = || throttle.admit("anna", HERE, now).is_ok();
            let admitted = std::thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(admit)).collect();
                all.into_iter().map(|one| one.join().unwrap()).filter(|admitted| *admitted).count()
            });
            assert_eq!(admitted, 3);
        }
    }

    #[test]
    fn success_starts_anew() {
        let (throttle, now) = (Throttle::new(2), Instant::now());
        for _ in 0..50 {
            let _ = throttle.admit("anna", HERE, now).unwrap();
            throttle.admit("anna", HERE, now).unwrap().succeed(now);
            if throttle.admit("boris", HERE, now).is_err() {
                // Anna's own failures still count for the address.
                return;
            }
        }
        panic!("the address was never limited");
    }

    #[test]
    fn an_account_and_an_address_have_their_own_limits() {
        let (throttle, now) = (Throttle::new(1), Instant::now());
        for number in 0..10 {
            assert!(throttle.admit("anna", there(number), now).is_ok());
            assert!(throttle.admit(&format!("user{number}"), HERE, now).is_ok());
        }
        assert!(throttle.admit("anna", there(10), now).is_err());
        assert!(throttle.admit("user10", HERE, now).is_err());
        assert!(throttle.admit("user10", there(10), now).is_ok());
    }

    #[test]
    fn a_rejected_address_uses_no_memory() {
        let (throttle, now) = (Throttle::new(1), Instant::now());
        let _ = throttle.admit("anna", there(1), now).unwrap();
        for number in 0..2 * crate::rate::COUNTERS_MAX {
            let _ = throttle.admit(&format!("user{number}"), HERE, now);
        }
        assert!(throttle.counters.len() <= 30, "{}", throttle.counters.len());
        assert!(throttle.admit("anna", there(1), now).is_err(), "the failure is forgotten");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let (throttle, now) = (Throttle::new(1), Instant::now());
        assert!(throttle.admit("anna", "2001:db8::1".parse().unwrap(), now).is_ok());
        assert!(throttle.admit("anna", "2001:db8::ffff".parse().unwrap(), now).is_err());
        assert!(throttle.admit("anna", "2001:db8:0:1::1".parse().unwrap(), now).is_ok());
    }
}

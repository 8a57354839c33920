//! What all clients share: so much of it in all, and so much for one client's network address.
//!
//! Every limit of this kind is a [`Quota`]. Names no domain.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::viewer::network;

/// A bounded resource, and who holds how much of it.
#[derive(Debug)]
pub struct Quota {
    names: Names,
    max: u64,
    max_per_client: u64,
    taken: Mutex<Taken>,
}

/// How a quota is called where it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The flag of the limit for all clients, without dashes before it: `limit-sockets`.
    pub limit: &'static str,
    /// The flag of the limit for one client.
    pub limit_per_client: &'static str,
    /// What is held, as the end of "100 ...": `sockets and event streams are open`.
    pub held: &'static str,
    /// After how many seconds it is worth trying again, as `Retry-After` says it.
    pub retry_after_s: &'static str,
}

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    by_client: HashMap<IpAddr, u64>,
}

/// A part of a quota, which is given back when this is dropped.
#[derive(Debug)]
pub struct Share {
    quota: Arc<Quota>,
    client: IpAddr,
    amount: u64,
}

/// Why there is no more of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// How the quota is called.
    pub names: Names,
    /// Whether it is one client's part that is used up, and not all.
    pub by_client: bool,
    /// The limit that was met.
    pub max: u64,
}

impl Exhausted {
    /// The flag of the limit that was met.
    pub fn limit(&self) -> &'static str {
        if self.by_client { self.names.limit_per_client } else { self.names.limit }
    }

    /// The code and text for the client.
    pub fn publish(&self) -> (&'static str, String) {
        let (code, whose) = if self.by_client { ("RATE_LIMITED", " from your address") } else { ("UNAVAILABLE", "") };
        (code, format!("{} {}{whose}, which is the limit; try again later", self.max, self.names.held))
    }
}

impl Quota {
    /// A quota of `max` in all and `max_per_client` for each client.
    pub fn new(names: Names, max: u64, max_per_client: u64) -> Arc<Self> {
        Arc::new(Self { names, max, max_per_client, taken: Mutex::default() })
    }

    /// Takes `amount` for the client at `address`.
    ///
    /// # Errors
    /// So much is not left, for this client or at all.
    pub fn take(self: &Arc<Self>, address: IpAddr, amount: u64) -> Result<Share, Exhausted> {
        let mut share = Share { quota: Arc::clone(self), client: network(address), amount: 0 };
        share.grow(amount)?;
        Ok(share)
    }

    /// How much is taken by all clients together.
    pub fn taken(&self) -> u64 {
        self.lock().all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exhausted(&self, by_client: bool) -> Exhausted {
        let max = if by_client { self.max_per_client } else { self.max };
        Exhausted { names: self.names, by_client, max }
    }
}

impl Share {
    /// Takes `amount` more.
    ///
    /// # Errors
    /// So much is not left; the share stays as it was.
    pub fn grow(&mut self, amount: u64) -> Result<(), Exhausted> {
        let quota = &self.quota;
        let mut taken = quota.lock();
        let all = taken.all.saturating_add(amount);
        if all > quota.max {
            return Err(quota.exhausted(false));
        }
        let own = taken.by_client.get(&self.client).copied().unwrap_or_default().saturating_add(amount);
        if own > quota.max_per_client {
            return Err(quota.exhausted(true));
        }
        taken.all = all;
        if own > 0 {
            taken.by_client.insert(self.client, own);
        }
        drop(taken);
        self.amount += amount;
        Ok(())
    }

    /// Gives a part back.
    pub fn shrink(&mut self, amount: u64) {
        let amount = amount.min(self.amount);
        self.amount -= amount;
        let mut taken = self.quota.lock();
        taken.all -= amount;
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own -= amount;
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }

    /// How much it is.
    pub fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.amount);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    const NAMES: Names =
        Names { limit: "limit-a", limit_per_client: "limit-a-per-client", held: "are held", retry_after_s: "1" };

    fn client(number: u8) -> IpAddr {
        IpAddr::V4([192, 0, 2, number].into())
    }

    #[test]
    fn a_quota_is_bounded_for_each_client_and_for_all() {
        let quota = Quota::new(NAMES, 5, 3);
        let mut first = quota.take(client(1), 3).unwrap();
        let refused = quota.take(client(1), 1).unwrap_err();
        assert_eq!((refused.by_client, refused.max), (true, 3));
        let second = quota.take(client(2), 2).unwrap();
        let refused = quota.take(client(3), 1).unwrap_err();
        assert_eq!((refused.by_client, refused.max), (false, 5));
        first.shrink(1);
        assert!(first.grow(2).is_err());
        assert_eq!((first.amount(), quota.taken()), (2, 4));
        assert!(quota.take(client(3), 1).is_ok());
        drop((first, second));
        assert_eq!(quota.taken(), 0);
        assert!(quota.lock().by_client.is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let quota = Quota::new(NAMES, 5, 1);
        let _first = quota.take("2001:db8::1".parse().unwrap(), 1).unwrap();
        assert!(quota.take("2001:db8::2".parse().unwrap(), 1).is_err());
        assert!(quota.take("2001:db8:0:1::1".parse().unwrap(), 1).is_ok());
    }
}

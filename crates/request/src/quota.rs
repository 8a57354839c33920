//! Resources that all clients share, with a limit for all and one for each client's network address.
//!
//! Every limit of this kind is a [`Quota`]. A client takes a share immediately ([`Quota::take`]) or waits for it
//! ([`Quota::wait`]). Waiting clients get their turns in rotation, so that a client with many waiting requests does not
//! delay others. Names no domain.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::retry;

/// How many abandoned waiters of a client may accumulate before they are removed.
const ABANDONED_MAX: usize = 64;

/// A bounded resource, and how much of it each client holds.
#[derive(Debug)]
pub struct Quota {
    names: QuotaNames,
    max: u64,
    max_per_client: u64,
    taken: Mutex<QuotaUse>,
}

/// The names of a quota in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaNames {
    /// The flag of the limit for all clients, without leading dashes: `limit-sockets`.
    pub limit: &'static str,
    /// The flag of the limit for one client.
    pub limit_per_client: &'static str,
    /// What the quota counts, as the end of "100 ...": `WebSockets and event streams are open`.
    pub held: &'static str,
    /// The number of seconds until a retry may succeed, for `Retry-After`.
    pub retry_after_s: u64,
}

#[derive(Debug, Default)]
struct QuotaUse {
    all: u64,
    by_client: HashMap<IpAddr, u64>,
    queue: Queue,
}

/// The clients that wait for a share of one.
#[derive(Debug, Default)]
struct Queue {
    /// The waiting clients, in the order of their turns.
    clients: VecDeque<IpAddr>,
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Share>>>,
}

/// A part of a quota. It is released on drop.
#[derive(Debug)]
pub struct Share {
    quota: Arc<Quota>,
    client: IpAddr,
    amount: u64,
}

/// Why a quota has no share left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// The names of the quota.
    pub names: QuotaNames,
    /// Whether one client's part is exhausted, and not the whole.
    pub by_client: bool,
    /// The limit that was reached.
    pub max: u64,
}

/// The network by which limits count an address: for IPv6 its first 64 bits, because a client with one such address has
/// the whole network.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

impl Exhausted {
    /// The flag of the limit that was reached.
    pub fn limit(&self) -> &'static str {
        if self.by_client { self.names.limit_per_client } else { self.names.limit }
    }

    /// The number of seconds until a retry may succeed. If the limit for all clients is reached, it differs between
    /// clients.
    pub fn retry_after_s(&self) -> u64 {
        let after_s = self.names.retry_after_s;
        if self.by_client { after_s } else { retry::after_s(after_s) }
    }

    /// The code and text for the client.
    pub fn publish(&self) -> (&'static str, String) {
        let (code, whose) = if self.by_client { ("RATE_LIMITED", " from your address") } else { ("UNAVAILABLE", "") };
        (code, format!("the limit is reached: {} {}{whose}; try again later", self.max, self.names.held))
    }
}

impl Quota {
    /// A quota with a limit for all clients and one for each client.
    pub fn new(names: QuotaNames, max: u64, max_per_client: u64) -> Arc<Self> {
        Arc::new(Self { names, max, max_per_client, taken: Mutex::default() })
    }

    /// Takes `amount` for the client at `address`.
    ///
    /// # Errors
    /// Less than `amount` is left, for this client or in all.
    pub fn take(self: &Arc<Self>, address: IpAddr, amount: u64) -> Result<Share, Exhausted> {
        let mut share = Share { quota: Arc::clone(self), client: network(address), amount: 0 };
        share.grow(amount)?;
        Ok(share)
    }

    /// Takes one for the client at `address`, when it is this client's turn. The caller limits the duration of the wait
    /// and the number of waiters.
    pub async fn wait(self: &Arc<Self>, address: IpAddr) -> Share {
        let client = network(address);
        loop {
            let turn = {
                let mut taken = self.lock();
                if let Some(share) = self.give(&mut taken, client) {
                    return share;
                }
                let (sender, turn) = oneshot::channel();
                let Queue { clients, waiting } = &mut taken.queue;
                let own = waiting.entry(client).or_default();
                if own.is_empty() {
                    clients.push_back(client);
                }
                if own.len() >= ABANDONED_MAX && own.len().is_power_of_two() {
                    own.retain(|other| !other.is_closed());
                }
                own.push_back(sender);
                turn
            };
            // A sender is only dropped after its share was sent.
            if let Ok(share) = turn.await {
                return share;
            }
        }
    }

    /// The limit for all clients.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The limit for one client.
    pub fn max_per_client(&self) -> u64 {
        self.max_per_client
    }

    /// How much all clients hold.
    pub fn taken(&self) -> u64 {
        self.lock().all
    }

    /// How much the client at `address` holds and waits for.
    pub fn load(&self, address: IpAddr) -> u64 {
        let (client, taken) = (network(address), self.lock());
        let held = taken.by_client.get(&client).copied().unwrap_or_default();
        held + taken.queue.waiting.get(&client).map_or(0, VecDeque::len) as u64
    }

    /// One for this client, if it is within the limits.
    fn give(self: &Arc<Self>, taken: &mut QuotaUse, client: IpAddr) -> Option<Share> {
        let own = taken.by_client.get(&client).copied().unwrap_or_default();
        if taken.all >= self.max || own >= self.max_per_client {
            return None;
        }
        taken.all += 1;
        taken.by_client.insert(client, own + 1);
        Some(Share { quota: Arc::clone(self), client, amount: 1 })
    }

    /// Gives what is free to waiting clients, one each in turn.
    fn serve(self: &Arc<Self>, taken: &mut QuotaUse) {
        let mut passed = 0;
        while passed < taken.queue.clients.len() && taken.all < self.max {
            let Some(client) = taken.queue.clients.pop_front() else { return };
            let served = self.serve_client(taken, client);
            if taken.queue.waiting.get(&client).is_none_or(VecDeque::is_empty) {
                taken.queue.waiting.remove(&client);
            } else {
                taken.queue.clients.push_back(client);
                passed = if served { 0 } else { passed + 1 };
            }
        }
    }

    /// Returns whether the client got one.
    fn serve_client(self: &Arc<Self>, taken: &mut QuotaUse, client: IpAddr) -> bool {
        while let Some(share) = self.give(taken, client) {
            let next = taken.queue.waiting.get_mut(&client).and_then(VecDeque::pop_front);
            let unwanted = match next {
                Some(next) => next.send(share).err(),
                None => Some(share),
            };
            let Some(mut unwanted) = unwanted else { return true };
            // The waiter is gone. The share must not release its amount on drop: that would take the lock twice.
            unwanted.amount = 0;
            taken.give_back(client, 1);
            if taken.queue.waiting.get(&client).is_none_or(VecDeque::is_empty) {
                return false;
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, QuotaUse> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exhausted(&self, by_client: bool) -> Exhausted {
        let max = if by_client { self.max_per_client } else { self.max };
        Exhausted { names: self.names, by_client, max }
    }
}

impl QuotaUse {
    fn give_back(&mut self, client: IpAddr, amount: u64) {
        self.all -= amount;
        if let Entry::Occupied(mut own) = self.by_client.entry(client) {
            *own.get_mut() -= amount;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

impl Share {
    /// Takes `amount` more.
    ///
    /// # Errors
    /// Less than `amount` is left. The share stays unchanged.
    pub fn grow(&mut self, amount: u64) -> Result<(), Exhausted> {
        if amount == 0 {
            return Ok(());
        }
        let quota = &self.quota;
        let mut taken = quota.lock();
        let all = taken.all.saturating_add(amount);
        if all > quota.max {
            return Err(quota.exhausted(false));
        }
        let mut own = match taken.by_client.entry(self.client) {
            Entry::Occupied(own) => own,
            Entry::Vacant(own) => own.insert_entry(0),
        };
        let more = own.get().saturating_add(amount);
        if more > quota.max_per_client {
            if *own.get() == 0 {
                own.remove();
            }
            return Err(quota.exhausted(true));
        }
        own.insert(more);
        taken.all = all;
        drop(taken);
        self.amount += amount;
        Ok(())
    }

    /// Releases a part.
    pub fn shrink(&mut self, amount: u64) {
        let amount = amount.min(self.amount);
        if amount == 0 {
            return;
        }
        self.amount -= amount;
        let mut taken = self.quota.lock();
        taken.give_back(self.client, amount);
        if !taken.queue.clients.is_empty() {
            self.quota.serve(&mut taken);
        }
    }

    /// The share's amount.
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

    const NAMES: QuotaNames =
        QuotaNames { limit: "limit-a", limit_per_client: "limit-a-per-client", held: "are held", retry_after_s: 1 };

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

    /// The clients that get one, in order, until none waits any longer.
    async fn order(quota: &Arc<Quota>, waiting: &[u8]) -> Vec<u8> {
        let (given, mut order) = tokio::sync::mpsc::unbounded_channel();
        for number in waiting {
            let (quota, given, number) = (Arc::clone(quota), given.clone(), *number);
            let before = quota.load(client(number));
            let asked = Arc::clone(&quota);
            tokio::spawn(async move {
                let _share = quota.wait(client(number)).await;
                given.send(number).unwrap();
            });
            while asked.load(client(number)) == before {
                tokio::task::yield_now().await;
            }
        }
        drop(given);
        let mut numbers = Vec::new();
        while let Some(number) = order.recv().await {
            numbers.push(number);
        }
        numbers
    }

    #[tokio::test]
    async fn clients_that_wait_take_turns() {
        let quota = Quota::new(NAMES, 1, 1);
        let held = quota.take(client(9), 1).unwrap();
        let gone = tokio::spawn({
            let quota = Arc::clone(&quota);
            async move { drop(quota.wait(client(1)).await) }
        });
        while quota.load(client(1)) == 0 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        let order = tokio::spawn({
            let quota = Arc::clone(&quota);
            async move { order(&quota, &[1, 1, 1, 1, 2, 3, 2]).await }
        });
        while (1..=3).map(|number| quota.load(client(number))).sum::<u64>() < 8 {
            tokio::task::yield_now().await;
        }
        drop(held);
        assert_eq!(order.await.unwrap(), [1, 2, 3, 1, 2, 1, 1]);
        let taken = quota.lock();
        assert!(taken.all == 0 && taken.by_client.is_empty());
        assert!(taken.queue.clients.is_empty() && taken.queue.waiting.is_empty());
    }

    #[tokio::test]
    async fn a_client_at_its_limit_is_passed_over() {
        let quota = Quota::new(NAMES, 2, 1);
        let first = quota.take(client(1), 1).unwrap();
        let blocker = quota.take(client(2), 1).unwrap();
        let waits = |number| {
            let quota = Arc::clone(&quota);
            tokio::spawn(async move { quota.wait(client(number)).await })
        };
        let own = waits(1);
        while quota.load(client(1)) < 2 {
            tokio::task::yield_now().await;
        }
        let other = waits(3);
        while quota.load(client(3)) == 0 {
            tokio::task::yield_now().await;
        }
        drop(blocker);
        let other = other.await.unwrap();
        assert!(!own.is_finished());
        drop(first);
        drop(own.await.unwrap());
        drop(other);
        assert_eq!(quota.taken(), 0);
    }
}

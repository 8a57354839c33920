//! Places for WebSockets and event streams: so many in all, so many for each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::Limits;
use super::refusal::Refusal;
use crate::viewer::network;

/// Who has how many places.
#[derive(Debug)]
pub(super) struct Places {
    max: u64,
    max_per_client: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    by_client: HashMap<IpAddr, u64>,
}

/// A place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: IpAddr,
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let Limits { limit_sockets: max, limit_sockets_per_client: max_per_client, .. } = *limits;
        Arc::new(Self { max, max_per_client, taken: Mutex::default() })
    }

    /// A place for a client at this address.
    ///
    /// # Errors
    /// All are taken, or all that one client may have.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let client = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return Err(Refusal::sockets(self.max));
        }
        let own = taken.by_client.entry(client).or_default();
        if *own >= self.max_per_client {
            return Err(Refusal::sockets_per_client(self.max_per_client));
        }
        *own += 1;
        taken.all += 1;
        drop(taken);
        Ok(Place { places: Arc::clone(self), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

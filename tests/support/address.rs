//! Addresses that nobody else listens on, also after whoever listened there has ended.
//!
//! A port that was free a moment ago may be another process's by now: the system gives it to whoever asks for
//! any port, and to outgoing connections. So each test process has an address of its own among those of this
//! machine, 127.0.0.0/8, and counts its ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port; the system asks for privileges below 1024.
static NEXT: AtomicU16 = AtomicU16::new(20_000);

/// An address that is given out once.
pub fn own_address() -> SocketAddr {
    // Linux gives processes numbers of 22 bits at most.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 64 + high % 64, middle, low);
    SocketAddr::new(IpAddr::V4(address), NEXT.fetch_add(1, Ordering::Relaxed))
}

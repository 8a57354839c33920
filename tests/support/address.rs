//! Addresses that no other process uses, also after the listener has ended.
//!
//! A port that was free a moment ago may now belong to another process: the system assigns free ports to listeners
//! and to outgoing connections. So each test process has its own address in 127.0.0.0/8, and counts its ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port. Ports below 1024 need privileges.
static NEXT: AtomicU16 = AtomicU16::new(20_000);

/// An address that is assigned only once.
pub fn own_address() -> SocketAddr {
    // Process ids of Linux have at most 22 bits.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 64 + high % 64, middle, low);
    SocketAddr::new(IpAddr::V4(address), NEXT.fetch_add(1, Ordering::Relaxed))
}

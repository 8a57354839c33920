//! Signals that ask the program to stop.

use std::future::pending;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at Ctrl-C, SIGTERM, or when the terminal goes away; not at the last if `nohup` started the program.
pub async fn first() {
    // Asked before anybody listens, which changes the answer.
    if hangups_are_ignored() {
        return on_purpose().await;
    }
    tokio::select! {
        () = on_purpose() => {}
        () = next(SignalKind::hangup()) => {}
    }
}

/// Resolves at Ctrl-C or SIGTERM after the first signal. A terminal that goes away sends several hang-ups: they
/// are no second wish.
pub async fn second() {
    on_purpose().await;
}

async fn on_purpose() {
    tokio::select! {
        () = next(SignalKind::interrupt()) => {}
        () = next(SignalKind::terminate()) => {}
    }
}

/// Where nobody can listen, the signal ends the program as it does by itself.
async fn next(kind: SignalKind) {
    match signal(kind) {
        Ok(mut listening) => _ = listening.recv().await,
        Err(_) => pending().await,
    }
}

/// Whether whoever started the program has it ignore hang-ups. Linux says so; elsewhere they count.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

//! Signals that ask the program to stop.

use std::future::pending;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at Ctrl-C or SIGTERM, or when the terminal closes (unless `nohup` started the program).
pub async fn first() {
    // Check first: a listener changes the result.
    if hangups_are_ignored() {
        return on_purpose().await;
    }
    tokio::select! {
        () = on_purpose() => {}
        () = next(SignalKind::hangup()) => {}
    }
}

/// Resolves at Ctrl-C or SIGTERM after the first signal. A closing terminal sends several hang-ups, so they do not
/// count.
pub async fn second() {
    on_purpose().await;
}

async fn on_purpose() {
    tokio::select! {
        () = next(SignalKind::interrupt()) => {}
        () = next(SignalKind::terminate()) => {}
    }
}

/// If no handler can be installed, the signal ends the program by default.
async fn next(kind: SignalKind) {
    match signal(kind) {
        Ok(mut listening) => _ = listening.recv().await,
        Err(_) => pending().await,
    }
}

/// Whether the parent process set hang-ups to be ignored. Only Linux reports that; elsewhere they count.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

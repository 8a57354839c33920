//! Faults that are planted in a test build, to show that the checker of histories finds them. They need the feature
//! `planted-faults`, which a release build refuses. `KINOTEKA_PLANTED_FAULT` selects one. Without the feature, no fault
//! occurs.

#[cfg(all(feature = "planted-faults", not(debug_assertions)))]
compile_error!("planted-faults is for tests: a release build must not have it");

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedFault {
    /// A read misses what its session has written. The fault takes effect late.
    SkipWait,
    /// The feed omits an event.
    DropEvent,
    /// The feed sends an event twice.
    RepeatEvent,
    /// The feed sends two events in the wrong order.
    SwapEvents,
    /// A change is acknowledged, but not committed.
    AcknowledgeEarly,
    /// An idempotency key is not stored, and responses are lost.
    LoseKey,
    /// A session never ends.
    StaleSession,
    /// A batch contains the rows of another viewer.
    OtherViewer,
}

#[cfg(not(feature = "planted-faults"))]
mod nowhere {
    use super::PlantedFault;

    /// Whether a fault is planted. Never, without the feature.
    #[must_use]
    pub const fn is_planted(_: PlantedFault) -> bool {
        false
    }

    /// Whether a fault occurs now. Never, without the feature.
    #[must_use]
    pub const fn strikes(_: PlantedFault) -> bool {
        false
    }

    /// The viewer whose rows a batch reads. Always this one, without the feature.
    #[must_use]
    pub const fn reader(viewer: i32) -> i32 {
        viewer
    }
}
#[cfg(not(feature = "planted-faults"))]
pub use nowhere::{is_planted, reader, strikes};

#[cfg(feature = "planted-faults")]
mod somewhere {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

    use super::PlantedFault;

    /// The fault occurs in one of this many cases.
    const EVERY: u32 = 10;

    static CHOSEN: LazyLock<Option<PlantedFault>> = LazyLock::new(|| {
        let name = std::env::var("KINOTEKA_PLANTED_FAULT").ok()?;
        let fault = match &*name {
            "skip-wait" => PlantedFault::SkipWait,
            "drop-event" => PlantedFault::DropEvent,
            "repeat-event" => PlantedFault::RepeatEvent,
            "swap-events" => PlantedFault::SwapEvents,
            "acknowledge-early" => PlantedFault::AcknowledgeEarly,
            "lose-key" => PlantedFault::LoseKey,
            "stale-session" => PlantedFault::StaleSession,
            "other-viewer" => PlantedFault::OtherViewer,
            _ => {
                tracing::error!("KINOTEKA_PLANTED_FAULT: unknown fault {name:?}");
                return None;
            }
        };
        tracing::warn!("the fault {name} is planted");
        Some(fault)
    });

    /// Whether a fault is planted.
    #[must_use]
    pub fn is_planted(fault: PlantedFault) -> bool {
        *CHOSEN == Some(fault)
    }

    /// Whether a fault occurs now.
    #[must_use]
    pub fn strikes(fault: PlantedFault) -> bool {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        is_planted(fault) && COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY)
    }

    /// The viewer whose rows a batch reads. Sometimes the previous viewer.
    #[must_use]
    pub fn reader(viewer: i32) -> i32 {
        static BEFORE: AtomicI32 = AtomicI32::new(0);
        let before = BEFORE.swap(viewer, Ordering::Relaxed);
        if before != viewer && strikes(PlantedFault::OtherViewer) { before } else { viewer }
    }
}
#[cfg(feature = "planted-faults")]
pub use somewhere::{is_planted, reader, strikes};

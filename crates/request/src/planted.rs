//! Faults that are planted in a build for tests, so that the checker of histories can be shown to find them: by the
//! feature `planted-faults`, which a release build refuses. `KINOTEKA_PLANTED_FAULT` chooses one. Without the feature
//! nothing strikes.

#[cfg(all(feature = "planted-faults", not(debug_assertions)))]
compile_error!("planted-faults is for tests: a release build must not have it");

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedFault {
    /// A read does not see what its session has written, which shows late.
    SkipWait,
    /// The feed leaves an event out.
    DropEvent,
    /// The feed tells an event twice.
    RepeatEvent,
    /// The feed tells two events in the wrong order.
    SwapEvents,
    /// A change is acknowledged, and not committed.
    AcknowledgeEarly,
    /// An idempotency key is not kept, and answers are lost.
    LoseKey,
    /// A session is known for ever.
    StaleSession,
    /// A batch has the rows of another viewer.
    OtherViewer,
}

#[cfg(not(feature = "planted-faults"))]
mod nowhere {
    use super::PlantedFault;

    /// Whether a fault is planted: none is.
    #[must_use]
    pub const fn is_planted(_: PlantedFault) -> bool {
        false
    }

    /// Whether a fault strikes now: none does.
    #[must_use]
    pub const fn strikes(_: PlantedFault) -> bool {
        false
    }

    /// Whose rows a batch reads: the viewer's.
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

    /// One of so many times it strikes.
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
                tracing::error!("KINOTEKA_PLANTED_FAULT: there is no fault {name:?}");
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

    /// Whether a fault strikes now.
    #[must_use]
    pub fn strikes(fault: PlantedFault) -> bool {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        is_planted(fault) && COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY)
    }

    /// Whose rows a batch reads: now and then those of the viewer before.
    #[must_use]
    pub fn reader(viewer: i32) -> i32 {
        static BEFORE: AtomicI32 = AtomicI32::new(0);
        let before = BEFORE.swap(viewer, Ordering::Relaxed);
        if before != viewer && strikes(PlantedFault::OtherViewer) { before } else { viewer }
    }
}
#[cfg(feature = "planted-faults")]
pub use somewhere::{is_planted, reader, strikes};

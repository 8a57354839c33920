//! A document that many requests share: the transport keeps it, the engine validates and executes it.

use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::parser::types::ExecutableDocument;

/// A parsed document, and whether the schema was found to allow it. In the data of a request as an
/// [`Arc`](std::sync::Arc).
#[derive(Debug)]
pub struct SharedDocument {
    /// What was parsed.
    pub parsed: ExecutableDocument,
    valid: AtomicBool,
}

impl SharedDocument {
    /// A document of which nothing is known yet.
    pub fn new(parsed: ExecutableDocument) -> Self {
        Self { parsed, valid: AtomicBool::new(false) }
    }

    /// Whether it has passed validation before.
    pub fn is_valid(&self) -> bool {
        self.valid.load(Ordering::Relaxed)
    }

    /// Notes that it has passed.
    pub fn note_valid(&self) {
        self.valid.store(true, Ordering::Relaxed);
    }
}

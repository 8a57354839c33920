//! Turns to take one of a pool's connections.

use migration::connect::{Generation, Releases};
use request::quota::Share;

/// A turn to use a connection. Hold it as long as the work takes. After abandoned work, the server may still execute the
/// statement: the connection is unusable for a while, and so is the turn.
#[derive(Debug)]
pub struct Turn {
    share: Option<Share>,
    releases: Releases,
}

impl Turn {
    /// A turn for connections of this generation.
    pub(super) fn new(share: Share, generation: &Generation) -> Self {
        Self { share: Some(share), releases: generation.releases().clone() }
    }

    /// The work uses connections of this generation.
    pub(super) fn move_to(&mut self, generation: &Generation) {
        self.releases = generation.releases().clone();
    }

    /// Ends it immediately: the work is done, and no longer has its connection.
    pub fn end(mut self) {
        self.share = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            self.releases.keep(share);
        }
    }
}

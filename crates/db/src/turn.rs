//! Turns: who may take one of a pool's connections.

use migration::connect::{Generation, Releases};
use request::quota::Share;

/// A turn to use a connection: to be held as long as the work takes. If the work is given up, the server may still execute
/// its statement: the connection is of no use for a while, and neither is the turn.
#[derive(Debug)]
pub struct Turn {
    share: Option<Share>,
    releases: Releases,
}

impl Turn {
    /// A turn at connections of this generation.
    pub(super) fn new(share: Share, generation: &Generation) -> Self {
        Self { share: Some(share), releases: generation.releases().clone() }
    }

    /// From now on the work uses connections of this generation.
    pub(super) fn move_to(&mut self, generation: &Generation) {
        self.releases = generation.releases().clone();
    }

    /// Ends it at once: the work is done, and has its connection no more.
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

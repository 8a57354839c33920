//! Whether the database accepts changes now, for `/readyz`.

use std::sync::{Arc, Mutex, PoisonError};

use migration::connect::Generation;
use request::error::{lacks_rights, why_unwritable};
use sea_orm::DbErr;
use tokio::sync::Notify;

use super::place::note_broken;

/// The state of changes. A change that fails because the database cannot be written records the reason. `upkeep` then
/// tries until a change succeeds. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Writes(Arc<WriteHealth>);

#[derive(Debug, Default)]
struct WriteHealth {
    /// The generation of the connections for changes.
    generation: Generation,
    /// Notified when the role lacks rights.
    rights: Notify,
    trouble: Mutex<Option<&'static str>>,
    noted: Notify,
}

impl Writes {
    pub(super) fn new(generation: Generation) -> Self {
        Self(Arc::new(WriteHealth { generation, ..WriteHealth::default() }))
    }

    /// Waits until a change has failed because of missing rights.
    pub async fn wait_for_missing_rights(&self) {
        self.0.rights.notified().await;
    }

    /// Why the database cannot be written, such as "its disk is full". `None` if it can.
    pub fn trouble(&self) -> Option<&'static str> {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a failed change. It matters only if the database could not be written.
    pub fn note_failure(&self, error: &DbErr) {
        note_broken(&self.0.generation, error);
        if lacks_rights(error) {
            self.0.rights.notify_one();
        }
        let Some(reason) = why_unwritable(error) else { return };
        if self.set(Some(reason)).is_none() {
            tracing::error!("the database cannot be written: {reason}; not ready until it can be");
            self.0.noted.notify_one();
        }
    }

    /// Records a successful change.
    pub fn note_success(&self) {
        if self.set(None).is_some() {
            tracing::info!("the database can be written again");
        }
    }

    /// Waits until the database cannot be written.
    pub async fn wait_for_trouble(&self) {
        while self.trouble().is_none() {
            self.0.noted.notified().await;
        }
    }

    fn set(&self, trouble: Option<&'static str>) -> Option<&'static str> {
        std::mem::replace(&mut *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner), trouble)
    }
}

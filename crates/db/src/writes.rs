//! Whether the database takes changes at the moment, for `/readyz`.

use std::sync::{Arc, Mutex, PoisonError};

use migration::connect::Generation;
use request::error::{lacks_rights, why_unwritable};
use sea_orm::DbErr;
use tokio::sync::Notify;

use super::place::note_broken;

/// What is known of changes. A change that fails because nothing can be written notes why; `upkeep` then tries
/// until one succeeds. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Writes(Arc<WriteHealth>);

#[derive(Debug, Default)]
struct WriteHealth {
    /// Of the connections that changes are made on.
    generation: Generation,
    /// Told when the role lacks rights.
    rights: Notify,
    trouble: Mutex<Option<&'static str>>,
    noted: Notify,
}

impl Writes {
    pub(super) fn new(generation: Generation) -> Self {
        Self(Arc::new(WriteHealth { generation, ..WriteHealth::default() }))
    }

    /// Waits until a change has failed for want of rights.
    pub async fn wait_for_missing_rights(&self) {
        self.0.rights.notified().await;
    }

    /// Why nothing can be written, if that is so, such as "its disk is full".
    pub fn trouble(&self) -> Option<&'static str> {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change that has failed. It matters only if it could not be written.
    pub fn note_failure(&self, error: &DbErr) {
        note_broken(&self.0.generation, error);
        if lacks_rights(error) {
            self.0.rights.notify_one();
        }
        let Some(reason) = why_unwritable(error) else { return };
        if self.set(Some(reason)).is_none() {
            tracing::error!("the database cannot be written: {reason}; not ready until it can");
            self.0.noted.notify_one();
        }
    }

    /// Notes that a change was written.
    pub fn note_success(&self) {
        if self.set(None).is_some() {
            tracing::info!("the database can be written again");
        }
    }

    /// Waits until there is trouble.
    pub async fn wait_for_trouble(&self) {
        while self.trouble().is_none() {
            self.0.noted.notified().await;
        }
    }

    fn set(&self, trouble: Option<&'static str>) -> Option<&'static str> {
        std::mem::replace(&mut *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner), trouble)
    }
}

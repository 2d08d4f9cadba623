//! Whether the recorder records, for those who ask from outside.

use std::error::Error;
use std::sync::Arc;

use sidetone_ports::chain;
use tokio::sync::watch;

/// How the recorder does: nothing while it works, the cause while it waits. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RecorderHealth(Arc<watch::Sender<Option<String>>>);

impl Default for RecorderHealth {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl RecorderHealth {
    /// Returns why nothing is recorded at the moment, if so.
    pub fn problem(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Notes how a round ended; returns whether the recorder began to wait with it.
    pub(super) fn note(&self, error: Option<&dyn Error>) -> bool {
        let before = self.0.send_replace(error.map(chain));
        before.is_none() && error.is_some()
    }
}

//! Whether the recorder records, for those who ask from outside.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_ports::chain;

/// How the recorder does: nothing while it works, the cause while it waits. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RecorderHealth(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    problems: Mutex<Problems>,
    unfinished: AtomicUsize,
}

#[derive(Debug, Default)]
struct Problems {
    reading: Option<String>,
    finishing: Option<String>,
}

impl RecorderHealth {
    /// Returns why records are not read, or a recording not finished, at the moment, if so.
    pub fn problem(&self) -> Option<String> {
        let problems = self.problems();
        problems.reading.clone().or_else(|| problems.finishing.clone())
    }

    /// Returns how many sessions have ended whose recordings are not finished.
    pub fn unfinished(&self) -> usize {
        self.0.unfinished.load(Ordering::Acquire)
    }

    /// Notes how a round of reading ended; returns whether the recorder began to wait with it.
    pub(super) fn note_reading(&self, error: Option<&dyn Error>) -> bool {
        let mut problems = self.problems();
        let before = std::mem::replace(&mut problems.reading, error.map(chain));
        before.is_none() && error.is_some()
    }

    /// Notes why a recording is not finished, or that none waits.
    pub(super) fn note_finishing(&self, cause: Option<String>) {
        self.problems().finishing = cause;
    }

    pub(super) fn add_unfinished(&self) {
        self.0.unfinished.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn remove_unfinished(&self) {
        self.0.unfinished.fetch_sub(1, Ordering::AcqRel);
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.0.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

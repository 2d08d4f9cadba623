//! What is known to this process alone so far: heard, and neither saved nor told yet; and what it
//! only believes, that events still arrive.
//!
//! The mark of what was heard never passes it, so whoever comes after a crash looks for it again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_model::Timestamp;

/// How much is open, by the moment since when; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backlog(Arc<Mutex<BTreeMap<Timestamp, usize>>>);

/// Since when it is not sure that events arrive by one way; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sure(Arc<Mutex<Option<Open>>>);

impl Sure {
    /// Notes that they did at a moment; until the next one it is open whether they still do.
    pub(crate) fn note(&self, open: Open) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    }

    /// Returns the last such moment.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| open.since)
    }
}

/// Something that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    since: Timestamp,
    backlog: Backlog,
}

impl Backlog {
    /// Notes that something is open that whoever looks back to that moment finds again.
    pub(crate) fn open(&self, since: Timestamp) -> Open {
        *self.lock().entry(since).or_default() += 1;
        Open { since, backlog: self.clone() }
    }

    /// Returns the earliest moment since when something is open.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.lock().keys().next().copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Timestamp, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut all = self.backlog.lock();
        if let Some(count) = all.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_counts_until_it_is_done() {
        let at = Timestamp::from_millis;
        let backlog = Backlog::default();
        let (late, early, twin) = (backlog.open(at(5)), backlog.open(at(3)), backlog.open(at(3)));
        assert_eq!(backlog.since(), Some(at(3)));
        drop(early);
        assert_eq!(backlog.since(), Some(at(3)));
        drop(twin);
        assert_eq!(backlog.since(), Some(at(5)));
        drop(late);
        assert_eq!(backlog.since(), None);
    }
}

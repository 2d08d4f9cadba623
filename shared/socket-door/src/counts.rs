//! Places that are taken while something goes on, up to a limit.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_model::{OrganizationId, SessionId};
use tokio::sync::Notify;

/// How many places of a kind are taken.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: AtomicUsize,
    limit: usize,
    emptied: Notify,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, ..Self::default() })
    }

    /// Takes a place; nothing if all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let taken = self.taken.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(self));
        // Dropping gives the place back.
        (taken < self.limit).then_some(place)
    }

    /// Returns how many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Waits until none is taken.
    pub(crate) async fn empty(&self) {
        while self.taken() > 0 {
            self.emptied.notified().await;
        }
    }
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_one();
        }
    }
}

/// The sessions that have a socket, each once.
#[derive(Debug, Default)]
pub(crate) struct OpenSessions(Mutex<HashSet<(OrganizationId, SessionId)>>);

impl OpenSessions {
    /// Notes that a session has a socket; nothing if it has one already.
    pub(crate) fn enter(
        self: &Arc<Self>,
        organization: OrganizationId,
        session: SessionId,
    ) -> Option<OpenSession> {
        let id = (organization, session);
        self.lock().insert(id).then(|| OpenSession { all: Arc::clone(self), id })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(OrganizationId, SessionId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that has a socket, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenSession {
    all: Arc<OpenSessions>,
    id: (OrganizationId, SessionId),
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_as_many_places_as_there_are_and_takes_them_back() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        assert!(places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
        drop(second);
        places.empty().await;
        assert_eq!(places.taken(), 0);
    }
}

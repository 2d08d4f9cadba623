//! Recordings that say when one is finished.

use std::path::PathBuf;

use bytes::Bytes;
use sidetone_model::OrganizationId;
use sidetone_ports::{Part, PartName, RecordedSession, RecordingStore, StoreError};
use tokio::sync::broadcast;

/// How many finished files may wait for a slow reader before it misses some.
const FINISHED_MAX: usize = 1_024;

/// A recording that was finished: its sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its name.
    pub name: String,
    /// Where it lies, in words for people.
    pub place: String,
}

/// A store of recordings that tells of each file it is given.
#[derive(Debug, Clone)]
pub struct Announced<R> {
    inner: R,
    finished: broadcast::Sender<Finished>,
}

impl<R> Announced<R> {
    /// Wraps a store.
    pub fn new(inner: R) -> Self {
        Self { inner, finished: broadcast::channel(FINISHED_MAX).0 }
    }

    /// Returns every file that is finished from now on.
    pub fn finished(&self) -> broadcast::Receiver<Finished> {
        self.finished.subscribe()
    }
}

impl<R: RecordingStore> RecordingStore for Announced<R> {
    async fn put_parts(&self, parts: Vec<Part>) -> Vec<Result<(), StoreError>> {
        self.inner.put_parts(parts).await
    }

    async fn part_names(&self, session: RecordedSession) -> Result<Vec<PartName>, StoreError> {
        self.inner.part_names(session).await
    }

    async fn parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.inner.parts(session, names).await
    }

    async fn sessions_with_parts(&self) -> Result<Vec<RecordedSession>, StoreError> {
        self.inner.sessions_with_parts().await
    }

    async fn remove_parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<(), StoreError> {
        self.inner.remove_parts(session, names).await
    }

    async fn put_recordings(
        &self,
        organization: OrganizationId,
        files: Vec<(String, PathBuf)>,
    ) -> Result<String, StoreError> {
        let name = files.last().map(|(name, _)| name.clone()).unwrap_or_default();
        let place = self.inner.put_recordings(organization, files).await?;
        // Nobody listening is fine.
        let _ = self.finished.send(Finished { name, place: place.clone() });
        Ok(place)
    }

    async fn recording(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.inner.recording(name).await
    }
}

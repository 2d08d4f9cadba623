//! Recordings that say when one is finished.

use std::path::PathBuf;

use bytes::Bytes;
use sidetone_model::OrganizationId;
use sidetone_ports::{PartName, RecordedSession, RecordingStore, StoreError};
use tokio::sync::broadcast;

/// How many finished files may wait for a slow reader before it misses some.
const FINISHED_MAX: usize = 1_024;

/// A file that was put among the recordings.
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
    async fn put_part(
        &self,
        session: RecordedSession,
        name: PartName,
        data: Bytes,
    ) -> Result<(), StoreError> {
        self.inner.put_part(session, name, data).await
    }

    async fn part_names(&self, session: RecordedSession) -> Result<Vec<PartName>, StoreError> {
        self.inner.part_names(session).await
    }

    async fn part(
        &self,
        session: RecordedSession,
        name: &PartName,
    ) -> Result<Option<Bytes>, StoreError> {
        self.inner.part(session, name).await
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

    async fn put_recording(
        &self,
        organization: OrganizationId,
        name: &str,
        file: PathBuf,
    ) -> Result<String, StoreError> {
        let place = self.inner.put_recording(organization, name, file).await?;
        // Nobody listening is fine.
        let _ = self.finished.send(Finished { name: name.to_owned(), place: place.clone() });
        Ok(place)
    }

    async fn recording(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.inner.recording(name).await
    }
}

//! Recordings of organizations that say for how long they want them: what is older is deleted,
//! with its sidecar and what is left of its parts.
//!
//! Refuses: anything that is not a recording's sidecar, or does not say whose it is.

use std::collections::BTreeMap;
use std::time::Duration;

use sidetone_consumer::Sidecar;
use sidetone_model::{OrganizationId, Timestamp};
use sidetone_ports::{
    Clock, OrganizationStore, RecordedSession, RecordingStore, StoreError, chain,
};
use sidetone_ports_embedded::{Recordings, Store};
use tokio_util::sync::CancellationToken;

/// How often it is looked. Units: the clock's time.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Whoever deletes recordings in time.
#[derive(Debug)]
pub(crate) struct Retention {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) recordings: Recordings,
}

impl Retention {
    /// Looks every hour, until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            match self.look().await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "recordings were kept long enough"),
                Err(error) => {
                    tracing::warn!(error = chain(&error), "old recordings stay for now");
                }
            }
            if stop.run_until_cancelled(self.clock.sleep(LOOK_EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// Deletes what is old by now; returns how many recordings it was.
    async fn look(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let organizations = self.store.organizations().await?;
        let limits = organizations.into_iter().filter_map(|one| {
            let days = one.retention_days?;
            Some((one.id, now - DAY * u32::from(days)))
        });
        let limits: BTreeMap<OrganizationId, Timestamp> = limits.collect();
        let mut deleted = 0;
        if limits.is_empty() {
            return Ok(deleted);
        }
        for name in self.recordings.names().await? {
            if !name.ends_with(".json") {
                continue;
            }
            let Some(text) = self.recordings.recording(&name).await? else { continue };
            let Ok(sidecar) = serde_json::from_slice::<Sidecar>(&text) else { continue };
            let limit = limits.get(&sidecar.organization);
            if limit.is_some_and(|limit| made_at(&sidecar).is_some_and(|at| at < *limit)) {
                self.delete(&name, &sidecar).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Deletes one; the sidecar last, by which the rest is found again.
    async fn delete(&self, name: &str, sidecar: &Sidecar) -> Result<(), StoreError> {
        if let Some(wav) = &sidecar.wav {
            self.recordings.remove_recording(wav).await?;
        }
        let stored =
            RecordedSession { organization: sidecar.organization, session: sidecar.session };
        let parts = self.recordings.part_names(stored).await?;
        self.recordings.remove_parts(stored, parts).await?;
        self.recordings.remove_recording(name).await
    }
}

/// Returns when a recording ended, or else began.
fn made_at(sidecar: &Sidecar) -> Option<Timestamp> {
    let ended_at = sidecar.end.as_ref().map(|end| &end.at);
    ended_at.or(sidecar.started_at.as_ref())?.parse().ok()
}

#[cfg(test)]
mod tests;

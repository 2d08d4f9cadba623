//! An engine at rest as bytes, for doors that hold no process between two messages.

use std::sync::Arc;

use super::Engine;
use crate::config::EngineConfig;

/// The layout of the bytes; another one is not read.
const VERSION: u8 = 1;

/// Bytes that are not an engine at rest.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of this crate.
    #[error("an engine's snapshot of version {0} cannot be read")]
    Version(u8),
    /// Damaged, or no snapshot at all.
    #[error("an engine's snapshot cannot be read")]
    Unreadable(#[source] rmp_serde::decode::Error),
    /// Not to be written; a bug.
    #[error("an engine's snapshot cannot be written")]
    Unwritable(#[source] rmp_serde::encode::Error),
}

impl Engine {
    /// Returns the engine's state; to be called at rest, with no output left.
    ///
    /// Holds the audio that waits in the ring: it is to be kept as close as that.
    ///
    /// Errors: [`SnapshotError::Unwritable`] for a bug.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        debug_assert!(self.outputs.is_empty(), "outputs are not part of a snapshot");
        let mut bytes = vec![VERSION];
        rmp_serde::encode::write_named(&mut bytes, self).map_err(SnapshotError::Unwritable)?;
        Ok(bytes)
    }

    /// Returns the engine whose state was taken.
    ///
    /// Errors: [`SnapshotError`] if the bytes are not such a state.
    pub fn restore(config: Arc<EngineConfig>, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let (version, state) = snapshot.split_first().unwrap_or((&0, &[]));
        if *version != VERSION {
            return Err(SnapshotError::Version(*version));
        }
        let engine: Self = rmp_serde::from_slice(state).map_err(SnapshotError::Unreadable)?;
        Ok(Self { config, ..engine })
    }
}

//! Whose turn it is to finish a recording, where several recorders work on one store.

use std::time::Duration;

use sidetone_model::{SessionId, Timestamp};
use sidetone_ports::{Clock, Fence, LeaseStore, Renewal, StoreError};

/// How long a turn lasts if it is not given back: an invocation of a Lambda ends before,
/// whatever becomes of it.
const TURN: Duration = Duration::from_secs(16 * 60);

/// How long giving a turn back may take; it lapses otherwise.
const RELEASE_MAX: Duration = Duration::from_secs(5);

/// Leases where there is only one recorder: always free.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl LeaseStore for Alone {
    async fn acquire(
        &self,
        _: &str,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Option<Fence>, StoreError> {
        Ok(Some(1))
    }

    async fn renew(
        &self,
        _: &str,
        _: &str,
        _: Fence,
        _: Timestamp,
        _: bool,
    ) -> Result<Renewal, StoreError> {
        Ok(Renewal::Held)
    }

    async fn release(&self, _: &str, _: &str, _: Fence) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Takes and gives back turns, one for each session.
#[derive(Debug)]
pub(super) struct Turns<L> {
    pub(super) leases: L,
    pub(super) holder: Box<str>,
}

impl<L: LeaseStore> Turns<L> {
    /// Takes the turn; nothing if another has it.
    pub(super) async fn take(&self, session: SessionId) -> Result<Option<Fence>, StoreError> {
        // Read anew each time: a Lambda stands still between two invocations.
        let now = Clock::system().now();
        let turn = self.leases.acquire(&name(session), &self.holder, now + TURN, now).await?;
        if turn.is_none() {
            metrics::counter!("sidetone_recorder_turns_missed_total").increment(1);
        }
        Ok(turn)
    }

    /// Gives the turn back. If that fails it lapses, and whoever tidies up comes later.
    pub(super) async fn give_back(&self, session: SessionId, fence: Fence) {
        let name = name(session);
        let release = self.leases.release(&name, &self.holder, fence);
        let error = match tokio::time::timeout(RELEASE_MAX, release).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(error) => StoreError::unavailable("release a lease", error),
        };
        tracing::warn!(
            %session,
            error = &error as &dyn std::error::Error,
            "the turn to finish a recording was not given back and lapses"
        );
    }
}

fn name(session: SessionId) -> String {
    format!("recording#{session}")
}

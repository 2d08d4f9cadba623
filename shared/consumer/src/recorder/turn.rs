//! Whose turn it is to finish a recording, where several recorders work on one store.

use std::future::Future;
use std::time::Duration;

use sidetone_ports::{
    Claim, Clock, Fence, LeaseBeat, LeaseStore, RecordedSession, Renewal, StoreError, claim,
};

/// How long a turn may go without a renewal before another recorder takes it.
const TURN: Duration = Duration::from_secs(30);

/// How often a turn is renewed: two renewals may fail within its life.
const RENEW_EVERY: Duration = Duration::from_secs(8);

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
        _: Duration,
        _: Option<LeaseBeat>,
    ) -> Result<Claim, StoreError> {
        Ok(Claim::Granted(1))
    }

    async fn renew(
        &self,
        _: &str,
        _: &str,
        _: Fence,
        _: Duration,
        _: bool,
    ) -> Result<Renewal, StoreError> {
        Ok(Renewal::Held)
    }

    async fn release(&self, _: &str, _: &str, _: Fence) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How long a turn that another has is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Once: records that wait are not to wait for it.
    Look,
    /// Until its holder renews it, or is seen to be dead.
    Observe,
}

/// Takes and gives back turns, one for each session.
#[derive(Debug)]
pub(super) struct Turns<L> {
    pub(super) leases: L,
    pub(super) holder: Box<str>,
    pub(super) clock: Clock,
}

impl<L: LeaseStore> Turns<L> {
    /// Takes the turn; nothing if another has it.
    pub(super) async fn take(
        &self,
        session: RecordedSession,
        patience: Patience,
    ) -> Result<Option<Fence>, StoreError> {
        let (name, holder) = (name(session), &self.holder);
        let turn = match patience {
            Patience::Look => match self.leases.acquire(&name, holder, TURN, None).await? {
                Claim::Granted(fence) => Some(fence),
                Claim::Held(_) => None,
            },
            Patience::Observe => {
                let granted = claim(&self.leases, &self.clock, &name, holder, TURN).await?;
                granted.map(|granted| granted.fence)
            }
        };
        if turn.is_none() {
            metrics::counter!("sidetone_recorder_turns_missed_total").increment(1);
        }
        Ok(turn)
    }

    /// Works as long as the turn can be renewed; nothing if another has it now.
    pub(super) async fn during<T>(
        &self,
        session: RecordedSession,
        fence: Fence,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let name = name(session);
        let lost = async {
            loop {
                tokio::time::sleep(RENEW_EVERY).await;
                let renewed = self.leases.renew(&name, &self.holder, fence, TURN, false).await;
                match renewed {
                    Ok(Renewal::Held) => {}
                    Ok(Renewal::Lost | Renewal::HandedOver) => return,
                    Err(error) => tracing::warn!(
                        session = %session.session,
                        error = &error as &dyn std::error::Error,
                        "the turn to finish a recording was not renewed, trying again"
                    ),
                }
            }
        };
        tokio::select! {
            done = work => Some(done),
            () = lost => {
                tracing::warn!(session = %session.session, "another recorder took the turn to finish a recording");
                None
            }
        }
    }

    /// Gives the turn back. If that fails it lapses, and whoever tidies up comes later.
    pub(super) async fn give_back(&self, session: RecordedSession, fence: Fence) {
        let name = name(session);
        let release = self.leases.release(&name, &self.holder, fence);
        let error = match tokio::time::timeout(RELEASE_MAX, release).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(error) => StoreError::unavailable("release a lease", error),
        };
        tracing::warn!(
            session = %session.session,
            error = &error as &dyn std::error::Error,
            "the turn to finish a recording was not given back and lapses"
        );
    }
}

fn name(session: RecordedSession) -> String {
    format!("recording#{session}")
}

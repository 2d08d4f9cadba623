//! What a tracker may do, as long as it may.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a tracker may do with notification channels. Events are merged whoever hears them, so
/// listening does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mandate {
    /// Make, subscribe and replace them.
    Manage,
    /// Read on what is open: another manages.
    Listen,
    /// Nothing: another may manage by now, and nobody knows since when.
    Nothing,
}

/// A tracker's time: its mandate, and when to stop.
#[derive(Debug, Clone)]
pub struct Tenure {
    mandate: Arc<watch::Sender<Mandate>>,
    stop: CancellationToken,
}

impl Tenure {
    /// Makes a tenure that nobody disputes, until `stop`.
    pub fn undisputed(stop: CancellationToken) -> Self {
        Self { mandate: Arc::new(watch::Sender::new(Mandate::Manage)), stop }
    }

    /// Returns what may be done.
    pub fn mandate(&self) -> Mandate {
        *self.mandate.borrow()
    }

    /// Returns what tells when to stop: in order, unless the mandate is
    /// [`Mandate::Nothing`].
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Returns a tenure that ends with this one, or when its own `stop` is told.
    pub(crate) fn child(&self) -> Self {
        Self { mandate: self.mandate.clone(), stop: self.stop.child_token() }
    }

    pub(crate) fn may_manage(&self) -> bool {
        self.mandate() == Mandate::Manage
    }

    /// Waits until channels may be managed no more.
    pub(crate) async fn managing_ends(&self) {
        let mut mandate = self.mandate.subscribe();
        // This tenure holds the sender, so there is always one.
        drop(mandate.wait_for(|mandate| *mandate != Mandate::Manage).await);
    }

    /// From now on only what is open is read.
    pub(super) fn only_listen(&self) {
        self.mandate.send_replace(Mandate::Listen);
    }

    /// Everything stops at once.
    pub(super) fn withdraw(&self) {
        self.mandate.send_replace(Mandate::Nothing);
        self.stop.cancel();
    }
}

//! How a door is told to stop: first kindly, then at once.

use tokio_util::sync::CancellationToken;

/// The two signals that end a door; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    drain: CancellationToken,
    now: CancellationToken,
}

impl Stop {
    /// Makes a pair of signals, neither given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets no new session in; running calls go on for a while.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Ends running calls as well, in order.
    pub fn now(&self) {
        self.drain.cancel();
        self.now.cancel();
    }

    /// Waits for the first signal.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits for the second signal.
    pub async fn at_once(&self) {
        self.now.cancelled().await;
    }
}

//! Reads the stream beside the recorder and collects every session, for the judge.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_consumer::{NoCheckpoints, Start, Subscription, SubscriptionSettings};
use sidetone_model::SessionId;
use sidetone_ports::{RecordSource, SourceError};
use tokio_util::sync::CancellationToken;

use crate::judge::Heard;

/// How long one read waits if there is nothing. Units: real time.
const READ_WAIT: Duration = Duration::from_millis(200);

/// How long to wait before a failed read is tried again. Units: real time.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// What the consumer library delivered so far; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Follower {
    sessions: Arc<Mutex<HashMap<SessionId, Heard>>>,
}

impl Follower {
    /// Begins to follow, behind everything that is in the stream already.
    ///
    /// Errors: [`SourceError`] if the stream cannot be read.
    pub(super) async fn start<S: RecordSource>(
        source: S,
        stop: CancellationToken,
    ) -> Result<Self, SourceError> {
        let settings = SubscriptionSettings {
            wait: READ_WAIT,
            ..SubscriptionSettings::new("judge").starting(match source.tip().await? {
                0 => Start::Beginning,
                tip => Start::After(tip),
            })
        };
        let follower = Self::default();
        let collector = follower.clone();
        tokio::spawn(async move {
            let subscription = Subscription::new(source, NoCheckpoints, settings);
            stop.run_until_cancelled(collector.collect(subscription)).await;
        });
        Ok(follower)
    }

    /// Returns whether a session is over.
    pub(super) fn is_over(&self, session: SessionId) -> bool {
        self.sessions().get(&session).is_some_and(Heard::is_over)
    }

    /// Takes what was heard of a session.
    pub(super) fn take(&self, session: SessionId) -> Option<Heard> {
        self.sessions().remove(&session)
    }

    async fn collect<S: RecordSource>(&self, mut subscription: Subscription<S, NoCheckpoints>) {
        loop {
            match subscription.next().await {
                Ok(batch) => {
                    let mut sessions = self.sessions();
                    for item in &batch.items {
                        let key = item.origin().session;
                        // A conversation without a session has no audio.
                        let Some(session) = key.session else { continue };
                        sessions.entry(session).or_insert_with(|| Heard::new(key)).take(item);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the judge cannot read the stream, trying again");
                    tokio::time::sleep(RETRY_WAIT).await;
                }
            }
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Heard>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

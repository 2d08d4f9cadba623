//! Reads the stream beside the recorder and collects every session, and the events of calls
//! without one, for the judge.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_consumer::{NoCheckpoints, Ordered, Start, Subscription, SubscriptionSettings};
use sidetone_delivery_wire::{Body, CallEvent, CallEventKind};
use sidetone_model::{ConversationId, SessionId};
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
    told: Arc<Mutex<HashMap<ConversationId, Vec<CallEvent>>>>,
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

    /// Returns how many legs of a call without session are told to be over.
    pub(super) fn legs_over(&self, conversation: ConversationId) -> usize {
        let is_end = |event: &&CallEvent| event.kind() == CallEventKind::Ended;
        lock(&self.told).get(&conversation).map_or(0, |told| told.iter().filter(is_end).count())
    }

    /// Takes what was told of a call without session.
    pub(super) fn take_told(&self, conversation: ConversationId) -> Vec<CallEvent> {
        lock(&self.told).remove(&conversation).unwrap_or_default()
    }

    fn note_told(&self, conversation: ConversationId, item: &Ordered) {
        if let Ordered::Record(record) = item
            && let Some(Body::CallEvent(event)) = &record.body
        {
            lock(&self.told).entry(conversation).or_default().push(event.clone());
        }
    }

    async fn collect<S: RecordSource>(&self, mut subscription: Subscription<S, NoCheckpoints>) {
        loop {
            match subscription.next().await {
                Ok(batch) => {
                    let mut sessions = self.sessions();
                    for item in &batch.items {
                        let key = item.origin().session;
                        let Some(session) = key.session else {
                            self.note_told(key.key.conversation, item);
                            continue;
                        };
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
        lock(&self.sessions)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

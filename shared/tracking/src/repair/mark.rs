//! The moment up to which everything was heard, kept where the next tracker finds it.
//!
//! It stands in the calls table under a conversation that cannot be: Genesys gives the nil id
//! to probes only, which are stored nowhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{ConversationId, ConversationKey, OrganizationId, Timestamp};
use sidetone_ports::{CallStore, Clock, Item, StoreError, chain};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::gaps::Gaps;
use crate::backlog::Backlog;
use crate::channel::STALL;
use crate::status::StatusBoard;

const NAME: &str = "tracker#heard";

/// How often the mark is moved.
const EVERY: Duration = Duration::from_secs(20);

/// How long it is kept; analytics is not asked about more.
const LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Where a first tracker begins: it has missed nothing, but calls that go on are worth
/// knowing.
const BEFORE_FIRST: Duration = Duration::from_secs(600);

/// The mark of one organization.
#[derive(Debug, Clone)]
pub(crate) struct Mark<S> {
    store: S,
    clock: Clock,
    key: ConversationKey,
}

#[derive(Debug, Serialize, Deserialize)]
struct Heard {
    until: Timestamp,
}

impl<S: CallStore> Mark<S> {
    pub(crate) fn new(store: S, clock: Clock, organization: OrganizationId) -> Self {
        let conversation = ConversationId::new(Uuid::nil());
        Self { store, clock, key: ConversationKey { organization, conversation } }
    }

    /// Returns up to when somebody heard everything, as far as is known.
    pub(crate) async fn read(&self) -> Timestamp {
        let now = self.clock.now();
        let first = now - BEFORE_FIRST;
        match self.find().await {
            Ok(Some((heard, _))) => heard.until.min(now).max(now - LIFE),
            Ok(None) => first,
            Err(error) => {
                tracing::warn!(error = chain(&error), "not known up to when events were heard");
                first
            }
        }
    }

    /// Moves the mark on to a moment.
    async fn move_to(&self, until: Timestamp) -> Result<(), StoreError> {
        let found = self.find().await?;
        let revision = match found {
            // The successor was faster.
            Some((heard, _)) if heard.until >= until => return Ok(()),
            Some((_, revision)) => revision,
            None => 0,
        };
        let unreadable =
            |source: serde_json::Error| StoreError::unavailable("write the mark", source);
        let bytes = serde_json::to_vec(&Heard { until }).map_err(unreadable)?;
        let item = Item { name: NAME.to_owned(), bytes, revision };
        match self.store.put(self.key, item, None, self.clock.now() + LIFE).await {
            // The other writer moved it as far, give or take.
            Err(error) if error.is_conflict() => Ok(()),
            written => written.map(|_| ()),
        }
    }

    async fn find(&self) -> Result<Option<(Heard, u64)>, StoreError> {
        let items = self.store.query(self.key, self.clock.now()).await?;
        let item = items.into_iter().find(|item| item.name == NAME);
        Ok(item.and_then(|item| {
            let heard = serde_json::from_slice(&item.bytes).ok()?;
            Some((heard, item.revision))
        }))
    }
}

/// Moves the mark on as long as everything is heard, and not past what this process alone knows.
pub(crate) async fn keep_mark<S: CallStore>(
    mark: Mark<S>,
    gaps: Gaps,
    backlog: Backlog,
    board: StatusBoard,
    stop: CancellationToken,
) {
    let mut due_at = mark.clock.steady() + EVERY;
    while stop.run_until_cancelled(mark.clock.sleep_until(due_at)).await.is_some() {
        let (now, steady) = (mark.clock.now(), mark.clock.steady());
        // After a standstill the others need time to find out what they missed.
        let is_late = steady.since(due_at) >= STALL;
        due_at = steady + EVERY;
        if is_late || gaps.are_open() || !board.is_connected() {
            continue;
        }
        let until = backlog.since().map_or(now, |since| since.min(now));
        if let Some(Err(error)) = stop.run_until_cancelled(mark.move_to(until)).await {
            tracing::warn!(error = chain(&error), "mark not moved");
        }
    }
}

//! The conversation's partition, from the side of the call events: write the legs, read
//! everything, tell whoever holds a session.
//!
//! Each side of a match writes before it reads, so whoever writes second sees both halves.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::{ConversationKey, Leg, SessionItem, SessionPhase};
use sidetone_ports::{CallStore, Clock, Item, Mailbox, StoreError};

/// How long a leg outlives its last change.
const LEG_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// How often a leg is merged anew because another writer was first: writers of one leg are the
/// sources of its events, two at most, and a hand-over.
const CONFLICTS_MAX: usize = 8;

/// What a partition holds.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) legs: Vec<Leg>,
    pub(super) sessions: Vec<SessionItem>,
}

impl Partition {
    /// Returns whether every leg has ended.
    pub(super) fn is_over(&self) -> bool {
        self.legs.iter().all(|leg| leg.ended_at.is_some())
    }
}

/// Merges legs of one conversation into the store and tells every session's owner.
///
/// Errors: [`StoreError`] if it is not sure that all of it happened; doing it again is
/// harmless.
pub(super) async fn save<S: CallStore + Mailbox>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
    legs: &[Leg],
) -> Result<Partition, StoreError> {
    let mut conflicts = 0;
    while let Err(error) = merge(store, clock, key, legs).await {
        conflicts += 1;
        if !error.is_conflict() || conflicts >= CONFLICTS_MAX {
            return Err(error);
        }
    }
    let partition = read(store, clock, key).await?;
    let owners: BTreeSet<_> = partition
        .sessions
        .iter()
        .filter(|session| session.phase != SessionPhase::Ended)
        .map(|session| &session.owner)
        .collect();
    for owner in owners {
        store.post(owner, key, clock.now()).await?;
    }
    Ok(partition)
}

/// Reads a partition; what cannot be read is left out and logged.
pub(super) async fn read<S: CallStore>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
) -> Result<Partition, StoreError> {
    let mut partition = Partition::default();
    for item in store.query(key, clock.now()).await? {
        let read = match item.name.split('#').next() {
            Some("leg") => serde_json::from_slice(&item.bytes).map(|leg| partition.legs.push(leg)),
            Some("session") => {
                serde_json::from_slice(&item.bytes).map(|one| partition.sessions.push(one))
            }
            _ => Ok(()),
        };
        if let Err(error) = read {
            let conversation = key.conversation;
            tracing::error!(%conversation, item = item.name, %error, "item cannot be read");
        }
    }
    Ok(partition)
}

async fn merge<S: CallStore>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
    legs: &[Leg],
) -> Result<(), StoreError> {
    let items = store.query(key, clock.now()).await?;
    for leg in legs {
        let name = format!("leg#{}", leg.communication);
        let stored = items.iter().find(|item| item.name == name);
        let known = stored.and_then(|item| serde_json::from_slice::<Leg>(&item.bytes).ok());
        let merged = match &known {
            Some(known) => {
                let mut merged = known.clone();
                merged.merge(leg);
                merged
            }
            // What cannot be read is no use to anybody, so it is replaced.
            None => leg.clone(),
        };
        if known.as_ref() == Some(&merged) {
            continue;
        }
        let bytes = serde_json::to_vec(&merged).map_err(|source| StoreError::Unreadable {
            what: name.clone(),
            source: source.into(),
        })?;
        let revision = stored.map_or(0, |item| item.revision);
        store.put(key, Item { name, bytes, revision }, None, clock.now() + LEG_LIFE).await?;
    }
    Ok(())
}

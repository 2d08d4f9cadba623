//! The conversation's partition, from the side of the call events: write the legs, read
//! everything, tell whoever holds a session.
//!
//! Each side of a match writes before it reads, so whoever writes second sees both halves.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_model::{ConversationKey, Leg, SessionItem, SessionPhase};
use sidetone_notification_proto::are_one_hold;
use sidetone_ports::{CallStore, Clock, Item, Mailbox, StoreError};

/// How long a leg outlives its last change.
pub(super) const LEG_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// How often a leg is merged anew because another writer was first: writers of one leg are the
/// sources of its events, two at most, and a hand-over.
pub(super) const CONFLICTS_MAX: usize = 8;

/// What the names of the items begin with in which it is put down what the stream was told.
pub(super) const TOLD: &str = "told";

/// What a partition holds.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) legs: Vec<Leg>,
    pub(crate) sessions: Vec<SessionItem>,
    /// The stream records that tell of it in the tracker's own name, in order.
    pub(crate) told: Vec<Vec<u8>>,
}

impl Partition {
    /// Returns whether every leg has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.legs.iter().all(|leg| leg.ended_at.is_some())
    }

    /// Returns whether the tracker is the one to tell of it: an agent of ours was on it, all is
    /// over, and no session's door did.
    pub(crate) fn is_ours_to_tell(&self) -> bool {
        let is_ours = |leg: &Leg| leg.stints().iter().any(|it| it.attribution.agent().is_some());
        self.is_over() && self.sessions.is_empty() && self.legs.iter().any(is_ours)
    }
}

/// What the store learned about a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It had not heard of it.
    Began,
    /// Something happened on it.
    Changed,
    /// It is over.
    Ended,
    /// A better time, or another attribution, of what was known.
    Corrected,
}

/// What the store learned from one saving.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Of each leg of which it learned anything.
    pub(crate) findings: Vec<Finding>,
    /// Some work after a call began or was done.
    pub(crate) wrap_up: bool,
}

/// Whether the sessions' owners are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// In any case: it may not have been done before.
    Always,
    /// If the store learned anything.
    News,
}

/// Merges legs of one conversation into the store and tells every session's owner; returns
/// the partition and what the store learned.
///
/// Errors: [`StoreError`] if it is not sure that all of it happened; doing it again is
/// harmless.
pub(crate) async fn save<S: CallStore + Mailbox>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
    legs: &[Leg],
    tell: Tell,
) -> Result<(Partition, News), StoreError> {
    let mut news = News::default();
    let mut conflicts = 0;
    while let Err(error) = merge(store, clock, key, legs, &mut news).await {
        conflicts += 1;
        if !error.is_conflict() || conflicts >= CONFLICTS_MAX {
            return Err(error);
        }
    }
    let partition = read(store, clock, key).await?;
    if tell == Tell::News && news.findings.is_empty() {
        return Ok((partition, news));
    }
    let owners: BTreeSet<_> = partition
        .sessions
        .iter()
        .filter(|session| session.phase != SessionPhase::Ended)
        .map(|session| &session.owner)
        .collect();
    for owner in owners {
        store.post(owner, key, clock.now()).await?;
    }
    Ok((partition, news))
}

/// Reads a partition; what cannot be read is left out and logged.
pub(crate) async fn read<S: CallStore>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
) -> Result<Partition, StoreError> {
    let mut partition = Partition::default();
    // In order of name.
    for item in store.query(key, clock.now()).await? {
        let read = match item.name.split('#').next() {
            Some("leg") => serde_json::from_slice(&item.bytes).map(|leg| partition.legs.push(leg)),
            Some("session") => {
                serde_json::from_slice(&item.bytes).map(|one| partition.sessions.push(one))
            }
            Some(TOLD) => {
                partition.told.push(item.bytes);
                Ok(())
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
    news: &mut News,
) -> Result<(), StoreError> {
    let items = store.query(key, clock.now()).await?;
    for leg in legs {
        let name = format!("leg#{}", leg.communication);
        let stored = items.iter().find(|item| item.name == name);
        let known = stored.and_then(|item| serde_json::from_slice::<Leg>(&item.bytes).ok());
        let merged = match &known {
            Some(known) => joined(known, leg),
            // What cannot be read is no use to anybody, so it is replaced.
            None => leg.clone(),
        };
        let Some(finding) = finding(known.as_ref(), &merged) else { continue };
        let bytes = serde_json::to_vec(&merged).map_err(|source| StoreError::Unreadable {
            what: name.clone(),
            source: source.into(),
        })?;
        let revision = stored.map_or(0, |item| item.revision);
        store.put(key, Item { name, bytes, revision }, None, clock.now() + LEG_LIFE).await?;
        news.findings.push(finding);
        news.wrap_up |= known.as_ref().and_then(Leg::wrap_up) != merged.wrap_up();
    }
    Ok(())
}

/// Joins what is known of a leg with what was learned. A hold that both know stays one, though
/// their sources differ by some milliseconds about its start.
fn joined(known: &Leg, learned: &Leg) -> Leg {
    let mut learned = learned.clone();
    for hold in &mut learned.holds {
        let same = known.holds.iter().find(|one| are_one_hold(one.from, hold.from));
        hold.from = same.map_or(hold.from, |one| one.from);
    }
    if learned.attribution == known.attribution {
        // The same answer at another time is no news: each tracker gives its own.
        learned.attributed_at = known.attributed_at;
    }
    let mut merged = known.clone();
    merged.merge(&learned);
    merged
}

/// Returns what is new; nothing if nothing is.
fn finding(known: Option<&Leg>, merged: &Leg) -> Option<Finding> {
    let Some(known) = known else { return Some(Finding::Began) };
    if known == merged {
        return None;
    }
    Some(if known.ended_at.is_none() && merged.ended_at.is_some() {
        Finding::Ended
    } else if known.events().len() < merged.events().len() {
        Finding::Changed
    } else {
        Finding::Corrected
    })
}

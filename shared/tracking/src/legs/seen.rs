//! Which agents were on a call, and when last: for whoever asks who never was.
//!
//! It stands in the calls table, in a partition of each organization that no conversation has:
//! Genesys' ids are random, this one follows from the organization's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{AgentId, ConversationId, ConversationKey, Leg, OrganizationId, Timestamp};
use sidetone_ports::{CallStore, Clock, Item, Revision, StoreError, chain};
use tokio::sync::Mutex;
use uuid::Uuid;

/// How long it is remembered that an agent was on a call.
pub(crate) const SEEN_LIFE: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How exactly: an agent's calls within this long are one write.
const EXACT_TO: Duration = Duration::from_secs(3_600);

const PREFIX: &str = "agent#";

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct LastCall {
    at: Timestamp,
}

/// Notes who is on calls; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Seen<S> {
    store: S,
    clock: Clock,
    key: ConversationKey,
    known: Arc<Mutex<Option<Known>>>,
}

type Known = BTreeMap<AgentId, (Timestamp, Revision)>;

impl<S: CallStore> Seen<S> {
    pub(crate) fn new(store: S, clock: Clock, organization: OrganizationId) -> Self {
        Self { store, clock, key: key_of(organization), known: Arc::default() }
    }

    /// Notes the agents of ours who talk on these legs. What cannot be noted is noted with the
    /// agent's next call.
    pub(crate) async fn note(&self, legs: &[Leg]) {
        let talks = |leg: &&Leg| leg.connected_at.is_some();
        for agent in legs.iter().filter(talks).filter_map(|leg| leg.attribution.agent()) {
            if let Err(error) = self.note_one(agent).await {
                tracing::debug!(error = chain(&error), "not noted who was on a call");
            }
        }
    }

    async fn note_one(&self, agent: &AgentId) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut known = self.known.lock().await;
        if known.is_none() {
            *known = Some(read(&self.store, self.key, now).await?);
        }
        let Some(all) = known.as_mut() else { return Ok(()) };
        let before = all.get(agent).copied();
        if before.is_some_and(|(at, _)| at + EXACT_TO > now) {
            return Ok(());
        }
        let name = format!("{PREFIX}{agent}");
        let bytes = serde_json::to_vec(&LastCall { at: now })
            .map_err(|source| StoreError::unavailable("write who was on a call", source))?;
        let revision = before.map_or(0, |(_, revision)| revision);
        let item = Item { name, bytes, revision };
        match self.store.put(self.key, item, None, now + SEEN_LIFE).await {
            Ok(revision) => drop(all.insert(agent.clone(), (now, revision))),
            // Another tracker noted it, or the note has expired: read again when next asked.
            Err(error) if error.is_conflict() => *known = None,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Returns when each agent was on a call last, to the hour.
///
/// Errors: the store cannot be read.
pub(crate) async fn seen_agents<S: CallStore>(
    store: &S,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<BTreeMap<AgentId, Timestamp>, StoreError> {
    let known = read(store, key_of(organization), now).await?;
    Ok(known.into_iter().map(|(agent, (at, _))| (agent, at)).collect())
}

fn key_of(organization: OrganizationId) -> ConversationKey {
    let own = Uuid::new_v5(&organization.uuid(), b"agents who were on a call");
    ConversationKey { organization, conversation: ConversationId::new(own) }
}

async fn read<S: CallStore>(
    store: &S,
    key: ConversationKey,
    now: Timestamp,
) -> Result<Known, StoreError> {
    let items = store.query(key, now).await?;
    let read = items.iter().filter_map(|item| {
        let agent = AgentId::new(item.name.strip_prefix(PREFIX)?);
        let last: LastCall = serde_json::from_slice(&item.bytes).ok()?;
        Some((agent, (last.at, item.revision)))
    });
    Ok(read.collect())
}

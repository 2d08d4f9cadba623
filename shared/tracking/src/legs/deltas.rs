//! The deltas of a conversation, kept in its partition: each may say only half of something,
//! and whoever hears the other half is perhaps another process.

use std::collections::BTreeSet;

use sidetone_model::ConversationKey;
use sidetone_notification_proto::Delta;
use sidetone_ports::{CallStore, Clock, Item, StoreError};

use super::partition::{CONFLICTS_MAX, LEG_LIFE};

/// The name of their item.
const NAME: &str = "deltas";

/// The most deltas of one conversation: ten changes of cast of all that Genesys lets in. The
/// item is far below what a store takes.
const DELTAS_MAX: usize = 1_000;

/// Adds a delta to those of a conversation, and returns them all.
///
/// Errors: [`StoreError`] if it is not sure that it was added; doing it again is harmless.
pub(crate) async fn add<S: CallStore>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
    delta: &Delta,
) -> Result<BTreeSet<Delta>, StoreError> {
    let mut conflicts = 0;
    loop {
        match try_add(store, clock, key, delta).await {
            Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => conflicts += 1,
            done => return done,
        }
    }
}

async fn try_add<S: CallStore>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
    delta: &Delta,
) -> Result<BTreeSet<Delta>, StoreError> {
    let items = store.query(key, clock.now()).await?;
    let stored = items.iter().find(|item| item.name == NAME);
    // What cannot be read is no use to anybody, so it is replaced.
    let read = stored.and_then(|item| serde_json::from_slice(&item.bytes).ok());
    let mut deltas: BTreeSet<Delta> = read.unwrap_or_default();
    if deltas.len() >= DELTAS_MAX && !deltas.contains(delta) {
        tracing::error!(conversation = %key.conversation, DELTAS_MAX, "delta left out: too many");
        metrics::counter!("sidetone_bus_deltas_left_out_total").increment(1);
        return Ok(deltas);
    }
    if deltas.insert(delta.clone()) {
        let name = NAME.to_owned();
        let bytes = serde_json::to_vec(&deltas).map_err(|source| StoreError::Unreadable {
            what: name.clone(),
            source: source.into(),
        })?;
        let revision = stored.map_or(0, |item| item.revision);
        store.put(key, Item { name, bytes, revision }, None, clock.now() + LEG_LIFE).await?;
    }
    Ok(deltas)
}

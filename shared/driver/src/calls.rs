//! The conversation's partition: write one's own item, read everything, tell the others.
//!
//! Each side of a match writes before it reads, so whoever writes second sees both halves.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_engine::Conversation;
use sidetone_model::{ConversationKey, SessionItem, SessionPhase};
use sidetone_ports::{CallStore, Clock, Item, Mailbox, Revision, StoreError};

/// How long an item outlives its last change.
pub const ITEM_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Writes a session's item and tells every other session of the conversation.
///
/// Returns what the partition holds, and moves `revision` on as soon as the item is written:
/// if what follows fails, the next try starts from there.
pub async fn save<S: CallStore + Mailbox>(
    store: &S,
    clock: &Clock,
    own: &SessionItem,
    revision: &mut Revision,
) -> Result<Conversation, StoreError> {
    *revision = put(store, clock, own, *revision).await?;
    let conversation = read(store, clock, own.key).await?;
    let others: BTreeSet<_> = conversation
        .sessions
        .iter()
        .filter(|one| one.phase != SessionPhase::Ended && one.connection != own.connection)
        .map(|one| &one.owner)
        .collect();
    for owner in others {
        store.post(owner, own.key, clock.now()).await?;
    }
    Ok(conversation)
}

async fn put<S: CallStore>(
    store: &S,
    clock: &Clock,
    own: &SessionItem,
    revision: Revision,
) -> Result<Revision, StoreError> {
    let bytes = serde_json::to_vec(own).map_err(|source| StoreError::Unreadable {
        what: "a session item".to_owned(),
        source: source.into(),
    })?;
    let item = Item { name: name_of(own), bytes, revision };
    let owner = (own.phase != SessionPhase::Ended).then(|| own.owner.clone());
    let answer = store.put(own.key, item.clone(), owner, clock.now() + ITEM_LIFE).await;
    match answer {
        Err(error) if error.is_conflict() => {
            // An earlier try may have got through although its answer did not.
            let items = store.query(own.key, clock.now()).await?;
            let same = |there: &Item| there.name == item.name && there.bytes == item.bytes;
            items.into_iter().find(same).map(|there| there.revision).ok_or(error)
        }
        answer => answer,
    }
}

/// Reads a conversation's partition; what cannot be read is left out and logged.
pub async fn read<S: CallStore>(
    store: &S,
    clock: &Clock,
    key: ConversationKey,
) -> Result<Conversation, StoreError> {
    let mut conversation = Conversation::default();
    for item in store.query(key, clock.now()).await? {
        let kind = item.name.split('#').next().unwrap_or_default();
        let read = match kind {
            "leg" => serde_json::from_slice(&item.bytes).map(|leg| conversation.legs.push(leg)),
            "session" => {
                serde_json::from_slice(&item.bytes).map(|one| conversation.sessions.push(one))
            }
            _ => Ok(()),
        };
        if let Err(error) = read {
            tracing::error!(conversation = %key.conversation, item = item.name, %error, "item cannot be read");
        }
    }
    Ok(conversation)
}

/// Reads a session's item as it stands, with its revision; nothing if there is none that can be
/// read.
pub async fn stored<S: CallStore>(
    store: &S,
    clock: &Clock,
    own: &SessionItem,
) -> Result<Option<(SessionItem, Revision)>, StoreError> {
    let name = name_of(own);
    let items = store.query(own.key, clock.now()).await?;
    let Some(item) = items.into_iter().find(|item| item.name == name) else { return Ok(None) };
    Ok(serde_json::from_slice(&item.bytes).ok().map(|stored| (stored, item.revision)))
}

/// Returns the name under which a session's item stands.
pub(crate) fn name_of(item: &SessionItem) -> String {
    format!("session#{}", item.connection)
}

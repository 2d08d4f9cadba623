//! Reads what stores and stream know of one conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use sidetone_consumer::{Record, decode};
use sidetone_delivery_wire::Body;
use sidetone_model::{
    BreachReport, ConnectionId, ConversationId, ConversationKey, DoorKind, OrganizationId, OwnerId,
    RefusalReport, SessionId, SessionPhase, Timestamp, TrackerReport,
};
use sidetone_ports::{
    CallStore, Clock, Item, Observed, OwnerStore, RecordSource, SourceError, StoreError,
};

use crate::facts::{Audio, Facts, Told};

/// How often it is looked whether the holder of a session lives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Stream records read at a time.
const READ_MAX: usize = 500;

/// What is known could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// From a store.
    #[error("what is stored of the conversation cannot be read")]
    Store(#[from] StoreError),
    /// From the stream.
    #[error("what the stream was told of the conversation cannot be read")]
    Stream(#[from] SourceError),
}

/// What the stream was told of one conversation, of whatever organization.
#[derive(Debug, Clone, Default)]
pub struct StreamFacts(Vec<Record>);

impl StreamFacts {
    /// Returns the organizations that told something.
    pub fn organizations(&self) -> BTreeSet<OrganizationId> {
        self.0.iter().map(|record| record.origin.session.key.organization).collect()
    }
}

/// Looks through the whole stream for a conversation; keeps nothing of its audio.
///
/// Records that cannot be decoded are logged and left out.
/// Errors: [`GatherError::Stream`] if the stream cannot be read.
pub async fn read_stream<R: RecordSource>(
    source: &R,
    conversation: ConversationId,
) -> Result<StreamFacts, GatherError> {
    let tip = source.tip().await?;
    let mut seen = BTreeSet::<(ConversationKey, ConnectionId, u64)>::new();
    let (mut records, mut after) = (Vec::new(), 0);
    while after < tip {
        let batch = source.read(after, READ_MAX, Duration::ZERO).await?;
        let Some(last) = batch.last() else { break };
        after = last.sequence;
        for delivered in batch.iter().filter(|one| one.record.partition_key == conversation) {
            match decode(delivered) {
                Ok(read) => records.extend(read.into_iter().map(soundless).filter(|record| {
                    let origin = &record.origin;
                    seen.insert((origin.session.key, origin.connection.clone(), record.number))
                })),
                Err(error) => {
                    let sequence = delivered.sequence;
                    tracing::warn!(sequence, %error, "a stream record cannot be read");
                }
            }
        }
    }
    Ok(StreamFacts(records))
}

/// Takes the samples out, which are most of a stream and say nothing here.
fn soundless(mut record: Record) -> Record {
    if let Some(Body::Audio(audio)) = &mut record.body {
        audio.data = Default::default();
    }
    record
}

/// Gathers what an organization's stores hold of a conversation, and what of it the stream was
/// told.
///
/// Errors: [`GatherError::Store`] if a store cannot be read.
pub async fn gather<S: CallStore + OwnerStore>(
    store: &S,
    stream: &StreamFacts,
    key: ConversationKey,
    clock: &Clock,
) -> Result<Facts, GatherError> {
    let now = clock.now();
    let mut facts = Facts::none(now, Some(key.organization), key.conversation);
    // Under the nil conversation stands what concerns the organization as a whole.
    let whole = ConversationKey { conversation: nil(), ..key };
    for item in store.query(whole, now).await? {
        if item.name == TrackerReport::ITEM_NAME {
            facts.tracker = read(&item);
        } else if item.name.starts_with(RefusalReport::ITEM_PREFIX) {
            facts.refusals.extend(read(&item));
        } else if item.name.starts_with(BreachReport::ITEM_PREFIX) {
            facts.unnamed_breaches.extend(read(&item));
        }
    }
    if key.conversation.is_nil() {
        return Ok(facts);
    }
    for item in store.query(key, now).await? {
        match item.name.split('#').next() {
            Some("leg") => facts.legs.extend(read(&item)),
            Some("session") => facts.sessions.extend(read(&item)),
            Some("breach") => facts.breaches.extend(read(&item)),
            _ => {}
        }
    }
    facts.alive = alive(store, clock, holders(&facts)).await?;
    let of_organization =
        stream.0.iter().filter(|record| record.origin.session.key.organization == key.organization);
    of_organization.for_each(|record| add(&mut facts, record));
    Ok(facts)
}

/// Returns who holds sessions that are not over, by a door that gives signs of life.
fn holders(facts: &Facts) -> BTreeSet<OwnerId> {
    let running = facts
        .sessions
        .iter()
        .filter(|item| item.phase != SessionPhase::Ended && item.door != DoorKind::ApiGateway);
    running.map(|item| item.owner.clone()).collect()
}

/// Watches owners until each has given a sign of life, or has given none for its whole life;
/// returns those that have.
async fn alive<S: OwnerStore>(
    store: &S,
    clock: &Clock,
    mut awaited: BTreeSet<OwnerId>,
) -> Result<BTreeSet<OwnerId>, StoreError> {
    let mut observed = Observed::every(LOOK_EVERY, clock);
    let (mut first, mut alive) = (BTreeMap::new(), BTreeSet::new());
    loop {
        let asked_at = clock.steady();
        let mut beats = store.owners().await?;
        beats.retain(|beat| awaited.contains(&beat.owner));
        for beat in &beats {
            if *first.entry(beat.owner.clone()).or_insert(beat.beat) != beat.beat {
                alive.insert(beat.owner.clone());
            }
        }
        let found = beats.into_iter().map(|beat| (beat.clone(), beat.life));
        // What is not listed was swept, or has left.
        awaited = first.keys().filter(|owner| !alive.contains(*owner)).cloned().collect();
        for silent in observed.look(asked_at, clock.steady(), found) {
            awaited.remove(&silent.owner);
            first.remove(&silent.owner);
        }
        if awaited.is_empty() {
            return Ok(alive);
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

const fn nil() -> ConversationId {
    ConversationId::new(uuid::Uuid::nil())
}

fn read<T: DeserializeOwned>(item: &Item) -> Option<T> {
    serde_json::from_slice(&item.bytes)
        .inspect_err(|error| tracing::warn!(item = item.name, %error, "an item cannot be read"))
        .ok()
}

fn add(facts: &mut Facts, record: &Record) {
    let session = record.origin.session.session;
    match (&record.body, session) {
        (Some(Body::Audio(audio)), Some(session)) => {
            add_audio(facts, session, record.made_at, audio.samples);
        }
        (Some(Body::Audio(_)) | None, _) => {}
        (Some(body), session) => facts.told.push(Told {
            at: record.made_at,
            session,
            connection: record.origin.connection.clone(),
            body: body.clone(),
        }),
    }
}

fn add_audio(facts: &mut Facts, session: SessionId, at: Timestamp, samples: u32) {
    let nothing = Audio { frames: 0, samples: 0, first_at: at, last_at: at };
    let sum = facts.audio.entry(session).or_insert(nothing);
    sum.frames += 1;
    sum.samples += u64::from(samples);
    sum.first_at = sum.first_at.min(at);
    sum.last_at = sum.last_at.max(at);
}

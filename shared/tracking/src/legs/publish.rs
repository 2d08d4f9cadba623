//! The call events of a conversation that no audio session told of, and the work after calls.
//!
//! What the stream is told of a conversation is put down in its partition first, under its
//! numbers. Whoever publishes puts all of it again, byte for byte, which consumers drop as a
//! repetition, and then, under the next numbers, what was learned since.

use std::collections::BTreeMap;

use bytes::Bytes;
use sidetone_delivery_wire::{Body, CallEvent, DecodeError, Heading, call_event, decode, encode};
use sidetone_model::{ConnectionId, ConversationKey, Leg, Position, Timestamp};
use sidetone_ports::{CallStore, Clock, Item, PutOutcome, RecordSink, StoreError, StreamRecord};
use uuid::Uuid;

use super::partition::{self, CONFLICTS_MAX, LEG_LIFE, Partition, TOLD};

/// The most events in one stream record, and in one item of the partition: an event takes less
/// than 1 KiB, and the store takes 400 KiB.
const EVENTS_PER_RECORD_MAX: usize = 300;

/// How far off an event's time may be before it is told again: a record knows it some
/// milliseconds better than the snapshot did, and there is no audio to be placed by it.
///
/// Units: microseconds.
const EVENT_SHIFT_MAX: u64 = 1_000_000;

/// Returns the connection id under which the work after a leg's call is told.
///
/// Each leg has its own, so that a number means the same whatever else is known by then.
fn wrap_up_connection_of(leg: &Leg) -> ConnectionId {
    let conversation = leg.key.conversation.uuid();
    let name = format!("{}/{}", leg.key.organization, leg.communication);
    ConnectionId::new(format!("wrap-up-{}", Uuid::new_v5(&conversation, name.as_bytes())))
}

/// Publishes the work after the calls of these legs; returns how many events that is.
///
/// It is told apart from the call, whoever told of that: it goes on when all audio is over.
/// What was published before comes again under the same number.
pub(crate) async fn publish_wrap_ups<R: RecordSink>(
    sink: &R,
    now: Timestamp,
    legs: &[Leg],
) -> Result<usize, PublishError> {
    let mut records = Vec::new();
    let mut count = 0;
    for leg in legs.iter().flat_map(Leg::stints).filter(|leg| leg.attribution.agent().is_some()) {
        let events = leg.events().into_iter().filter(|event| event.kind.is_wrap_up());
        let bodies = events.map(|it| Body::CallEvent(call_event(&leg, it, Position::ZERO)));
        let numbered: Vec<_> =
            (1..).zip(bodies).map(|(number, body)| (number, now, body)).collect();
        if numbered.is_empty() {
            continue;
        }
        count += numbered.len();
        let heading = Heading::new(leg.key, None, &wrap_up_connection_of(&leg));
        let data = encode(&heading, numbered.into_iter());
        records.push(StreamRecord { partition_key: leg.key.conversation, data });
    }
    if records.is_empty() {
        return Ok(0);
    }
    put(sink, records).await?;
    Ok(count)
}

/// The events were not committed, or not all of them; doing it again is harmless.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The stream did not take them.
    #[error("the call events were not committed")]
    NotCommitted,
    /// They could not be put down.
    #[error("the call events could not be put down")]
    Store(#[from] StoreError),
    /// What was put down before cannot be read.
    #[error("the call events that were told before cannot be read")]
    Unreadable(#[from] DecodeError),
}

/// Returns the connection id under which the tracker tells of a conversation: always the same,
/// so that what it repeats is known to be a repetition.
pub(super) fn connection_of(key: ConversationKey) -> ConnectionId {
    let organization = key.organization.uuid();
    let name = Uuid::new_v5(&organization, key.conversation.uuid().as_bytes());
    ConnectionId::new(format!("tracker-{name}"))
}

/// Publishes what is known of a conversation's calls, if nobody else does; returns how many
/// events that is.
pub(crate) async fn publish<S: CallStore, R: RecordSink>(
    store: &S,
    sink: &R,
    clock: &Clock,
    key: ConversationKey,
) -> Result<usize, PublishError> {
    let mut conflicts = 0;
    loop {
        let partition = partition::read(store, clock, key).await?;
        if !partition.is_ours_to_tell() {
            return Ok(0);
        }
        match publish_all(store, sink, clock, key, &partition).await {
            // Another put down something else under these numbers.
            Err(PublishError::Store(error)) if error.is_conflict() && conflicts < CONFLICTS_MAX => {
                conflicts += 1;
            }
            published => return published,
        }
    }
}

async fn publish_all<S: CallStore, R: RecordSink>(
    store: &S,
    sink: &R,
    clock: &Clock,
    key: ConversationKey,
    partition: &Partition,
) -> Result<usize, PublishError> {
    let before: Vec<Bytes> = partition.told.iter().cloned().map(Bytes::from).collect();
    let (last, told) = told_in(&before)?;
    let news: Vec<Body> = events_of(&partition.legs)
        .into_iter()
        .filter(|event| told.get(&name_of(event)).is_none_or(|before| differ(before, event)))
        .map(Body::CallEvent)
        .collect();
    let heading = Heading::new(key, None, &connection_of(key));
    let numbered: Vec<_> =
        (last + 1..).zip(news).map(|(number, body)| (number, clock.now(), body)).collect();
    let news = numbered
        .chunks(EVENTS_PER_RECORD_MAX)
        .map(|some| encode(&heading, some.iter().map(|(number, at, body)| (*number, *at, body))));
    let mut all = before;
    for data in news {
        let name = format!("{TOLD}#{:04}", all.len());
        let item = Item { name, bytes: data.to_vec(), revision: 0 };
        store.put(key, item, None, clock.now() + LEG_LIFE).await?;
        all.push(data);
    }
    let count = usize::try_from(last).unwrap_or(usize::MAX) + numbered.len();
    let record = |data| StreamRecord { partition_key: key.conversation, data };
    put(sink, all.into_iter().map(record).collect()).await?;
    Ok(count)
}

/// What tells one event from another, whenever it is learned of.
type Name = (String, i32, u32);

/// Returns the last number of these records, and each event as it was told last.
fn told_in(records: &[Bytes]) -> Result<(u64, BTreeMap<Name, CallEvent>), DecodeError> {
    let (mut last, mut told) = (0, BTreeMap::new());
    for data in records {
        for record in decode(data.clone())? {
            last = last.max(record.number);
            if let Some(Body::CallEvent(event)) = record.body {
                told.insert(name_of(&event), event);
            }
        }
    }
    Ok((last, told))
}

fn name_of(event: &CallEvent) -> Name {
    (event.communication_id.clone(), event.kind, event.ordinal)
}

/// Returns whether an event, as it was told, would mislead whoever goes by it.
fn differ(told: &CallEvent, event: &CallEvent) -> bool {
    told.agent_id != event.agent_id || told.at_us.abs_diff(event.at_us) > EVENT_SHIFT_MAX
}

async fn put<R: RecordSink>(sink: &R, records: Vec<StreamRecord>) -> Result<(), PublishError> {
    let outcomes = sink.put(records).await.map_err(|error| {
        tracing::debug!(error = sidetone_ports::chain(&error), "put not answered");
        PublishError::NotCommitted
    })?;
    let committed = outcomes.iter().all(|outcome| match outcome {
        PutOutcome::Committed(_) => true,
        PutOutcome::Throttled | PutOutcome::Failed => false,
    });
    if committed { Ok(()) } else { Err(PublishError::NotCommitted) }
}

/// Returns the events of all legs, those of a leg that ended earlier first.
fn events_of(legs: &[Leg]) -> Vec<CallEvent> {
    let mut stints: Vec<Leg> = legs.iter().flat_map(Leg::stints).collect();
    stints.sort_by(|a, b| (a.ended_at, &a.communication).cmp(&(b.ended_at, &b.communication)));
    stints
        .iter()
        .flat_map(|leg| {
            let events = leg.events().into_iter().filter(|event| !event.kind.is_wrap_up());
            events.map(|event| call_event(leg, event, Position::ZERO))
        })
        .collect()
}

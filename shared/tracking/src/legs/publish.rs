//! The call events of a conversation that no audio session told of, and the work after calls.
//!
//! All of a conversation's events are published each time, numbered from 1 in the order in which its legs
//! ended: what was published before comes again under the same numbers, so consumers drop it,
//! and a leg that came later follows.

use sidetone_delivery_wire::{Body, Heading, call_event, encode};
use sidetone_model::{ConnectionId, ConversationKey, Leg, Position, Timestamp};
use sidetone_ports::{PutOutcome, RecordSink, StreamRecord};
use uuid::Uuid;

/// The most events in one stream record: far below its size limit, as an event takes less
/// than 1 KiB.
const EVENTS_PER_RECORD_MAX: usize = 500;

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
    for leg in legs.iter().filter(|leg| leg.attribution.agent().is_some()) {
        let events = leg.events().into_iter().filter(|event| event.kind.is_wrap_up());
        let bodies = events.map(|it| Body::CallEvent(call_event(leg, it, Position::ZERO)));
        let numbered: Vec<_> =
            (1..).zip(bodies).map(|(number, body)| (number, now, body)).collect();
        if numbered.is_empty() {
            continue;
        }
        count += numbered.len();
        let heading = Heading::new(leg.key, None, &wrap_up_connection_of(leg));
        let data = encode(&heading, numbered.into_iter());
        records.push(StreamRecord { partition_key: leg.key.conversation, data });
    }
    if records.is_empty() {
        return Ok(0);
    }
    put(sink, records).await?;
    Ok(count)
}

/// The events were not committed, or not all of them.
#[derive(Debug, thiserror::Error)]
#[error("the call events were not committed")]
pub struct PublishError;

/// Returns the connection id under which the tracker tells of a conversation: always the same,
/// so that what it repeats is known to be a repetition.
pub(super) fn connection_of(key: ConversationKey) -> ConnectionId {
    let organization = key.organization.uuid();
    let name = Uuid::new_v5(&organization, key.conversation.uuid().as_bytes());
    ConnectionId::new(format!("tracker-{name}"))
}

/// Publishes all events of these legs.
pub(crate) async fn publish<R: RecordSink>(
    sink: &R,
    now: Timestamp,
    key: ConversationKey,
    legs: Vec<Leg>,
) -> Result<usize, PublishError> {
    let events = records_of(legs);
    let count = events.len();
    let heading = Heading::new(key, None, &connection_of(key));
    let numbered: Vec<_> = (1..).zip(events).map(|(number, body)| (number, now, body)).collect();
    let records: Vec<_> = numbered
        .chunks(EVENTS_PER_RECORD_MAX)
        .map(|some| StreamRecord {
            partition_key: key.conversation,
            data: encode(&heading, some.iter().cloned()),
        })
        .collect();
    put(sink, records).await?;
    Ok(count)
}

async fn put<R: RecordSink>(sink: &R, records: Vec<StreamRecord>) -> Result<(), PublishError> {
    let outcomes = sink.put(records).await.map_err(|error| {
        tracing::debug!(error = sidetone_ports::chain(&error), "put not answered");
        PublishError
    })?;
    let committed = outcomes.iter().all(|outcome| match outcome {
        PutOutcome::Committed(_) => true,
        PutOutcome::Throttled | PutOutcome::Failed => false,
    });
    if committed { Ok(()) } else { Err(PublishError) }
}

fn records_of(mut legs: Vec<Leg>) -> Vec<Body> {
    legs.sort_by(|a, b| (a.ended_at, &a.communication).cmp(&(b.ended_at, &b.communication)));
    legs.iter()
        .flat_map(|leg| {
            let events = leg.events().into_iter().filter(|event| !event.kind.is_wrap_up());
            events.map(|event| Body::CallEvent(call_event(leg, event, Position::ZERO)))
        })
        .collect()
}

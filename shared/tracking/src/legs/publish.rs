//! The call events of a conversation that no audio session told of.
//!
//! All of its events are published each time, numbered from 1 in the order in which its legs
//! ended: what was published before comes again under the same numbers, so consumers drop it,
//! and a leg that came later follows.

use sidetone_delivery_wire::{Body, Heading, call_event, encode};
use sidetone_model::{ConnectionId, ConversationKey, Leg, Position, Timestamp};
use sidetone_ports::{PutOutcome, RecordSink, StreamRecord};
use uuid::Uuid;

/// The most events in one stream record: far below its size limit, as an event takes less
/// than 1 KiB.
const EVENTS_PER_RECORD_MAX: usize = 500;

/// The events were not committed, or not all of them.
#[derive(Debug, thiserror::Error)]
#[error("the events of a conversation without a session were not committed")]
pub(super) struct PublishError;

/// Returns the connection id under which the tracker tells of a conversation: always the same,
/// so that what it repeats is known to be a repetition.
pub(super) fn connection_of(key: ConversationKey) -> ConnectionId {
    let organization = key.organization.uuid();
    let name = Uuid::new_v5(&organization, key.conversation.uuid().as_bytes());
    ConnectionId::new(format!("tracker-{name}"))
}

/// Publishes all events of these legs.
pub(super) async fn publish<R: RecordSink>(
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
    let outcomes = sink.put(records).await.map_err(|error| {
        tracing::debug!(error = sidetone_ports::chain(&error), "put not answered");
        PublishError
    })?;
    let committed = outcomes.iter().all(|outcome| match outcome {
        PutOutcome::Committed(_) => true,
        PutOutcome::Throttled | PutOutcome::Failed => false,
    });
    if committed { Ok(count) } else { Err(PublishError) }
}

fn records_of(mut legs: Vec<Leg>) -> Vec<Body> {
    legs.sort_by(|a, b| (a.ended_at, &a.communication).cmp(&(b.ended_at, &b.communication)));
    legs.iter()
        .flat_map(|leg| {
            let events = leg.events().into_iter();
            events.map(|event| Body::CallEvent(call_event(leg, event, Position::ZERO)))
        })
        .collect()
}

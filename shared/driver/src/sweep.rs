//! What a dead door left behind is declared lost, so that no session is without an end.
//!
//! The records go under a connection of their own, named after the dead one: whoever sweeps
//! twice writes the same records under the same keys.

use sidetone_delivery_wire::{Body, EndCause, Gap, GapReason, Heading, SessionEnded};
use sidetone_model::{ConnectionId, OwnerId, SessionItem};
use sidetone_ports::{CallStore, Clock, Mailbox, OwnerStore, RecordSink, StoreError};

use crate::calls;
use crate::producer::Producer;

/// Ends every session of every dead owner; returns how many.
///
/// With `all`, every owner but `own` is dead, whatever its last word was.
pub async fn sweep<S, R>(
    store: &S,
    clock: &Clock,
    producer: &Producer<R>,
    own: &OwnerId,
    all: bool,
) -> Result<usize, StoreError>
where
    S: CallStore + Mailbox + OwnerStore,
    R: RecordSink,
{
    let mut sessions = 0;
    for lease in store.owners().await? {
        if lease.owner == *own || !(all || lease.until < clock.now()) {
            continue;
        }
        for owned in store.owned_by(&lease.owner, clock.now()).await? {
            let Ok(mut item) = serde_json::from_slice::<SessionItem>(&owned.item.bytes) else {
                tracing::error!(item = owned.item.name, "item of a dead owner cannot be read");
                continue;
            };
            declare_lost(clock, producer, &item).await;
            item.give_up(clock.now());
            let mut revision = owned.item.revision;
            match calls::save(store, clock, &item, &mut revision).await {
                Ok(_) => sessions += 1,
                // Another sweeper was first, with the same records.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        store.remove_owner(&lease.owner).await?;
    }
    Ok(sessions)
}

/// Puts an open gap and an end for a session whose door can no longer; waits for the stream.
pub async fn declare_lost<R: RecordSink>(
    clock: &Clock,
    producer: &Producer<R>,
    item: &SessionItem,
) {
    let connection = ConnectionId::new(format!("sweep-{}", item.connection));
    let outlet = producer.outlet(Heading::new(item.key, Some(item.session), &connection));
    let mut gap =
        Gap { open: true, lost_connection_id: item.connection.to_string(), ..Gap::default() };
    gap.set_reason(GapReason::Lost);
    let mut ended = SessionEnded::default();
    ended.set_cause(EndCause::Lost);
    outlet.push(clock.now(), Body::Gap(gap));
    outlet.push(clock.now(), Body::SessionEnded(ended));
    outlet.drained().await;
}

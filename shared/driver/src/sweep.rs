//! What a dead door left behind is declared lost, so that no session is without an end.
//!
//! The records go under a connection of their own, named after the dead one: whoever sweeps
//! twice writes the same records under the same keys.

use sidetone_delivery_wire::{Body, EndCause, Gap, GapReason, Heading, SessionEnded};
use sidetone_model::{ConnectionId, OwnerId, SessionItem};
use sidetone_ports::{
    CallStore, Clock, Mailbox, Observed, OwnerBeat, OwnerStore, RecordSink, StoreError,
};

use crate::calls;
use crate::producer::Producer;

/// Takes one look at the owners and ends every session of those found dead; returns how many.
///
/// An owner is dead once `observed` has not seen its beat move for its whole life; without an
/// observation, every owner but `own` is.
pub async fn sweep<S, R>(
    store: &S,
    clock: &Clock,
    producer: &Producer<R>,
    own: &OwnerId,
    observed: Option<&mut Observed<OwnerBeat>>,
) -> Result<usize, StoreError>
where
    S: CallStore + Mailbox + OwnerStore,
    R: RecordSink,
{
    let asked_at = clock.steady();
    let mut owners = store.owners().await?;
    owners.retain(|beat| beat.owner != *own);
    let dead = match observed {
        Some(observed) => {
            let found = owners.into_iter().map(|beat| (beat.clone(), beat.life));
            observed.look(asked_at, clock.steady(), found)
        }
        None => owners,
    };
    let mut sessions = 0;
    for OwnerBeat { owner, beat, .. } in dead {
        for owned in store.owned_by(&owner, clock.now()).await? {
            let Ok(mut item) = serde_json::from_slice::<SessionItem>(&owned.item.bytes) else {
                tracing::error!(item = owned.item.name, "item of a dead owner cannot be read");
                continue;
            };
            declare_lost(clock, producer, &item).await;
            item.give_up(clock.now());
            let mut revision = owned.item.revision;
            match calls::save(store, clock, &item, &mut revision).await {
                Ok(_) => {
                    sessions += 1;
                    // Should it live after all, it takes the session back.
                    store.post(&owner, item.key, clock.now()).await?;
                }
                // Another sweeper was first, with the same records; or the door lives.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        store.remove_owner(&owner, Some(beat)).await?;
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

#[cfg(test)]
mod tests;

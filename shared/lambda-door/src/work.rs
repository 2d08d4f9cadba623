//! One event, and then all that follows from it: written, done, written again, until nothing is
//! left that nobody else does.
//!
//! Correct with any number of invocations at once, and if any of them dies at any point: every
//! write is against the revision that was read, an errand begins only once the turn for it is
//! written, and what it brought is a fact that whoever writes next may note.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use sidetone_model::{ConnectionId, Timestamp};
use sidetone_ports::{
    CallStore, ClientLine, ConnectionItem, ConnectionStore, Mailbox, RecordSink, Revision,
    StoreError, chain,
};

use crate::desk::{Duty, PerDuty};
use crate::door::Door;
use crate::errand::{Errand, Outcome, World};
use crate::note::note;
use crate::state::{ConnectionState, StateError};
use crate::step::Event;

/// An event that could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    /// There is no such connection, or it is long over.
    #[error("the connection has no state")]
    Unknown,
    /// Its state cannot be used.
    #[error("the connection's state cannot be used")]
    State(#[from] StateError),
    /// The store failed for as long as it was tried.
    #[error("the connection's state cannot be kept")]
    Store(#[from] StoreError),
    /// The store did not answer for as long as it was tried.
    #[error("the store of connections does not answer")]
    Silent,
    /// A bug; the panic is in the log.
    #[error("working on the connection panicked")]
    Panicked,
    /// Others were always faster.
    #[error("the connection's state changed too often to be written")]
    Contested,
}

/// A state as it stands in the store.
struct Held {
    state: ConnectionState,
    revision: Revision,
    bytes: Vec<u8>,
}

/// One invocation's work on one connection.
struct Shift<'a, S, R, L> {
    door: &'a Door<S, R, L>,
    connection: &'a ConnectionId,
    holder: String,
    /// From when on nothing new is begun.
    ends_at: Timestamp,
    held: Option<Held>,
    /// What of the state is ours to say where no state can be read any more.
    reply_seq: Option<u64>,
}

/// How soon after a write a deadline is looked at: one that has passed is not looked at in a
/// loop.
const WAKE_STEP_MIN: Duration = Duration::from_millis(10);

/// How long at most before a state is written again after another was faster, at first.
const WRITE_WAIT_FIRST: Duration = Duration::from_millis(10);

type Under<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Takes one event, and does what follows; returns once there is nothing left to do that is
/// this invocation's turn.
///
/// Errors: [`WorkError`] if the event was not taken, with the `seq` of our last reply if that
/// is known.
pub(crate) async fn work<S, R, L>(
    door: &Door<S, R, L>,
    connection: &ConnectionId,
    event: Event<'_>,
) -> Result<(), (WorkError, Option<u64>)>
where
    S: ConnectionStore + CallStore + Mailbox,
    R: RecordSink,
    L: ClientLine,
{
    let began_at = door.clock.now();
    let mut shift = Shift {
        door,
        connection,
        holder: door.chance.name(),
        ends_at: began_at + door.config.pace.shift,
        held: None,
        reply_seq: None,
    };
    let world = World {
        clock: &door.clock,
        store: &door.store,
        sink: &door.sink,
        line: &door.line,
        connection,
        call_limit: door.config.pace.call_limit,
    };
    let mut hands = PerDuty::<Option<Under<'_>>>::default();
    if let Err(error) = shift.write(event, PerDuty::default()).await {
        return Err((error, shift.reply_seq));
    }
    let mut answered = false;
    loop {
        shift.begin(&world, &mut hands);
        let next = shift.next(&mut hands).await;
        if let (Event::Text(_), false, Some(Some(Outcome::Spoken { said: 1.., .. }))) =
            (event, answered, &next)
        {
            answered = true;
            let name = "sidetone_message_to_reply_seconds";
            metrics::histogram!(name).record(door.clock.now().since(began_at));
        }
        let written = match next {
            Some(Some(outcome)) => shift.write(Event::Done(&outcome), busy(&hands)).await,
            Some(None) => shift.write(Event::Due, busy(&hands)).await,
            None => return Ok(()),
        };
        if let Err(error) = written {
            // The turns lapse, and whoever comes next takes them.
            tracing::error!(%connection, error = %chain(&error), "left a connection in mid-work");
            return Ok(());
        }
    }
}

/// Returns at which desks an errand is under way.
fn busy(hands: &PerDuty<Option<Under<'_>>>) -> PerDuty<bool> {
    let mut busy = PerDuty::default();
    for duty in Duty::ALL {
        *busy.of_mut(duty) = hands.of(duty).is_some();
    }
    busy
}

impl<'a, S, R, L> Shift<'a, S, R, L>
where
    S: ConnectionStore + CallStore + Mailbox,
    R: RecordSink,
    L: ClientLine,
{
    /// Steps and writes, as often as others are faster.
    async fn write(&mut self, event: Event<'_>, busy: PerDuty<bool>) -> Result<(), WorkError> {
        let Door { clock, config, .. } = self.door;
        let began_at = clock.now();
        let mut failures = 0;
        // The client waits for whoever has a turn, so the others stand back for longer.
        let contest_wait_max = match event {
            Event::Done(_) => Duration::from_millis(40),
            Event::Text(_)
            | Event::NotText
            | Event::Disconnected
            | Event::Due
            | Event::Conversation(_) => Duration::from_millis(320),
        };
        loop {
            let error = match self.try_write(event, busy).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.held = None;
            let (limit, wait_max) = match &error {
                WorkError::Contested => (config.pace.contest_limit, contest_wait_max),
                WorkError::Store(_) | WorkError::Silent => {
                    (config.pace.fault_limit, Duration::from_millis(400))
                }
                WorkError::Unknown | WorkError::State(_) | WorkError::Panicked => {
                    return Err(error);
                }
            };
            if clock.now().since(began_at) >= limit {
                return Err(error);
            }
            let wait = WRITE_WAIT_FIRST.saturating_mul(1 << failures.min(8)).min(wait_max);
            failures += 1;
            clock.sleep(self.door.chance.some_of(wait)).await;
        }
    }

    async fn try_write(&mut self, event: Event<'_>, busy: PerDuty<bool>) -> Result<(), WorkError> {
        let Door { clock, config, store, .. } = self.door;
        let Held { mut state, revision, bytes: before } = match self.held.take() {
            Some(held) => held,
            None => self.read().await?,
        };
        self.reply_seq = Some(state.rest.reply_seq);
        let now = clock.now();
        state.step(config, now, event);
        let is_busy = |duty| *busy.of(duty);
        state.assign(now, &self.holder, is_busy, now < self.ends_at);
        let bytes = state.encode()?;
        if bytes == before {
            state.notes.clear();
            self.held = Some(Held { state, revision, bytes });
            return Ok(());
        }
        let item = ConnectionItem { bytes: bytes.clone(), revision };
        let (due, expires_at) = (state.due(), state.expires_at(now));
        let put = store.put_connection(self.connection, item, due, expires_at);
        let revision = match clock.timeout(config.pace.call_limit, put).await {
            Some(Ok(revision)) => revision,
            Some(Err(error)) if error.is_conflict() => {
                metrics::counter!("sidetone_connection_conflicts_total").increment(1);
                return Err(WorkError::Contested);
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Err(WorkError::Silent),
        };
        for one in std::mem::take(&mut state.notes) {
            note(&state, &one);
        }
        self.held = Some(Held { state, revision, bytes });
        Ok(())
    }

    /// Reads the state as it stands.
    async fn read(&self) -> Result<Held, WorkError> {
        let Door { clock, config, store, .. } = self.door;
        let read = store.connection(self.connection, clock.now());
        let item = match clock.timeout(config.pace.call_limit, read).await {
            Some(item) => item?.ok_or(WorkError::Unknown)?,
            None => return Err(WorkError::Silent),
        };
        let state = ConnectionState::decode(&config.engine, &item.bytes)?;
        Ok(Held { state, revision: item.revision, bytes: item.bytes })
    }

    /// Begins an errand at every desk that is this invocation's and at rest.
    fn begin(&self, world: &'a World<'a, S, R, L>, hands: &mut PerDuty<Option<Under<'a>>>) {
        let Some(Held { state, .. }) = &self.held else { return };
        for duty in Duty::ALL {
            let hand = hands.of_mut(duty);
            if hand.is_none()
                && let Some(until) = state.rest.desks.of(duty).acts_until(&self.holder)
                && let Some(errand) = Errand::of(state, duty)
            {
                *hand = Some(Box::pin(world.run(errand, until)));
            }
        }
    }

    /// Waits for the next errand to end, or for it to be time for something; nothing if there
    /// is neither.
    async fn next(&self, hands: &mut PerDuty<Option<Under<'a>>>) -> Option<Option<Outcome>> {
        let clock = &self.door.clock;
        let state = &self.held.as_ref()?.state;
        let is_busy = Duty::ALL.iter().any(|duty| hands.of(*duty).is_some());
        let now = clock.now();
        let wake_at = if is_busy {
            let deadline = state.deadline().filter(|deadline| *deadline < self.ends_at);
            deadline.map(|deadline| deadline.max(now + WAKE_STEP_MIN))
        } else {
            self.worth_staying_for(state, now)
        };
        if !is_busy && wake_at.is_none() {
            return None;
        }
        let done = std::future::poll_fn(|context| {
            for duty in Duty::ALL {
                let hand = hands.of_mut(duty);
                if let Some(under_way) = hand
                    && let Poll::Ready(outcome) = under_way.as_mut().poll(context)
                {
                    *hand = None;
                    return Poll::Ready(outcome);
                }
            }
            Poll::Pending
        });
        let woken = async {
            match wake_at {
                // The engine of a connection that no process holds lives in world time.
                Some(wake_at) => clock.sleep(wake_at.since(clock.now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            outcome = done => Some(Some(outcome)),
            () = woken => Some(None),
        }
    }

    /// Returns when a duty that rests goes on, if that is soon.
    fn worth_staying_for(&self, state: &ConnectionState, now: Timestamp) -> Option<Timestamp> {
        let desks = Duty::ALL.into_iter().filter(|duty| state.has_work(*duty));
        let next = desks.map(|duty| state.rest.desks.of(duty).due(now)).min()?;
        let soon = next < self.ends_at && next.since(now) <= self.door.config.pace.patience;
        soon.then_some(next)
    }
}

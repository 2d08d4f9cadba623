//! What nobody comes for: deadlines that pass, letters, turns of invocations that died, doors
//! that died.
//!
//! Runs for a span, again and again, and may run twice at once: every connection it looks at is
//! worked on as by any event.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sidetone_driver::{
    Producer, ProducerConfig, declare_lost, read_conversation, save_item, sweep_dead_owners,
};
use sidetone_model::{ConnectionId, ConversationKey, OwnerId, SessionItem, SessionPhase};
use sidetone_ports::{
    CallStore, ClientLine, ConnectionItem, ConnectionStore, Mailbox, Observed, OwnerStore,
    RecordSink, StoreError, chain,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::door::Door;
use crate::state::{AGE_MAX, OWNER};
use crate::step::Event;
use crate::work::WorkError;

/// How many connections are worked on at once.
const AT_ONCE_MAX: usize = 32;

/// How many overdue connections one look asks for.
const DUE_MAX: usize = 200;

/// How long after its connection's greatest age a session without a state is an orphan.
const ORPHAN_AGE: Duration = Duration::from_secs(AGE_MAX.as_secs() + 600);

/// One sweep's jobs.
struct Sweep<S, R, L> {
    door: Arc<Door<S, R, L>>,
    /// Who is worked on: the next look finds them again.
    under_way: Arc<Mutex<HashSet<ConnectionId>>>,
    slots: Arc<Semaphore>,
    jobs: JoinSet<()>,
}

impl<S, R, L> Door<S, R, L>
where
    S: ConnectionStore + CallStore + Mailbox + OwnerStore,
    R: RecordSink,
    L: ClientLine,
{
    /// Looks after everything for a span, and ends what it has begun by then.
    pub async fn sweep(self: &Arc<Self>, span: Duration) {
        let ends_at = self.clock.steady() + span;
        let producer = Producer::new(self.clock, ProducerConfig::default(), self.sink.clone());
        tokio::select! {
            () = self.look_after_connections(span) => {}
            () = producer.run() => {}
            () = self.look_after_owners(&producer) => {}
            // Connections are looked after until they are done; the rest is cut short.
            () = self.clock.sleep_until(ends_at + self.config.pace.shift * 2) => {}
        }
    }

    async fn look_after_connections(self: &Arc<Self>, span: Duration) {
        let mut sweep = Sweep {
            door: Arc::clone(self),
            under_way: Arc::default(),
            slots: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            jobs: JoinSet::new(),
        };
        let ends_at = self.clock.steady() + span;
        while self.clock.steady() < ends_at {
            let next_look = self.clock.steady() + self.config.pace.sweep_interval;
            sweep.look().await;
            while sweep.jobs.try_join_next().is_some() {}
            self.clock.sleep_until(next_look.min(ends_at)).await;
        }
        while sweep.jobs.join_next().await.is_some() {}
    }

    /// Ends what dead doors left behind, and what lost its state; never returns.
    async fn look_after_owners(&self, producer: &Producer<R>) {
        let own = OwnerId::new(OWNER);
        let mut looks_for_orphans = true;
        // Of this run alone: an invocation does not know how long its process stood still before.
        let mut observed = Observed::every(self.config.pace.owners_interval, &self.clock);
        loop {
            let observed = Some(&mut observed);
            let swept = sweep_dead_owners(&self.store, &self.clock, producer, &own, observed).await;
            match swept {
                Ok(0) => {}
                Ok(sessions) => {
                    tracing::warn!(sessions, "declared lost what a dead door left behind");
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), "dead doors cannot be looked after");
                }
            }
            if looks_for_orphans {
                looks_for_orphans = false;
                if let Err(error) = self.end_orphans(producer, &own).await {
                    tracing::error!(error = %chain(&error), "orphans cannot be looked after");
                }
            }
            self.clock.sleep(self.config.pace.owners_interval).await;
        }
    }

    /// Ends sessions of this door whose connection has no state any more.
    async fn end_orphans(&self, producer: &Producer<R>, own: &OwnerId) -> Result<(), StoreError> {
        let now = self.clock.now();
        for owned in self.store.owned_by(own, now).await? {
            let Ok(mut item) = serde_json::from_slice::<SessionItem>(&owned.item.bytes) else {
                tracing::error!(item = owned.item.name, "a session's item cannot be read");
                continue;
            };
            let is_old = now.since(item.opened_at) > ORPHAN_AGE;
            if !is_old || self.store.connection(&item.connection, now).await?.is_some() {
                continue;
            }
            tracing::error!(session = %item.session, connection = %item.connection, "a session lost its state");
            declare_lost(&self.clock, producer, &item).await;
            item.give_up(now);
            let mut revision = owned.item.revision;
            match save_item(&self.store, &self.clock, &item, &mut revision).await {
                Err(error) if !error.is_conflict() => return Err(error),
                // On a conflict another sweep was first, with the same records.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Works on one connection because it may be time.
    async fn look_at(&self, connection: &ConnectionId) {
        match self.work(connection, Event::Due).await {
            Ok(()) | Err((WorkError::Unknown, _)) => {}
            Err((error, _)) => {
                tracing::error!(%connection, error = %chain(&error), "a connection cannot be looked after");
                if let WorkError::State(_) = error {
                    self.set_aside(connection).await;
                }
            }
        }
    }

    /// Lets a state that cannot be read lie until it expires; its session is an orphan then.
    async fn set_aside(&self, connection: &ConnectionId) {
        let now = self.clock.now();
        let Ok(Some(ConnectionItem { bytes, revision })) =
            self.store.connection(connection, now).await
        else {
            return;
        };
        let item = ConnectionItem { bytes, revision };
        let put = self.store.put_connection(connection, item, None, now + AGE_MAX).await;
        if let Err(error) = put {
            tracing::error!(%connection, error = %chain(&error), "a state cannot be set aside");
        }
    }

    /// Tells every session of this door in a conversation what its partition holds.
    async fn deliver(&self, key: ConversationKey) {
        let conversation = match read_conversation(&self.store, &self.clock, key).await {
            Ok(conversation) => conversation,
            Err(error) => {
                tracing::warn!(conversation = %key.conversation, error = %chain(&error), "conversation cannot be read");
                // Taken is not read: it goes back.
                let own = OwnerId::new(OWNER);
                if let Err(error) = self.store.post(&own, key, self.clock.now()).await {
                    tracing::error!(conversation = %key.conversation, error = %chain(&error), "a letter was lost");
                }
                return;
            }
        };
        let of_this_door = conversation.sessions.iter().filter(|session| {
            session.owner.as_str() == OWNER && session.phase != SessionPhase::Ended
        });
        for SessionItem { connection, .. } in of_this_door {
            match self.work(connection, Event::Conversation(&conversation)).await {
                Ok(()) | Err((WorkError::Unknown, _)) => {}
                Err((error, _)) => {
                    tracing::error!(%connection, error = %chain(&error), "a session cannot be told of its conversation");
                }
            }
        }
    }
}

impl<S, R, L> Sweep<S, R, L>
where
    S: ConnectionStore + CallStore + Mailbox + OwnerStore,
    R: RecordSink,
    L: ClientLine,
{
    /// Looks once, and begins what there is to do.
    async fn look(&mut self) {
        let Door { clock, store, config, .. } = &*self.door;
        let own = OwnerId::new(OWNER);
        let letters = store.take(&own, Duration::ZERO);
        match clock.timeout(config.pace.call_limit, letters).await {
            Some(Ok(keys)) => {
                for key in keys {
                    let (door, slots) = (Arc::clone(&self.door), Arc::clone(&self.slots));
                    self.jobs.spawn(async move {
                        let Ok(_slot) = slots.acquire().await else { return };
                        door.deliver(key).await;
                    });
                }
            }
            failed => {
                let error = failed.and_then(Result::err).map(|error| chain(&error));
                tracing::error!(error, "the mailbox cannot be read");
            }
        }
        let due = store.due_connections(clock.now(), DUE_MAX);
        match clock.timeout(config.pace.call_limit, due).await {
            Some(Ok(connections)) => {
                for connection in connections {
                    self.begin(connection);
                }
            }
            failed => {
                let error = failed.and_then(Result::err).map(|error| chain(&error));
                tracing::error!(error, "overdue connections cannot be found");
            }
        }
    }

    fn begin(&mut self, connection: ConnectionId) {
        if !lock(&self.under_way).insert(connection.clone()) {
            return;
        }
        let (door, slots) = (Arc::clone(&self.door), Arc::clone(&self.slots));
        let under_way = Arc::clone(&self.under_way);
        self.jobs.spawn(async move {
            if let Ok(_slot) = slots.acquire().await {
                door.look_at(&connection).await;
            }
            lock(&under_way).remove(&connection);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

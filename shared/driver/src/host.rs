//! What all sessions of one process share: the store, the producer, the mailbox, the clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidetone_audiohook_proto::Handshake;
use sidetone_delivery_wire::Body;
use sidetone_engine::{Conversation, Engine, EngineConfig, EngineStatus};
use sidetone_model::{
    BreachReport, ConnectionId, ConversationId, ConversationKey, OrganizationId, OwnerId,
    SessionId, SessionItem,
};
use sidetone_ports::{
    CallStore, Clock, Freshness, Mailbox, NonceCheck, NonceStore, Observed, OwnerBeat, OwnerStore,
    RecordSink, Revision, StoreError, chain,
};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::calls;
use crate::lock::lock;
use crate::nonce::ask_shared;
use crate::policies::Policies;
use crate::producer::{Outlet, Producer, ProducerConfig};
use crate::refusals::{self, Refusals};
use crate::session::Session;
use crate::sweep;
use crate::talk::{TalkCell, Talking};
use crate::view::View;

/// How a host works.
#[derive(Debug, Clone, Default)]
pub struct HostConfig {
    /// For every session.
    pub engine: EngineConfig,
    /// For the stream.
    pub producer: ProducerConfig,
    /// For everything shared.
    pub pace: Pace,
}

/// How often a host looks, and how long it waits.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long one look into the mailbox waits for a letter.
    pub mailbox_wait: Duration,
    /// How often the owner says that it lives.
    pub beat_interval: Duration,
    /// How long the beat may stand still before others take this owner for dead.
    pub beat_life: Duration,
    /// How long the shared nonce memory may take before a session is let in without it.
    pub nonce_limit: Duration,
    /// How long writing a session's item is tried.
    pub save_limit: Duration,
    /// How long one such try may take.
    pub store_limit: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            mailbox_wait: Duration::from_millis(250),
            beat_interval: Duration::from_secs(5),
            beat_life: Duration::from_secs(15),
            nonce_limit: Duration::from_secs(2),
            save_limit: Duration::from_secs(60),
            store_limit: Duration::from_secs(5),
        }
    }
}

/// A session, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    /// The session.
    pub session: SessionId,
    /// Its socket.
    pub connection: ConnectionId,
    /// What the engine says.
    pub engine: EngineStatus,
    /// Frames that the stream has taken.
    pub frames_committed: u64,
    /// Whether the session is over and all of it is in the stream.
    pub ended: bool,
}

/// The place where a session's status stands.
#[derive(Debug)]
pub(crate) struct StatusCell {
    session: SessionId,
    connection: ConnectionId,
    latest: Mutex<Option<SessionStatus>>,
    key: Mutex<Option<ConversationKey>>,
    talk: TalkCell,
}

/// What all sessions of a process share; cheap to clone.
#[derive(Debug)]
pub struct Host<S, R>(Arc<Inner<S, R>>);

impl<S, R> Clone for Host<S, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Inner<S, R> {
    clock: Clock,
    engine: Policies,
    pace: Pace,
    owner: OwnerId,
    store: S,
    producer: Producer<R>,
    refusals: Refusals,
    watchers: Mutex<HashMap<ConversationKey, Vec<Watcher>>>,
    sessions: Mutex<HashMap<ConnectionId, Arc<StatusCell>>>,
    news: broadcast::Sender<SessionStatus>,
    shows_talk: AtomicBool,
}

#[derive(Debug)]
struct Watcher {
    connection: ConnectionId,
    view: Arc<View>,
}

/// How many conversations are read at once after this host was swept.
const LOOKS_MAX: usize = 32;

/// How often it is looked whether the clock was set: well within the second in which signed
/// handshakes are to be judged rightly again.
const CLOCK_CHECK_EVERY: Duration = Duration::from_millis(250);

/// How many status changes may wait for a slow reader before it misses some.
const NEWS_MAX: usize = 4_096;

impl<S, R> Host<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    /// Prepares a host for one owner; [`Host::run`] makes it work.
    pub fn new(clock: Clock, config: HostConfig, owner: OwnerId, store: S, sink: R) -> Self {
        Self(Arc::new(Inner {
            clock,
            engine: Policies::new(config.engine),
            pace: config.pace,
            owner,
            store,
            producer: Producer::new(clock, config.producer, sink),
            refusals: Refusals::default(),
            watchers: Mutex::default(),
            sessions: Mutex::default(),
            news: broadcast::channel(NEWS_MAX).0,
            shows_talk: AtomicBool::new(false),
        }))
    }

    /// Works until told to stop: puts records, reads the mailbox, says that it lives, sweeps.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::select! {
            () = self.0.producer.run() => {}
            () = self.read_mailbox() => {}
            () = self.stay_alive() => {}
            () = self.keep_sweeping() => {}
            () = self.0.refusals.keep(&self.0.store, &self.0.clock) => {}
            () = self.watch_clock() => {}
            () = stop.cancelled() => {}
        }
    }

    /// Starts a session whose upgrade was accepted.
    pub fn session(
        &self,
        handshake: Handshake,
        connection: ConnectionId,
        nonce: Option<NonceCheck>,
    ) -> Session<S, R> {
        let inner = &self.0;
        let organization = handshake.organization;
        let status = Arc::new(StatusCell {
            session: handshake.session_id.session_id(),
            connection: connection.clone(),
            latest: Mutex::default(),
            key: Mutex::default(),
            talk: TalkCell::default(),
        });
        lock(&inner.sessions).insert(connection.clone(), Arc::clone(&status));
        let answer = nonce.map(|nonce| self.ask(nonce));
        let engine = Engine::new(
            inner.clock.steady(),
            inner.engine.of(handshake.organization),
            handshake,
            connection,
            inner.owner.clone(),
        );
        Session::new(self.clone(), organization, engine, answer, status)
    }

    /// Declares lost what every other owner left behind. For a process that holds its data
    /// alone, when it starts.
    pub async fn sweep_all(&self) {
        self.sweep(None).await;
    }

    async fn sweep(&self, observed: Option<&mut Observed<OwnerBeat>>) {
        let inner = &self.0;
        let swept =
            sweep::sweep(&inner.store, &inner.clock, &inner.producer, &inner.owner, observed).await;
        match swept {
            Ok(0) => {}
            Ok(sessions) => tracing::warn!(sessions, "declared lost what a dead door left behind"),
            Err(error) => tracing::warn!(error = %chain(&error), "sweep failed, trying again"),
        }
    }

    /// Says that this owner is gone, in order: nothing of it is to be swept.
    ///
    /// Says nothing while there are sessions: those are for whoever comes next to sweep.
    pub async fn leave(&self) {
        let sessions = self.session_count();
        if sessions > 0 {
            tracing::warn!(sessions, "left without signing off: sessions are not over");
            return;
        }
        if let Err(error) = self.0.store.remove_owner(&self.0.owner, None).await {
            tracing::warn!(error = %chain(&error), "could not sign off");
        }
    }

    /// Returns every session there is.
    pub fn sessions(&self) -> Vec<SessionStatus> {
        let cells = lock(&self.0.sessions);
        cells.values().filter_map(|cell| lock(&cell.latest).clone()).collect()
    }

    /// Returns how many sessions there are, those without a socket included.
    pub fn session_count(&self) -> usize {
        lock(&self.0.sessions).len()
    }

    /// Returns every change of a session from now on.
    pub fn news(&self) -> broadcast::Receiver<SessionStatus> {
        self.0.news.subscribe()
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Returns the store.
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// Returns where refused handshakes are noted, for whoever explains why a call did not come.
    pub fn refusals(&self) -> Refusals {
        self.0.refusals.clone()
    }

    /// Stores a breach of the protocol that no session item will show.
    pub(crate) async fn keep_breach(
        &self,
        organization: OrganizationId,
        conversation: Option<ConversationId>,
        report: &BreachReport,
    ) {
        let Inner { store, clock, pace, .. } = &*self.0;
        let keeping = refusals::keep_breach(store, clock, organization, conversation, report);
        let error = match clock.timeout(pace.store_limit, keeping).await {
            Some(Ok(())) => return,
            Some(Err(error)) => chain(&error),
            None => "no answer in time".to_owned(),
        };
        tracing::warn!(session = %report.session, error, "protocol violation not stored");
    }

    pub(crate) fn policies(&self) -> &Policies {
        &self.0.engine
    }

    pub(crate) fn producer(&self) -> &Producer<R> {
        &self.0.producer
    }

    /// Has a session told of its conversation from now on.
    pub(crate) fn watch(&self, item: &SessionItem, view: Arc<View>) {
        if let Some(cell) = lock(&self.0.sessions).get(&item.connection) {
            *lock(&cell.key) = Some(item.key);
        }
        let watcher = Watcher { connection: item.connection.clone(), view };
        lock(&self.0.watchers).entry(item.key).or_default().push(watcher);
    }

    /// Forgets a session.
    pub(crate) fn forget(&self, cell: &StatusCell) {
        lock(&self.0.sessions).remove(&cell.connection);
        let Some(key) = *lock(&cell.key) else { return };
        let mut watchers = lock(&self.0.watchers);
        if let Some(of_key) = watchers.get_mut(&key) {
            of_key.retain(|watcher| watcher.connection != cell.connection);
            if of_key.is_empty() {
                watchers.remove(&key);
            }
        }
    }

    /// Writes a session's item, again and again for a while, and tells who watches.
    ///
    /// The host is the only one that knows how its session does. Where a sweep has declared it
    /// lost, the host takes it back: it goes on from the sweep's revision.
    pub(crate) async fn save(&self, item: SessionItem, mut revision: Revision) -> Revision {
        let Inner { store, clock, pace, .. } = &*self.0;
        let until = clock.steady() + pace.save_limit;
        let mut wait = Duration::from_millis(50);
        loop {
            let saving = async {
                match calls::save(store, clock, &item, &mut revision).await {
                    Err(error) if error.is_conflict() => {
                        revision = self.take_back(&item).await?;
                        calls::save(store, clock, &item, &mut revision).await
                    }
                    saved => saved,
                }
            };
            let error = match clock.timeout(pace.store_limit, saving).await {
                Some(Ok(conversation)) => {
                    self.tell(item.key, conversation);
                    return revision;
                }
                Some(Err(error)) => Some(error),
                None => None,
            };
            let text = error.as_ref().map(|error| chain(error));
            let error_text = text.as_deref().unwrap_or("no answer in time");
            if clock.steady() >= until {
                metrics::counter!("sidetone_session_items_unsaved_total").increment(1);
                tracing::error!(session = %item.session, error = error_text, "session item not saved");
                return revision;
            }
            tracing::warn!(session = %item.session, error = error_text, "saving session item again");
            clock.sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }

    /// Returns the revision at which a session's item is stored that another wrote last; 0 if
    /// there is none.
    async fn take_back(&self, item: &SessionItem) -> Result<Revision, StoreError> {
        let Inner { store, clock, owner, .. } = &*self.0;
        let Some((stored, revision)) = calls::stored(store, clock, item).await? else {
            return Ok(0);
        };
        if stored.was_given_up() {
            metrics::counter!("sidetone_sessions_fenced_total").increment(1);
            tracing::warn!(
                session = %item.session, connection = %item.connection, %owner, revision,
                "session was declared lost while its door held it: the beat of this owner was \
                 not seen in time; took the session back"
            );
        }
        Ok(revision)
    }

    /// Declares a session lost that broke off without an end: its task panicked, or was dropped.
    ///
    /// What it had delivered goes into the stream first. Unless it was `granted` the stream, it
    /// has delivered nothing and nothing is declared.
    pub(crate) fn give_up(
        &self,
        mut item: SessionItem,
        saver: Option<oneshot::Receiver<Revision>>,
        outlet: Option<Outlet>,
        granted: bool,
    ) {
        // Without a runtime the process ends; whoever comes next sweeps.
        let Ok(runtime) = Handle::try_current() else { return };
        tracing::error!(session = %item.session, connection = %item.connection, "session broke off");
        let host = self.clone();
        runtime.spawn(async move {
            if let Some(outlet) = outlet.filter(|_| granted) {
                outlet.drained().await;
                sweep::declare_lost(&host.0.clock, &host.0.producer, &item).await;
            }
            let revision = match saver {
                Some(saver) => saver.await.unwrap_or_default(),
                None => 0,
            };
            item.give_up(host.0.clock.now());
            host.save(item, revision).await;
        });
    }

    /// Has it measured from now on who is talking, for a screen that shows it.
    pub fn show_talk(&self) {
        self.0.shows_talk.store(true, Ordering::Relaxed);
    }

    /// Returns who is talking, by connection.
    pub fn talking(&self) -> HashMap<ConnectionId, Talking> {
        let sessions = lock(&self.0.sessions);
        let each =
            sessions.iter().map(|(connection, cell)| (connection.clone(), cell.talk.talking()));
        each.collect()
    }

    pub(crate) fn note_talk(&self, cell: &StatusCell, body: &Body) {
        cell.talk.note(body, self.0.shows_talk.load(Ordering::Relaxed));
    }

    /// Notes a session's status, and tells who asked if it changed.
    pub(crate) fn report(&self, cell: &StatusCell, engine: EngineStatus, committed: u64) {
        self.note(cell, engine, committed, false);
    }

    /// Notes that a session is over.
    pub(crate) fn report_end(&self, cell: &StatusCell, engine: EngineStatus, committed: u64) {
        self.note(cell, engine, committed, true);
    }

    /// Notes that a session is over if it broke off before it could say so: it is shown as it
    /// last was.
    pub(crate) fn report_broken_off(&self, cell: &StatusCell) {
        let mut latest = lock(&cell.latest);
        let Some(status) = latest.as_mut().filter(|status| !status.ended) else { return };
        status.ended = true;
        // Nobody listening is fine.
        let _ = self.0.news.send(status.clone());
    }

    fn note(&self, cell: &StatusCell, engine: EngineStatus, frames_committed: u64, ended: bool) {
        let connection = cell.connection.clone();
        let status =
            SessionStatus { session: cell.session, connection, engine, frames_committed, ended };
        let mut latest = lock(&cell.latest);
        let changed = latest.as_ref() != Some(&status);
        *latest = Some(status.clone());
        drop(latest);
        if changed {
            // Nobody listening is fine.
            let _ = self.0.news.send(status);
        }
    }

    fn ask(&self, nonce: NonceCheck) -> oneshot::Receiver<Freshness> {
        let (sender, receiver) = oneshot::channel();
        let host = self.clone();
        tokio::spawn(async move {
            let Inner { store, clock, pace, .. } = &*host.0;
            let freshness = ask_shared(store, clock, &nonce, pace.nonce_limit).await;
            let _ = sender.send(freshness);
        });
        receiver
    }

    fn tell(&self, key: ConversationKey, conversation: Conversation) {
        let conversation = Arc::new(conversation);
        if let Some(watchers) = lock(&self.0.watchers).get(&key) {
            for watcher in watchers {
                watcher.view.show(Arc::clone(&conversation));
            }
        }
    }

    async fn read_mailbox(&self) {
        let Inner { store, clock, pace, owner, .. } = &*self.0;
        loop {
            let wait = pace.mailbox_wait.div_f64(clock.speed());
            match store.take(owner, wait).await {
                Ok(keys) => {
                    for key in keys {
                        let host = self.clone();
                        tokio::spawn(async move { host.look_at(key).await });
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "mailbox cannot be read");
                    clock.sleep(pace.mailbox_wait).await;
                }
            }
        }
    }

    /// Reads a conversation that changed and tells its sessions; tries again until it can.
    async fn look_at(&self, key: ConversationKey) {
        let Inner { store, clock, watchers, .. } = &*self.0;
        while lock(watchers).contains_key(&key) {
            match calls::read(store, clock, key).await {
                Ok(conversation) => return self.tell(key, conversation),
                Err(error) => {
                    tracing::warn!(conversation = %key.conversation, error = %chain(&error), "conversation cannot be read");
                    clock.sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Reads every conversation of this host: it was swept, so each session is declared lost.
    fn look_at_all(&self) {
        let keys: Vec<_> = lock(&self.0.watchers).keys().copied().collect();
        let host = self.clone();
        tokio::spawn(async move {
            let mut looks = JoinSet::new();
            for key in keys {
                if looks.len() >= LOOKS_MAX {
                    looks.join_next().await;
                }
                let host = host.clone();
                looks.spawn(async move { host.look_at(key).await });
            }
            while looks.join_next().await.is_some() {}
        });
    }

    async fn stay_alive(&self) {
        let Inner { store, clock, pace, owner, .. } = &*self.0;
        let mut own = OwnerBeat { owner: owner.clone(), beat: 0, life: pace.beat_life };
        loop {
            own.beat += 1;
            match store.beat(&own).await {
                Ok(false) if own.beat > 1 => self.look_at_all(),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "sign of life not written");
                }
            }
            clock.sleep(pace.beat_interval).await;
        }
    }

    /// Looks several times a second whether world time has stepped: a signed handshake is judged
    /// by it.
    async fn watch_clock(&self) {
        let clock = &self.0.clock;
        let mut was_off = false;
        loop {
            if let Some(micros) = clock.check() {
                let by_ms = micros / 1_000;
                tracing::warn!(by_ms, "system clock stepped, or this machine was suspended");
                metrics::gauge!("sidetone_clock_step_seconds").set(seconds(micros));
            }
            let ahead = clock.skew().map_or(0, |skew| skew.ahead_micros);
            if (ahead != 0) != was_off {
                was_off = ahead != 0;
                let ahead_ms = ahead / 1_000;
                if was_off {
                    tracing::warn!(ahead_ms, "system clock differs from Genesys' time, corrected");
                } else {
                    tracing::info!("system clock agrees with Genesys' time again");
                }
            }
            metrics::gauge!("sidetone_clock_skew_seconds").set(seconds(ahead));
            clock.sleep(CLOCK_CHECK_EVERY).await;
        }
    }

    /// Apart from the signs of life: it waits for the stream, they must not.
    async fn keep_sweeping(&self) {
        let Inner { clock, pace, .. } = &*self.0;
        let mut observed = Observed::every(pace.beat_interval, clock);
        loop {
            clock.sleep(pace.beat_interval).await;
            self.sweep(Some(&mut observed)).await;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}

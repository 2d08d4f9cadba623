//! One worker: folds the snapshots of its share of conversations and saves what they changed.
//!
//! Refuses to lose an event to a store that fails: what could not be saved is tried again
//! until it can be, from the machine that remembers it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sidetone_model::{
    Attribution, CommunicationId, ConversationId, ConversationKey, EventSource, Leg, NotOurs,
    OrganizationId, Timestamp,
};
use sidetone_notification_proto::{ConversationLegs, LegUpdate};
use sidetone_ports::{CallStore, Clock, Mailbox, RecordSink, UserStore, chain};
use tokio::sync::{mpsc, watch};

use super::attribute::attribution_of;
use super::lag::{Lags, fresh_moment};
use super::partition::{self, Finding, News, Partition, Tell};
use super::publish::{PublishError, publish, publish_wrap_ups};
use super::seen::Seen;
use crate::backlog::{Backlog, Open};
use crate::channel::Heard;
use crate::lease::{Mandate, Tenure};
use crate::roster::Roster;

/// How many workers share the conversations: enough to hide the latency of a remote store at
/// a hundred changes a second, few enough for an embedded one with a single writer.
pub(crate) const WORKERS: usize = 4;

/// How often what failed is tried again, and what is due is published.
const TICK: Duration = Duration::from_secs(1);

/// How long after the last leg's end the tracker publishes a conversation without session: a
/// session's item is written before, even by a door that comes late.
const PUBLISH_AFTER: Duration = Duration::from_secs(10);

/// How often a conversation is put into the stream before it is given up: the waits grow to a
/// minute, so that is about ten minutes of a stream out of order.
const PUBLISH_TRIES_MAX: u32 = 15;

/// The longest wait between two tries to publish.
const PUBLISH_WAIT_MAX: Duration = Duration::from_secs(60);

/// How many conversations that could not be saved are tried again in one tick, so that a
/// store that comes back is not met by all at once.
const RETRIES_PER_TICK_MAX: usize = 200;

/// A conversation that is over and may have to be published.
#[derive(Debug)]
struct Due {
    at: Timestamp,
    tries: u32,
    /// Until it is, or nobody tries any more.
    _open: Open,
}

/// What all workers of a tracker work with.
#[derive(Clone)]
pub(crate) struct Means<S, R> {
    pub(crate) organization: OrganizationId,
    pub(crate) clock: Clock,
    pub(crate) store: S,
    pub(crate) sink: R,
    pub(crate) roster: Arc<Roster<S>>,
    pub(crate) lags: Lags,
    pub(crate) seen: Seen<S>,
    pub(crate) backlog: Backlog,
}

/// A worker and what it remembers.
pub(crate) struct Worker<S, R> {
    means: Means<S, R>,
    machine: ConversationLegs,
    attributed: BTreeMap<(ConversationId, CommunicationId), (Attribution, Timestamp)>,
    /// To be saved again: the store failed, or it is not sure that everybody was told. With
    /// what is open for want of that.
    unsaved: BTreeMap<ConversationId, Option<Open>>,
    over: BTreeMap<ConversationId, Due>,
    /// Where work after a call began, or was done.
    wrap_ups: BTreeMap<ConversationId, Due>,
}

impl<S, R> Worker<S, R>
where
    S: CallStore + Mailbox + UserStore,
    R: RecordSink,
{
    pub(crate) fn new(means: Means<S, R>) -> Self {
        Self {
            means,
            machine: ConversationLegs::default(),
            attributed: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            over: BTreeMap::new(),
            wrap_ups: BTreeMap::new(),
        }
    }

    /// Works until told to stop, then finishes what it has.
    pub(crate) async fn run(mut self, mut heard: mpsc::Receiver<Heard>, tenure: Tenure) {
        let stop = tenure.stop();
        let mut changes: watch::Receiver<u64> = self.means.roster.changes();
        let mut tick_at = self.means.clock.steady() + TICK;
        loop {
            tokio::select! {
                Some(heard) = heard.recv() => self.fold(heard).await,
                Ok(()) = changes.changed() => self.attribute_again().await,
                () = self.means.clock.sleep_until(tick_at) => {
                    tick_at = self.means.clock.steady() + TICK;
                    self.tick(self.means.clock.steady()).await;
                }
                () = stop.cancelled() => break,
            }
        }
        heard.close();
        while let Some(heard) = heard.recv().await {
            self.fold(heard).await;
        }
        let now = self.means.clock.steady();
        let told_until = match tenure.mandate() {
            // A call that ended a moment ago is not told by anybody after this.
            Mandate::Manage => now + PUBLISH_AFTER,
            // The next one heard its end, too, and can wait for a door that comes late.
            Mandate::Listen | Mandate::Nothing => now,
        };
        for due in self.over.values_mut().chain(self.wrap_ups.values_mut()) {
            if due.tries == 0 {
                continue;
            }
            due.at = now;
        }
        self.tick(told_until).await;
    }

    async fn fold(&mut self, Heard { received_at, snapshot, open }: Heard) {
        let conversation = snapshot.conversation;
        let is_recorded = snapshot.source == EventSource::Repair;
        self.recall(conversation, is_recorded).await;
        let before: Vec<LegUpdate> = self.machine.legs_of(conversation).cloned().collect();
        let updates = self.machine.snapshot(received_at, &snapshot);
        if updates.is_empty() && !self.unsaved.contains_key(&conversation) {
            return;
        }
        metrics::counter!("sidetone_leg_updates_total").increment(updates.len() as u64);
        let fresh = updates.iter().filter_map(|update| {
            let same = |one: &&LegUpdate| one.communication == update.communication;
            fresh_moment(before.iter().find(same), update)
        });
        let happened_at = fresh.max();
        let legs: Vec<Leg> = updates.into_iter().map(|update| self.attribute(update)).collect();
        // A record mostly says what is known.
        let tell = if is_recorded { Tell::News } else { Tell::Always };
        let findings = self.save(conversation, legs, tell).await;
        if let Some(since) = self.unsaved.get_mut(&conversation) {
            // What failed first goes furthest back.
            since.get_or_insert(open);
        } else if let Some(at) = happened_at {
            self.means.lags.note(snapshot.source, at, self.means.clock.now());
        }
        if is_recorded {
            findings.into_iter().for_each(count_finding);
        }
    }

    /// Takes up a conversation that somebody else followed before: a hold that began then is
    /// to be seen to end. Without the store it is followed from here on.
    async fn recall(&mut self, conversation: ConversationId, is_recorded: bool) {
        if self.machine.remembers(conversation) {
            return;
        }
        let (key, now) = (self.key(conversation), self.means.clock.now());
        let partition = match partition::read(&self.means.store, &self.means.clock, key).await {
            Ok(partition) => partition,
            Err(error) => {
                tracing::warn!(%conversation, error = chain(&error), "legs not recalled");
                return;
            }
        };
        if partition.legs.is_empty() {
            return;
        }
        for leg in &partition.legs {
            let who = (leg.attribution.clone(), leg.attributed_at);
            self.attributed.insert((conversation, leg.communication.clone()), who);
        }
        self.machine.recall(now, conversation, &partition.legs);
        // Whoever followed it may have died before telling of what was saved.
        self.note_over(conversation, &partition);
        self.note_wrap_up(conversation, &partition);
        if !is_recorded {
            self.unsaved.entry(conversation).or_default();
        }
    }

    /// Saves legs of a conversation, with those that could not be saved before; returns what
    /// the store learned.
    async fn save(
        &mut self,
        conversation: ConversationId,
        mut legs: Vec<Leg>,
        mut tell: Tell,
    ) -> Vec<Finding> {
        let again = self.unsaved.contains_key(&conversation);
        if again {
            legs = self.legs_of(conversation);
            tell = Tell::Always;
        }
        let key = self.key(conversation);
        match partition::save(&self.means.store, &self.means.clock, key, &legs, tell).await {
            Ok((partition, News { findings, wrap_up })) => {
                self.unsaved.remove(&conversation);
                self.note_over(conversation, &partition);
                self.means.seen.note(&legs).await;
                // What was learned before it failed is not known again.
                if wrap_up || again {
                    self.note_wrap_up(conversation, &partition);
                }
                findings
            }
            Err(error) => {
                metrics::counter!("sidetone_leg_save_failures_total").increment(1);
                tracing::warn!(%conversation, error = chain(&error), "legs not saved yet");
                self.unsaved.entry(conversation).or_default();
                Vec::new()
            }
        }
    }

    /// Attributes again whoever the roster sees otherwise: agents that were moved, and people
    /// whom Genesys had to be asked for.
    async fn attribute_again(&mut self) {
        let mut changed: BTreeMap<ConversationId, Vec<Leg>> = BTreeMap::new();
        let updates: Vec<LegUpdate> = self.machine.legs().cloned().collect();
        for update in updates {
            let id = (update.conversation, update.communication.clone());
            let before = self.attributed.get(&id).cloned();
            let unknown = Attribution::NotOurs(NotOurs::LookupFailed);
            let was_unknown = before.as_ref().is_some_and(|(who, _)| *who == unknown);
            // Whose call it was, once it is over, a later move does not change.
            if update.ended_at.is_some() && !was_unknown {
                continue;
            }
            let leg = self.attribute(update);
            if before.is_none_or(|(who, _)| who != leg.attribution) {
                changed.entry(leg.key.conversation).or_default().push(leg);
            }
        }
        for (conversation, legs) in changed {
            self.save(conversation, legs, Tell::Always).await;
        }
    }

    async fn tick(&mut self, now: Timestamp) {
        let unsaved: Vec<_> = self.unsaved.keys().copied().take(RETRIES_PER_TICK_MAX).collect();
        for conversation in unsaved {
            self.save(conversation, Vec::new(), Tell::Always).await;
            if self.unsaved.contains_key(&conversation) {
                break;
            }
        }
        for conversation in due_at(now, &self.over) {
            self.tell_without_session(conversation).await;
        }
        for conversation in due_at(now, &self.wrap_ups) {
            self.tell_wrap_ups(conversation).await;
        }
        self.ask_again();
        let machine = &self.machine;
        self.attributed.retain(|(conversation, _), _| machine.remembers(*conversation));
        self.unsaved.retain(|conversation, _| machine.remembers(*conversation));
        metrics::gauge!("sidetone_tracked_conversations").set(count(self.machine.len()));
    }

    /// Has the roster ask again for whoever could not be looked up; its answer comes as a change.
    fn ask_again(&self) {
        let failed = Attribution::NotOurs(NotOurs::LookupFailed);
        for ((conversation, communication), _) in
            self.attributed.iter().filter(|(_, (who, _))| *who == failed)
        {
            let mut legs = self.machine.legs_of(*conversation);
            if let Some(leg) = legs.find(|leg| leg.communication == *communication) {
                self.means.roster.attribution(leg.user);
            }
        }
    }

    fn note_over(&mut self, conversation: ConversationId, partition: &Partition) {
        if partition.is_over() && partition.sessions.is_empty() {
            let due = self.due(PUBLISH_AFTER, partition);
            self.over.entry(conversation).or_insert(due);
        } else {
            self.over.remove(&conversation);
        }
    }

    fn note_wrap_up(&mut self, conversation: ConversationId, partition: &Partition) {
        if partition.legs.iter().any(|leg| leg.wrap_up().is_some()) {
            self.wrap_ups.insert(conversation, self.due(Duration::ZERO, partition));
        }
    }

    /// Returns when to tell of a conversation. Until then it is open since it ended, which may be
    /// long ago: a successor looks for calls by their ends.
    fn due(&self, after: Duration, partition: &Partition) -> Due {
        let now = self.means.clock.now();
        let ended_at = partition.legs.iter().filter_map(|leg| leg.ended_at).max();
        let since = ended_at.map_or(now, |ended_at| ended_at.min(now));
        Due {
            at: self.means.clock.steady() + after,
            tries: 0,
            _open: self.means.backlog.open(since),
        }
    }

    /// Publishes a conversation if it is still over and still without a session.
    async fn tell_without_session(&mut self, conversation: ConversationId) {
        let key = self.key(conversation);
        let told = publish(&self.means.store, &self.means.sink, &self.means.clock, key).await;
        if let Ok(events) = told
            && events > 0
        {
            tracing::info!(%conversation, events, "conversation without audio told");
        }
        note_told(&mut self.over, conversation, &self.means.clock, told);
    }

    /// Publishes the work after the calls of a conversation, whoever told of these.
    async fn tell_wrap_ups(&mut self, conversation: ConversationId) {
        let key = self.key(conversation);
        let told = match partition::read(&self.means.store, &self.means.clock, key).await {
            Ok(Partition { legs, .. }) => {
                publish_wrap_ups(&self.means.sink, self.means.clock.now(), &legs).await
            }
            Err(error) => Err(error.into()),
        };
        note_told(&mut self.wrap_ups, conversation, &self.means.clock, told);
    }

    fn legs_of(&mut self, conversation: ConversationId) -> Vec<Leg> {
        let updates: Vec<LegUpdate> = self.machine.legs_of(conversation).cloned().collect();
        updates.into_iter().map(|update| self.attribute(update)).collect()
    }

    fn attribute(&mut self, update: LegUpdate) -> Leg {
        let id = (update.conversation, update.communication.clone());
        let who = self.means.roster.attribution(update.user);
        let (is_over, now) = (update.ended_at.is_some(), self.means.clock.now());
        let asked_at = self.means.roster.asked_at();
        let (who, since) = attribution_of(self.attributed.get(&id), who, is_over, asked_at, now);
        self.attributed.insert(id, (who.clone(), since));
        update.into_leg(self.means.organization, who, since)
    }

    const fn key(&self, conversation: ConversationId) -> ConversationKey {
        ConversationKey { organization: self.means.organization, conversation }
    }
}

fn due_at(now: Timestamp, all: &BTreeMap<ConversationId, Due>) -> Vec<ConversationId> {
    all.iter().filter(|(_, due)| due.at <= now).map(|(id, _)| *id).collect()
}

/// Notes when to try again what could not be published, and that all is done else; also where it
/// is given up.
fn note_told(
    all: &mut BTreeMap<ConversationId, Due>,
    conversation: ConversationId,
    clock: &Clock,
    told: Result<usize, PublishError>,
) {
    let Some(due) = all.get_mut(&conversation) else { return };
    let error = match told {
        Ok(events) => {
            metrics::counter!("sidetone_tracker_published_events_total").increment(events as u64);
            all.remove(&conversation);
            return;
        }
        Err(error) => error,
    };
    due.tries += 1;
    if due.tries >= PUBLISH_TRIES_MAX {
        metrics::counter!("sidetone_tracker_publish_given_up_total").increment(1);
        tracing::error!(%conversation, error = chain(&error), "call events given up");
        all.remove(&conversation);
        return;
    }
    let wait = Duration::from_secs(1 << due.tries.min(6)).min(PUBLISH_WAIT_MAX);
    due.at = clock.steady() + wait;
    let tries = due.tries;
    tracing::warn!(%conversation, error = chain(&error), tries, "call events not published yet");
}

/// Counts what was missed and is mended.
fn count_finding(finding: Finding) {
    let what = match finding {
        Finding::Began => "began",
        Finding::Changed => "changed",
        Finding::Ended => "ended",
        // Nothing was missed.
        Finding::Corrected => return,
    };
    metrics::counter!("sidetone_tracker_repair_findings_total", "what" => what).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge of a count far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

//! Where the events of one organization are worked on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use sidetone_model::{
    Attribution, ConversationId, ConversationKey, EventSource, Leg, OrganizationId, Timestamp,
    UserId,
};
use sidetone_notification_proto::{
    ConversationLegs, Delta, LegUpdate, Snapshot, snapshot_of_deltas,
};
use sidetone_ports::{CallStore, Clock, Mailbox, RecordSink, UserStore, chain};

use super::{BusError, PartnerEvents};
use crate::legs::{
    Partition, Seen, Tell, add_delta, attribution_of, fresh_moment, publish, publish_wrap_ups,
    read, save,
};
use crate::roster::{Roster, RosterError};
use crate::status::StatusBoard;
use crate::tracker::TrackerConfig;

/// What an event is worked on with, and its time.
pub(super) struct Place<'a, S, R> {
    pub(super) events: &'a PartnerEvents<S, R>,
    pub(super) clock: Clock,
}

impl<S, R> Clone for Place<'_, S, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, R> Copy for Place<'_, S, R> {}

/// The people of an organization, and when to ask for them again.
pub(super) struct Desk<S> {
    organization: OrganizationId,
    roster: Arc<Roster<S>>,
    seen: Seen<S>,
    due: Mutex<Due>,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    refresh_at: Timestamp,
    relist_at: Timestamp,
}

impl Due {
    fn from(now: Timestamp, config: &TrackerConfig) -> Self {
        Self { refresh_at: now + config.refresh, relist_at: now + config.relist }
    }
}

impl<S: CallStore + UserStore + Mailbox> Desk<S> {
    /// Lists everybody.
    pub(super) async fn open<R>(
        organization: OrganizationId,
        Place { events, clock }: Place<'_, S, R>,
    ) -> Result<Self, RosterError> {
        let (roster, _) = Roster::new(
            organization,
            events.platform.clone(),
            events.store.clone(),
            events.since,
            StatusBoard::new(),
        );
        roster.relist().await?;
        let due = Due::from(clock.now(), &events.config);
        let seen = Seen::new(events.store.clone(), events.since, organization);
        Ok(Self { organization, roster, seen, due: Mutex::new(due) })
    }

    pub(super) const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Brings the people up to date where it is time. Without an answer what is known stays in
    /// force.
    pub(super) async fn refresh(&self, config: &TrackerConfig, now: Timestamp) {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if now < due.refresh_at {
            return;
        }
        let whole = now >= due.relist_at;
        let mut next = Due { refresh_at: now + config.refresh, ..due };
        match self.roster.renew(whole).await {
            Ok(()) if whole => next = Due::from(now, config),
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(error = chain(&error), "roster not refreshed");
                metrics::counter!("sidetone_roster_failures_total").increment(1);
            }
        }
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// Takes one thing about a conversation, and with it everything that was told before.
    pub(super) async fn take_delta<R: RecordSink>(
        &self,
        at: Place<'_, S, R>,
        conversation: ConversationId,
        delta: &Delta,
    ) -> Result<(), BusError> {
        let key = self.key(conversation);
        let deltas = add_delta(&at.events.store, &at.clock, key, delta).await?;
        let snapshot = snapshot_of_deltas(conversation, &deltas);
        self.take_snapshot(at, &snapshot, Some(delta.at)).await
    }

    /// Takes what is said of a conversation; `happened_at` is when, if that is known.
    pub(super) async fn take_snapshot<R: RecordSink>(
        &self,
        at: Place<'_, S, R>,
        snapshot: &Snapshot,
        happened_at: Option<Timestamp>,
    ) -> Result<(), BusError> {
        let (store, clock) = (&at.events.store, &at.clock);
        let key = self.key(snapshot.conversation);
        let known = read(store, clock, key).await?;
        let mut machine = ConversationLegs::default();
        machine.recall(clock.now(), snapshot.conversation, &known.legs);
        let before: Vec<LegUpdate> = machine.legs().cloned().collect();
        machine.snapshot(clock.now(), snapshot);
        let after: Vec<LegUpdate> = machine.legs().cloned().collect();
        if after.is_empty() {
            return Ok(());
        }
        let changes = after != before;
        let fresh = after.iter().filter_map(|leg| {
            let same = |one: &&LegUpdate| one.communication == leg.communication;
            fresh_moment(before.iter().find(same), leg)
        });
        let happened_at = happened_at.or(fresh.max()).filter(|_| changes);
        self.learn(&after).await;
        let legs: Vec<Leg> =
            after.into_iter().map(|leg| self.attributed(&known, leg, clock.now())).collect();
        // All of them and in any case: an event that comes again may be here because telling
        // failed the first time.
        let (partition, _) = save(store, clock, key, &legs, Tell::Always).await?;
        self.seen.note(&legs).await;
        if let Some(moment) = happened_at {
            at.events.lags.note(EventSource::EventBus, moment, clock.now());
        }
        self.tell(at, key, partition).await
    }

    /// Has Genesys asked for whoever is unknown; without an answer the leg says so.
    async fn learn(&self, legs: &[LegUpdate]) {
        let unknown: BTreeSet<UserId> =
            legs.iter().map(|leg| leg.user).filter(|user| self.roster.is_wanted(*user)).collect();
        if !unknown.is_empty() {
            self.roster.look_up(unknown.into_iter().collect()).await;
        }
    }

    fn attributed(&self, known: &Partition, leg: LegUpdate, now: Timestamp) -> Leg {
        let stored = known.legs.iter().find(|one| one.communication == leg.communication);
        let before: Option<(Attribution, Timestamp)> =
            stored.map(|leg| (leg.attribution.clone(), leg.attributed_at));
        let who = self.roster.attribution(leg.user);
        let (is_over, asked_at) = (leg.ended_at.is_some(), self.roster.asked_at());
        let (who, since) = attribution_of(before.as_ref(), who, is_over, asked_at, now);
        leg.into_leg(self.organization, who, since)
    }

    /// Publishes what no session's door does: nobody is here later, so it is not waited for one.
    async fn tell<R: RecordSink>(
        &self,
        at: Place<'_, S, R>,
        key: ConversationKey,
        partition: Partition,
    ) -> Result<(), BusError> {
        let sink = &at.events.sink;
        let mut count = publish_wrap_ups(sink, at.clock.now(), &partition.legs).await?;
        if partition.is_ours_to_tell() {
            count += publish(&at.events.store, sink, &at.clock, key).await?;
        }
        metrics::counter!("sidetone_tracker_published_events_total").increment(count as u64);
        Ok(())
    }

    const fn key(&self, conversation: ConversationId) -> ConversationKey {
        ConversationKey { organization: self.organization, conversation }
    }
}

//! The course of a conversation: one operation for each thing that happens on a call.
//!
//! An operation changes the truth; nobody hears of it before a [`Snapshot`] is published.
//! Each first completes what an earlier one left `disconnected`, as the platform does within
//! milliseconds; [`Conversation::terminate`] shows that step on its own.

use std::time::Duration;

use sidetone_model::{ConversationKey, Direction, Timestamp, UserId};
use uuid::Uuid;

use super::nouns::{Customer, LegTruth, Queue, Snapshot, StepError, Who};
use super::party::{Ids, Party};
use super::record::Recorded;
use super::wire::{
    Body, CallState, Destination, DisconnectType, Initiator, Moment, Purpose, Transfer, Way, Wrapup,
};
use crate::platform::SimUser;

/// How long the first flow takes to pick up, as in a captured call.
const FLOW_PICKS_UP_AFTER: Duration = Duration::from_millis(34);

/// How long before an alert the call reached the queue, if the script did not say.
const QUEUED_BEFORE_RING: Duration = Duration::from_millis(260);

/// How long a queue's leg outlives the agent's answer, as in a captured call.
const QUEUE_LEAVES_AFTER: Duration = Duration::from_millis(23);

/// A conversation in the making.
#[derive(Debug, Clone)]
pub struct Conversation {
    pub(super) key: ConversationKey,
    pub(super) direction: Direction,
    pub(super) customer: Customer,
    pub(super) queue: Option<Queue>,
    pub(super) parties: Vec<Party>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) secure_pause: bool,
}

impl Conversation {
    /// Begins an inbound call: the customer is connected to the first flow.
    pub fn inbound(
        key: ConversationKey,
        customer: Customer,
        queue: Queue,
        started_at: Timestamp,
    ) -> Self {
        let mut conversation = Self::empty(key, Direction::Inbound, customer, Some(queue));
        let mut caller = Party::outside(
            conversation.ids(),
            Purpose::Customer,
            &conversation.customer,
            CallState::Offering,
            Way::Inbound,
        );
        caller.wire.queue_id = conversation.queue.as_ref().map(|queue| queue.id);
        caller.connect(started_at);
        conversation.parties.push(caller);
        conversation.add_automatic(Purpose::Ivr, "Main flow", started_at + FLOW_PICKS_UP_AFTER);
        conversation
    }

    /// Begins an outbound call: the platform contacts the agent's own phone.
    ///
    /// With a queue the agent calls on its behalf; without one the call is a plain user's.
    pub fn outbound(
        key: ConversationKey,
        customer: Customer,
        queue: Option<Queue>,
        agent: &SimUser,
        started_at: Timestamp,
    ) -> Self {
        let mut conversation = Self::empty(key, Direction::Outbound, customer, queue);
        conversation.add_person(agent, CallState::Contacting, Way::Outbound, Some(started_at));
        conversation
    }

    pub(super) fn empty(
        key: ConversationKey,
        direction: Direction,
        customer: Customer,
        queue: Option<Queue>,
    ) -> Self {
        Self {
            key,
            direction,
            customer,
            queue,
            parties: Vec::new(),
            transfers: Vec::new(),
            secure_pause: false,
        }
    }

    /// Returns which conversation this is.
    pub const fn key(&self) -> ConversationKey {
        self.key
    }

    /// Returns which way it was set up.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the participant id of the customer, which AudioHook names in `open`.
    pub fn customer_participant(&self) -> Option<Uuid> {
        self.customer_party().map(|party| party.wire.id)
    }

    pub(super) fn parties(&self) -> &[Party] {
        &self.parties
    }

    /// Returns whether every leg is over.
    pub fn is_over(&self) -> bool {
        self.parties.iter().all(Party::is_over)
    }

    /// Returns the legs of Genesys users in the order in which they came.
    pub fn legs(&self) -> Vec<LegTruth> {
        self.parties.iter().filter_map(Party::truth).collect()
    }

    /// Returns when the customer was connected to the platform or answered its call.
    pub fn customer_connected_at(&self) -> Option<Timestamp> {
        self.customer_party()?.call().connected_time.map(|moment| moment.0)
    }

    /// The flow hands the customer to the queue.
    pub fn enter_queue(&mut self, at: Timestamp) {
        self.terminate();
        self.end_all(Purpose::Ivr, DisconnectType::Transfer, at);
        self.end_all(Purpose::Acd, DisconnectType::Transfer, at);
        let name = self.queue.as_ref().map_or_else(String::new, |queue| queue.name.clone());
        self.add_automatic(Purpose::Acd, &name, at);
        self.terminate();
    }

    /// The queue rings an agent; each attempt is a new participant.
    pub fn ring(&mut self, user: &SimUser, at: Timestamp) {
        self.terminate();
        if !self.is_queued() {
            self.enter_queue(at - QUEUED_BEFORE_RING);
        }
        self.add_transfer(None, user, at);
        self.add_person(user, CallState::Alerting, Way::Inbound, Some(at));
    }

    /// A ringing agent answers; the queue's leg ends moments later.
    ///
    /// Errors: the user is not ringing.
    pub fn answer(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        self.leg_mut(user, "ringing", |state| state == CallState::Alerting)?.connect(at);
        self.colleague_answered();
        self.end_all(Purpose::Acd, DisconnectType::Transfer, at + QUEUE_LEAVES_AFTER);
        self.terminate();
        self.settle_transfer(user, "complete");
        Ok(())
    }

    /// The agent's phone answers by itself: nobody sees it ring.
    pub fn connect(&mut self, user: &SimUser, at: Timestamp) {
        self.ring(user, at);
        if let Some(party) = self.parties.last_mut() {
            party.rang_at = None;
            party.connect(at);
        }
        self.end_all(Purpose::Acd, DisconnectType::Transfer, at + QUEUE_LEAVES_AFTER);
        self.terminate();
        self.settle_transfer(user.id, "complete");
    }

    /// The platform takes the call back from an agent who does not answer.
    ///
    /// Errors: the user is not ringing.
    pub fn no_answer(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.end_ringing(user, DisconnectType::System, at)
    }

    /// The agent declines.
    ///
    /// Errors: the user is not ringing.
    pub fn decline(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.end_ringing(user, DisconnectType::Client, at)
    }

    /// The agent's phone is up and the customer's is called: outbound only.
    ///
    /// From here the agent's own leg carries the ring-back tone.
    /// Errors: the user's phone is not being contacted.
    pub fn dial(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let agent = self.leg_mut(user, "being contacted", |it| it == CallState::Contacting)?;
        agent.connect(at);
        agent.call_mut().state = CallState::Dialing;
        let purpose = if self.queue.is_some() { Purpose::Customer } else { Purpose::External };
        let ids = self.ids();
        let customer = &self.customer;
        let mut outside = Party::outside(ids, purpose, customer, CallState::Dialing, Way::Outbound);
        outside.rang_at = Some(at);
        self.parties.push(outside);
        for party in &mut self.parties {
            if party.wire.user_id.is_some() {
                party.call_mut().peer_id = Some(ids.communication);
            }
        }
        Ok(())
    }

    /// The customer answers an outbound call.
    ///
    /// The agent's own connected time stays that of the agent's phone, which lies before.
    /// Errors: the user is not dialing, or nobody was called.
    pub fn connected(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        self.leg_mut(user, "dialing", |state| state == CallState::Dialing)?.call_mut().state =
            CallState::Connected;
        self.customer_mut()?.connect(at);
        Ok(())
    }

    /// The agent presses hold: the customer hears music.
    ///
    /// Errors: the user is not connected, or the customer has left.
    pub fn hold(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let agent = self.leg_mut(user, "connected", |state| state == CallState::Connected)?;
        agent.holds.push((at, None));
        agent.call_mut().held = true;
        agent.call_mut().start_hold_time = Some(Moment(at));
        self.customer_mut()?.call_mut().confined = true;
        Ok(())
    }

    /// The agent comes back from hold.
    ///
    /// Errors: the user is not connected, or the customer has left.
    pub fn retrieve(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let agent = self.leg_mut(user, "connected", |state| state == CallState::Connected)?;
        if let Some((_, end @ None)) = agent.holds.last_mut() {
            *end = Some(at);
        }
        agent.call_mut().held = false;
        agent.call_mut().start_hold_time = None;
        self.customer_mut()?.call_mut().confined = false;
        Ok(())
    }

    /// The agent mutes or unmutes.
    ///
    /// Errors: the user is not connected.
    pub fn mute(&mut self, user: UserId, muted: bool) -> Result<(), StepError> {
        let agent = self.leg_mut(user, "connected", |state| state == CallState::Connected)?;
        agent.call_mut().muted = muted;
        Ok(())
    }

    /// A secure pause begins or ends: card numbers are spoken.
    pub fn secure_pause(&mut self, on: bool) {
        self.secure_pause = on;
        for party in self.parties.iter_mut().filter(|party| !party.is_over()) {
            party.call_mut().secure_pause = on;
            party.call_mut().recording_state = if on { "paused" } else { "active" };
        }
    }

    /// One user hands the customer to another without talking to them: the first leg ends
    /// with `transfer`, the second user's phone rings.
    ///
    /// Errors: the first user is not connected.
    pub fn transfer_blind(
        &mut self,
        from: UserId,
        to: &SimUser,
        at: Timestamp,
    ) -> Result<(), StepError> {
        self.leave_by_transfer(from, at)?;
        self.add_transfer(Some(from), to, at);
        self.add_person(to, CallState::Alerting, Way::Inbound, Some(at));
        Ok(())
    }

    /// One user sends the customer back to the queue.
    ///
    /// Errors: the user is not connected.
    pub fn transfer_to_queue(&mut self, from: UserId, at: Timestamp) -> Result<(), StepError> {
        self.leave_by_transfer(from, at)?;
        let name = self.queue.as_ref().map_or_else(String::new, |queue| queue.name.clone());
        self.add_automatic(Purpose::Acd, &name, at);
        Ok(())
    }

    /// One user asks another while the customer hears music: the second user's phone rings.
    ///
    /// Errors: the first user is not connected, or the customer has left.
    pub fn consult(&mut self, from: UserId, to: &SimUser, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let consulted = self.ids().participant;
        let agent = self.leg_mut(from, "connected", |state| state == CallState::Connected)?;
        agent.wire.consult_participant_id = Some(consulted);
        self.customer_mut()?.call_mut().confined = true;
        self.add_transfer(Some(from), to, at);
        self.add_person(to, CallState::Alerting, Way::Inbound, Some(at));
        Ok(())
    }

    /// The customer hears both, and both hear the customer.
    ///
    /// Errors: the customer has left.
    pub fn confer(&mut self) -> Result<(), StepError> {
        self.terminate();
        self.customer_mut()?.call_mut().confined = false;
        Ok(())
    }

    /// The user who consulted leaves the customer to the one consulted.
    ///
    /// Errors: the user is not connected, or the customer has left.
    pub fn complete_consult(&mut self, from: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let agent = self.leg_mut(from, "connected", |state| state == CallState::Connected)?;
        agent.wire.consult_participant_id = None;
        agent.disconnect(DisconnectType::ConsultTransfer, at);
        self.customer_mut()?.call_mut().confined = false;
        Ok(())
    }

    /// The user who was consulted leaves; the one who asked has the customer again.
    ///
    /// Errors: the users are not on the call, or the customer has left.
    pub fn leave_consult(
        &mut self,
        consulted: UserId,
        from: UserId,
        at: Timestamp,
    ) -> Result<(), StepError> {
        self.terminate();
        let leg = self.leg_mut(consulted, "on the call", |state| !state.is_over())?;
        leg.disconnect(DisconnectType::Client, at);
        let agent = self.leg_mut(from, "connected", |state| state == CallState::Connected)?;
        agent.wire.consult_participant_id = None;
        self.customer_mut()?.call_mut().confined = false;
        Ok(())
    }

    /// Somebody hangs up; whoever still is on the call loses it with them.
    ///
    /// Errors: that party is not on the call.
    pub fn hang_up(&mut self, who: Who, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        match who {
            Who::Customer => self.customer_mut()?.disconnect(DisconnectType::Endpoint, at),
            Who::Agent(user) => self
                .leg_mut(user, "on the call", |state| !state.is_over())?
                .disconnect(DisconnectType::Client, at),
        }
        for party in &mut self.parties {
            party.disconnect(DisconnectType::Peer, at);
        }
        Ok(())
    }

    /// Turns every `disconnected` leg into `terminated`, the second of the two snapshots
    /// that a hang-up gives.
    pub fn terminate(&mut self) {
        self.parties.iter_mut().for_each(Party::terminate);
    }

    /// The agent saves the wrap-up.
    ///
    /// Errors: the user is not in after-call work.
    pub fn wrap_up(&mut self, user: UserId, code: &str, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let open = |party: &&mut Party| {
            party.wire.user_id == Some(user)
                && party.call().after_call_work.state == Some("pending")
        };
        let Some(party) = self.parties.iter_mut().rev().find(open) else {
            return Err(StepError::NoLeg { user, expected: "in after-call work" });
        };
        let begun = party.wire.start_acw_time.map_or(at, |moment| moment.0);
        party.wire.end_acw_time = Some(Moment(at));
        party.wire.wrapup = Some(Wrapup {
            code: code.to_owned(),
            duration_seconds: at.since(begun).as_secs(),
            end_time: Moment(at),
        });
        let work = &mut party.call_mut().after_call_work;
        work.state = Some("complete");
        work.end_time = Some(Moment(at));
        Ok(())
    }

    /// Leaves a message in a user's voicemail box: a participant that carries the user's id
    /// and is no agent.
    pub fn voicemail(&mut self, user: &SimUser, at: Timestamp) {
        self.add_person(user, CallState::Alerting, Way::Inbound, None);
        if let Some(party) = self.parties.last_mut() {
            party.wire.purpose = Purpose::Voicemail;
            party.wire.wrapup_required = false;
            party.connect(at);
        }
    }

    /// Returns the full state, ready to be published.
    pub fn snapshot(&self) -> Snapshot {
        let body = Body {
            id: self.key.conversation,
            max_participants: 25,
            participants: self.parties.iter().map(|party| &party.wire).collect(),
            recent_transfers: &self.transfers,
            recording_state: match (self.is_over(), self.secure_pause) {
                (true, _) => "none",
                (false, true) => "paused",
                (false, false) => "active",
            },
            secure_pause: self.secure_pause,
            divisions: [],
        };
        let body = serde_json::to_string(&body).expect("plain structs always have a JSON form");
        Snapshot {
            conversation: self.key.conversation,
            users: self.parties.iter().filter_map(|party| party.wire.user_id).collect(),
            body: body.into(),
            record: Recorded {
                conversation: self.key.conversation,
                direction: self.direction,
                parties: self.parties.as_slice().into(),
            },
        }
    }
}

impl Conversation {
    /// Derives the next party's ids, so that a seed gives the same conversation again.
    pub(super) fn ids(&self) -> Ids {
        let number = self.parties.len() + 1;
        Ids {
            participant: self.derived("participant", number),
            communication: self.derived("communication", number),
        }
    }

    fn derived(&self, kind: &str, number: usize) -> Uuid {
        let name = format!("{kind}-{number}");
        Uuid::new_v5(&self.key.conversation.uuid(), name.as_bytes())
    }

    pub(super) fn customer_party(&self) -> Option<&Party> {
        self.parties
            .iter()
            .find(|party| matches!(party.wire.purpose, Purpose::Customer | Purpose::External))
    }

    pub(super) fn customer_mut(&mut self) -> Result<&mut Party, StepError> {
        let outside = |party: &&mut Party| {
            matches!(party.wire.purpose, Purpose::Customer | Purpose::External)
        };
        match self.parties.iter_mut().find(outside) {
            Some(party) if !party.is_over() => Ok(party),
            Some(_) | None => Err(StepError::NoCustomer),
        }
    }

    /// Finds the user's newest leg in a state; earlier attempts stay as they ended.
    pub(super) fn leg_mut(
        &mut self,
        user: UserId,
        expected: &'static str,
        fits: impl Fn(CallState) -> bool,
    ) -> Result<&mut Party, StepError> {
        self.parties
            .iter_mut()
            .rev()
            .find(|party| party.wire.user_id == Some(user) && fits(party.call().state))
            .ok_or(StepError::NoLeg { user, expected })
    }

    fn is_queued(&self) -> bool {
        self.parties.iter().any(|party| party.wire.purpose == Purpose::Acd && !party.is_over())
    }

    pub(super) fn end_all(&mut self, purpose: Purpose, why: DisconnectType, at: Timestamp) {
        for party in self.parties.iter_mut().filter(|party| party.wire.purpose == purpose) {
            party.disconnect(why, at);
        }
    }

    fn end_ringing(
        &mut self,
        user: UserId,
        why: DisconnectType,
        at: Timestamp,
    ) -> Result<(), StepError> {
        self.terminate();
        let party = self.leg_mut(user, "ringing", |state| state == CallState::Alerting)?;
        party.disconnect(why, at);
        self.settle_transfer(user, "failed");
        Ok(())
    }

    fn leave_by_transfer(&mut self, from: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        let agent = self.leg_mut(from, "connected", |state| state == CallState::Connected)?;
        agent.disconnect(DisconnectType::Transfer, at);
        self.customer_mut()?.call_mut().confined = false;
        Ok(())
    }

    pub(super) fn add_automatic(&mut self, purpose: Purpose, name: &str, at: Timestamp) {
        let peer = self.customer_party().map(|party| party.call().id);
        let mut party = Party::automatic(self.ids(), purpose, name, &self.customer, at);
        if purpose == Purpose::Acd {
            party.wire.queue_id = self.queue.as_ref().map(|queue| queue.id);
        }
        party.call_mut().peer_id = peer;
        self.parties.push(party);
    }

    pub(super) fn add_person(
        &mut self,
        user: &SimUser,
        state: CallState,
        way: Way,
        rang_at: Option<Timestamp>,
    ) {
        let peer = self.customer_party().map(|party| party.call().id);
        let queue = self.queue.as_ref();
        let mut party = Party::person(self.ids(), user, queue, &self.customer, state, way);
        party.rang_at = rang_at;
        party.call_mut().peer_id = peer;
        self.parties.push(party);
    }

    fn add_transfer(&mut self, initiator: Option<UserId>, to: &SimUser, at: Timestamp) {
        let address = format!("sip:{}@localhost", to.username.replace('@', "%40"));
        self.transfers.push(Transfer {
            id: self.derived("transfer", self.transfers.len() + 1),
            state: "active",
            date_issued: Moment(at),
            initiator: Initiator { user_id: initiator },
            modified_by: Initiator::default(),
            destination: Destination { user_id: Some(to.id), address },
            transfer_type: "attended",
        });
    }

    fn settle_transfer(&mut self, to: UserId, state: &'static str) {
        let last = self.transfers.iter_mut().rev();
        if let Some(transfer) =
            last.into_iter().find(|transfer| transfer.destination.user_id == Some(to))
        {
            transfer.state = state;
        }
    }
}

#[cfg(test)]
mod tests;

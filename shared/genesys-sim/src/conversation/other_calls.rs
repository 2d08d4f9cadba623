//! What happens on calls that are not one customer, one queue and one agent.
//!
//! Source: genesys-cloud.md, section 3.14.

use sidetone_model::{ConversationKey, Direction, Timestamp, UserId};

use super::course::Conversation;
use super::nouns::{Beside, Customer, Queue, StepError};
use super::party::Party;
use super::wire::{CallState, Callback, DisconnectType, Moment, Purpose, Way};
use crate::platform::SimUser;

impl Conversation {
    /// Begins a dialer's call: the customer's phone rings, and no agent is there yet.
    pub fn dialed(
        key: ConversationKey,
        customer: Customer,
        queue: Queue,
        started_at: Timestamp,
    ) -> Self {
        let mut call = Self::empty(key, Direction::Outbound, customer, Some(queue));
        let (ids, state) = (call.ids(), CallState::Dialing);
        let purpose = Purpose::Customer;
        let mut outside = Party::outside(ids, purpose, &call.customer, state, Way::Outbound);
        outside.rang_at = Some(started_at);
        call.parties.push(outside);
        call.add_automatic(Purpose::Dialer, "Campaign", started_at);
        call
    }

    /// The customer answers the dialer, which hands the call to the queue.
    ///
    /// Errors: nobody was called.
    pub fn pick_up(&mut self, at: Timestamp) -> Result<(), StepError> {
        self.customer_mut()?.connect(at);
        self.end_all(Purpose::Dialer, DisconnectType::Transfer, at);
        self.enter_queue(at);
        Ok(())
    }

    /// Begins with a request to be called back, which waits in the queue: nobody is called.
    pub fn callback(
        key: ConversationKey,
        customer: Customer,
        queue: Queue,
        asked_at: Timestamp,
    ) -> Self {
        let name = queue.name.clone();
        let mut call = Self::empty(key, Direction::Outbound, customer, Some(queue));
        call.add_automatic(Purpose::Acd, &name, asked_at);
        call.newest_is_a_callback("connected");
        call
    }

    /// The queue offers the callback to an agent.
    pub fn offer_callback(&mut self, user: &SimUser) {
        self.add_person(user, CallState::Contacting, Way::Outbound, None);
        self.newest_is_a_callback("alerting");
    }

    /// The agent accepts the callback, which connects nobody with anybody.
    ///
    /// Errors: it was not offered to the user.
    pub fn accept_callback(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.end_all(Purpose::Acd, DisconnectType::Transfer, at);
        let expected = "offered a callback";
        let place = self.place_of(user, expected, |party| party.wire.callbacks.is_some())?;
        let party = &mut self.parties[place];
        party.wire.connected_time = Some(Moment(at));
        for callback in party.wire.callbacks.iter_mut().flatten() {
            callback.state = "connected";
        }
        self.terminate();
        Ok(())
    }

    /// The agent has the customer called: first the agent's own phone.
    ///
    /// Errors: the user has no callback.
    pub fn call_back(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        let expected = "in a callback";
        let place = self.place_of(user, expected, |party| party.wire.callbacks.is_some())?;
        let party = &mut self.parties[place];
        party.rang_at = Some(at);
        party.call_mut().is_placed = true;
        Ok(())
    }

    /// The platform gives everything up, as it does with a callback that nobody takes.
    pub fn withdraw(&mut self, at: Timestamp) {
        for party in &mut self.parties {
            party.disconnect(DisconnectType::System, at);
        }
    }

    /// One user's phone is up, and another's rings: a call among users.
    ///
    /// Errors: the first user's phone is not being contacted.
    pub fn call_colleague(
        &mut self,
        from: UserId,
        to: &SimUser,
        at: Timestamp,
    ) -> Result<(), StepError> {
        self.terminate();
        let caller = self.leg_mut(from, "being contacted", |it| it == CallState::Contacting)?;
        caller.connect(at);
        caller.call_mut().state = CallState::Dialing;
        let (caller_id, own) = (caller.call().id, caller.call().own.clone());
        self.add_person(to, CallState::Alerting, Way::Inbound, Some(at));
        let Some(called) = self.parties.last_mut() else { return Ok(()) };
        called.call_mut().peer_id = Some(caller_id);
        called.call_mut().other = own;
        let (called_id, own) = (called.call().id, called.call().own.clone());
        let caller = self.leg_mut(from, "dialing", |it| it == CallState::Dialing)?;
        caller.call_mut().peer_id = Some(called_id);
        caller.call_mut().other = own;
        Ok(())
    }

    /// Where users call each other, the caller's phone stops to ring back.
    pub(super) fn colleague_answered(&mut self) {
        if self.parties.iter().any(Party::is_outside) {
            return;
        }
        for party in self.parties.iter_mut().filter(|it| it.call().state == CallState::Dialing) {
            party.call_mut().state = CallState::Connected;
        }
    }

    /// A user's own number was called: it rings there, with no queue between.
    pub fn ring_directly(&mut self, user: &SimUser, at: Timestamp) {
        self.terminate();
        self.end_all(Purpose::Ivr, DisconnectType::Transfer, at);
        let peer = self.customer_party().map(|party| party.call().id);
        let (ids, state) = (self.ids(), CallState::Alerting);
        let mut party = Party::person(ids, user, None, &self.customer, state, Way::Inbound);
        party.rang_at = Some(at);
        party.call_mut().peer_id = peer;
        self.parties.push(party);
    }

    /// A supervisor takes part in a call without being its agent.
    ///
    /// Errors: nobody is connected whom to join.
    pub fn stand_by(
        &mut self,
        user: &SimUser,
        beside: Beside,
        at: Timestamp,
    ) -> Result<(), StepError> {
        self.terminate();
        let talks = |party: &&Party| {
            party.wire.user_id.is_some() && party.call().state == CallState::Connected
        };
        let Some(whom) = self.parties.iter().find(talks).map(|party| party.wire.id) else {
            return Err(StepError::NoLeg { user: user.id, expected: "beside a connected one" });
        };
        self.add_person(user, CallState::Alerting, Way::Inbound, None);
        let Some(party) = self.parties.last_mut() else { return Ok(()) };
        party.connect(at);
        party.wire.wrapup_required = false;
        party.wire.wrapup_expected = false;
        let (mark, role) = match beside {
            Beside::Monitors => (&mut party.wire.monitored_participant_id, "monitor"),
            Beside::Coaches => (&mut party.wire.coached_participant_id, "coach"),
            Beside::BargesIn => (&mut party.wire.barged_participant_id, "full"),
        };
        *mark = Some(whom);
        party.wire.media_roles = [role];
        Ok(())
    }

    /// A supervisor leaves; the call goes on.
    ///
    /// Errors: the user is not connected.
    pub fn stand_off(&mut self, user: UserId, at: Timestamp) -> Result<(), StepError> {
        self.terminate();
        self.leg_mut(user, "connected", |state| state == CallState::Connected)?
            .disconnect(DisconnectType::Client, at);
        self.terminate();
        Ok(())
    }

    fn newest_is_a_callback(&mut self, state: &'static str) {
        if let Some(party) = self.parties.last_mut() {
            party.call_mut().is_placed = false;
            party.wire.callbacks = Some([Callback { id: party.call().id, state }]);
        }
    }

    fn place_of(
        &self,
        user: UserId,
        expected: &'static str,
        fits: impl Fn(&Party) -> bool,
    ) -> Result<usize, StepError> {
        let fits = |party: &Party| party.wire.user_id == Some(user) && fits(party);
        let place = self.parties.iter().rposition(fits);
        place.ok_or(StepError::NoLeg { user, expected })
    }
}

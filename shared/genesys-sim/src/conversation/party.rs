//! One party of a conversation: its wire form and the truth that the wire does not carry.

use std::collections::BTreeMap;

use sidetone_model::{Timestamp, UserId};
use uuid::Uuid;

use super::nouns::{Customer, LegTruth, Queue};
use super::wire::{
    Address, AfterCallWork, Call, CallState, DisconnectReason, DisconnectType, Moment, Participant,
    Purpose, QueueMediaSettings, QueueReference, RoutingData, Way,
};
use crate::platform::SimUser;

/// How long a queue rings an agent before it asks another.
const ALERTING_SECONDS: u32 = 8;

/// How long an agent has for wrap-up.
const WRAPUP_MILLIS: u32 = 30_000;

/// A participant with what its script knows of it.
#[derive(Debug, Clone)]
pub(super) struct Party {
    pub(super) wire: Participant,
    pub(super) rang_at: Option<Timestamp>,
    pub(super) holds: Vec<(Timestamp, Option<Timestamp>)>,
}

/// The ids of a party: its participant and its one communication.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) participant: Uuid,
    pub(super) communication: Uuid,
}

impl Party {
    fn new(ids: Ids, purpose: Purpose, name: String, state: CallState, way: Way) -> Self {
        let call = Call {
            is_placed: true,
            id: ids.communication,
            state,
            initial_state: state,
            recording: true,
            recording_state: "active",
            muted: false,
            confined: false,
            held: false,
            secure_pause: false,
            direction: way,
            provider: "Edge",
            peer_id: None,
            own: Address::default(),
            other: Address::default(),
            start_hold_time: None,
            connected_time: None,
            disconnected_time: None,
            disconnect_type: None,
            disconnect_reasons: Vec::new(),
            after_call_work: AfterCallWork::default(),
            after_call_work_required: false,
            queue_media_settings: None,
        };
        let wire = Participant {
            id: ids.participant,
            connected_time: None,
            end_time: None,
            user_id: None,
            name,
            queue_id: None,
            purpose,
            address: None,
            consult_participant_id: None,
            wrapup_required: false,
            wrapup_expected: false,
            wrapup_prompt: None,
            wrapup_timeout_ms: None,
            wrapup: None,
            start_acw_time: None,
            end_acw_time: None,
            alerting_timeout_ms: None,
            conversation_routing_data: None,
            media_roles: ["full"],
            monitored_participant_id: None,
            coached_participant_id: None,
            barged_participant_id: None,
            attributes: BTreeMap::new(),
            callbacks: None,
            calls: [call],
        };
        Self { wire, rang_at: None, holds: Vec::new() }
    }

    /// Makes the outside party; `state` is `Offering` for a caller, `Dialing` for one called.
    pub(super) fn outside(
        ids: Ids,
        purpose: Purpose,
        customer: &Customer,
        state: CallState,
        way: Way,
    ) -> Self {
        let mut party = Self::new(ids, purpose, customer.name.clone(), state, way);
        party.wire.address = Some(format!("tel:{}", customer.ani));
        let call = party.call_mut();
        call.own = customer.address();
        call.other = customer.dialled_address();
        party
    }

    /// Makes a flow or a queue, connected from `at`.
    pub(super) fn automatic(
        ids: Ids,
        purpose: Purpose,
        name: &str,
        customer: &Customer,
        at: Timestamp,
    ) -> Self {
        let mut party = Self::new(ids, purpose, name.to_owned(), CallState::Offering, Way::Inbound);
        party.wire.address = Some(format!("tel:{}", customer.dnis));
        let call = party.call_mut();
        call.own = customer.dialled_address();
        call.other = customer.address();
        party.connect(at);
        party
    }

    /// Makes a Genesys user's entry; `queue` decides between agent and plain user.
    pub(super) fn person(
        ids: Ids,
        user: &SimUser,
        queue: Option<&Queue>,
        customer: &Customer,
        state: CallState,
        way: Way,
    ) -> Self {
        let purpose = if queue.is_some() { Purpose::Agent } else { Purpose::User };
        let mut party = Self::new(ids, purpose, user.name.clone(), state, way);
        let station = format!("sip:{}+example.orgspan.com@localhost", user.id.uuid().simple());
        let wire = &mut party.wire;
        wire.user_id = Some(user.id);
        wire.address = Some(station.clone());
        wire.wrapup_required = queue.is_some();
        wire.wrapup_expected = queue.is_some();
        if let Some(queue) = queue {
            wire.queue_id = Some(queue.id);
            wire.wrapup_prompt = Some("timeout");
            wire.wrapup_timeout_ms = Some(WRAPUP_MILLIS);
            wire.alerting_timeout_ms = Some(ALERTING_SECONDS * 1_000);
            wire.conversation_routing_data = Some(RoutingData {
                queue: QueueReference { id: queue.id },
                priority: 0,
                skills: [],
            });
        }
        let call = party.call_mut();
        call.own = Address {
            name: None,
            name_raw: Some(user.username.clone()),
            address_normalized: station,
            address_raw: None,
            address_displayable: None,
        };
        call.other = customer.address();
        call.queue_media_settings = queue.map(|queue| QueueMediaSettings {
            alerting_timeout_seconds: ALERTING_SECONDS,
            enable_auto_answer: queue.auto_answer,
        });
        party
    }

    pub(super) const fn call(&self) -> &Call {
        &self.wire.calls[0]
    }

    pub(super) const fn call_mut(&mut self) -> &mut Call {
        &mut self.wire.calls[0]
    }

    pub(super) const fn is_over(&self) -> bool {
        self.call().state.is_over()
    }

    pub(super) fn is_outside(&self) -> bool {
        matches!(self.wire.purpose, Purpose::Customer | Purpose::External)
    }

    /// Returns when the party's own phone, or the flow, was connected.
    pub(super) fn connected_at(&self) -> Option<Timestamp> {
        self.call().connected_time.map(|moment| moment.0)
    }

    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.call().disconnected_time.map(|moment| moment.0)
    }

    /// Returns when the party came into the conversation.
    pub(super) fn begun_at(&self) -> Option<Timestamp> {
        self.rang_at.or(self.connected_at())
    }

    /// Returns whether this is a supervisor beside another's call.
    pub(super) const fn is_beside_another(&self) -> bool {
        self.wire.monitored_participant_id.is_some()
            || self.wire.coached_participant_id.is_some()
            || self.wire.barged_participant_id.is_some()
    }

    pub(super) fn connect(&mut self, at: Timestamp) {
        // A callback's participant was there before its call.
        self.wire.connected_time.get_or_insert(Moment(at));
        let call = self.call_mut();
        call.state = CallState::Connected;
        call.connected_time = Some(Moment(at));
    }

    /// Ends the leg; nothing if it is over.
    ///
    /// A Genesys user who was connected and must wrap up begins to.
    pub(super) fn disconnect(&mut self, why: DisconnectType, at: Timestamp) {
        if self.is_over() {
            return;
        }
        let wraps_up = self.wire.wrapup_required && self.call().connected_time.is_some();
        if wraps_up {
            self.wire.start_acw_time = Some(Moment(at));
        }
        for callback in self.wire.callbacks.iter_mut().flatten() {
            callback.state = "disconnected";
        }
        let gone = self.wire.purpose == Purpose::Acd && why == DisconnectType::Transfer;
        let call = self.call_mut();
        call.state = CallState::Disconnected;
        call.disconnect_type = Some(why);
        call.disconnected_time = Some(Moment(at));
        call.held = false;
        call.confined = false;
        call.start_hold_time = None;
        call.recording_state = "none";
        if gone {
            call.disconnect_reasons =
                vec![DisconnectReason { kind: "sip", code: 410, phrase: "Gone" }];
        }
        if wraps_up {
            call.after_call_work.state = Some("pending");
            call.after_call_work.start_time = Some(Moment(at));
        }
    }

    /// Turns `disconnected` into `terminated`.
    pub(super) const fn terminate(&mut self) {
        if matches!(self.call().state, CallState::Disconnected) {
            self.call_mut().state = CallState::Terminated;
            self.wire.end_time = self.call().disconnected_time;
        }
    }

    /// Returns what the script did with a Genesys user's leg; nothing for other parties.
    pub(super) fn truth(&self) -> Option<LegTruth> {
        let user: UserId = self.wire.user_id?;
        if self.wire.purpose == Purpose::Voicemail || self.is_beside_another() {
            return None;
        }
        let call = self.call();
        Some(LegTruth {
            user,
            communication: call.id,
            rang_at: self.rang_at,
            connected_at: call.connected_time.map(|moment| moment.0),
            ended_at: call.disconnected_time.map(|moment| moment.0),
            holds: self.holds.clone(),
        })
    }
}

impl Customer {
    fn address(&self) -> Address {
        address_of(&self.name, &self.ani, "192.0.2.10")
    }

    fn dialled_address(&self) -> Address {
        address_of("Main line", &self.dnis, "192.0.2.20")
    }
}

fn address_of(name: &str, number: &str, host: &str) -> Address {
    Address {
        name: Some(name.to_owned()),
        name_raw: None,
        address_normalized: format!("tel:{number}"),
        address_raw: Some(format!("sip:{number}@{host}")),
        address_displayable: Some(number.to_owned()),
    }
}

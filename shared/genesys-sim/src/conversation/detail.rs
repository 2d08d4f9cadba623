//! What Genesys puts on an event bus of a conversation: one detail event for each thing.
//!
//! Refuses: everything that no tracker reads, such as flows and participant data.
//! Source: genesys-cloud.md, sections 3.10 and 4.1.

use serde_json::{Value, json};
use sidetone_model::{Direction, Timestamp};

use super::course::Conversation;
use super::party::Party;
use super::wire::{DisconnectType, Purpose, Way};

impl Conversation {
    /// Returns the events of everything that happened since an earlier state of the same
    /// conversation, as an event bus passes them on; since its beginning if there is none.
    pub fn bus_events_since(&self, before: Option<&Self>) -> Vec<String> {
        let mut events = Vec::new();
        for (place, party) in self.parties().iter().enumerate() {
            let known = before.and_then(|before| before.parties().get(place));
            self.party_events(party, known, &mut events);
        }
        events.iter().map(Value::to_string).collect()
    }

    fn party_events(&self, party: &Party, known: Option<&Party>, events: &mut Vec<Value>) {
        let who = match party.wire.purpose {
            Purpose::Customer | Purpose::External => "customer",
            Purpose::Agent | Purpose::User => "user",
            Purpose::Acd => "acd",
            // Flows, dialers, and voicemail boxes.
            Purpose::Ivr | Purpose::Dialer | Purpose::Voicemail => return,
        };
        if known.is_none()
            && let Some(at) = party.begun_at()
        {
            events.push(self.event(&format!("{who}.start"), at, party, json!({})));
        }
        if !known.is_some_and(Party::is_over)
            && let Some(at) = party.ended_at()
        {
            let why = party.call().disconnect_type.map(detail_name);
            let mut extra = json!({ "disconnectType": why });
            if who == "user" {
                self.put_durations(party, at, &mut extra);
            } else if who == "acd" {
                let answered = self.answered_at_end_of(party, at);
                extra["acdOutcome"] =
                    if answered.is_some() { "ANSWERED" } else { "ABANDON" }.into();
                extra["answeredUserId"] = json!(answered.and_then(|by| by.wire.user_id));
            }
            events.push(self.event(&format!("{who}.end"), at, party, extra));
        }
        let worked = |party: &Party| party.wire.end_acw_time.map(|moment| moment.0);
        if known.and_then(worked).is_none()
            && let Some(done) = worked(party)
        {
            let began = party.wire.start_acw_time.map_or(done, |moment| moment.0);
            let lasted = u64::try_from(done.since(began).as_millis()).unwrap_or(u64::MAX);
            let extra = json!({ "wrapupCode": "resolved", "wrapupDurationMs": lasted });
            events.push(self.event("acw", done, party, extra));
        }
    }

    /// Returns who answered what a queue's leg delivered, which ends moments after.
    fn answered_at_end_of(&self, queue: &Party, ended_at: Timestamp) -> Option<&Party> {
        let began = queue.begun_at()?;
        let users = self.parties().iter().filter(|party| party.wire.user_id.is_some());
        users
            .rev()
            .find(|party| party.connected_at().is_some_and(|at| at >= began && at <= ended_at))
    }

    fn put_durations(&self, party: &Party, ended_at: Timestamp, extra: &mut Value) {
        let millis = |from: Timestamp, to: Timestamp| to.as_millis() - from.as_millis();
        let own = party.connected_at();
        let far = self.customer_connected_at();
        let talks_from = match self.direction() {
            Direction::Inbound => own,
            Direction::Outbound => own.zip(far).map(|(own, far)| own.max(far)),
        };
        if let Some(rang_at) = party.rang_at {
            extra["alertingDurationMs"] = millis(rang_at, own.unwrap_or(ended_at)).into();
        }
        if let Some(from) = talks_from {
            let holds = party.holds.iter();
            let held: i64 = holds.map(|(from, to)| millis(*from, to.unwrap_or(ended_at))).sum();
            extra["heldDurationMs"] = held.into();
            extra["interactingDurationMs"] = (millis(from, ended_at) - held).into();
        }
    }

    fn event(&self, kind: &str, at: Timestamp, party: &Party, extra: Value) -> Value {
        let (wire, call) = (&party.wire, party.call());
        let key = self.key();
        let mut body = json!({
            "eventTime": at.as_millis(),
            "conversationId": key.conversation,
            "participantId": wire.id,
            "sessionId": call.id,
            "mediaType": "VOICE",
            "provider": "Edge",
            "direction": match call.direction {
                Way::Inbound => "INBOUND",
                Way::Outbound => "OUTBOUND",
            },
            "userId": wire.user_id,
            "queueId": wire.queue_id,
            "conversationExternalContactIds": [],
        });
        if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
            body.extend(extra);
        }
        let topic = |id: &str| format!("v2.detail.events.conversation.{id}.{kind}");
        json!({
            "version": "0",
            "id": key.conversation,
            "detail-type": topic("{id}"),
            "source": format!("aws.partner/genesys.com/cloud/{}/simulated", key.organization),
            "account": "123456789012",
            "time": at.to_string(),
            "region": "us-east-1",
            "resources": [],
            "detail": {
                "topicName": topic(&key.conversation.to_string()),
                "version": "2",
                "eventBody": body,
                "metadata": {},
                "timestamp": at.to_string(),
            },
        })
    }
}

/// Detail events spell reasons in upper case, and transfers the other way round.
const fn detail_name(why: DisconnectType) -> &'static str {
    match why {
        DisconnectType::Client => "CLIENT",
        DisconnectType::Endpoint => "ENDPOINT",
        DisconnectType::Peer => "PEER",
        DisconnectType::System => "SYSTEM",
        DisconnectType::Transfer => "TRANSFER",
        DisconnectType::ConsultTransfer => "CONSULT_TRANSFER",
    }
}

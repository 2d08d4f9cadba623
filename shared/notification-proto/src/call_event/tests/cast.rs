//! Who takes part, what snapshots say of them, and how a transcript is told.

use serde_json::{Value, json};
pub(super) use sidetone_model::CallEventKind;
use sidetone_model::NotOurs;

use super::super::*;
use crate::wire::{Frame, FrameKind, conversation_topic};

pub(super) const ADA: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01";
pub(super) const BO: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a02";
pub(super) const CALL: &str = "c0a1b2c3-0000-4000-8000-00000000c001";
pub(super) const QUEUE: &str = "9d4f0a10-0000-4000-8000-000000000e01";

/// Milliseconds after nine o'clock.
pub(super) fn at(millis: i64) -> Timestamp {
    let nine: Timestamp = "2026-08-15T09:00:00Z".parse().unwrap();
    nine + Duration::from_millis(millis.unsigned_abs())
}

pub(super) fn time(millis: i64) -> String {
    at(millis).to_string()
}

/// A participant with one call; `extra` adds to the call, or with `participant.` before its
/// name to the participant.
pub(super) fn party(
    id: &str,
    purpose: &str,
    user: Option<&str>,
    state: &str,
    extra: Value,
) -> Value {
    let mut call = json!({"id": id, "state": state, "direction": "inbound", "held": false});
    let mut party = json!({"id": format!("p-{id}"), "purpose": purpose, "userId": user});
    for (name, value) in extra.as_object().unwrap() {
        match name.strip_prefix("participant.") {
            Some(name) => party[name] = value.clone(),
            None => call[name] = value.clone(),
        }
    }
    party["calls"] = json!([call]);
    party
}

pub(super) fn customer(state: &str) -> Value {
    party("customer", "customer", None, state, json!({"connectedTime": time(152)}))
}

pub(super) fn ringing(id: &str, user: &str) -> Value {
    party(id, "agent", Some(user), "alerting", json!({"participant.queueId": QUEUE}))
}

pub(super) fn connected(id: &str, user: &str, from: i64, extra: Value) -> Value {
    let mut all = json!({"connectedTime": time(from), "participant.queueId": QUEUE});
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    party(id, "agent", Some(user), "connected", all)
}

pub(super) fn over(id: &str, user: &str, from: Option<i64>, to: i64, why: &str) -> Value {
    let extra = json!({
        "connectedTime": from.map(time), "disconnectedTime": time(to), "disconnectType": why,
        "participant.queueId": QUEUE
    });
    party(id, "agent", Some(user), "disconnected", extra)
}

/// Snapshots with the moments at which they arrive.
pub(super) type Transcript = Vec<(i64, Value)>;

pub(super) fn snapshot_of(participants: &Value) -> Snapshot {
    let frame = json!({
        "topicName": conversation_topic(ADA.parse().unwrap()),
        "version": "2",
        "eventBody": {
            "id": CALL,
            "participants": participants,
            "recentTransfers": [{"state": "complete", "initiator": {}, "transferType": "attended"}]
        },
        "metadata": {"CorrelationId": "d3f0c4c2-8a7b-4d53-9f2d-0f3f6f2f9a10"}
    });
    let FrameKind::Conversation { snapshot, .. } = Frame::read(&frame.to_string()).unwrap().kind
    else {
        panic!("not a conversation");
    };
    snapshot
}

pub(super) fn leg_of(update: LegUpdate) -> Leg {
    let organization = "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap();
    update.into_leg(organization, Attribution::NotOurs(NotOurs::LookupFailed), at(0))
}

/// What each leg's story is, in the order in which it was learned; nothing is told twice or
/// told otherwise later.
pub(super) fn told(transcript: &Transcript) -> Vec<(String, CallEventKind, i64)> {
    let mut machine = ConversationLegs::default();
    let mut known = std::collections::BTreeMap::new();
    let mut story = Vec::new();
    for (received, participants) in transcript {
        for update in machine.snapshot(at(*received), &snapshot_of(participants)) {
            let id = update.communication.to_string();
            for event in leg_of(update).events() {
                let millis = event.at.as_millis() - at(0).as_millis();
                let before = known.insert((id.clone(), event.kind, event.ordinal), millis);
                match before {
                    None => story.push((id.clone(), event.kind, millis)),
                    Some(before) => assert_eq!(before, millis, "{id} {:?} moved", event.kind),
                }
            }
        }
    }
    story
}

pub(super) fn check(transcript: Transcript, expected: &[(&str, CallEventKind, i64)]) {
    let expected: Vec<_> =
        expected.iter().map(|&(id, kind, millis)| (id.to_owned(), kind, millis)).collect();
    assert_eq!(told(&transcript), expected);
}

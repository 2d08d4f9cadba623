//! The course of calls, checked against the description's samples and against our own reader of
//! such events.

use serde_json::{Value, json};
use sidetone_model::{ConversationId, EndReason, OrganizationId};
use sidetone_notification_proto::{ConversationLegs, Frame, FrameKind, LegUpdate};

use super::*;

fn at(text: &str) -> Timestamp {
    format!("2026-08-15T09:{text}Z").parse().expect("valid")
}

fn user(number: u128) -> SimUser {
    let id = Uuid::from_u128(0x6b1e_0c52_5a5e_4f0b_9a57_0d1f_3c2b_4a00 + number);
    SimUser::new(UserId::new(id), format!("agent{number}@customer.example"), "Ada Example")
}

fn queue() -> Queue {
    Queue { id: Uuid::from_u128(0xe01), name: "Billing".into(), auto_answer: false }
}

fn customer() -> Customer {
    Customer {
        name: "Springfield, XX".into(),
        ani: "+15555550100".into(),
        dnis: "+15555550199".into(),
    }
}

fn key() -> ConversationKey {
    ConversationKey {
        organization: OrganizationId::new(Uuid::from_u128(1)),
        conversation: ConversationId::new(Uuid::from_u128(0xc001)),
    }
}

/// Plays the description's worked call up to the answer, S2.
fn answered() -> Conversation {
    let mut call = Conversation::inbound(key(), customer(), queue(), at("00:00.152"));
    call.enter_queue(at("00:08.237"));
    call.ring(&user(1), at("00:08.472"));
    call.answer(user(1).id, at("00:12.864")).expect("rings");
    call
}

fn body(call: &Conversation) -> Value {
    serde_json::from_str(&call.snapshot().body).expect("JSON")
}

/// Looks up `participants[i]`, the only call of which is `calls[0]`.
fn part(body: &Value, participant: usize) -> (&Value, &Value) {
    let participant = &body["participants"][participant];
    (participant, &participant["calls"][0])
}

/// Asserts that everything the description shows is there with the same value.
fn assert_contains(shown: &Value, expected: &Value, path: &str) {
    let Some(fields) = expected.as_object() else {
        assert_eq!(shown, expected, "{path}");
        return;
    };
    for (name, value) in fields {
        assert_contains(&shown[name], value, &format!("{path}.{name}"));
    }
}

/// Reads snapshots with the crate that the tracker uses.
#[derive(Default)]
struct Reader {
    legs: ConversationLegs,
}

impl Reader {
    fn read(&mut self, call: &Conversation, heard_at: Timestamp) {
        let snapshot = call.snapshot();
        // The topic of a user who takes part: a body that names other users is refused.
        let user = snapshot.users.first().copied().unwrap_or(user(1).id);
        let topic = format!("v2.users.{user}.conversations");
        let text = format!(r#"{{"topicName":"{topic}","eventBody":{}}}"#, snapshot.body);
        let frame = Frame::read(&text).expect("readable");
        let FrameKind::Conversation { snapshot, .. } = frame.kind else {
            panic!("not a conversation: {frame:?}");
        };
        self.legs.snapshot(heard_at, &snapshot);
    }

    fn legs(&self) -> Vec<LegUpdate> {
        self.legs.legs_of(key().conversation).cloned().collect()
    }

    fn leg_of(&self, user: UserId) -> LegUpdate {
        let mut legs = self.legs().into_iter().filter(|leg| leg.user == user);
        legs.next().expect("a leg")
    }
}

#[test]
fn customer_and_queue_look_like_the_sample() {
    let body = body(&answered());
    let parties = body["participants"].as_array().expect("a list");
    let purposes: Vec<_> = parties.iter().map(|party| &party["purpose"]).collect();
    assert_eq!(purposes, ["customer", "ivr", "acd", "agent"]);
    let (customer, customer_call) = part(&body, 0);
    assert_contains(
        customer,
        &json!({
            "connectedTime": "2026-08-15T09:00:00.152Z", "name": "Springfield, XX",
            "queueId": queue().id, "address": "tel:+15555550100", "wrapupRequired": false,
            "wrapupExpected": false, "mediaRoles": ["full"], "attributes": {},
        }),
        "customer",
    );
    assert_contains(
        customer_call,
        &json!({
            "state": "connected", "initialState": "offering", "recording": true,
            "recordingState": "active", "muted": false, "confined": false, "held": false,
            "securePause": false, "direction": "inbound", "provider": "Edge",
            "self": { "addressRaw": "sip:+15555550100@192.0.2.10" },
            "other": { "name": "Main line", "addressDisplayable": "+15555550199" },
            "connectedTime": "2026-08-15T09:00:00.152Z", "afterCallWork": {},
            "afterCallWorkRequired": false,
        }),
        "customer call",
    );
    let (acd, acd_call) = part(&body, 2);
    assert_contains(
        acd,
        &json!({ "endTime": "2026-08-15T09:00:12.887Z", "name": "Billing" }),
        "acd",
    );
    assert_contains(
        acd_call,
        &json!({
            "state": "terminated", "disconnectType": "transfer", "peerId": customer_call["id"],
            "connectedTime": "2026-08-15T09:00:08.237Z",
            "disconnectedTime": "2026-08-15T09:00:12.887Z",
            "disconnectReasons": [{ "type": "sip", "code": 410, "phrase": "Gone" }],
        }),
        "acd call",
    );
}

#[test]
fn agent_and_transfer_look_like_the_sample() {
    let body = body(&answered());
    let (_, customer_call) = part(&body, 0);
    let (agent, agent_call) = part(&body, 3);
    assert_contains(
        agent,
        &json!({
            "connectedTime": "2026-08-15T09:00:12.864Z", "userId": user(1).id,
            "wrapupRequired": true, "wrapupPrompt": "timeout", "wrapupTimeoutMs": 30000,
            "alertingTimeoutMs": 8000, "mediaRoles": ["full"],
        }),
        "agent",
    );
    assert_contains(
        agent_call,
        &json!({
            "state": "connected", "initialState": "alerting", "peerId": customer_call["id"],
            "self": { "nameRaw": "agent1@customer.example" },
            "other": { "addressNormalized": "tel:+15555550100" },
            "queueMediaSettings": { "alertingTimeoutSeconds": 8, "enableAutoAnswer": false },
        }),
        "agent call",
    );
    assert_contains(
        &body["recentTransfers"][0],
        &json!({
            "state": "complete", "initiator": {}, "modifiedBy": {}, "transferType": "attended",
            "destination": {
                "userId": user(1).id, "address": "sip:agent1%40customer.example@localhost",
            },
        }),
        "transfer",
    );
    assert_contains(
        &body,
        &json!({
            "id": key().conversation, "maxParticipants": 25, "recordingState": "active",
            "securePause": false, "divisions": [],
        }),
        "conversation",
    );
}

#[test]
fn fields_without_a_value_are_left_out() {
    let mut call = Conversation::inbound(key(), customer(), queue(), at("00:00.152"));
    call.ring(&user(1), at("00:08.472"));
    let snapshot = call.snapshot();
    assert!(!snapshot.body.contains("null"), "{}", snapshot.body);
    let body = body(&call);
    let (agent, leg) = part(&body, 3);
    assert_eq!(leg["state"], "alerting");
    for absent in ["connectedTime", "endTime", "startAcwTime", "wrapup"] {
        assert!(agent.get(absent).is_none(), "{absent}");
    }
    for absent in ["connectedTime", "disconnectedTime", "disconnectType", "startHoldTime"] {
        assert!(leg.get(absent).is_none(), "{absent}");
    }
    assert!(part(&body, 0).0.get("userId").is_none());
}

#[test]
fn a_hold_is_held_on_one_side_and_music_on_the_other() {
    let mut call = answered();
    call.hold(user(1).id, at("01:00.000")).expect("connected");
    let held = body(&call);
    assert_contains(
        part(&held, 3).1,
        &json!({ "held": true, "confined": false, "startHoldTime": "2026-08-15T09:01:00.000Z" }),
        "agent",
    );
    assert_eq!(part(&held, 0).1["confined"], true);
    call.retrieve(user(1).id, at("01:05.000")).expect("connected");
    let back = body(&call);
    assert_eq!(part(&back, 3).1["held"], false);
    assert!(part(&back, 3).1.get("startHoldTime").is_none());
    assert_eq!(part(&back, 0).1["confined"], false);
    assert_eq!(call.legs()[0].holds, [(at("01:00.000"), Some(at("01:05.000")))]);
}

#[test]
fn a_hang_up_is_disconnected_then_terminated_then_wrapped_up() {
    let mut call = answered();
    call.hang_up(Who::Agent(user(1).id), at("02:00.000")).expect("connected");
    let first = body(&call);
    let (agent, leg) = part(&first, 3);
    assert_contains(
        leg,
        &json!({
            "state": "disconnected", "disconnectType": "client",
            "disconnectedTime": "2026-08-15T09:02:00.000Z",
            "afterCallWork": { "state": "pending", "startTime": "2026-08-15T09:02:00.000Z" },
        }),
        "leg",
    );
    assert_eq!(agent["startAcwTime"], "2026-08-15T09:02:00.000Z");
    assert!(agent.get("endTime").is_none());
    assert_eq!(part(&first, 0).1["disconnectType"], "peer");
    call.terminate();
    let second = body(&call);
    assert_eq!(part(&second, 3).1["state"], "terminated");
    assert_eq!(part(&second, 3).0["endTime"], "2026-08-15T09:02:00.000Z");
    assert_eq!(second["recordingState"], "none");
    assert!(call.is_over());
    call.wrap_up(user(1).id, "billing-question", at("02:20.500")).expect("pending");
    let third = body(&call);
    assert_contains(
        part(&third, 3).0,
        &json!({
            "endAcwTime": "2026-08-15T09:02:20.500Z",
            "wrapup": { "code": "billing-question", "durationSeconds": 20 },
        }),
        "agent",
    );
    assert_eq!(part(&third, 3).1["afterCallWork"]["state"], "complete");
}

#[test]
fn a_customer_who_leaves_the_queue_takes_everybody_along() {
    let mut call = Conversation::inbound(key(), customer(), queue(), at("00:00.000"));
    call.enter_queue(at("00:05.000"));
    call.ring(&user(1), at("00:06.000"));
    call.hang_up(Who::Customer, at("00:07.000")).expect("there");
    let body = body(&call);
    assert_eq!(part(&body, 0).1["disconnectType"], "endpoint");
    assert_eq!(part(&body, 2).1["disconnectType"], "peer");
    assert_eq!(part(&body, 3).1["disconnectType"], "peer");
    assert!(part(&body, 3).0.get("startAcwTime").is_none(), "nothing to wrap up");
    assert_eq!(call.hang_up(Who::Customer, at("00:08.000")), Err(StepError::NoCustomer));
}

#[test]
fn the_tracker_reads_what_the_script_did() {
    let (ada, bo) = (user(1), user(2));
    let mut reader = Reader::default();
    let mut call = Conversation::inbound(key(), customer(), queue(), at("00:00.000"));
    call.enter_queue(at("00:05.000"));
    call.ring(&bo, at("00:06.000"));
    reader.read(&call, at("00:06.100"));
    call.no_answer(bo.id, at("00:14.000")).expect("rings");
    reader.read(&call, at("00:14.100"));
    call.ring(&ada, at("00:15.000"));
    reader.read(&call, at("00:15.000"));
    call.answer(ada.id, at("00:18.000")).expect("rings");
    reader.read(&call, at("00:18.100"));
    call.hold(ada.id, at("00:30.000")).expect("connected");
    reader.read(&call, at("00:30.100"));
    call.retrieve(ada.id, at("00:40.000")).expect("connected");
    reader.read(&call, at("00:40.000"));
    call.transfer_blind(ada.id, &bo, at("00:50.000")).expect("connected");
    reader.read(&call, at("00:50.100"));
    call.answer(bo.id, at("00:53.000")).expect("rings");
    reader.read(&call, at("00:53.100"));
    call.hang_up(Who::Customer, at("01:30.000")).expect("there");
    reader.read(&call, at("01:30.100"));
    call.terminate();
    reader.read(&call, at("01:30.110"));

    let truth = call.legs();
    assert_eq!(truth.len(), 3);
    assert_eq!((truth[0].user, truth[0].connected_at), (bo.id, None));
    assert_eq!(truth[0].ended_at, Some(at("00:14.000")));
    let of_ada = reader.leg_of(ada.id);
    assert_eq!(of_ada.ringing_at, truth[1].rang_at);
    assert_eq!(of_ada.connected_at, truth[1].connected_at);
    assert_eq!(of_ada.ended_at, Some(at("00:50.000")));
    assert_eq!(of_ada.end_reason, Some(EndReason::Transfer));
    assert_eq!(of_ada.holds.len(), 1);
    assert_eq!(
        (of_ada.holds[0].from, of_ada.holds[0].to),
        (at("00:30.000"), Some(at("00:40.000")))
    );
    let second = |leg: &LegUpdate| leg.user == bo.id && leg.connected_at.is_some();
    let of_bo = reader.legs().into_iter().find(second).expect("a leg");
    assert_eq!(of_bo.connected_at, truth[2].connected_at);
    assert_eq!(of_bo.ended_at, Some(at("01:30.000")));
}

#[test]
fn an_outbound_agent_is_connected_before_the_customer() {
    let ada = user(1);
    let mut call = Conversation::outbound(key(), customer(), Some(queue()), &ada, at("00:00.000"));
    assert_eq!(part(&body(&call), 0).1["state"], "contacting");
    call.dial(ada.id, at("00:01.000")).expect("contacted");
    let dialing = body(&call);
    assert_eq!(part(&dialing, 0).1["state"], "dialing");
    assert_eq!(part(&dialing, 1).1["state"], "dialing");
    assert_eq!(part(&dialing, 0).1["peerId"], part(&dialing, 1).1["id"]);
    let mut reader = Reader::default();
    reader.read(&call, at("00:01.100"));
    assert_eq!(reader.leg_of(ada.id).connected_at, None);
    call.connected(ada.id, at("00:09.000")).expect("dialing");
    reader.read(&call, at("00:09.100"));
    assert_eq!(reader.leg_of(ada.id).connected_at, Some(at("00:09.000")));
    assert_eq!(call.legs()[0].connected_at, Some(at("00:01.000")));
    assert_eq!(call.customer_connected_at(), Some(at("00:09.000")));
}

#[test]
fn a_phone_that_answers_alone_never_rings() {
    let mut call = Conversation::inbound(key(), customer(), queue(), at("00:00.000"));
    call.connect(&user(1), at("00:06.000"));
    assert_eq!(part(&body(&call), 3).1["state"], "connected");
    let truth = &call.legs()[0];
    assert_eq!((truth.rang_at, truth.connected_at), (None, Some(at("00:06.000"))));
}

#[test]
fn a_voicemail_box_carries_the_user_and_is_no_leg() {
    let mut call = answered();
    call.voicemail(&user(2), at("00:20.000"));
    assert_eq!(call.legs().len(), 1);
    assert!(call.snapshot().users.contains(&user(2).id));
    assert_eq!(part(&body(&call), 4).0["purpose"], "voicemail");
}

#[test]
fn a_step_that_cannot_be_is_an_error() {
    let mut call = answered();
    let user = user(1).id;
    let later = at("05:00.000");
    assert!(call.answer(user, later).is_err(), "answered twice");
    assert!(call.dial(user, later).is_err(), "inbound");
    assert!(call.wrap_up(user, "x", later).is_err(), "still talking");
    call.hang_up(Who::Agent(user), later).expect("connected");
    assert!(call.hold(user, later).is_err(), "gone");
    assert!(call.hang_up(Who::Agent(user), later).is_err(), "twice");
}

//! Partner events, one by one and as sets. All people are invented.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use sidetone_model::{
    Attribution, CallEventKind, CommunicationId, Direction, EndReason, Hold, Leg, NotOurs,
};

use super::super::detail::snapshot_of_deltas;
use super::*;
use crate::ConversationLegs;

const ORGANIZATION: &str = "32aa07aa-db1b-4987-abd0-9483601ec29d";
const ADA: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01";
const CALL: &str = "c0a1b2c3-0000-4000-8000-00000000c001";

/// Nine o'clock, in milliseconds.
const NINE: i64 = 1_786_784_400_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NINE + millis)
}

fn event(topic: &str, body: &Value) -> Value {
    json!({
        "version": "0",
        "id": "adbcfa5b-0116-4baa-b66b-a3f5902e95bf",
        "detail-type": topic,
        "source": format!("aws.partner/genesys.com/cloud/{ORGANIZATION}/tracker"),
        "account": "123456789012",
        "time": "2026-08-15T09:00:12Z",
        "region": "us-west-2",
        "resources": [],
        "detail": {
            "topicName": topic,
            "version": "2",
            "eventBody": body,
            "metadata": {"CorrelationId": "fe8a8579-b83f-4f07-b371-2b39398f91a8"},
            "timestamp": "2026-08-15T09:00:12.513Z"
        }
    })
}

/// A detail event of Ada's session `b3`, or of whatever `extra` says.
fn detail(kind: &str, millis: i64, extra: &Value) -> Value {
    let mut body = json!({
        "eventTime": NINE + millis,
        "conversationId": CALL,
        "participantId": "p-b3",
        "sessionId": "b3",
        "mediaType": "VOICE",
        "provider": "Edge",
        "direction": "INBOUND",
        "conversationExternalContactIds": []
    });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    event(&format!("v2.detail.events.conversation.{CALL}.{kind}"), &body)
}

fn ada(extra: &Value) -> Value {
    let mut all = json!({"userId": ADA, "queueId": "billing"});
    all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    all
}

fn state(millis: i64, state: &str) -> Value {
    let body = json!({
        "conversationId": CALL, "sessionId": "b3", "sessionStart": NINE + 8_472,
        "currentStateStart": NINE + millis, "currentState": state, "userId": ADA,
        "originatingDirection": "INBOUND", "mediaType": "VOICE", "queueId": "billing"
    });
    event(&format!("v2.detail.events.agent.{ADA}.state"), &body)
}

fn read(event: &Value) -> BusEvent {
    BusEvent::read(&event.to_string()).unwrap()
}

fn deltas(events: &[Value]) -> BTreeSet<Delta> {
    let delta = |event: &Value| match read(event).kind {
        BusEventKind::Delta { conversation, delta } => {
            assert_eq!(conversation, CALL.parse().unwrap());
            Some(delta)
        }
        BusEventKind::Conversation(_) | BusEventKind::Other { .. } => None,
    };
    events.iter().filter_map(delta).collect()
}

/// The legs that events make, told one after the other and each time from all so far.
fn legs(events: &[Value]) -> Vec<Leg> {
    let mut machine = ConversationLegs::default();
    let mut known = BTreeSet::new();
    for (step, event) in (0..).zip(events) {
        known.extend(deltas(std::slice::from_ref(event)));
        let snapshot = snapshot_of_deltas(CALL.parse().unwrap(), &known);
        machine.snapshot(at(500_000 + step), &snapshot);
    }
    let unknown = Attribution::NotOurs(NotOurs::LookupFailed);
    let organization = ORGANIZATION.parse().unwrap();
    machine.legs().map(|it| it.clone().into_leg(organization, unknown.clone(), at(0))).collect()
}

fn story(legs: &[Leg]) -> Vec<(CallEventKind, i64)> {
    let events = legs.iter().flat_map(Leg::events);
    events.map(|event| (event.kind, event.at.as_millis() - NINE)).collect()
}

/// The description's call in detail events: rung, answered, held, ended, worked on.
fn whole_call() -> Vec<Value> {
    let customer = json!({"sessionId": "b1", "participantId": "p-b1"});
    let queue = |extra: &Value| {
        let mut all = json!({"sessionId": "b2", "participantId": "p-b2", "queueId": "billing"});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        all
    };
    vec![
        detail("customer.start", 152, &customer),
        detail("acd.start", 8_237, &queue(&json!({}))),
        detail("user.start", 8_472, &ada(&json!({}))),
        detail(
            "acd.end",
            12_887,
            &queue(&json!({"acdOutcome": "ANSWERED", "answeredUserId": ADA})),
        ),
        detail(
            "user.end",
            120_000,
            &ada(&json!({"disconnectType": "CLIENT", "interactingDurationMs": 102_136,
                         "heldDurationMs": 5_000, "alertingDurationMs": 4_392})),
        ),
        detail("customer.end", 120_002, &json!({"sessionId": "b1", "disconnectType": "PEER"})),
        detail("acw", 149_500, &ada(&json!({"wrapupDurationMs": 29_500}))),
    ]
}

#[test]
fn the_organization_is_the_sources() {
    let event = read(&whole_call()[0]);
    assert_eq!(event.organization, ORGANIZATION.parse().unwrap());
    assert_eq!(event.sent_at, Some(at(12_513)));
    for source in [
        json!("aws.events"),
        json!("aws.partner/genesys.com/cloud/"),
        json!("aws.partner/genesys.com/cloud/me/x"),
        json!(format!("aws.partner/example.com/cloud/{ORGANIZATION}/x")),
        json!(7),
        Value::Null,
    ] {
        let mut event = whole_call()[0].clone();
        event["source"] = source;
        let refused = BusEvent::read(&event.to_string());
        assert!(matches!(refused, Err(ReadError::Source)), "{event}");
    }
}

#[test]
fn s58_the_time_of_a_detail_event_is_in_milliseconds_of_the_epoch() {
    for time in
        [json!(NINE + 8_472), json!((NINE + 8_472).to_string()), json!("2026-08-15T09:00:08.472Z")]
    {
        let event = detail("user.start", 0, &ada(&json!({"eventTime": time})));
        assert_eq!(deltas(&[event]).first().unwrap().at, at(8_472));
    }
    let timeless = detail("user.start", 0, &ada(&json!({"eventTime": null})));
    assert!(matches!(read(&timeless).kind, BusEventKind::Other { .. }));
}

#[test]
fn that_a_users_leg_begins_is_not_that_it_was_answered() {
    let rings = legs(&whole_call()[..3]);
    assert_eq!(story(&rings), [(CallEventKind::Ringing, 8_472)]);
    assert!(!rings[0].late);
    assert_eq!(rings[0].queue.as_deref(), Some("billing"));
    let answered = legs(&whole_call()[..4]);
    assert_eq!(story(&answered)[1..], [(CallEventKind::Started, 12_887)]);
    let abandoned = json!({"acdOutcome": "ABANDON", "sessionId": "b2", "answeredUserId": ADA});
    let abandoned = [whole_call()[2].clone(), detail("acd.end", 9_000, &abandoned)];
    assert_eq!(story(&legs(&abandoned)), [(CallEventKind::Ringing, 8_472)]);
}

#[test]
fn s56_the_end_tells_when_it_was_answered_and_why_it_ended() {
    use CallEventKind::{Ended, Ringing, Started, Transferred, WrapUpEnded, WrapUpStarted};
    let call = legs(&whole_call());
    let expected = [
        (Ringing, 8_472),
        (Started, 12_864),
        (Ended, 120_000),
        (WrapUpStarted, 120_000),
        (WrapUpEnded, 149_500),
    ];
    assert_eq!(story(&call), expected);
    assert_eq!(call[0].end_reason, Some(EndReason::Client));
    // Nobody says when the hold was.
    assert_eq!(call[0].holds, []);
    let end = ada(&json!({"disconnectType": "CONSULT_TRANSFER", "interactingDurationMs": 1_000}));
    let only_the_end = legs(&[detail("user.end", 9_000, &end)]);
    assert_eq!(story(&only_the_end), [(Started, 8_000), (Transferred, 9_000), (Ended, 9_000)]);
    assert!(only_the_end[0].late);
    let missed = ada(&json!({"disconnectType": "SYSTEM", "alertingDurationMs": 8_000}));
    let missed = legs(&[whole_call()[2].clone(), detail("user.end", 16_472, &missed)]);
    assert_eq!(story(&missed), [(Ringing, 8_472), (Ended, 16_472)]);
}

#[test]
fn an_answer_is_the_latest_ringing_legs_of_that_user() {
    let missed = ada(&json!({"sessionId": "b0", "participantId": "p-b0"}));
    let mut events = vec![
        detail("user.start", 100, &missed),
        detail("user.end", 5_000, &missed),
        detail(
            "user.start",
            8_900,
            &ada(&json!({"userId": "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a02",
                                                  "sessionId": "b9"})),
        ),
    ];
    events.extend(whole_call()[2..4].to_vec());
    let all = legs(&events);
    let started: Vec<_> =
        all.iter().map(|leg| (leg.communication.as_str(), leg.connected_at)).collect();
    assert_eq!(started, [("b0", None), ("b3", Some(at(12_887))), ("b9", None)]);
}

#[test]
fn the_state_of_an_agents_session_tells_holds_too() {
    use CallEventKind::{Ended, Held, Retrieved, Ringing, Started, WrapUpEnded, WrapUpStarted};
    let events = [
        state(8_472, "ALERT"),
        state(12_864, "INTERACT"),
        state(60_000, "HOLD"),
        state(75_000, "interact"),
        state(120_000, "WRAPUP"),
        state(149_500, "TERMINATED"),
    ];
    assert_eq!(
        story(&legs(&events)),
        [
            (Ringing, 8_472),
            (Started, 12_864),
            (Held, 60_000),
            (Retrieved, 75_000),
            (Ended, 120_000),
            (WrapUpStarted, 120_000),
            (WrapUpEnded, 149_500)
        ]
    );
    let held = legs(&events[..3]);
    assert_eq!(held[0].holds, [Hold { from: at(60_000), to: None }]);
}

#[test]
fn s43_a_supervisor_whose_state_says_so_is_no_agent() {
    let mut events = vec![detail("user.start", 8_472, &ada(&json!({})))];
    events.insert(0, state(8_400, "MONITORING"));
    assert_eq!(legs(&events), []);
}

#[test]
fn s49_a_dialers_call_is_outbound_by_its_customer() {
    let customer = json!({"sessionId": "b1", "direction": "OUTBOUND"});
    let mut events = whole_call();
    events[0] = detail("customer.start", 152, &customer);
    events[5] = detail("customer.end", 120_002, &customer);
    let call = legs(&events);
    assert_eq!(call[0].direction, Direction::Outbound);
    assert_eq!(call[0].connected_at, Some(at(12_864)));
}

#[test]
fn s42_other_media_and_other_kinds_say_nothing() {
    let callback = ada(&json!({"mediaType": "CALLBACK"}));
    for event in [
        detail("user.start", 1, &callback),
        detail("user.start", 1, &json!({})),
        detail("acd.start", 1, &json!({"queueId": "billing"})),
        detail("flow.start", 1, &json!({})),
        detail("voicemail.start", 1, &ada(&json!({}))),
        state(1, "LEVITATING"),
        event("v2.users.x.presence", &json!({})),
        event("", &Value::Null),
        json!({"source": format!("aws.partner/genesys.com/cloud/{ORGANIZATION}/x"), "detail": 7}),
        json!({"source": format!("aws.partner/genesys.com/cloud/{ORGANIZATION}/x")}),
    ] {
        assert!(matches!(read(&event).kind, BusEventKind::Other { .. }), "{event}");
    }
}

#[test]
fn a_conversation_may_come_over_the_bus_too() {
    let body = json!({"id": CALL, "participants": [
        {"id": "p-b3", "purpose": "agent", "userId": ADA,
         "calls": [{"id": "b3", "state": "connected", "connectedTime": at(5_000).to_string()}]}]});
    let topic = format!("V2.Users.{ADA}.Conversations");
    let BusEventKind::Conversation(snapshot) = read(&event(&topic, &body)).kind else {
        panic!("no conversation")
    };
    assert!(snapshot.whole);
    assert_eq!(snapshot.source, EventSource::EventBus);
    let refused = BusEvent::read(&event(&topic, &json!({})).to_string());
    assert!(matches!(refused, Err(ReadError::Body { .. })));
}

#[test]
fn deltas_and_states_of_one_call_are_one_leg_and_outlive_being_stored() {
    let mut known = deltas(&whole_call());
    known.extend(deltas(&[state(12_864, "INTERACT"), state(60_000, "HOLD")]));
    let stored = serde_json::to_vec(&known).unwrap();
    let read: BTreeSet<Delta> = serde_json::from_slice(&stored).unwrap();
    assert_eq!(read, known);
    let snapshot = snapshot_of_deltas(CALL.parse().unwrap(), &read);
    let agents: Vec<_> = snapshot.participants.iter().filter(|it| it.user.is_some()).collect();
    assert_eq!(agents.len(), 1);
    let id = agents[0].calls[0].communication_id();
    assert_eq!(id, Some(CommunicationId::new("b3")));
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_all_deltas_ends_in_the_same_leg(
        order in prop::collection::vec(0usize..11, 0..40),
    ) {
        let mut events = whole_call();
        events.extend([
            state(8_472, "ALERT"),
            state(12_864, "INTERACT"),
            state(60_000, "HOLD"),
            state(65_000, "INTERACT"),
        ]);
        let expected = story(&legs(&events));
        let some: Vec<Value> = order.iter().map(|&index| events[index].clone()).collect();
        let all: Vec<Value> = some.iter().cloned().chain(events.iter().rev().cloned()).collect();
        prop_assert_eq!(story(&legs(&all)), expected);
        // Less is known of less, and nothing else.
        for leg in legs(&some) {
            prop_assert_eq!(leg.communication.as_str(), "b3");
            prop_assert!(leg.ended_at.is_none_or(|end| end == at(120_000)));
        }
    }

    #[test]
    fn hostile_events_are_read_or_refused_and_never_panic(
        noise in ".{0,200}",
        number in any::<i64>(),
        swap in 0_usize..600,
    ) {
        drop(BusEvent::read(&noise));
        let extra = ada(&json!({"eventTime": number, "interactingDurationMs": number,
                                "heldDurationMs": number, "wrapupDurationMs": number}));
        let all = [detail("user.end", 0, &extra), detail("acw", 0, &extra)];
        drop(legs(&all));
        let mut bytes = all[0].to_string().into_bytes();
        let place = swap % bytes.len();
        bytes[place] = noise.bytes().next().unwrap_or(b'"');
        drop(BusEvent::read(&String::from_utf8_lossy(&bytes)));
    }
}

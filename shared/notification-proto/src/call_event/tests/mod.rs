//! The numbered statements of the description's checklist that concern legs. All people are invented.

mod cast;
mod orders;
mod states;

use serde_json::{Value, json};

use super::*;
use CallEventKind::{
    Ended, Held, Muted, Retrieved, Ringing, Started, Transferred, Unmuted, WrapUpEnded,
    WrapUpStarted,
};
use cast::*;

/// S0 to S7 of the description's worked sequence.
fn worked_sequence() -> Transcript {
    let held = json!({"held": true, "startHoldTime": time(60_000)});
    let customer_held = party(
        "customer",
        "customer",
        None,
        "connected",
        json!({"connectedTime": time(152), "confined": true}),
    );
    let acd = party(
        "acd",
        "acd",
        None,
        "terminated",
        json!({"disconnectType": "transfer", "connectedTime": time(8_237),
               "disconnectedTime": time(12_887)}),
    );
    let wrapped = |state: &str, work: &str| {
        let mut agent = over("b3", ADA, Some(12_864), 120_000, "client");
        agent["calls"][0]["state"] = state.into();
        agent["calls"][0]["afterCallWork"] = json!({"state": work, "startTime": time(120_000)});
        agent["startAcwTime"] = time(120_000).into();
        if work == "complete" {
            agent["calls"][0]["afterCallWork"]["endTime"] = time(149_500).into();
            agent["endAcwTime"] = time(149_500).into();
        }
        agent
    };
    vec![
        (200, json!([customer("connected")])),
        (8_500, json!([customer("connected"), acd, ringing("b3", ADA)])),
        (12_900, json!([customer("connected"), acd, connected("b3", ADA, 12_864, json!({}))])),
        (60_100, json!([customer_held, acd, connected("b3", ADA, 12_864, held)])),
        (75_000, json!([customer("connected"), acd, connected("b3", ADA, 12_864, json!({}))])),
        (
            80_000,
            json!([
                customer("connected"),
                acd,
                connected("b3", ADA, 12_864, json!({"muted": true}))
            ]),
        ),
        (90_000, json!([customer("connected"), acd, connected("b3", ADA, 12_864, json!({}))])),
        (120_050, json!([customer("disconnected"), acd, wrapped("disconnected", "pending")])),
        (120_060, json!([customer("terminated"), acd, wrapped("terminated", "pending")])),
        (150_000, json!([customer("terminated"), acd, wrapped("terminated", "complete")])),
    ]
}

const WORKED_STORY: [(&str, CallEventKind, i64); 9] = [
    ("b3", Ringing, 8_500),
    ("b3", Started, 12_864),
    ("b3", Held, 60_000),
    ("b3", Retrieved, 75_000),
    ("b3", Muted, 80_000),
    ("b3", Unmuted, 90_000),
    ("b3", Ended, 120_000),
    ("b3", WrapUpStarted, 120_000),
    ("b3", WrapUpEnded, 149_500),
];

#[test]
fn s35_the_worked_sequence_tells_each_event_once() {
    check(worked_sequence(), &WORKED_STORY);
}

#[test]
fn s36_the_same_snapshot_twice_changes_nothing() {
    let twice = worked_sequence()
        .into_iter()
        .flat_map(|(received, it)| [(received, it.clone()), (received + 5, it)]);
    check(twice.collect(), &WORKED_STORY);
}

#[test]
fn s37_disconnected_then_terminated_is_one_end() {
    let mut terminated = over("b3", ADA, Some(5_000), 9_000, "peer");
    terminated["calls"][0]["state"] = "terminated".into();
    terminated["endTime"] = time(9_030).into();
    check(
        vec![
            (5_100, json!([customer("connected"), connected("b3", ADA, 5_000, json!({}))])),
            (9_100, json!([customer("disconnected"), over("b3", ADA, Some(5_000), 9_000, "peer")])),
            (9_110, json!([customer("terminated"), terminated])),
        ],
        &[("b3", Started, 5_000), ("b3", Ended, 9_000)],
    );
}

#[test]
fn s38_a_late_alerting_snapshot_is_ignored() {
    check(
        vec![
            (5_100, json!([customer("connected"), connected("b3", ADA, 5_000, json!({}))])),
            (5_200, json!([customer("connected"), ringing("b3", ADA)])),
            (9_100, json!([customer("connected"), over("b3", ADA, Some(5_000), 9_000, "client")])),
            (9_200, json!([customer("connected"), connected("b3", ADA, 5_000, json!({}))])),
        ],
        &[("b3", Started, 5_000), ("b3", Ended, 9_000)],
    );
}

#[test]
fn s39_an_old_hold_after_the_return_is_ignored() {
    let held = |from| json!({"held": true, "startHoldTime": time(from)});
    let talks = |received| (received, json!([connected("b3", ADA, 1_000, json!({}))]));
    let holds = |received, from| (received, json!([connected("b3", ADA, 1_000, held(from))]));
    check(
        vec![
            talks(1_100),
            holds(5_100, 5_000),
            talks(7_000),
            holds(7_100, 5_000),
            holds(7_200, 4_000),
            holds(9_100, 9_000),
            talks(9_500),
        ],
        &[
            ("b3", Started, 1_000),
            ("b3", Held, 5_000),
            ("b3", Retrieved, 7_000),
            ("b3", Held, 9_000),
            ("b3", Retrieved, 9_500),
        ],
    );
}

#[test]
fn a_return_that_was_not_seen_lies_before_the_next_hold() {
    let held = |from| json!({"held": true, "startHoldTime": time(from)});
    check(
        vec![
            (5_100, json!([connected("b3", ADA, 1_000, held(5_000))])),
            (9_100, json!([connected("b3", ADA, 1_000, held(9_000))])),
        ],
        &[
            ("b3", Started, 1_000),
            ("b3", Held, 5_000),
            ("b3", Retrieved, 9_000),
            ("b3", Held, 9_000),
        ],
    );
}

#[test]
fn a_snapshot_that_is_old_by_anybodys_state_ends_no_hold() {
    let held = json!({"held": true, "startHoldTime": time(5_000)});
    let acd = |state| party("acd", "acd", None, state, json!({}));
    check(
        vec![
            (1_100, json!([acd("connected"), connected("b3", ADA, 1_000, json!({}))])),
            (5_100, json!([acd("terminated"), connected("b3", ADA, 1_000, held)])),
            (5_200, json!([acd("connected"), connected("b3", ADA, 1_000, json!({}))])),
        ],
        &[("b3", Started, 1_000), ("b3", Held, 5_000)],
    );
}

#[test]
fn the_end_of_a_leg_ends_its_hold_without_a_return() {
    let held = json!({"held": true, "startHoldTime": time(5_000)});
    check(
        vec![
            (5_100, json!([connected("b3", ADA, 1_000, held)])),
            (8_100, json!([over("b3", ADA, Some(1_000), 8_000, "peer")])),
        ],
        &[("b3", Started, 1_000), ("b3", Held, 5_000), ("b3", Ended, 8_000)],
    );
}

#[test]
fn s40_an_unanswered_attempt_hides_not_the_answered_one_of_the_same_user() {
    let missed = over("b3", ADA, None, 8_000, "system");
    check(
        vec![
            (1_000, json!([customer("connected"), ringing("b3", ADA)])),
            (8_100, json!([customer("connected"), missed])),
            (9_000, json!([customer("connected"), missed, ringing("b4", ADA)])),
            (
                11_100,
                json!([customer("connected"), missed, connected("b4", ADA, 11_000, json!({}))]),
            ),
        ],
        &[
            ("b3", Ringing, 1_000),
            ("b3", Ended, 8_000),
            ("b4", Ringing, 9_000),
            ("b4", Started, 11_000),
        ],
    );
}

#[test]
fn s41_a_voicemail_box_of_the_agent_is_no_agent() {
    let mailbox =
        party("b5", "voicemail", Some(ADA), "connected", json!({"connectedTime": time(9_000)}));
    check(vec![(9_100, json!([customer("connected"), mailbox]))], &[]);
}

#[test]
fn s42_a_callback_is_a_call_only_when_there_is_one() {
    let callback = json!({
        "id": "p-b6", "purpose": "agent", "userId": ADA, "connectedTime": time(1_000),
        "callbacks": [{"id": "cb1", "state": "connected", "connectedTime": time(1_000)}]
    });
    let mut called = callback.clone();
    called["calls"] = json!([{"id": "b6", "state": "connected", "direction": "outbound",
                              "connectedTime": time(20_000)}]);
    let answered = party(
        "customer",
        "customer",
        None,
        "connected",
        json!({"direction": "outbound", "connectedTime": time(25_000)}),
    );
    check(
        vec![
            (1_100, json!([callback])),
            (20_100, json!([called])),
            (25_100, json!([called, answered])),
        ],
        &[("b6", Ringing, 20_100), ("b6", Started, 25_000)],
    );
}

#[test]
fn s43_a_supervisor_beside_a_call_is_no_agent_of_it() {
    for mark in ["monitoredParticipantId", "coachedParticipantId", "bargedParticipantId"] {
        let mut beside = connected("b7", BO, 6_000, json!({}));
        beside[mark] = "p-b3".into();
        let unmarked = connected("b7", BO, 6_000, json!({}));
        let ada = connected("b3", ADA, 5_000, json!({}));
        check(
            vec![
                (6_100, json!([customer("connected"), ada, beside])),
                (7_000, json!([customer("connected"), ada, unmarked])),
            ],
            &[("b3", Started, 5_000)],
        );
    }
}

#[test]
fn s44_a_blind_transfer_ends_one_leg_and_begins_another() {
    let gone = over("b3", ADA, Some(5_000), 20_000, "transfer");
    check(
        vec![
            (5_100, json!([customer("connected"), connected("b3", ADA, 5_000, json!({}))])),
            (20_100, json!([customer("connected"), gone, ringing("b4", BO)])),
            (23_100, json!([customer("connected"), gone, connected("b4", BO, 23_000, json!({}))])),
        ],
        &[
            ("b3", Started, 5_000),
            ("b3", Transferred, 20_000),
            ("b3", Ended, 20_000),
            ("b4", Ringing, 20_100),
            ("b4", Started, 23_000),
        ],
    );
}

#[test]
fn s45_in_a_consult_both_are_on_and_the_first_leaves() {
    let ada = connected("b3", ADA, 5_000, json!({"participant.consultParticipantId": "p-b4"}));
    let bo = connected("b4", BO, 15_000, json!({}));
    let parked = json!({"connectedTime": time(152), "confined": true});
    let parked = party("customer", "customer", None, "connected", parked);
    check(
        vec![
            (5_100, json!([customer("connected"), connected("b3", ADA, 5_000, json!({}))])),
            (15_100, json!([parked, ada, bo])),
            (
                30_100,
                json!([
                    customer("connected"),
                    over("b3", ADA, Some(5_000), 30_000, "transfer.consult"),
                    bo
                ]),
            ),
        ],
        &[
            ("b3", Started, 5_000),
            ("b4", Started, 15_000),
            ("b3", Transferred, 30_000),
            ("b3", Ended, 30_000),
        ],
    );
}

#[test]
fn s46_s47_delivery_by_a_queue_is_no_transfer_and_its_late_end_disturbs_nothing() {
    let acd = |state, extra| party("acd", "acd", None, state, extra);
    let ended = json!({"disconnectType": "transfer", "disconnectedTime": time(5_023)});
    check(
        vec![
            (
                5_010,
                json!([
                    customer("connected"),
                    acd("connected", json!({})),
                    connected("b3", ADA, 5_000, json!({}))
                ]),
            ),
            (
                5_030,
                json!([
                    customer("connected"),
                    acd("terminated", ended),
                    connected("b3", ADA, 5_000, json!({}))
                ]),
            ),
        ],
        &[("b3", Started, 5_000)],
    );
}

fn outbound(state: &str, far: &str, answered: Option<i64>) -> Value {
    let agent = |extra| party("b3", "user", Some(ADA), state, extra);
    let mut own = json!({"direction": "outbound"});
    if state == "connected" {
        own["connectedTime"] = time(4_000).into();
    }
    let far = party(
        "far",
        "external",
        None,
        far,
        json!({"direction": "outbound", "connectedTime": answered.map(time)}),
    );
    json!([agent(own), far])
}

#[test]
fn s48_an_outbound_call_starts_when_the_far_end_answers() {
    check(
        vec![
            (1_000, outbound("contacting", "dialing", None)),
            (3_000, outbound("dialing", "dialing", None)),
            (4_100, outbound("connected", "dialing", None)),
            (9_100, outbound("connected", "connected", Some(9_000))),
        ],
        &[("b3", Ringing, 1_000), ("b3", Started, 9_000)],
    );
}

#[test]
fn s48_a_far_end_that_never_answers_makes_no_start() {
    let agent = party(
        "b3",
        "user",
        Some(ADA),
        "terminated",
        json!({"direction": "outbound", "connectedTime": time(4_000),
               "disconnectedTime": time(9_000), "disconnectType": "client"}),
    );
    let far = party("far", "external", None, "terminated", json!({"direction": "outbound"}));
    check(
        vec![(4_100, outbound("connected", "dialing", None)), (9_100, json!([agent, far]))],
        &[("b3", Ringing, 4_100), ("b3", Ended, 9_000)],
    );
}

#[test]
fn an_internal_call_starts_when_the_other_user_answers() {
    let ada = party(
        "b3",
        "user",
        Some(ADA),
        "connected",
        json!({"direction": "outbound", "connectedTime": time(1_000)}),
    );
    let bo = |state, extra| party("b4", "user", Some(BO), state, extra);
    check(
        vec![
            (1_100, json!([ada, bo("alerting", json!({}))])),
            (5_100, json!([ada, bo("connected", json!({"connectedTime": time(5_000)}))])),
        ],
        &[
            ("b3", Ringing, 1_100),
            ("b4", Ringing, 1_100),
            ("b3", Started, 5_000),
            ("b4", Started, 5_000),
        ],
    );
}

#[test]
fn s49_a_dialers_call_is_outbound_whatever_the_agents_leg_says() {
    let called = party(
        "customer",
        "customer",
        None,
        "connected",
        json!({"direction": "outbound", "connectedTime": time(1_000)}),
    );
    let mut machine = ConversationLegs::default();
    let snapshot = json!([called, connected("b3", ADA, 2_000, json!({}))]);
    let updates = machine.snapshot(at(2_100), &snapshot_of(&snapshot));
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].direction, Direction::Outbound);
    assert_eq!(updates[0].connected_at, Some(at(2_000)));
}

#[test]
fn s50_being_confined_is_not_holding() {
    let confined = json!({"confined": true});
    check(
        vec![(5_100, json!([customer("connected"), connected("b3", ADA, 5_000, confined)]))],
        &[("b3", Started, 5_000)],
    );
}

#[test]
fn s52_a_leg_first_seen_connected_has_its_true_start_and_is_marked_late() {
    let mut machine = ConversationLegs::default();
    let talks = json!([customer("connected"), connected("b3", ADA, 5_000, json!({}))]);
    let updates = machine.snapshot(at(30_000), &snapshot_of(&talks));
    assert_eq!(updates[0].connected_at, Some(at(5_000)));
    assert_eq!(updates[0].queue.as_deref(), Some(QUEUE));
    assert!(updates[0].late);

    let mut machine = ConversationLegs::default();
    machine.snapshot(at(1_000), &snapshot_of(&json!([ringing("b3", ADA)])));
    assert!(!machine.snapshot(at(30_000), &snapshot_of(&talks))[0].late);
}

#[test]
fn s53_a_leg_first_seen_over_was_a_call_if_it_was_answered() {
    check(
        vec![(9_100, json!([over("b3", ADA, Some(5_000), 9_000, "client")]))],
        &[("b3", Started, 5_000), ("b3", Ended, 9_000)],
    );
    check(vec![(9_100, json!([over("b3", ADA, None, 9_000, "system")]))], &[("b3", Ended, 9_000)]);
}

#[test]
fn s54_two_agents_of_one_conversation_have_independent_legs() {
    let ada = over("b3", ADA, Some(1_000), 8_000, "client");
    check(
        vec![
            (
                2_100,
                json!([
                    connected("b3", ADA, 1_000, json!({})),
                    connected("b4", BO, 2_000, json!({}))
                ]),
            ),
            (8_100, json!([ada, connected("b4", BO, 2_000, json!({}))])),
            (9_100, json!([ada, over("b4", BO, Some(2_000), 9_000, "peer")])),
        ],
        &[
            ("b3", Started, 1_000),
            ("b4", Started, 2_000),
            ("b3", Ended, 8_000),
            ("b4", Ended, 9_000),
        ],
    );
}

#[test]
fn s55_unknown_states_and_absent_fields_disturb_nothing() {
    let odd = json!({"id": "p-b3", "purpose": "agent", "userId": ADA, "calls": [
        {"id": "b3", "state": "levitating"}, {"state": "connected"}, {"id": "b9"}]});
    check(
        vec![
            (5_100, json!([connected("b3", ADA, 5_000, json!({}))])),
            (6_000, json!([odd, {"purpose": "agent"}, {}])),
            (7_000, json!([])),
        ],
        &[("b3", Started, 5_000)],
    );
}

#[test]
fn who_left_the_conversation_is_on_no_call() {
    let mut left = connected("b3", ADA, 5_000, json!({}));
    left["endTime"] = time(9_000).into();
    check(
        vec![(5_100, json!([connected("b3", ADA, 5_000, json!({}))])), (9_100, json!([left]))],
        &[("b3", Started, 5_000), ("b3", Ended, 9_000)],
    );
}

/// The times, links and reasons of a real finished call as REST shows it; people invented.
#[test]
fn s57_a_finished_conversation_of_rest_gives_its_agents_leg() {
    let leg = |id: &str, purpose, user, from, to, why| {
        party(
            id,
            purpose,
            user,
            "terminated",
            json!({"initialState": "offering", "connectedTime": from, "disconnectedTime": to,
                   "disconnectType": why, "participant.connectedTime": from,
                   "participant.endTime": to, "participant.participantType": "Internal"}),
        )
    };
    let day = |clock: &str| format!("2025-04-10T{clock}Z");
    let mut agent =
        leg("b4", "agent", Some(ADA), day("13:32:02.464"), day("13:32:40.942"), "client");
    agent["calls"][0]["startAlertingTime"] = day("13:31:58.072").into();
    agent["calls"][0]["afterCallWork"] = json!({"state": "skipped"});
    let snapshot = snapshot_of(&json!([
        leg("b1", "customer", None, day("13:31:49.722"), day("13:32:40.944"), "peer"),
        leg("b2", "ivr", None, day("13:31:49.683"), day("13:31:57.787"), "transfer"),
        leg("b3", "acd", None, day("13:31:57.837"), day("13:32:02.487"), "transfer"),
        agent,
    ]));
    let mut machine = ConversationLegs::default();
    let updates = machine.snapshot(at(0), &snapshot);
    assert_eq!(updates.len(), 1);
    let kinds: Vec<_> = leg_of(updates[0].clone()).events();
    let moments: Vec<_> = kinds.iter().map(|event| (event.kind, event.at.to_string())).collect();
    assert_eq!(
        moments,
        [
            (Ringing, day("13:31:58.072")),
            (Started, day("13:32:02.464")),
            (Ended, day("13:32:40.942"))
        ]
    );
    assert_eq!(updates[0].end_reason, Some(EndReason::Client));
    assert!(machine.is_over(CALL.parse().unwrap()));
}

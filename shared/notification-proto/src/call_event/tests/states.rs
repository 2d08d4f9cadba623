//! What comes and goes on a call, and what comes after it. All people are invented.

use serde_json::{Value, json};

use super::cast::*;
use super::*;
use CallEventKind::{
    ConferenceEnded, ConferenceStarted, Ended, Started, WrapUpEnded, WrapUpStarted,
};

#[test]
fn in_a_consult_with_all_three_they_are_in_conference() {
    let consults = json!({"participant.consultParticipantId": "p-b4"});
    let ada = connected("b3", ADA, 5_000, consults);
    let parked = |confined: bool| {
        let extra = json!({"connectedTime": time(152), "confined": confined});
        party("customer", "customer", None, "connected", extra)
    };
    let bo = connected("b4", BO, 15_000, json!({}));
    check(
        vec![
            (5_100, json!([parked(false), connected("b3", ADA, 5_000, json!({}))])),
            (15_100, json!([parked(true), ada, bo])),
            (20_000, json!([parked(false), ada, bo])),
            (25_000, json!([parked(true), ada, bo])),
            (27_000, json!([parked(false), ada, bo])),
            (30_100, json!([parked(false), ada, over("b4", BO, Some(15_000), 30_000, "client")])),
        ],
        &[
            ("b3", Started, 5_000),
            ("b4", Started, 15_000),
            ("b3", ConferenceStarted, 20_000),
            ("b4", ConferenceStarted, 20_000),
            ("b3", ConferenceEnded, 25_000),
            ("b4", ConferenceEnded, 25_000),
            ("b3", ConferenceStarted, 27_000),
            ("b4", ConferenceStarted, 27_000),
            ("b3", ConferenceEnded, 30_100),
            ("b4", Ended, 30_000),
        ],
    );
}

#[test]
fn an_agent_and_two_outside_parties_are_in_conference_and_two_who_hand_over_are_not() {
    let external = party("far", "external", None, "connected", json!({}));
    let ada = connected("b3", ADA, 5_000, json!({}));
    check(
        vec![(5_100, json!([customer("connected"), ada, external]))],
        &[("b3", Started, 5_000), ("b3", ConferenceStarted, 5_100)],
    );
    check(
        vec![(9_100, json!([customer("connected"), ada, connected("b4", BO, 9_000, json!({}))]))],
        &[("b3", Started, 5_000), ("b4", Started, 9_000)],
    );
    let mut beside = connected("b4", BO, 9_000, json!({}));
    beside["bargedParticipantId"] = "p-b3".into();
    beside["consultParticipantId"] = "p-b3".into();
    check(vec![(9_100, json!([customer("connected"), ada, beside]))], &[("b3", Started, 5_000)]);
}

#[test]
fn s51_work_of_no_length_or_skipped_is_none() {
    let work = |call: Value, from: Value, to: Value| {
        let mut agent = over("b3", ADA, Some(5_000), 9_000, "client");
        agent["calls"][0]["afterCallWork"] = call;
        agent["startAcwTime"] = from;
        agent["endAcwTime"] = to;
        json!([customer("terminated"), agent])
    };
    let (began, none) = (json!(time(9_000)), Value::Null);
    let pending = || work(json!({"state": "pending"}), began.clone(), none.clone());
    let talked = [("b3", Started, 5_000), ("b3", Ended, 9_000)];
    for snapshot in [
        work(json!({"state": "skipped"}), began.clone(), began.clone()),
        work(json!({"state": "Skipped"}), none.clone(), none.clone()),
        work(json!({}), began.clone(), began.clone()),
        work(json!({}), none.clone(), none.clone()),
        work(json!({"state": "notApplicable"}), none.clone(), none.clone()),
        work(json!(7), none.clone(), none.clone()),
    ] {
        check(vec![(9_100, snapshot)], &talked);
    }
    let worked = [&talked[..], &[("b3", WrapUpStarted, 9_000)]].concat();
    check(vec![(9_100, pending())], &worked);
    let done = work(json!({"state": "complete"}), none.clone(), none.clone());
    let all = [&worked[..], &[("b3", WrapUpEnded, 12_000)]].concat();
    check(vec![(12_000, done)], &all);
    // What was skipped after all is none, though it seemed to begin.
    let mut machine = ConversationLegs::default();
    let skipped = work(json!({"state": "skipped"}), none.clone(), none.clone());
    for snapshot in [pending(), skipped] {
        machine.snapshot(at(9_100), &snapshot_of(&snapshot));
    }
    assert_eq!(leg_of(machine.legs().next().unwrap().clone()).wrap_up(), None);
}

#[test]
fn a_hold_that_another_machine_saw_begin_is_seen_to_end() {
    let held = json!({"held": true, "startHoldTime": time(8_000)});
    let mut before = ConversationLegs::default();
    before.snapshot(at(8_100), &snapshot_of(&json!([connected("b3", ADA, 5_000, held)])));
    let legs: Vec<Leg> = before.legs().cloned().map(leg_of).collect();
    let mut next = ConversationLegs::default();
    let conversation = CALL.parse().unwrap();
    next.recall(at(9_000), conversation, &legs);
    assert!(next.remembers(conversation));
    let back = json!([connected("b3", ADA, 5_000, json!({}))]);
    let updates = next.snapshot(at(12_000), &snapshot_of(&back));
    assert_eq!(updates[0].holds, [Hold { from: at(8_000), to: Some(at(12_000)) }]);
    assert_eq!(next.snapshot(at(12_100), &snapshot_of(&back)), []);
}

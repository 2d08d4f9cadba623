//! What must hold for any order, repetition, loss and number of snapshots.

use proptest::prelude::*;

use super::*;

#[test]
fn an_ended_conversation_is_forgotten_after_a_while_and_a_live_one_is_not() {
    let mut machine = ConversationLegs::default();
    machine.snapshot(at(0), &snapshot_of(&json!([over("b3", ADA, Some(1), 2, "peer")])));
    let other = |millis, machine: &mut ConversationLegs| {
        let mut snapshot = snapshot_of(&json!([connected("b3", ADA, 1_000, json!({}))]));
        snapshot.conversation = "c0a1b2c3-0000-4000-8000-00000000c002".parse().unwrap();
        machine.snapshot(at(millis), &snapshot);
    };
    other(600_000, &mut machine);
    assert!(machine.remembers(CALL.parse().unwrap()));
    other(600_001, &mut machine);
    assert!(!machine.remembers(CALL.parse().unwrap()));
    other(86_400_000, &mut machine);
    assert_eq!(machine.len(), 1);
}

#[test]
fn memory_is_bounded_and_live_calls_go_last() {
    let mut machine = ConversationLegs::default();
    let mut live = snapshot_of(&json!([connected("b3", ADA, 1_000, json!({}))]));
    let mut ended = snapshot_of(&json!([over("b3", ADA, Some(1), 2, "peer")]));
    let first = live.conversation;
    machine.snapshot(at(0), &live);
    let id = |number: usize| {
        let text = format!("c0a1b2c3-0000-4000-8001-{number:012x}");
        text.parse::<ConversationId>().unwrap()
    };
    for number in 0..CONVERSATIONS_MAX + 10 {
        ended.conversation = id(number);
        machine.snapshot(at(1), &ended);
    }
    assert_eq!(machine.len(), CONVERSATIONS_MAX);
    assert!(machine.remembers(first));
    for number in 0..CONVERSATIONS_MAX {
        live.conversation = id(CONVERSATIONS_MAX + 10 + number);
        machine.snapshot(at(2), &live);
    }
    assert_eq!(machine.len(), CONVERSATIONS_MAX);
    assert!(!machine.remembers(first));
}

/// A call with a hold, a transfer, a second hold and an end, as Genesys would send it.
fn long_call() -> Transcript {
    let held = |from| json!({"held": true, "startHoldTime": time(from)});
    let gone = over("b3", ADA, Some(5_000), 20_000, "transfer");
    let missed = over("b0", ADA, None, 4_000, "system");
    let mut wrapped = over("b4", BO, Some(23_000), 40_000, "peer");
    wrapped["calls"][0]["afterCallWork"] =
        json!({"state": "complete", "startTime": time(40_000), "endTime": time(70_000)});
    vec![
        (1_000, json!([customer("connected"), ringing("b0", ADA)])),
        (4_100, json!([customer("connected"), missed])),
        (4_500, json!([customer("connected"), missed, ringing("b3", ADA)])),
        (5_100, json!([customer("connected"), missed, connected("b3", ADA, 5_000, json!({}))])),
        (8_100, json!([customer("connected"), missed, connected("b3", ADA, 5_000, held(8_000))])),
        (12_000, json!([customer("connected"), missed, connected("b3", ADA, 5_000, json!({}))])),
        (20_100, json!([customer("connected"), missed, gone, ringing("b4", BO)])),
        (
            23_100,
            json!([customer("connected"), missed, gone, connected("b4", BO, 23_000, json!({}))]),
        ),
        (
            25_100,
            json!([customer("connected"), missed, gone, connected("b4", BO, 23_000, held(25_000))]),
        ),
        (40_100, json!([customer("terminated"), missed, gone, wrapped])),
    ]
}

/// Begun, ended, why, and the work after it.
type Truth = (Option<Timestamp>, Option<Timestamp>, Option<EndReason>, Option<Work>);
type Work = (Timestamp, Option<Timestamp>);

/// What Genesys' own times say of each leg; ringing and return have no time of their own.
fn truths(machine: &ConversationLegs) -> BTreeMap<CommunicationId, Truth> {
    let legs = machine.legs().cloned().map(leg_of);
    legs.map(|leg| {
        let truth = (leg.connected_at, leg.ended_at, leg.end_reason, leg.wrap_up());
        (leg.communication, truth)
    })
    .collect()
}

/// A call with everything that comes and goes, up to a moment at which none of it is.
fn changing_call() -> Transcript {
    let ada = |extra| connected("b3", ADA, 5_000, extra);
    let bo = || connected("b4", BO, 20_000, json!({}));
    let consults = json!({"participant.consultParticipantId": "p-b4"});
    let mut steps = vec![json!([customer("connected"), ringing("b3", ADA)])];
    for extra in [
        json!({}),
        json!({"muted": true}),
        json!({}),
        json!({"held": true, "startHoldTime": time(9_000)}),
        json!({"held": true, "muted": true, "startHoldTime": time(9_000)}),
        json!({}),
    ] {
        steps.push(json!([customer("connected"), ada(extra)]));
    }
    steps.push(json!([customer("connected"), ada(consults), bo()]));
    let gone = over("b4", BO, Some(20_000), 30_000, "client");
    steps.push(json!([customer("connected"), ada(json!({})), gone]));
    (1..).map(|step| step * 4_000).zip(steps).collect()
}

/// Returns whether nothing goes on but a talk, or nothing at all.
fn is_plain(leg: &Leg) -> bool {
    let changed = leg.mutes.is_on() || leg.conferences.is_on() || leg.is_held();
    leg.ended_at.is_some() || !changed
}

proptest! {
    #[test]
    fn any_order_repetition_and_loss_ends_in_the_same_legs(
        order in prop::collection::vec(0usize..10, 0..40),
        place in 0usize..40,
    ) {
        let call = long_call();
        let mut expected = ConversationLegs::default();
        for (received, it) in &call {
            expected.snapshot(at(*received), &snapshot_of(it));
        }
        // The last snapshot comes once at least, wherever.
        let mut order = order;
        order.insert(place.min(order.len()), call.len() - 1);
        let mut machine = ConversationLegs::default();
        let mut merged: BTreeMap<CommunicationId, Leg> = BTreeMap::new();
        for (step, &index) in (0..).zip(&order) {
            for update in machine.snapshot(at(50_000 + step * 100), &snapshot_of(&call[index].1)) {
                let leg = leg_of(update);
                merged.entry(leg.communication.clone()).or_insert_with(|| leg.clone()).merge(&leg);
            }
        }
        prop_assert_eq!(truths(&machine), truths(&expected));
        prop_assert!(machine.is_over(CALL.parse().unwrap()));
        for leg in machine.legs() {
            // Merging all that was ever said gives what is said last.
            prop_assert_eq!(&merged[&leg.communication], &leg_of(leg.clone()));
            for hold in &leg.holds {
                prop_assert!([at(8_000), at(25_000)].contains(&hold.from));
                prop_assert!(hold.to.is_none_or(|to| to >= hold.from));
            }
        }
        // And then nothing moves it.
        for &index in &order {
            prop_assert_eq!(machine.snapshot(at(99_000), &snapshot_of(&call[index].1)), []);
        }
    }

    #[test]
    fn whatever_came_before_the_latest_snapshot_says_what_is(
        order in prop::collection::vec(0usize..9, 0..40),
        shared in prop::collection::vec(any::<bool>(), 40),
    ) {
        let call = changing_call();
        // Two machines get a part each, and both the end; what they saw is joined.
        let mut machines = [ConversationLegs::default(), ConversationLegs::default()];
        for (step, (&index, &first)) in (0..).zip(order.iter().zip(&shared)) {
            let snapshot = snapshot_of(&call[index].1);
            machines[usize::from(first)].snapshot(at(50_000 + step * 100), &snapshot);
        }
        let mut joined: BTreeMap<CommunicationId, Leg> = BTreeMap::new();
        for machine in &mut machines {
            machine.snapshot(at(90_000), &snapshot_of(&call[8].1));
            for leg in machine.legs().cloned().map(leg_of) {
                prop_assert!(is_plain(&leg));
                joined.entry(leg.communication.clone()).or_insert_with(|| leg.clone()).merge(&leg);
            }
        }
        for leg in joined.values() {
            prop_assert!(is_plain(leg));
            let events = leg.events();
            let count = |kind| events.iter().filter(|event| event.kind == kind).count();
            prop_assert_eq!(count(CallEventKind::Muted), count(CallEventKind::Unmuted));
            prop_assert_eq!(count(CallEventKind::Held), count(Retrieved));
            if leg.communication.as_str() == "b3" {
                let conferences = count(CallEventKind::ConferenceStarted);
                prop_assert_eq!(conferences, count(CallEventKind::ConferenceEnded));
                prop_assert!(order.contains(&7) || conferences == 0);
            }
        }
        let late = !order.contains(&0);
        prop_assert_eq!(joined[&CommunicationId::new("b3")].late, late);
    }

    #[test]
    fn repeated_and_lost_snapshots_in_order_give_the_same_story(
        counts in prop::collection::vec(0usize..3, 9),
    ) {
        let call = long_call();
        let kept: Transcript = counts
            .iter()
            .zip(&call)
            .flat_map(|(&count, it)| std::iter::repeat_n(it.clone(), count))
            .chain([call[9].clone()])
            .collect();
        let whole = told(&call);
        for event in told(&kept) {
            // A return that was lost may lie at the leg's next sign; all else is as it was.
            prop_assert!(
                whole.contains(&event) || matches!(event.1, Ringing | Retrieved),
                "{:?}", event
            );
        }
    }
}

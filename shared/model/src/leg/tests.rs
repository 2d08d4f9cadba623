//! Stories of legs, and that joining them is one.

use proptest::prelude::*;

use super::*;

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn blank() -> Leg {
    Leg {
        key: ConversationKey {
            organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().expect("valid"),
            conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().expect("valid"),
        },
        participant: ParticipantId::new("p"),
        communication: CommunicationId::new("c"),
        user: "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01".parse().expect("valid"),
        attribution: Attribution::NotOurs(NotOurs::LookupFailed),
        attributed_at: at(0),
        earlier: BTreeSet::new(),
        direction: Direction::Inbound,
        queue: None,
        ringing_at: None,
        connected_at: None,
        ended_at: None,
        end_reason: None,
        holds: Vec::new(),
        mutes: Changes::default(),
        conferences: Changes::default(),
        wrap_up_at: None,
        wrapped_up_at: None,
        late: true,
        sources: BTreeSet::new(),
    }
}

pub(super) fn seen(changes: &[(i64, bool)]) -> Changes {
    let mut all = Changes::default();
    changes.iter().for_each(|&(millis, on)| all.note(at(millis), on));
    all
}

fn pieces() -> Vec<Leg> {
    let hold = |from, to: Option<i64>| Hold { from: at(from), to: to.map(at) };
    vec![
        Leg { ringing_at: Some(at(1)), ..blank() },
        Leg {
            connected_at: Some(at(5)),
            attribution: Attribution::Ours(AgentId::new("ada")),
            attributed_at: at(2),
            ..blank()
        },
        Leg { connected_at: Some(at(5)), holds: vec![hold(7, None)], ..blank() },
        Leg { holds: vec![hold(7, Some(9)), hold(11, None)], ..blank() },
        Leg { ended_at: Some(at(20)), end_reason: Some(EndReason::Transfer), ..blank() },
        Leg { ended_at: Some(at(20)), end_reason: Some(EndReason::Client), ..blank() },
        Leg {
            direction: Direction::Outbound,
            queue: Some("b".into()),
            late: false,
            mutes: seen(&[(12, true), (14, false), (25, true)]),
            sources: BTreeSet::from([EventSource::Socket]),
            ..blank()
        },
        Leg {
            queue: Some("a".into()),
            mutes: seen(&[(13, true), (15, false)]),
            conferences: seen(&[(16, true)]),
            wrap_up_at: Some(at(20)),
            wrapped_up_at: Some(at(30)),
            sources: BTreeSet::from([EventSource::EventBus]),
            ..blank()
        },
    ]
}

fn whole() -> Leg {
    let mut leg = blank();
    pieces().iter().for_each(|piece| leg.merge(piece));
    leg
}

#[test]
fn tells_its_story_in_order() {
    let kinds: Vec<_> = whole().events().iter().map(|event| event.kind).collect();
    use CallEventKind::*;
    assert_eq!(
        kinds,
        [
            Ringing,
            Started,
            Held,
            Retrieved,
            Held,
            Muted,
            Unmuted,
            ConferenceStarted,
            Ended,
            WrapUpStarted,
            WrapUpEnded
        ]
    );
}

#[test]
fn the_end_by_a_transfer_is_told_as_both() {
    let end = |reason| Leg { ended_at: Some(at(9)), end_reason: Some(reason), ..blank() };
    let kinds = |leg: Leg| leg.events().iter().map(|event| event.kind).collect::<Vec<_>>();
    use CallEventKind::{Ended, Transferred};
    assert_eq!(kinds(end(EndReason::ConsultTransfer)), [Transferred, Ended]);
    assert_eq!(kinds(end(EndReason::NoAnswerTransfer)), [Ended]);
}

#[test]
fn what_several_saw_of_one_mute_is_one_mute() {
    let mutes: Vec<_> =
        whole().events().into_iter().filter(|it| it.kind == CallEventKind::Muted).collect();
    assert_eq!(mutes.len(), 1, "what was seen behind the end counts for nothing");
    assert_eq!(mutes[0].at, at(12));
}

#[test]
fn s51_work_of_no_length_is_none() {
    let leg = |to: Option<i64>| Leg {
        ended_at: Some(at(20)),
        wrap_up_at: Some(at(20)),
        wrapped_up_at: to.map(at),
        ..blank()
    };
    assert_eq!(leg(Some(20)).wrap_up(), None);
    assert_eq!(leg(Some(19)).wrap_up(), None);
    assert_eq!(leg(Some(21)).wrap_up(), Some((at(20), Some(at(21)))));
    let mut open = leg(None);
    assert_eq!(open.wrap_up(), Some((at(20), None)));
    open.merge(&leg(Some(20)));
    assert_eq!(open.wrap_up(), None);
}

#[test]
fn a_leg_that_was_stored_before_is_read() {
    let mut value = serde_json::to_value(whole()).unwrap();
    let fields = value.as_object_mut().unwrap();
    for field in ["mutes", "conferences", "wrap_up_at", "wrapped_up_at", "late", "sources"] {
        assert!(fields.remove(field).is_some(), "{field}");
    }
    let leg: Leg = serde_json::from_value(value).unwrap();
    assert_eq!((leg.late, leg.wrap_up()), (false, None));
    let whole = whole();
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Leg>(&text).unwrap(), whole);
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_gives_the_same_leg(
        order in prop::collection::vec(0usize..8, 0..20),
    ) {
        let pieces = pieces();
        let mut leg = blank();
        order.iter().chain(&[7, 6, 5, 4, 3, 2, 1, 0]).for_each(|&index| {
            leg.merge(&pieces[index]);
        });
        prop_assert_eq!(leg, whole());
    }

    #[test]
    fn it_is_no_matter_who_gathers_what(
        one in prop::collection::vec(0usize..8, 0..8),
        other in prop::collection::vec(0usize..8, 0..8),
        third in prop::collection::vec(0usize..8, 0..8),
    ) {
        let pieces = pieces();
        let of = |some: &[usize]| {
            let mut leg = blank();
            some.iter().for_each(|&index| leg.merge(&pieces[index]));
            leg
        };
        let joined = |a: &Leg, b: &Leg| {
            let mut both = a.clone();
            both.merge(b);
            both
        };
        let (a, b, c) = (of(&one), of(&other), of(&third));
        prop_assert_eq!(joined(&a, &b), joined(&b, &a));
        prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a);
    }
}

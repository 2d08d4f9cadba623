//! Agents who are moved in mid-call, and what stays theirs.

use super::super::tests::{at, blank, seen};
use super::*;
use crate::id::AgentId;
use crate::leg::CallEventKind as Kind;

fn ada() -> Attribution {
    Attribution::Ours(AgentId::new("ada"))
}

const AWAY: Attribution = Attribution::NotOurs(NotOurs::OtherAdaptor);

/// A leg from 10 to 100, of which these answers came.
fn leg(answers: &[(i64, Attribution)]) -> Leg {
    let mut leg = Leg {
        ringing_at: Some(at(5)),
        connected_at: Some(at(10)),
        ended_at: Some(at(100)),
        end_reason: Some(EndReason::Client),
        attribution: answers[0].1.clone(),
        attributed_at: at(answers[0].0),
        ..blank()
    };
    for (millis, who) in &answers[1..] {
        leg.merge(&Leg { attribution: who.clone(), attributed_at: at(*millis), ..blank() });
    }
    leg
}

/// The stints as (name, agent or nobody, from, to).
fn told(leg: &Leg) -> Vec<(String, Option<String>, i64, i64)> {
    let stint = |stint: Leg| {
        let millis = |at: Option<Timestamp>| at.map_or(-1, Timestamp::as_millis);
        (
            stint.communication.to_string(),
            stint.attribution.agent().map(ToString::to_string),
            millis(stint.connected_at),
            millis(stint.ended_at),
        )
    };
    leg.stints().into_iter().map(stint).collect()
}

fn expected(stints: &[(&str, Option<&str>, i64, i64)]) -> Vec<(String, Option<String>, i64, i64)> {
    let owned = |(name, who, from, to): &(&str, Option<&str>, i64, i64)| {
        ((*name).to_owned(), who.map(str::to_owned), *from, *to)
    };
    stints.iter().map(owned).collect()
}

#[test]
fn who_is_moved_away_keeps_what_was_heard_before() {
    let leg = leg(&[(4, ada()), (40, AWAY)]);
    assert_eq!(told(&leg), expected(&[("c", Some("ada"), 10, 40), ("c~1", None, 40, 100)]));
    let kinds = |leg: &Leg| leg.events().iter().map(|it| it.kind).collect::<Vec<_>>();
    let stints = leg.stints();
    assert_eq!(kinds(&stints[0]), [Kind::Ringing, Kind::Started, Kind::Ended]);
    assert_eq!(stints[0].end_reason, Some(EndReason::Moved));
    assert_eq!(kinds(&stints[1]), [Kind::Started, Kind::Ended]);
    assert_eq!(stints[1].end_reason, Some(EndReason::Client));
}

#[test]
fn who_comes_back_begins_anew_and_two_who_noticed_are_one() {
    let leg = leg(&[(4, ada()), (42, AWAY), (70, ada()), (40, AWAY), (71, ada())]);
    assert_eq!(
        told(&leg),
        expected(&[
            ("c", Some("ada"), 10, 40),
            ("c~1", None, 40, 70),
            ("c~2", Some("ada"), 70, 100)
        ])
    );
}

#[test]
fn who_was_not_known_yet_was_there_all_the_time() {
    for unknown in [NotOurs::LookupFailed, NotOurs::UnknownUser] {
        let leg = leg(&[(4, Attribution::NotOurs(unknown)), (50, ada())]);
        assert_eq!(told(&leg), expected(&[("c", Some("ada"), 10, 100)]), "{unknown:?}");
    }
    let late = leg(&[(4, Attribution::NotOurs(NotOurs::LookupFailed)), (150, ada())]);
    assert_eq!(told(&late), expected(&[("c", Some("ada"), 10, 100)]));
}

#[test]
fn a_move_before_the_call_or_behind_it_cuts_nothing() {
    let before = leg(&[(4, AWAY), (8, ada())]);
    assert_eq!(told(&before), expected(&[("c", Some("ada"), 10, 100)]));
    let behind = leg(&[(4, ada()), (100, AWAY)]);
    assert_eq!(told(&behind), expected(&[("c", Some("ada"), 10, 100)]));
}

#[test]
fn a_hold_a_mute_and_the_work_after_the_call_fall_where_they_were() {
    let hold = |from, to: i64| Hold { from: at(from), to: Some(at(to)) };
    let leg = Leg {
        holds: vec![hold(20, 30), hold(35, 60)],
        mutes: seen(&[(38, true), (50, false)]),
        wrap_up_at: Some(at(100)),
        wrapped_up_at: Some(at(120)),
        ..leg(&[(4, ada()), (40, AWAY)])
    };
    let stints = leg.stints();
    assert_eq!(stints[0].holds, [hold(20, 30), Hold { from: at(35), to: None }]);
    assert_eq!(stints[1].holds, [hold(40, 60)]);
    let mutes = |stint: &Leg| {
        stint.events().into_iter().filter(|it| it.kind == Kind::Muted).map(|it| it.at).collect()
    };
    let moments: [Vec<Timestamp>; 2] = [mutes(&stints[0]), mutes(&stints[1])];
    assert_eq!(moments, [vec![at(38)], vec![at(40)]]);
    let work: Vec<bool> = stints.iter().map(|stint| stint.wrap_up().is_some()).collect();
    assert_eq!(work, [false, true]);
}

#[test]
fn a_leg_that_nobody_moved_is_its_only_stint() {
    let leg = leg(&[(4, ada())]);
    assert_eq!(leg.stints(), std::slice::from_ref(&leg));
}

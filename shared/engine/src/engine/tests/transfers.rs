//! Who hands the customer on, to whom, and who is moved away meanwhile.

use super::*;

#[test]
fn transfer_to_somebody_else_pauses_and_the_way_back_resumes() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    call.audio(0, 4_000);
    let gone = call.ended("ada", 0, 4_000, EndReason::Transfer);
    let other = Leg {
        attribution: Attribution::NotOurs(NotOurs::UnknownUser),
        ..call.connected("somebody", 4_000)
    };
    call.legs(4_300, vec![gone.clone(), other.clone()]);
    assert_eq!(call.replies, ["opened", "pause"]);
    // On its way while the pause was, and nobody's.
    call.audio(4_000, 4_600);
    call.text(4_700, "paused", 4_600, "{}");
    let back = Leg { communication: CommunicationId::new("c-ada-2"), ..call.ringing("ada", 9_000) };
    call.legs(9_050, vec![gone.clone(), other.clone(), back.clone()]);
    assert_eq!(call.replies, ["opened", "pause", "resume"]);
    call.text(9_100, "resumed", 9_000, r#"{"start":"PT4.6S","discarded":"PT4.4S"}"#);
    call.audio(9_000, 13_000);
    let back = Leg { connected_at: Some(call.at(11_000)), ..back };
    call.legs(13_000, vec![gone, other, back]);
    assert_eq!(call.audio_of(), [("ada", 0, 4_400), ("ada", 10_800, 13_000)]);
    assert_eq!(call.matches(), [ada()]);
}

#[test]
fn who_is_moved_away_keeps_what_was_heard_and_begins_anew_on_the_way_back() {
    let away = Attribution::NotOurs(NotOurs::OtherAdaptor);
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    let leg = call.connected("ada", 0);
    call.legs(5, vec![leg.clone()]);
    call.audio(0, 4_000);
    let moved = |who: &Attribution, ms| Leg {
        attribution: who.clone(),
        attributed_at: call.at(ms),
        ..leg.clone()
    };
    let (gone, back) = (moved(&away, 4_000), moved(&leg.attribution, 9_000));
    call.legs(4_100, vec![gone]);
    call.audio(4_000, 4_400);
    call.feed(4_400, Input::Timeout);
    assert_eq!(call.replies, ["opened", "pause"]);
    call.text(4_500, "paused", 4_400, "{}");
    call.legs(9_050, vec![back]);
    assert_eq!(call.replies, ["opened", "pause", "resume"]);
    call.text(9_100, "resumed", 9_000, r#"{"start":"PT4.4S","discarded":"PT4.6S"}"#);
    call.audio(9_000, 11_000);
    assert_eq!(call.audio_of(), [("ada", 0, 4_400), ("ada", 9_000, 11_000)]);
}

#[test]
fn s71_transfer_to_another_agent_of_ours_needs_no_pause() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![call.connected("ada", 0)]);
    call.audio(0, 4_000);
    let legs = vec![call.ended("ada", 0, 3_000, EndReason::Transfer), call.connected("bo", 3_000)];
    call.legs(4_000, legs);
    call.audio(4_000, 5_000);
    assert_eq!(call.replies, ["opened"]);
    // What was sent as Ada's is corrected by the events.
    assert_eq!(call.audio_of(), [("ada", 0, 4_000), ("bo", 4_000, 5_000)]);
    assert!(call.events().contains(&(CallEventKind::Transferred, 3_000)));
    assert!(call.events().contains(&(CallEventKind::Started, 3_000)));
    assert_eq!(call.matches(), [ada(), MatchState::Matched(AgentId::new("bo"))]);
}

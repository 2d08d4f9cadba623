//! Genesys' clock apart from the time in which messages arrive, and positions that stand still.

use super::*;

const SECOND: i64 = 1_000_000;

fn later(moment: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(moment.as_micros() + micros)
}

/// A leg as Genesys tells of it, whose clock is ahead.
fn ahead(leg: Leg, micros: i64) -> Leg {
    let moved = |moment: Option<Timestamp>| moment.map(|moment| later(moment, micros));
    let (ringing_at, connected_at) = (moved(leg.ringing_at), moved(leg.connected_at));
    let holds =
        leg.holds.iter().map(|hold| Hold { from: later(hold.from, micros), to: moved(hold.to) });
    let holds = holds.collect();
    Leg { ringing_at, connected_at, ended_at: moved(leg.ended_at), holds, ..leg }
}

/// Plays one call with Genesys' clock apart by `micros`, said before or in mid-call.
fn play(micros: i64, said_at_ms: u64) -> Call {
    let mut call = Call::new(Listen::Matched);
    let say = |call: &mut Call, ms| {
        let world = later(call.at(ms), micros);
        call.feed(ms, Input::WorldTime(world));
    };
    if said_at_ms == 0 {
        say(&mut call, 0);
    }
    call.open(0);
    let ringing = ahead(call.ringing("ada", 100), micros);
    call.legs(150, vec![ringing]);
    call.audio(0, 2_000);
    let held = Leg {
        holds: vec![Hold { from: call.at(3_000), to: Some(call.at(4_000)) }],
        ..call.connected("ada", 1_000)
    };
    let held = ahead(held, micros);
    call.legs(2_000, vec![held.clone()]);
    call.audio(2_000, 5_000);
    if said_at_ms > 0 {
        say(&mut call, said_at_ms);
    }
    call.audio(5_000, 6_000);
    let ended = Leg {
        ended_at: Some(later(call.at(6_000), micros)),
        end_reason: Some(EndReason::Client),
        ..held
    };
    call.legs(6_050, vec![ended]);
    call.feed(6_300, Input::Timeout);
    call
}

#[test]
fn a_clock_apart_from_genesys_moves_no_audio_and_no_event() {
    let right = play(0, 0);
    assert_eq!(right.audio_of(), [("ada", 800, 6_000)]);
    for seconds in [-40, -5, -1, 1, 5, 40] {
        let call = play(seconds * SECOND, 0);
        assert_eq!(call.audio_of(), right.audio_of(), "{seconds} s");
        assert_eq!(call.events(), right.events(), "{seconds} s");
        assert_eq!(call.replies, right.replies, "{seconds} s");
        let opened_at = call.items[0].opened_at;
        assert_eq!(opened_at, later(call.start, seconds * SECOND), "{seconds} s");
    }
}

#[test]
fn a_step_in_mid_call_places_the_legs_anew() {
    for seconds in [-30, 30] {
        let call = play(seconds * SECOND, 5_000);
        // What was delivered before is placed by the events, which are published again.
        let last = |kind| call.events().iter().rev().find(|event| event.0 == kind).copied();
        let started = (CallEventKind::Started, 1_000);
        let ended = (CallEventKind::Ended, 6_000);
        assert_eq!(last(CallEventKind::Started), Some(started), "{seconds} s");
        assert_eq!(last(CallEventKind::Ended), Some(ended), "{seconds} s");
        assert_eq!(call.replies.last().map(String::as_str), Some("pause"), "{seconds} s");
    }
}

#[test]
fn audio_of_a_client_whose_position_stood_still_in_the_pause_is_delivered() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![]);
    assert_eq!(call.replies, ["opened paused"]);
    call.text(10, "paused", 0, "{}");
    call.legs(8_600, vec![call.ringing("ada", 8_500)]);
    assert_eq!(call.replies[1..], ["resume"]);
    call.text(8_700, "resumed", 0, r#"{"start":"PT0S","discarded":"PT0S"}"#);
    for begin in (0..8_000).step_by(200) {
        call.feed(8_700 + begin + 200, Input::Media(Bytes::from(vec![0x7f; 3_200])));
    }
    call.legs(16_700, vec![call.connected("ada", 12_900)]);
    assert_eq!(call.audio_of(), [("ada", 4_000, 8_000)]);
    assert!(call.events().contains(&(CallEventKind::Started, 4_200)), "{:?}", call.events());
    let gaps = call.delivered.iter().filter(|one| matches!(one, Delivery::Gap(_))).count();
    assert_eq!(gaps, 0);
}

#[test]
fn a_call_that_is_paused_to_its_end_is_accounted_for_and_ends_when_it_ended() {
    let mut call = Call::new(Listen::Matched);
    call.open(0);
    call.legs(5, vec![]);
    call.text(10, "paused", 0, "{}");
    for second in 1..=10 {
        call.text(second * 5_000, "ping", second * 5_000, r#"{"rtt":"PT0.1S"}"#);
    }
    call.text(52_000, "close", 52_000, r#"{"reason":"end"}"#);
    while !call.done {
        let due = call.engine.deadline().expect("it ends").since(call.start);
        call.feed(u64::try_from(due.as_millis()).unwrap(), Input::Timeout);
    }
    let Some(Delivery::SessionEnded(ended)) = call.delivered.last() else { panic!("no end") };
    assert_eq!((ended.streamed, ended.paused), (Position::ZERO, ended.position));
    assert_eq!(ended.position, Position::from_millis(52_000));
    assert_eq!(ended.ended_at, call.at(52_000));
}

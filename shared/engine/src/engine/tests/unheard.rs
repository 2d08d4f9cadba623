//! Calls whose audio cannot come, or does not.

use super::*;
use sidetone_model::UnheardReason;

fn deaf() -> Call {
    Call::with(EngineConfig { hears: Hearing::Nothing, ..EngineConfig::default() })
}

#[test]
fn a_door_that_cannot_hear_accepts_without_a_medium_and_says_why() {
    let mut call = deaf();
    call.open(0);
    call.legs(10, vec![]);
    assert_eq!(call.replies, ["opened"]);
    let [Delivery::SessionStarted(started)] = &call.delivered[..] else {
        panic!("{:?}", call.delivered)
    };
    assert_eq!((started.media, started.unheard), (None, Some(UnheardReason::TextOnlyDoor)));
    // The match goes on, and nothing is paused that does not flow.
    call.legs(1_000, vec![call.connected("ada", 900)]);
    call.legs(9_000, vec![call.ended("ada", 900, 8_000, EndReason::Client)]);
    call.feed(9_500, Input::Timeout);
    assert_eq!(call.replies, ["opened"]);
    assert!(call.delivered.contains(&Delivery::Match { state: ada(), position: Position::ZERO }));
}

#[test]
fn a_door_that_cannot_hear_takes_no_medium_of_a_probe() {
    let mut call = deaf();
    call.text(
        0,
        "open",
        0,
        &format!(
            r#"{{"organizationId":"{ORGANIZATION}","conversationId":"00000000-0000-0000-0000-000000000000","participant":{{"id":"00000000-0000-0000-0000-000000000000","ani":"","aniName":"","dnis":""}},"media":[{{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}}]}}"#
        ),
    );
    assert_eq!(call.replies, ["opened"]);
    assert_eq!(call.engine.session.media(), None);
}

#[test]
fn what_was_lost_on_its_way_is_a_gap_and_moves_what_follows() {
    let mut call = Call::new(Listen::Always);
    call.open(0);
    call.legs(1, vec![]);
    call.audio(0, 400);
    call.feed(2_500, Input::Skipped { to: Position::from_millis(800) });
    call.audio(800, 1_000);
    let mut media = Vec::new();
    for delivery in &call.delivered {
        if let Delivery::Audio(audio) = delivery {
            media.push((audio.position.as_millis(), None));
        } else if let Delivery::Gap(gap) = delivery {
            media.push((gap.from.as_millis(), Some(gap.cause)));
        }
    }
    let lost = Some(GapCause::Undelivered);
    assert_eq!(media, [(0, None), (200, None), (400, lost), (800, None)]);
}

#[test]
fn nothing_is_missed_in_a_pause() {
    let mut call = Call::new(Listen::Always);
    call.open(0);
    call.legs(1, vec![]);
    call.audio(0, 400);
    call.text(400, "paused", 400, "{}");
    call.feed(2_500, Input::Skipped { to: Position::from_millis(800) });
    assert!(!call.delivered.iter().any(|delivery| matches!(delivery, Delivery::Gap(_))));
}

//! Deviations of the server, each recorded and answered as the real client answers it.

use std::time::Duration;

use proptest::prelude::*;
use sidetone_model::{Format, Media, MediaChannel, MediaChannels};

use super::bench::{Bench, Deed, SESSION, call, disconnect, opened, opened_with, said};
use crate::client::{ClientInput, EndCause, ServerFault};
use crate::wire::{ClientBody, CloseReason, DisconnectReason, RawJson, ServerBody, ServerMessage};

/// A server text with exactly these members.
fn text(members: &str) -> String {
    format!("{{\"version\":\"2\",\"id\":\"{SESSION}\",{members}}}")
}

/// The fault costs the session: `error` with a code, `close` with reason `error`.
fn check_fatal(bench: &Bench, code: u32, fault: &ServerFault) {
    assert_eq!(bench.faults(), std::slice::from_ref(fault));
    assert_eq!(bench.codes(), [code]);
    assert_eq!(bench.last_body(), &ClientBody::Close { reason: Some(CloseReason::Error) });
}

/// The fault is reported and the session goes on.
fn check_mild(bench: &mut Bench, code: u32, fault: &ServerFault) {
    assert_eq!(bench.faults(), std::slice::from_ref(fault));
    assert_eq!(bench.codes(), [code]);
    bench.run_millis(400);
    assert!(bench.client.is_streaming());
}

#[test]
fn one_wrong_number_costs_the_session_and_ten_seconds() {
    let mut bench = Bench::active(call());
    bench.say_as(3, 1, ServerBody::Pause);
    check_fatal(&bench, 500, &ServerFault::Seq { expected: 2, got: 3 });
    let ClientBody::Error(error) = &bench.texts[1].body else { panic!("error first") };
    assert_eq!(error.message.as_deref(), Some("expected sequence 2 but received sequence 3"));
    bench.say_as(4, 3, ServerBody::Closed);
    bench.run_silent(Duration::from_millis(9_999));
    assert!(!bench.client.is_over(), "the closed is refused as well");
    bench.run_silent(Duration::from_millis(1));
    assert_eq!(bench.codes(), [500, 408]);
    assert_eq!(bench.deeds().last(), Some(&Deed::Closed));
    assert_eq!(bench.end(), Some((EndCause::Fault { code: 500 }, false)));
    assert_eq!(bench.faults().len(), 1);
}

#[test]
fn a_first_message_numbered_two_is_refused() {
    let mut bench = Bench::opening(call());
    bench.say_as(2, 1, opened());
    check_fatal(&bench, 500, &ServerFault::Seq { expected: 1, got: 2 });
}

#[test]
fn texts_that_are_no_messages_cost_the_session() {
    let large = format!("\"{}\"", "x".repeat(64_000));
    for (text, code, fault) in [
        ("{".to_owned(), 400, ServerFault::NotJson),
        ("[]".to_owned(), 400, ServerFault::Envelope),
        (text("\"type\":\"pong\",\"seq\":2,\"clientseq\":1"), 400, ServerFault::Envelope),
        (
            text("\"type\":\"pong\",\"seq\":2,\"clientseq\":1,\"parameters\":null"),
            400,
            ServerFault::Envelope,
        ),
        (
            text("\"type\":\"disconnect\",\"seq\":2,\"clientseq\":1,\"parameters\":{}"),
            400,
            ServerFault::Parameters { kind: "disconnect".to_owned() },
        ),
        (large.clone(), 413, ServerFault::TooLarge { bytes: large.len() }),
        (
            text("\"type\":\"nudge\",\"seq\":2,\"clientseq\":1,\"parameters\":{}"),
            500,
            ServerFault::UnknownType { kind: "nudge".to_owned() },
        ),
    ] {
        let mut bench = Bench::active(call());
        bench.input(ClientInput::Text(&text));
        check_fatal(&bench, code, &fault);
    }
}

#[test]
fn another_id_costs_the_session_and_so_does_another_spelling() {
    for id in [SESSION.to_lowercase(), "11111111-2222-4333-8444-555555555555".to_owned()] {
        let mut bench = Bench::active(call());
        let id = id.parse().unwrap();
        let message = ServerMessage { id, seq: 2, clientseq: 1, body: ServerBody::Pause };
        bench.input(ClientInput::Text(&message.to_json()));
        check_fatal(&bench, 400, &ServerFault::Id);
    }
}

#[test]
fn acknowledging_what_was_never_sent_costs_the_session_falling_back_does_not() {
    let mut bench = Bench::active(call());
    bench.say_for(2, ServerBody::Pause);
    check_fatal(&bench, 400, &ServerFault::AckAhead { got: 2, sent: 1 });

    let mut bench = Bench::active(call());
    bench.say_for(0, ServerBody::Pause);
    assert_eq!(bench.faults(), [ServerFault::AckWentBack { got: 0, before: 1 }]);
    assert_eq!(bench.last_body(), &ClientBody::Paused);
}

#[test]
fn only_one_medium_and_only_an_offered_one_may_be_selected() {
    let reversed = MediaChannels::new(&[MediaChannel::Internal, MediaChannel::External]).unwrap();
    for (media, fault) in [
        (vec![Media::PCMU_STEREO, Media::PCMU_STEREO], ServerFault::MediaTwice),
        (vec![Media { format: Format::L16, ..Media::PCMU_STEREO }], ServerFault::MediaNotOffered),
        (vec![Media { channels: reversed, ..Media::PCMU_STEREO }], ServerFault::MediaNotOffered),
    ] {
        let mut bench = Bench::opening(call());
        bench.say(opened_with(|opened| opened.media = media));
        check_fatal(&bench, 400, &fault);
        assert_eq!(bench.frames, []);
    }
}

#[test]
fn an_unknown_field_in_media_costs_the_session() {
    let entry =
        r#"{"type":"audio","format":"PCMU","codec":"PCMU","channels":["external"],"rate":8000}"#;
    let mut bench = Bench::opening(call());
    let members = format!(
        "\"type\":\"opened\",\"seq\":1,\"clientseq\":1,\"parameters\":{{\"media\":[{entry}]}}"
    );
    bench.input(ClientInput::Text(&text(&members)));
    check_fatal(&bench, 400, &ServerFault::Parameters { kind: "opened".to_owned() });
}

#[test]
fn messages_outside_their_state_are_conflicts() {
    let unexpected =
        |kind: &str, state: &'static str| ServerFault::Unexpected { kind: kind.to_owned(), state };
    for body in [ServerBody::Pause, ServerBody::Resume, ServerBody::Pong, ServerBody::Closed] {
        let fault = unexpected(body.kind(), "opening");
        let mut bench = Bench::opening(call());
        bench.say(body);
        check_fatal(&bench, 409, &fault);
    }
    for body in [opened(), ServerBody::Closed] {
        let fault = unexpected(body.kind(), "active");
        let mut bench = Bench::active(call());
        bench.say(body);
        check_fatal(&bench, 409, &fault);
    }
}

#[test]
fn a_pong_for_another_message_or_none_is_reported_and_survived() {
    let mut bench = Bench::active(call());
    bench.run_silent(Duration::from_secs(1));
    bench.say_for(1, ServerBody::Pong);
    let fault = ServerFault::PongDiffers { expected: 2, got: 1 };
    bench.say_for(2, ServerBody::Pong);
    check_mild(&mut bench, 400, &fault);

    let mut bench = Bench::active(call());
    bench.say(ServerBody::Pong);
    check_mild(&mut bench, 409, &ServerFault::PongUnasked);
}

#[test]
fn binary_from_the_server_is_415_even_if_empty() {
    for bytes in [0, 1_600] {
        let mut bench = Bench::active(call());
        bench.input(ClientInput::Binary(bytes));
        check_fatal(&bench, 415, &ServerFault::Binary { bytes });
    }
}

#[test]
fn an_event_on_a_monitor_session_is_not_allowed() {
    let entity = RawJson::new(r#"{"type":"barge_in","data":{}}"#).unwrap();
    let mut bench = Bench::active(call());
    bench.say(ServerBody::Event { entities: vec![entity] });
    check_mild(&mut bench, 400, &ServerFault::EventOnMonitor);
}

#[test]
fn languages_that_were_asked_for_must_come() {
    let mut config = call();
    config.open.supported_languages = Some(true);
    let mut bench = Bench::opening(config.clone());
    bench.say(opened());
    assert_eq!(bench.faults(), [ServerFault::LanguagesMissing]);
    let mut bench = Bench::opening(config);
    bench.say(opened_with(|opened| opened.supported_languages = Some(vec![])));
    assert_eq!(bench.faults(), []);
}

#[test]
fn after_our_close_only_closed_may_come_but_what_crossed_it_is_fine() {
    let mut bench = Bench::active(call());
    bench.input(ClientInput::End);
    bench.say_for(1, ServerBody::Pause);
    bench.say_for(1, disconnect(DisconnectReason::Completed));
    assert_eq!(bench.faults(), []);
    bench.say(disconnect(DisconnectReason::Completed));
    assert_eq!(bench.faults().len(), 1);
    bench.say(ServerBody::Closed);
    assert_eq!(bench.faults().len(), 1);
    assert_eq!(bench.deeds(), [said("close", 0), Deed::Closed]);
    bench.say(ServerBody::Pong);
    assert_eq!(bench.faults().len(), 2, "nothing follows closed");
}

#[test]
fn closed_must_acknowledge_the_close() {
    let mut bench = Bench::active(call());
    bench.input(ClientInput::End);
    bench.say_for(1, ServerBody::Closed);
    assert_eq!(bench.faults(), [ServerFault::ClosedDiffers { expected: 2, got: 1 }]);
    assert_eq!(bench.end(), Some((EndCause::Completed, false)));
}

#[test]
fn too_many_messages_are_answered_by_429() {
    let mut bench = Bench::active(call());
    for _ in 0..24 {
        bench.say(ServerBody::Pause);
    }
    assert_eq!(bench.faults(), []);
    bench.say(ServerBody::Pause);
    assert_eq!(bench.faults(), [ServerFault::TooManyMessages]);
    // The answer to the pause follows: the message counts all the same.
    let [.., error, _] = bench.texts.as_slice() else { panic!("two messages at least") };
    let ClientBody::Error(error) = &error.body else { panic!("error") };
    assert_eq!(error.code, 429);
    assert_eq!(error.retry_after, Some(Duration::from_millis(200).into()));
}

proptest! {
    #[test]
    fn whatever_the_server_says_the_client_neither_panics_nor_hangs(
        texts in prop::collection::vec("\\PC{0,60}", 0..4),
        bodies in prop::collection::vec((0..8_u8, 0..4_u64, 0..4_u64), 0..12),
        steps in prop::collection::vec(0..3_000_u64, 12),
    ) {
        let mut bench = Bench::opening(call());
        for (index, (body, seq, ack)) in bodies.into_iter().enumerate() {
            let body = match body {
                0 => opened(),
                1 => ServerBody::Pong,
                2 => ServerBody::Pause,
                3 => ServerBody::Resume,
                4 => ServerBody::Closed,
                5 => disconnect(DisconnectReason::Error),
                6 => ServerBody::Updated,
                _ => ServerBody::Reconnect { info: None },
            };
            bench.say_as(seq + 1, ack, body);
            bench.run(Duration::from_millis(steps[index]));
        }
        for text in texts {
            bench.input(ClientInput::Text(&text));
        }
        bench.input(ClientInput::End);
        bench.run(Duration::from_secs(30));
        prop_assert!(bench.client.is_over());
    }
}

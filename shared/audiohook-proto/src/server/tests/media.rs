//! Statements 60 to 71: audio, positions, order.

use bytes::Bytes;
use sidetone_model::Position;

use super::transcript::{OPENED, Stage, check, check_opened};
use crate::server::{ServerConfig, ServerInput, ServerOutput, SessionEvent};

fn opened() -> Stage {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    for line in OPENED.lines().map(str::trim).filter(|line| line.starts_with(['<', '!'])) {
        stage.play(line);
    }
    stage
}

#[test]
fn c60_frames_of_any_size_follow_each_other() {
    check_opened(
        "
        < audio 1600
        * audio 0 800
        < audio 2
        * audio 100 1
        < audio 3200
        * audio 100.125 1600
        < audio 64000
        * audio 300.125 32000
        ",
    );
}

#[test]
fn c61_an_empty_frame_is_no_event_and_no_fault() {
    check_opened(
        "
        < audio 0
        < audio 1600
        * audio 0 800
        < paused 2 1 PT0.1S
        * paused 100 client
        < audio 0
        < ping 3 1 PT0.1S
        > pong 2 3
        ",
    );
}

#[test]
fn c62_a_partial_sample_ends_the_session() {
    check_opened(
        r#"
        < audio 1601
        * violation ragged-frame
        > disconnect 2 1 {"reason":"error","info":"Client Error: Binary data not a valid audio frame"}
        * closing 0 violation ragged-frame
        "#,
    );
}

#[test]
fn c63_a_frame_carries_its_media_and_the_same_bytes() {
    let mut stage = opened();
    let bytes = Bytes::from(vec![1, 2, 3, 4]);
    stage.session.handle(stage.now, ServerInput::Media(bytes.clone()));
    let Some(ServerOutput::Event(SessionEvent::Audio { frame, .. })) = stage.session.poll_output()
    else {
        panic!("expected audio");
    };
    assert_eq!(frame.bytes().as_ptr(), bytes.as_ptr(), "copied on the hot path");
    assert_eq!(Some(frame.media()), stage.session.media());
}

#[test]
fn c64_twenty_seconds_at_once_are_all_taken() {
    let mut stage = opened();
    let mut heard = 0;
    for _ in 0..5 {
        stage.session.handle(stage.now, ServerInput::Media(vec![0xFF; 64_000].into()));
        while let Some(output) = stage.session.poll_output() {
            if let ServerOutput::Event(SessionEvent::Audio { position, frame }) = output {
                assert_eq!(position, Position::from_samples(heard));
                heard += frame.samples();
            }
        }
    }
    assert_eq!(heard, 20 * 8_000);
}

#[test]
fn c65_audio_while_paused_ends_the_session_and_is_never_heard() {
    check_opened(
        r#"
        < audio 1600
        * audio 0 800
        < paused 2 1 PT0.1S
        * paused 100 client
        < audio 1600
        * violation audio-while-paused
        > disconnect 2 2 {"reason":"error","info":"Client Error: Received audio while paused"}
        * closing 100 violation audio-while-paused
        < audio 1600
        < resumed 3 2 PT0.1S {"start":"PT0.1S","discarded":"PT0S"}
        < audio 1600
        "#,
    );
}

#[test]
fn c65_audio_without_a_medium_ends_the_session() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! open none
        > opened 1 1 {"media":[],"startPaused":false}
        < audio 1600
        * violation audio-without-medium
        > disconnect 2 1 {"reason":"error","info":"Client Error: Unexpected binary message: No media selected"}
        * closing 0 violation audio-without-medium
        "#,
    );
}

#[test]
fn c65_audio_before_opened_ends_the_session() {
    for line in ["", "< open 1 0 PT0S\n* open 0 of 1 offers"] {
        let seq = usize::from(!line.is_empty());
        check(&format!(
            r#"
            {line}
            < audio 1600
            * violation audio-before-opened
            > disconnect 1 {seq} {{"reason":"error","info":"Client Error: Received audio before opened"}}
            * closing 0 violation audio-before-opened
            < ping 2 1 PT0S
            "#
        ));
    }
}

#[test]
fn c65_audio_after_our_disconnect_is_dropped_in_silence() {
    check_opened(
        r#"
        < audio 1600
        * audio 0 800
        ! disconnect completed
        > disconnect 2 1 {"reason":"completed"}
        * closing 100 requested Completed
        < audio 1600
        < audio 3
        < paused 2 2 PT0.2S
        < close 3 2 PT0.2S {"reason":"disconnect"}
        > closed 3 3
        * closed 100 agreement
        < audio 1600
        "#,
    );
}

#[test]
fn c66_audio_between_our_pause_and_the_answer_is_heard() {
    check_opened(
        "
        ! pause
        > pause 2 1
        < audio 1600
        * audio 0 800
        < ping 2 1 PT0.1S
        > pong 3 2
        < audio 1600
        * audio 100 800
        < paused 3 2 PT0.2S
        * paused 200 answer
        ",
    );
}

#[test]
fn c67_positions_count_samples_exactly() {
    let mut stage = opened();
    for count in 0..100_000_u64 {
        stage.session.handle(stage.now, ServerInput::Media(vec![0xFF; 2 * 7].into()));
        let Some(ServerOutput::Event(SessionEvent::Audio { position, .. })) =
            stage.session.poll_output()
        else {
            panic!("expected audio");
        };
        assert_eq!(position.samples(), count * 7);
    }
    assert_eq!(stage.play("< ping 2 1 PT87.5S"), ["> pong 2 2"], "no drift");
}

#[test]
fn c68_resumed_and_discarded_move_the_position() {
    check_opened(
        r#"
        < discarded 2 1 PT2.4S {"start":"PT0S","discarded":"PT2.4S"}
        * discarded 0..2400
        < audio 1600
        * audio 2400 800
        < paused 3 1 PT2.5S
        * paused 2500 client
        < resumed 4 1 PT7.75S {"start":"PT2.5S","discarded":"PT5.25S"}
        * resumed 2500..7750
        < audio 1600
        * audio 7750 800
        "#,
    );
}

#[test]
fn c69_texts_take_effect_between_the_frames_around_them() {
    check_opened(
        r#"
        < audio 1600
        * audio 0 800
        < update 2 1 PT0.1S {"language":"de-DE"}
        * language 100 de-DE
        > updated 2 2
        < audio 1600
        * audio 100 800
        < discarded 3 2 PT1S {"start":"PT0.2S","discarded":"PT0.8S"}
        * discarded 200..1000
        < audio 1600
        * audio 1000 800
        "#,
    );
}

#[test]
fn c70_numbers_that_disagree_are_reported_and_survived() {
    check_opened(
        r#"
        < audio 3200
        * audio 0 1600
        < discarded 2 1 PT0.2S {"start":"PT6.3S","discarded":"PT0.4S"}
        * drifted 200->200
        * discarded 200..200
        < audio 3200
        * audio 200 1600
        < ping 3 1 PT0.5S
        > pong 2 3
        * drifted 400->500
        < audio 3200
        * audio 500 1600
        < resumed 4 2 PT0.3S {"start":"PT9S","discarded":"PT1S"}
        * drifted 700->300
        * resumed 300..300
        < discarded 5 2 PT1S {"start":"PT0.9S","discarded":"PT0.1S"}
        * drifted 300->1000
        * discarded 300..1000
        < close 6 2 PT1S {"reason":"end"}
        * closing 1000 client Some(End)
        > closed 3 6
        * closed 1000 agreement
        "#,
    );
}

#[test]
fn c71_there_is_no_binary_output() {
    // The type says it: this match has no arm for one.
    let is_binary = |output: ServerOutput| match output {
        ServerOutput::Send(_) | ServerOutput::Event(_) | ServerOutput::DropSocket => false,
    };
    assert!(!is_binary(ServerOutput::DropSocket));
}

#[test]
fn a_session_at_rest_is_small() {
    assert!(size_of::<crate::server::ServerSession>() <= 512);
    assert!(size_of::<ServerOutput>() <= 64);
    let stage = opened();
    let snapshot = serde_json::to_string(&stage.session).expect("serialises");
    assert!(snapshot.len() < 1_024 + 256, "{} bytes: {snapshot}", snapshot.len());
}

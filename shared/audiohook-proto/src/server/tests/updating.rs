//! Statements 77 to 82, 97: updates, errors, our own send limit, what must never be sent.

use super::transcript::{CALL, STEREO, Stage, check_opened, client_text, open_parameters};
use crate::server::{ServerConfig, ServerInput, ServerOutput};

#[test]
fn c77_update_is_answered_by_updated() {
    check_opened(
        r#"
        < update 2 1 PT0S {"language":"es-419"}
        * language 0 es-419
        > updated 2 2
        < update 3 2 PT0S {}
        * language 0 -
        > updated 3 3
        "#,
    );
}

#[test]
fn c78_an_update_we_cannot_follow_may_be_met_by_pause_or_disconnect() {
    check_opened(
        r#"
        < update 2 1 PT0S {"language":"tlh-KX"}
        * language 0 tlh-KX
        > updated 2 2
        ! pause
        > pause 3 2
        < paused 3 3 PT0S
        * paused 0 answer
        ! disconnect completed
        > disconnect 4 3 {"reason":"completed"}
        * closing 0 requested Completed
        "#,
    );
}

#[test]
fn c79_an_error_has_no_answer_and_changes_nothing() {
    check_opened(
        r#"
        < error 2 1 PT0S {"code":409,"message":"Unexpected 'pong'"}
        * error 409
        < error 3 1 PT0S {"code":9999}
        * error 9999
        < ping 4 1 PT0S
        > pong 2 4
        "#,
    );
}

#[test]
fn c80_honours_retry_after_and_never_holds_back_a_pong() {
    check_opened(
        r#"
        < error 2 1 PT0S {"code":429,"message":"Too many messages","retryAfter":"PT2S"}
        * error 429 2000
        ! pause
        < update 3 1 PT0S {"language":"fr-CA"}
        * language 0 fr-CA
        at 1999
        tick
        < ping 4 1 PT0S
        > pong 2 4
        at 2000
        tick
        > pause 3 4
        > updated 4 4
        < error 5 4 PT0S {"code":429}
        * error 429
        ! resume
        at 2999
        tick
        at 3000
        tick
        > resume 5 5
        < error 6 5 PT0S {"code":429,"retryAfter":"PT9S"}
        * error 429 9000
        < close 7 5 PT0S {"reason":"error"}
        * closing 0 client Some(Error)
        > closed 6 7
        * closed 0 agreement
        "#,
    );
}

#[test]
fn c80_the_deadline_is_when_the_held_back_may_go() {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    stage.play("< open 1 0 PT0S");
    stage.play("! open");
    assert_eq!(stage.session.deadline().map(|at| at.as_millis()), Some(20_000));
    stage.play(r#"< error 2 1 PT0S {"code":429,"retryAfter":"PT2S"}"#);
    stage.play("! pause");
    assert_eq!(stage.session.deadline().map(|at| at.as_millis()), Some(2_000));
    stage.play("at 2000");
    assert_eq!(stage.play("tick"), ["> pause 2 2"]);
    assert_eq!(stage.session.deadline().map(|at| at.as_millis()), Some(20_000));
}

#[test]
fn c80_stays_under_25_at_once_and_five_a_second() {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    stage.play("< open 1 0 PT0S");
    let mut sent = stage.play("! open").len();
    for _ in 0..50 {
        sent += stage.play("! pause").len() + stage.play("! resume").len();
    }
    assert_eq!(sent, 25);
    for millis in (0..10_000).step_by(10) {
        stage.play(&format!("at {millis}"));
        sent += stage.play("! pause").len() + stage.play("! resume").len();
    }
    assert_eq!(sent, 25 + 49);
}

#[test]
fn a_pause_taken_back_before_it_could_be_sent_is_not_sent() {
    check_opened(
        r#"
        < error 2 1 PT0S {"code":429,"retryAfter":"PT2S"}
        * error 429 2000
        ! pause
        ! resume
        at 2000
        tick
        "#,
    );
}

#[test]
fn c81_c82_no_event_can_be_sent() {
    // No command asks for one; whatever a client does, none appears.
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    for line in [
        "< open 1 0 PT0S",
        "! open",
        "< audio 1600",
        r#"< update 2 1 PT0.1S {"language":"x"}"#,
        r#"< event 3 1 PT0.1S {"entities":[]}"#,
        r#"< dtmf 4 1 PT0.1S {"digit":"7"}"#,
        "< playback_started 5 1 PT0.1S",
        "< playback_completed 6 1 PT0.1S",
        "< close 7 1 PT0.1S {}",
    ] {
        for came in stage.play(line) {
            assert!(!came.starts_with("> event"), "{came}");
        }
    }
}

#[test]
fn messages_of_the_audio_connector_are_let_pass() {
    check_opened(
        r#"
        < dtmf 2 1 PT0S {"digit":"7"}
        * tolerated connector-only
        < playback_started 3 1 PT0S
        * tolerated connector-only
        < playback_completed 4 1 PT0S
        * tolerated connector-only
        "#,
    );
}

#[test]
fn c97_neither_messages_nor_events_show_personal_data() {
    let secrets = ["3175550101", "Example", "8005550199", "4711"];
    let open = format!("open 1 0 PT0S {}", open_parameters(CALL, &[STEREO]));
    for bad in [
        "ping 7 1 PT0S",
        "ping 2 9 PT0S",
        "resumed 2 1 PT0S {\"ani\":\"+13175550101\"}",
        "update 2 1 PT0S {\"language\":3175550101}",
    ] {
        let mut stage = Stage::new(ServerConfig::DEFAULT);
        stage.session.handle(stage.now, ServerInput::Text(&client_text(&open)));
        stage.play("! open");
        stage.session.handle(stage.now, ServerInput::Text(&client_text(bad)));
        while let Some(output) = stage.session.poll_output() {
            let shown = match &output {
                ServerOutput::Send(text) => text.clone(),
                ServerOutput::Event(event) => format!("{event:?}"),
                ServerOutput::DropSocket => String::new(),
            };
            for secret in secrets {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        let input = format!("{:?}", ServerInput::Text(&client_text(&open)));
        assert!(input.starts_with("Text("), "{input}");
    }
}

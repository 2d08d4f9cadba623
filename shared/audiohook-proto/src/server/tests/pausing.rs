//! Statements 72 to 76, and the worked trace: two pause switches.

use super::transcript::{Stage, check, check_opened};
use crate::server::ServerConfig;

#[test]
fn c72_paused_may_be_first_unprompted_and_repeated() {
    check_opened(
        r#"
        < paused 2 1 PT0S
        * paused 0 client
        < paused 3 1 PT0S
        * paused 0 client
        < resumed 4 1 PT3S {"start":"PT0S","discarded":"PT3S"}
        * resumed 0..3000
        < audio 1600
        * audio 3000 800
        < paused 5 1 PT3.1S
        * paused 3100 client
        "#,
    );
}

#[test]
fn c73_paused_in_answer_to_resume_is_the_clients() {
    check_opened(
        r#"
        ! pause
        > pause 2 1
        < paused 2 2 PT0S
        * paused 0 answer
        ! resume
        > resume 3 2
        < paused 3 3 PT2S
        * paused 0 client
        < ping 4 3 PT4S
        > pong 4 4
        < resumed 5 4 PT6S {"start":"PT0S","discarded":"PT6S"}
        * resumed 0..6000
        "#,
    );
}

#[test]
fn c74_resume_alone_does_not_make_audio_legal() {
    check_opened(
        r#"
        ! pause
        > pause 2 1
        < paused 2 2 PT0S
        * paused 0 answer
        ! resume
        > resume 3 2
        < audio 1600
        * violation audio-while-paused
        > disconnect 4 2 {"reason":"error","info":"Client Error: Received audio while paused"}
        * closing 0 violation audio-while-paused
        "#,
    );
}

#[test]
fn c75_resumed_may_have_left_nothing_out() {
    check_opened(
        r#"
        < audio 8000
        * audio 0 4000
        < resumed 2 1 PT0.5S {"start":"PT0.5S","discarded":"PT0S"}
        * resumed 500..500
        < paused 3 1 PT0.5S
        * paused 500 client
        < resumed 4 1 PT0.5S {"start":"PT0.5S","discarded":"PT0S"}
        * resumed 500..500
        < audio 1600
        * audio 500 800
        "#,
    );
}

#[test]
fn c76_starts_paused_and_begins_by_resume() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! open paused discard=1250
        > opened 1 1 {"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"startPaused":true,"discardTo":"PT1.25S"}
        < paused 2 1 PT0S
        * paused 0 answer
        at 1000
        < ping 3 1 PT1S
        > pong 2 3
        ! pause
        ! resume
        > resume 3 3
        < resumed 4 3 PT1.8S {"start":"PT0S","discarded":"PT1.8S"}
        * resumed 0..1800
        < audio 1600
        * audio 1800 800
        "#,
    );
}

#[test]
fn the_worked_trace_comes_out_number_for_number() {
    check_opened(
        r#"
        < audio 3200
        * audio 0 1600
        < audio 3200
        * audio 200 1600
        < audio 3200
        * audio 400 1600
        < audio 3200
        * audio 600 1600
        < audio 3200
        * audio 800 1600
        ! pause
        > pause 2 1
        < paused 2 2 PT1S
        * paused 1000 answer
        < ping 3 2 PT1S
        > pong 3 3
        < ping 4 3 PT1S {"rtt":"PT0.001465337S"}
        > pong 4 4
        ! resume
        > resume 5 4
        < resumed 5 5 PT1.8S {"start":"PT1S","discarded":"PT0.8S"}
        * resumed 1000..1800
        < audio 35200
        * audio 1800 17600
        < close 6 5 PT4S {"reason":"end"}
        * closing 4000 client Some(End)
        > closed 6 6
        * closed 4000 agreement
        "#,
    );
}

#[test]
fn a_secure_pause_across_our_pause_ends_only_when_both_are_off() {
    check_opened(
        r#"
        < paused 2 1 PT0S
        * paused 0 client
        ! pause
        > pause 2 2
        < paused 3 2 PT1S
        * paused 0 answer
        ! resume
        > resume 3 3
        < paused 4 3 PT2S
        * paused 0 client
        < resumed 5 3 PT9S {"start":"PT0S","discarded":"PT9S"}
        * resumed 0..9000
        "#,
    );
    // The other order: the client's pause ends first, and only our resume is answered.
    check_opened(
        r#"
        ! pause
        > pause 2 1
        < paused 2 2 PT0S
        * paused 0 answer
        < paused 3 2 PT1S
        * paused 0 repeat
        ! resume
        > resume 3 3
        < resumed 4 3 PT5S {"start":"PT0S","discarded":"PT5S"}
        * resumed 0..5000
        "#,
    );
}

#[test]
fn listens_only_without_any_doubt() {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    for (line, listens, by_client) in [
        ("< open 1 0 PT0S", false, false),
        ("! open", true, false),
        ("! pause", false, false),
        ("! resume", true, false),
        // Answers the pause; the resume has not reached the client.
        ("< paused 2 2 PT0S", false, false),
        (r#"< resumed 3 3 PT1S {"start":"PT0S","discarded":"PT1S"}"#, true, false),
        ("< paused 4 3 PT1S", false, true),
        (r#"< resumed 5 3 PT2S {"start":"PT1S","discarded":"PT1S"}"#, true, false),
        ("! disconnect completed", false, false),
    ] {
        stage.play(line);
        let session = &stage.session;
        assert_eq!(
            (session.listens(), session.is_paused_by_client()),
            (listens, by_client),
            "{line}"
        );
    }
    assert!(stage.session.is_ending() && !stage.session.is_over());
}

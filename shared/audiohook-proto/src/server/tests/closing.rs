//! Statements 85 to 92, 99, 100: every end, and the timers.

use super::transcript::{
    CALL, OPENED, STEREO, Stage, check, check_opened, check_with, open_parameters,
};
use crate::server::ServerConfig;

#[test]
fn c85_close_is_answered_in_every_state() {
    check(
        r#"
        < close 1 0 PT0S {}
        * closing 0 client None
        > closed 1 1
        * closed 0 agreement
        "#,
    );
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        < close 2 0 PT0S {"reason":"error"}
        * closing 0 client Some(Error)
        > closed 1 2
        * closed 0 agreement
        "#,
    );
    check_opened(
        r#"
        < paused 2 1 PT0S
        * paused 0 client
        < close 3 1 PT5S {"reason":"sunset"}
        * closing 0 client Some(Other)
        > closed 2 3
        * closed 0 agreement
        "#,
    );
    check_opened(
        r#"
        ! disconnect error
        > disconnect 2 1 {"reason":"error"}
        * closing 0 requested Error
        < close 2 2 PT0S {"reason":"disconnect"}
        > closed 3 2
        * closed 0 agreement
        "#,
    );
}

#[test]
fn c85_even_a_client_whose_seq_went_wrong_gets_its_closed() {
    check_opened(
        r#"
        < ping 5 1 PT0S
        * violation sequence
        > disconnect 2 5 {"reason":"error","info":"Client Error: Invalid seq value (not monotonically increasing)"}
        * closing 0 violation sequence
        < ping 5 1 PT0S
        > pong 3 5
        < close 2 99 PT0S 7
        < close 2 99 PT0S {"reason":7}
        > closed 4 2
        * closed 0 agreement
        "#,
    );
}

#[test]
fn c86_nothing_follows_closed() {
    check_opened(
        r#"
        < error 2 1 PT0S {"code":429,"retryAfter":"PT2S"}
        * error 429 2000
        ! pause
        < close 3 1 PT0S {"reason":"end"}
        * closing 0 client Some(End)
        > closed 2 3
        * closed 0 agreement
        at 2000
        tick
        < ping 4 2 PT0S
        < close 5 2 PT0S
        < raw nonsense
        ! resume
        ! reconnect
        < gone
        < gone
        "#,
    );
}

#[test]
fn c87_no_disconnect_after_close() {
    check_opened(
        r#"
        < close 2 1 PT0S {"reason":"end"}
        * closing 0 client Some(End)
        > closed 2 2
        * closed 0 agreement
        ! disconnect error
        < audio 3
        < raw nonsense
        "#,
    );
}

#[test]
fn c88_the_client_closes_the_socket() {
    check_opened(
        r#"
        < close 2 1 PT0S {"reason":"end"}
        * closing 0 client Some(End)
        > closed 2 2
        * closed 0 agreement
        at 4999
        tick
        < gone
        at 60000
        tick
        "#,
    );
}

#[test]
fn c89_after_disconnect_waits_for_close_and_hears_nothing() {
    check_opened(
        r#"
        ! disconnect completed
        > disconnect 2 1 {"reason":"completed"}
        * closing 0 requested Completed
        < audio 1600
        at 9999
        tick
        < ping 2 2 PT0S
        > pong 3 2
        < close 3 2 PT0S {"reason":"disconnect"}
        > closed 4 3
        * closed 0 agreement
        "#,
    );
}

#[test]
fn c90_a_lost_socket_ends_the_session_in_every_state() {
    check("< gone\n* closed 0 loss");
    check("< open 1 0 PT0S\n* open 0 of 1 offers\n< gone\n* closed 0 loss\n! open");
    check_opened("< audio 1600\n* audio 0 800\n< gone\n* closed 100 loss\n< audio 1600");
    check_opened("< paused 2 1 PT0S\n* paused 0 client\n< gone\n* closed 0 loss");
    check_opened(
        r#"
        ! disconnect error
        > disconnect 2 1 {"reason":"error"}
        * closing 0 requested Error
        < gone
        * closed 0 loss
        tick
        "#,
    );
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    stage.play("< gone");
    assert!(stage.session.is_over());
    assert_eq!(stage.session.deadline(), None);
}

#[test]
fn c91_a_client_that_never_leaves_is_dropped() {
    check_opened(
        r#"
        at 1000
        < close 2 1 PT0S {"reason":"end"}
        * closing 0 client Some(End)
        > closed 2 2
        * closed 0 agreement
        at 5999
        tick
        at 6000
        tick
        > drop
        < gone
        "#,
    );
    check_opened(
        r#"
        ! disconnect error
        > disconnect 2 1 {"reason":"error"}
        * closing 0 requested Error
        at 9000
        < ping 2 2 PT0S
        > pong 3 2
        at 10000
        tick
        > drop
        * closed 0 timeout
        < gone
        "#,
    );
}

#[test]
fn c91_a_client_that_never_opens_is_dropped() {
    check(
        r#"
        at 5999
        tick
        at 6000
        tick
        * violation no-open
        > disconnect 1 0 {"reason":"error","info":"Client Error: Timeout waiting for open"}
        * closing 0 violation no-open
        at 16000
        tick
        > drop
        * closed 0 timeout
        "#,
    );
}

#[test]
fn c91_a_client_that_stops_pinging_is_dropped() {
    check_opened(
        r#"
        at 15000
        < ping 2 1 PT0S
        > pong 2 2
        < audio 1600
        * audio 0 800
        at 34999
        tick
        at 35000
        tick
        * violation no-ping
        > disconnect 3 2 {"reason":"error","info":"Client Error: Timeout waiting for ping"}
        * closing 100 violation no-ping
        at 45000
        tick
        > drop
        * closed 100 timeout
        "#,
    );
}

#[test]
fn c92_close_is_final_though_open_was_never_answered() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        < close 2 0 PT0S {"reason":"end"}
        * closing 0 client Some(End)
        > closed 1 2
        * closed 0 agreement
        ! open
        ! pause
        at 5000
        tick
        > drop
        "#,
    );
}

#[test]
fn c99_a_continued_stream_keeps_its_position() {
    let parameters = open_parameters(CALL, &[STEREO]).replace(
        r#""customConfig""#,
        r#""continuedSessions":[{"id":"11111111-2222-4333-8444-555555555555","serverseq":4,"clientseq":9}],"customConfig""#,
    );
    check(&format!(
        r#"
        < open 1 0 PT154.320875S {parameters}
        * open 154320.875 of 1 offers
        ! open discard=160000
        > opened 1 1 {{"media":[{STEREO}],"startPaused":false,"discardTo":"PT160S"}}
        < audio 1600
        * audio 154320.875 800
        ! disconnect rejected
        > disconnect 2 1 {{"reason":"rejected"}}
        * closing 154420.875 requested Rejected
        "#
    ));
}

#[test]
fn c99_discard_to_is_sent_only_if_ahead_and_rejected_only_if_known() {
    check(&format!(
        r#"
        < open 1 0 PT2S
        * open 2000 of 1 offers
        ! open discard=2000
        > opened 1 1 {{"media":[{STEREO}],"startPaused":false}}
        ! disconnect rejected
        > disconnect 2 1 {{"reason":"error"}}
        * closing 2000 requested Rejected
        "#
    ));
}

#[test]
fn c100_reconnect_is_off_by_default_and_ends_nothing() {
    check_opened("! reconnect");
    let config = ServerConfig { reconnection: true, ..ServerConfig::DEFAULT };
    check_with(
        config,
        &format!(
            r#"
            {OPENED}
            ! reconnect
            > reconnect 2 1
            < audio 1600
            * audio 0 800
            < close 2 2 PT0.1S {{"reason":"reconnect"}}
            * closing 100 client Some(Reconnect)
            > closed 3 2
            * closed 100 agreement
            "#
        ),
    );
}

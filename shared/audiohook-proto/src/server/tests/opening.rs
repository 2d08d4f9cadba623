//! Statements 25, 29, 43 to 59: opening and pings.

use sidetone_model::{Format, Media, MediaChannel, MediaChannels};

use super::transcript::{
    CALL, OPENED, ORGANIZATION, PROBE, STEREO, Stage, check, check_opened, open_parameters,
};
use crate::server::{OpenAnswer, ServerCommand, ServerCommandError, ServerConfig, ServerOutput};

fn entry(channels: &str) -> String {
    format!(r#"{{"type":"audio","format":"PCMU","channels":[{channels}],"rate":8000}}"#)
}

#[test]
fn c25_another_organization_is_unauthorized() {
    let other = open_parameters(CALL, &[STEREO])
        .replace(ORGANIZATION, "11111111-0b0a-4908-8706-050403020100");
    check(&format!(
        r#"
        < open 1 0 PT0S {other}
        * violation organization
        > disconnect 1 1 {{"reason":"unauthorized"}}
        * closing 0 violation organization
        < close 2 1 PT0S {{"reason":"disconnect"}}
        > closed 2 2
        * closed 0 agreement
        "#
    ));
}

#[test]
fn c29_nothing_is_sent_before_opened() {
    check(
        r#"
        ! pause
        ! resume
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! pause
        < ping 2 0 PT0S
        * tolerated before-opened
        < update 3 0 PT0S {"language":"fr-CA"}
        * tolerated before-opened
        ! open
        > opened 1 3 {"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"startPaused":false}
        > pause 2 3
        "#,
    );
}

#[test]
fn c29_a_disconnect_may_come_first() {
    check(
        r#"
        ! disconnect unauthorized
        > disconnect 1 0 {"reason":"unauthorized"}
        * closing 0 requested Unauthorized
        < open 1 0 PT0S
        < ping 2 1 PT0S
        < close 3 1 PT0S {"reason":"disconnect"}
        > closed 2 3
        * closed 0 agreement
        "#,
    );
}

#[test]
fn c43_open_has_exactly_one_answer() {
    check_opened(
        "
        ! open
        ! open paused
        ",
    );
}

#[test]
fn c43_an_open_nobody_answers_is_refused_in_time() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        at 3999
        tick
        at 4000
        tick
        > disconnect 1 1 {"reason":"error","info":"no answer in time"}
        * closing 0 unanswered
        ! open
        "#,
    );
}

#[test]
fn c44_selects_one_offer_or_none_and_nothing_else() {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    stage.play(&format!("< open 1 0 PT0S {}", open_parameters(CALL, &[STEREO])));
    let channels = MediaChannels::new(&[MediaChannel::Internal, MediaChannel::External]);
    let turned = Media { format: Format::Pcmu, channels: channels.expect("valid") };
    let wide = Media { format: Format::L16, ..Media::PCMU_STEREO };
    for media in [turned, wide] {
        let answer = OpenAnswer { media: Some(media), ..OpenAnswer::default() };
        assert_eq!(
            stage.session.command(stage.now, ServerCommand::Open(answer)),
            Err(ServerCommandError::NotOffered)
        );
        assert_eq!(stage.session.poll_output(), None);
    }
    assert!(stage.play("! open")[0].starts_with("> opened 1 1"), "open still waits");
}

#[test]
fn c45_c54_every_order_of_channels_is_selected_as_offered() {
    use MediaChannel::{External, Internal};
    for (list, channels) in [
        (r#""external","internal""#, &[External, Internal][..]),
        (r#""internal","external""#, &[Internal, External]),
        (r#""external""#, &[External]),
        (r#""internal""#, &[Internal]),
    ] {
        let other = entry(r#""external""#);
        for offers in [vec![entry(list)], vec![other, entry(list)]] {
            let offers: Vec<&str> = offers.iter().map(String::as_str).collect();
            let mut stage = Stage::new(ServerConfig::DEFAULT);
            stage.play(&format!("< open 1 0 PT0S {}", open_parameters(CALL, &offers)));
            let channels = MediaChannels::new(channels).expect("valid");
            let media = Some(Media { format: Format::Pcmu, channels });
            let answer = OpenAnswer { media, ..OpenAnswer::default() };
            stage.session.command(stage.now, ServerCommand::Open(answer)).expect("offered");
            let Some(ServerOutput::Send(text)) = stage.session.poll_output() else {
                panic!("expected opened");
            };
            assert!(text.contains(&format!(r#""media":[{}]"#, entry(list))), "{text}");
            assert_eq!(stage.session.media(), media);
        }
    }
}

#[test]
fn c46_offers_not_understood_do_not_matter() {
    let opus = r#"{"type":"audio","format":"OPUS","channels":["external"],"rate":48000}"#;
    check(&format!(
        r#"
        < open 1 0 PT0S {}
        * open 0 of 1 offers
        ! open
        > opened 1 1 {{"media":[{STEREO}],"startPaused":false}}
        "#,
        open_parameters(CALL, &[opus, "17", STEREO])
    ));
    check(&format!(
        r#"
        < open 1 0 PT0S {}
        * open 0 of 0 offers
        ! open none
        > opened 1 1 {{"media":[],"startPaused":false}}
        "#,
        open_parameters(CALL, &[opus])
    ));
}

#[test]
fn c47_c59_a_session_without_audio_lives_on() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! open none
        > opened 1 1 {"media":[],"startPaused":false}
        at 1000
        < ping 2 1 PT1S
        > pong 2 2
        at 6000
        < ping 3 2 PT6S
        > pong 3 3
        < update 4 3 PT6S {"language":"es-US"}
        * language 6000 es-US
        > updated 4 4
        < close 5 4 PT7S {"reason":"end"}
        * closing 7000 client Some(End)
        > closed 5 5
        * closed 7000 agreement
        "#,
    );
}

#[test]
fn c48_refuses_by_disconnect_and_leaves_closing_to_the_client() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! disconnect error
        > disconnect 1 1 {"reason":"error"}
        * closing 0 requested Error
        ! disconnect completed
        < ping 2 1 PT0S
        < close 3 1 PT0S {"reason":"disconnect"}
        > closed 2 3
        * closed 0 agreement
        < gone
        "#,
    );
}

#[test]
fn c49_a_second_open_is_ignored() {
    check_opened(
        "
        < open 2 1 PT0S
        * tolerated second-open
        < ping 3 1 PT0S
        > pong 2 3
        ",
    );
}

#[test]
fn c50_a_probe_is_opened_and_closed() {
    let parameters = open_parameters(PROBE, &[STEREO])
        .replace("+13175550101", "")
        .replace("R. Example", "")
        .replace("+18005550199", "");
    check(&format!(
        r#"
        < open 1 0 PT0S {parameters}
        * probe 0 of 1 offers
        ! open
        > opened 1 1 {{"media":[{STEREO}],"startPaused":false}}
        < audio 0
        < close 2 1 PT0S {{"reason":"end"}}
        * closing 0 client Some(End)
        > closed 2 2
        * closed 0 agreement
        < gone
        "#
    ));
}

#[test]
fn c51_c52_empty_numbers_and_absent_extras_are_fine() {
    let parameters = format!(
        r#"{{"organizationId":"{ORGANIZATION}","conversationId":"{CALL}","participant":{{"id":"x","ani":"","aniName":"","dnis":""}},"media":[]}}"#
    );
    check(&format!("< open 1 0 PT0S {parameters}\n* open 0 of 0 offers"));
}

#[test]
fn c53_languages_are_listed_when_asked_and_only_then() {
    let asking = open_parameters(CALL, &[])
        .replace(r#""customConfig""#, r#""supportedLanguages":true,"customConfig""#);
    check(&format!(
        r#"
        < open 1 0 PT0S {asking}
        * open 0 of 0 offers
        ! open none languages=en-US,es-US
        > opened 1 1 {{"media":[],"startPaused":false,"supportedLanguages":["en-US","es-US"]}}
        "#
    ));
    check(&format!(
        r#"
        < open 1 0 PT0S {asking}
        * open 0 of 0 offers
        ! open none
        > opened 1 1 {{"media":[],"startPaused":false,"supportedLanguages":[]}}
        "#
    ));
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! open none languages=en-US
        > opened 1 1 {"media":[],"startPaused":false}
        "#,
    );
}

#[test]
fn c55_a_close_before_opened_is_a_normal_end() {
    check(
        r#"
        < close 1 0 PT0S {"reason":"end"}
        * closing 0 client Some(End)
        > closed 1 1
        * closed 0 agreement
        "#,
    );
}

#[test]
fn c56_each_ping_has_one_pong_with_its_seq() {
    check_opened(
        r#"
        at 1000
        < ping 2 1 PT0S
        > pong 2 2
        < ping 3 2 PT0S {"rtt":"PT0.018754S"}
        > pong 3 3
        < paused 4 3 PT0S
        * paused 0 client
        < ping 5 3 PT5S {"rtt":"PT0.02S"}
        > pong 4 5
        "#,
    );
}

#[test]
fn c57_a_pong_never_waits_behind_anything() {
    // Neither for an exhausted budget, nor for 429, nor behind an event.
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    for line in OPENED.lines().map(str::trim).filter(|line| line.starts_with(['<', '!'])) {
        stage.play(line);
    }
    stage.play(r#"< error 2 1 PT0S {"code":429,"message":"","retryAfter":"PT60S"}"#);
    for seq in 3..200 {
        assert_eq!(
            stage.play(&format!("< ping {seq} 1 PT0S")),
            [format!("> pong {} {seq}", seq - 1)]
        );
    }
    let text = super::transcript::client_text("ping 200 1 PT0S");
    stage.session.handle(stage.now, crate::server::ServerInput::Text(&text));
    assert!(matches!(stage.session.poll_output(), Some(ServerOutput::Send(_))));
}

#[test]
fn c58_no_pong_without_a_ping() {
    check_opened(
        "
        at 19999
        tick
        ! pause
        > pause 2 1
        ",
    );
}

#[test]
fn c59_pings_are_answered_while_paused() {
    check(
        r#"
        < open 1 0 PT0S
        * open 0 of 1 offers
        ! open paused
        > opened 1 1 {"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"startPaused":true}
        < paused 2 1 PT0S
        * paused 0 answer
        at 1000
        < ping 3 1 PT1S
        > pong 2 3
        "#,
    );
}

//! Statements 27 to 42: envelopes, counters, tolerance.

use sidetone_model::OrganizationId;

use super::transcript::{
    CALL, ID, ORGANIZATION, STEREO, Stage, check, check_opened, client_text, open_parameters,
};
use crate::server::{
    Handshake, OpenAnswer, ServerCommand, ServerConfig, ServerInput, ServerOutput, ServerSession,
};

fn sent(session: &mut ServerSession) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(output) = session.poll_output() {
        if let ServerOutput::Send(text) = output {
            sent.push(text);
        }
    }
    sent
}

#[test]
fn c27_c31_every_message_has_version_id_and_parameters() {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    let now = stage.now;
    let mut texts = Vec::new();
    for line in ["open 1 0 PT0S", "ping 2 1 PT0S", "update 3 1 PT0S", "close 4 1 PT0S"] {
        stage.session.handle(now, ServerInput::Text(&client_text(line)));
        if line.starts_with("open") {
            let answer = ServerCommand::Open(OpenAnswer::default());
            stage.session.command(now, answer).expect("no medium is always offered");
            stage.session.command(now, ServerCommand::Pause).expect("never refused");
        }
        texts.append(&mut sent(&mut stage.session));
    }
    assert_eq!(texts.len(), 5);
    for text in texts {
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&json["version"], &json["id"]), (&"2".into(), &ID.into()));
        assert!(json["parameters"].is_object(), "{text}");
        assert_eq!(json.as_object().expect("object").len(), 6, "only the documented: {text}");
    }
}

#[test]
fn c28_c30_c32_texts_are_counted_from_one_and_audio_is_not() {
    check_opened(
        "
        < audio 3200
        * audio 0 1600
        < ping 2 1 PT0.2S
        > pong 2 2
        < audio 3200
        * audio 200 1600
        < audio 3200
        * audio 400 1600
        < ping 3 2 PT0.6S
        > pong 3 3
        ! pause
        > pause 4 3
        ",
    );
}

fn check_violation(input: &str, label: &str, clientseq: u64, info: &str) {
    check_opened(&format!(
        r#"
        {input}
        * violation {label}
        > disconnect 2 {clientseq} {{"reason":"error","info":"Client Error: {info}"}}
        * closing 0 violation {label}
        < ping {next} 2 PT0S
        > pong 3 {next}
        < raw not JSON either
        < audio 3
        < close {last} 3 PT0S {{"reason":"disconnect"}}
        > closed 4 {last}
        * closed 0 agreement
        "#,
        next = clientseq + 1,
        last = clientseq + 2,
    ));
}

#[test]
fn c33_seq_gap_ends_the_session() {
    let info = "Invalid seq value (not monotonically increasing)";
    check_violation("< ping 3 1 PT0S", "sequence", 3, info);
}

#[test]
fn c33_seq_repeat_and_reset_end_the_session() {
    let info = "Invalid seq value (not monotonically increasing)";
    check_violation("< ping 1 1 PT0S", "sequence", 1, info);
    check_violation("< ping 0 1 PT0S", "sequence", 0, info);
    check(
        r#"
        < open 2 0 PT0S
        * violation sequence
        > disconnect 1 2 {"reason":"error","info":"Client Error: Invalid seq value (not monotonically increasing)"}
        * closing 0 violation sequence
        "#,
    );
}

#[test]
fn c34_serverseq_ahead_of_ours_ends_the_session() {
    check_violation("< ping 2 2 PT0S", "server-sequence", 2, "Invalid serverseq value");
}

#[test]
fn c35_another_sessions_id_ends_the_session() {
    let other = client_text("ping 2 1 PT0S").replace(ID, "11111111-2222-4333-8444-555555555555");
    let info = "Session identifier mismatch";
    check_violation(&format!("< raw {other}"), "session-id", 2, info);
}

#[test]
fn c36_broken_messages_end_the_session() {
    let envelope = "Message not a well-formed client message";
    let close = client_text("ping 2 1 PT0S");
    check_violation("< raw {\"version\":", "not-json", 1, "Text message not valid JSON");
    check_violation("< raw [1,2]", "envelope", 1, envelope);
    let other_version = close.replace(r#""version":"2""#, r#""version":"1""#);
    check_violation(&format!("< raw {other_version}"), "envelope", 1, envelope);
    let null = close.replace(r#""parameters":{}"#, r#""parameters":null"#);
    check_violation(&format!("< raw {null}"), "envelope", 1, envelope);
    check_violation(
        "< resumed 2 1 PT0S {\"start\":\"PT0S\"}",
        "parameters",
        2,
        "Invalid/missing parameters",
    );
}

#[test]
fn c37_unknown_fields_change_nothing() {
    let text = client_text(r#"ping 2 1 PT0S {"rtt":"PT0.01S","jitter":4}"#)
        .replace(r#""seq""#, r#""trace":{"a":[]},"seq""#);
    check_opened(&format!(
        "
        < raw {text}
        > pong 2 2
        "
    ));
}

#[test]
fn c38_an_unknown_type_is_counted_and_ignored() {
    check_opened(
        r#"
        < telepathy 2 1 PT0S {"mood":"good"}
        * tolerated unknown-type
        < reconnecting 3 1 PT0S
        * tolerated unknown-type
        < ping 4 1 PT0S
        > pong 2 4
        "#,
    );
}

#[test]
fn c39_positions_are_read_in_every_spelling() {
    check_opened(
        "
        < ping 2 1 PT0.0S
        > pong 2 2
        < audio 8000
        * audio 0 4000
        < ping 3 2 PT.5S
        > pong 3 3
        < ping 4 3 PT0.500000000S
        > pong 4 4
        ",
    );
}

#[test]
fn c40_the_id_is_sent_as_the_client_spells_it() {
    let organization: OrganizationId = ORGANIZATION.parse().expect("valid");
    let session_id = ID.parse().expect("valid");
    let now = sidetone_model::Timestamp::default();
    let handshake = Handshake { organization, session_id };
    let mut session = ServerSession::new(now, ServerConfig::DEFAULT, handshake);
    let shouted = ID.to_uppercase();
    let text = client_text("close 1 0 PT0S").replace(ID, &shouted);
    session.handle(now, ServerInput::Text(&text));
    let texts = sent(&mut session);
    assert!(texts[0].contains(&shouted), "{texts:?}");
    assert_eq!(session.session_id(), session_id.session_id());
}

#[test]
fn c41_no_message_comes_near_the_limit() {
    let mut stage = Stage::new(ServerConfig::DEFAULT);
    let offers = vec![STEREO; 500];
    let open = open_parameters(CALL, &offers);
    stage.play(&format!("< open 1 0 PT0S {open}"));
    let lines = stage.play("! open");
    assert!(lines[0].len() < 1_000);
}

#[test]
fn c42_takes_messages_up_to_the_limit_and_no_larger() {
    let padded = |bytes: usize| {
        let text = client_text("ping 2 1 PT0S");
        let padding = "x".repeat(bytes - text.len() - r#""pad":"""#.len());
        text.replace(r#""parameters":{}"#, &format!(r#""parameters":{{"pad":"{padding}"}}"#))
    };
    check_opened(&format!("< raw {}\n> pong 2 2", padded(64_000)));
    check_opened(&format!("< raw {}\n> pong 2 2", padded(65_536)));
    let large = format!("< raw {}", padded(65_537));
    check_violation(&large, "text-too-large", 1, "Text message too large");
    check_opened(
        r#"
        < audio 64000
        * audio 0 32000
        < audio 65538
        * violation frame-too-large
        > disconnect 2 1 {"reason":"error","info":"Client Error: Binary message too large"}
        * closing 4000 violation frame-too-large
        "#,
    );
}

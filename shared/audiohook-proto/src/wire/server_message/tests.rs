//! Every server message of the description, there and back.

use super::*;

const ID: &str = "5A1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

fn envelope(kind: &str, parameters: &str) -> String {
    format!(
        r#"{{"version":"2","id":"{ID}","type":"{kind}","seq":8,"clientseq":7,"parameters":{parameters}}}"#
    )
}

fn check_both_ways(kind: &str, parameters: &str) -> ServerBody {
    let text = envelope(kind, parameters);
    let message = ServerMessage::parse(&text).expect("documented message");
    assert_eq!(message.to_json(), text);
    assert_eq!((message.seq, message.clientseq), (8, 7));
    message.body
}

#[test]
fn c27_c31_every_documented_message_survives_both_ways() {
    for (kind, expected) in [
        ("pong", ServerBody::Pong),
        ("pause", ServerBody::Pause),
        ("resume", ServerBody::Resume),
        ("updated", ServerBody::Updated),
        ("closed", ServerBody::Closed),
        ("reconnect", ServerBody::Reconnect { info: None }),
    ] {
        assert_eq!(check_both_ways(kind, "{}"), expected);
    }
    assert_eq!(
        check_both_ways("reconnect", r#"{"info":"draining"}"#),
        ServerBody::Reconnect { info: Some("draining".to_owned()) }
    );
    check_both_ways("opened", r#"{"media":[],"startPaused":false,"supportedLanguages":["en-US"]}"#);
    for (reason, expected) in [
        ("completed", DisconnectReason::Completed),
        ("unauthorized", DisconnectReason::Unauthorized),
        ("error", DisconnectReason::Error),
        ("rejected", DisconnectReason::Rejected),
    ] {
        let body = check_both_ways("disconnect", &format!(r#"{{"reason":"{reason}"}}"#));
        assert!(matches!(body, ServerBody::Disconnect(d) if d.reason == expected));
    }
    check_both_ways(
        "disconnect",
        r#"{"reason":"completed","info":"done","outputVariables":{"intent":"billing"}}"#,
    );
    check_both_ways("event", r#"{"entities":[{"type":"barge_in","data":{}}]}"#);
}

#[test]
fn c54_media_is_written_with_the_documented_fields_alone() {
    let body = check_both_ways(
        "opened",
        r#"{"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"startPaused":true,"discardTo":"PT1.25S"}"#,
    );
    let ServerBody::Opened(opened) = body else { panic!("expected opened") };
    assert_eq!(opened.media, [Media::PCMU_STEREO]);
}

#[test]
fn a_selection_is_read_as_strictly_as_production_does() {
    for media in [
        r#"[{"type":"audio","codec":"PCMU","channels":["external"],"rate":8000}]"#,
        r#"[{"type":"audio","format":"PCMU","channels":["external"],"rate":8000,"codec":"x"}]"#,
        r#"[{"type":"audio","format":"PCMU","channels":["external"],"rate":16000}]"#,
        r#"{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}"#,
    ] {
        let text = envelope("opened", &format!(r#"{{"media":{media}}}"#));
        assert_eq!(ServerMessage::parse(&text), Err(WireError::Parameters), "{media}");
    }
}

#[test]
fn parameters_may_not_be_missing() {
    let text = envelope("pong", "null");
    assert_eq!(ServerMessage::parse(&text), Err(WireError::Envelope));
}

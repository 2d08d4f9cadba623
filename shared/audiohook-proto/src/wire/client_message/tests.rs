//! Every client message of the description, there and back.

use proptest::prelude::*;
use sidetone_model::{MediaChannel, MediaChannels};

use super::*;

const ID: &str = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071";

fn envelope(kind: &str, parameters: &str) -> String {
    format!(
        r#"{{"version":"2","id":"{ID}","type":"{kind}","seq":3,"serverseq":2,"position":"PT1S","parameters":{parameters}}}"#
    )
}

fn open(media: &str) -> String {
    format!(
        r#"{{"organizationId":"0f0e0d0c-0b0a-4908-8706-050403020100","conversationId":"c0ffee12-3456-4789-8abc-def012345678","participant":{{"id":"beefcafe-4321-4cba-9fed-ba9876543210","ani":"+13175550101","aniName":"R. Example","dnis":"+18005550199"}},"media":{media}}}"#
    )
}

/// Reads and writes again; what is documented comes back byte for byte.
fn check_both_ways(kind: &str, parameters: &str) -> ClientBody {
    let text = envelope(kind, parameters);
    let message = ClientMessage::parse(&text).expect("documented message");
    assert_eq!(message.to_json(), text);
    assert_eq!((message.seq, message.serverseq), (3, 2));
    message.body
}

fn refused(kind: &str, parameters: &str) -> WireError {
    ClientMessage::parse(&envelope(kind, parameters)).expect_err("must be refused")
}

fn offers(media: &str) -> Vec<Media> {
    let message = ClientMessage::parse(&envelope("open", &open(media))).expect("valid");
    let ClientBody::Open(open) = message.body else { panic!("expected open") };
    open.media
}

#[test]
fn every_documented_message_survives_both_ways() {
    let skip = r#"{"start":"PT12.4S","discarded":"PT5.25S"}"#;
    assert_eq!(
        check_both_ways("ping", r#"{"rtt":"PT0.018754S"}"#),
        ClientBody::Ping { rtt: Some(MediaTime::from_nanos(18_754_000)) }
    );
    assert_eq!(check_both_ways("ping", "{}"), ClientBody::Ping { rtt: None });
    assert_eq!(check_both_ways("paused", "{}"), ClientBody::Paused);
    assert!(matches!(check_both_ways("resumed", skip), ClientBody::Resumed(_)));
    assert!(matches!(check_both_ways("discarded", skip), ClientBody::Discarded(_)));
    assert_eq!(
        check_both_ways("update", r#"{"language":"es-419"}"#),
        ClientBody::Update { language: Some("es-419".to_owned()) }
    );
    assert!(matches!(
        check_both_ways(
            "error",
            r#"{"code":429,"message":"Too many messages","retryAfter":"PT2S"}"#
        ),
        ClientBody::Error(ClientFault { code: 429, .. })
    ));
    for (reason, expected) in [
        ("end", CloseReason::End),
        ("error", CloseReason::Error),
        ("disconnect", CloseReason::Disconnect),
        ("reconnect", CloseReason::Reconnect),
    ] {
        assert_eq!(
            check_both_ways("close", &format!(r#"{{"reason":"{reason}"}}"#)),
            ClientBody::Close { reason: Some(expected) }
        );
    }
    assert_eq!(
        check_both_ways("dtmf", r#"{"digit":"7"}"#),
        ClientBody::Dtmf { digit: "7".to_owned() }
    );
    assert_eq!(check_both_ways("playback_started", "{}"), ClientBody::PlaybackStarted);
    assert_eq!(check_both_ways("playback_completed", "{}"), ClientBody::PlaybackCompleted);
}

#[test]
fn open_survives_both_ways_with_everything_in_it() {
    let full = open(r#"[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000},{"type":"audio","format":"L16","channels":["external"],"rate":8000}]"#)
        .replace(r#"}]}"#, r#"}],"language":"en-US","supportedLanguages":true,"continuedSessions":[{"id":"11111111-2222-4333-8444-555555555555","serverseq":4,"clientseq":9}],"customConfig":{"tier": "gold"},"inputVariables":{"a":"b"}}"#);
    let ClientBody::Open(open) = check_both_ways("open", &full) else {
        panic!("expected open");
    };
    assert!(!open.is_probe());
    assert_eq!(open.custom_config.expect("present").as_str(), r#"{"tier": "gold"}"#);
    assert_eq!(format!("{:?}", open.participant.ani), "<redacted>");
}

#[test]
fn c37_unknown_fields_are_ignored_everywhere() {
    let text = r#"{"hint":[1,{"a":null}],"version":"2","id":"5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071","type":"close","seq":1,"serverseq":0,"position":"PT0S","parameters":{"reason":"end","why":1e999}}"#;
    assert!(ClientMessage::parse(text).is_ok());
    let more = open("[]").replace(r#""aniName""#, r#""vip":true,"aniName""#);
    assert!(ClientMessage::parse(&envelope("open", &more)).is_ok());
}

#[test]
fn c38_an_unknown_type_keeps_its_name_and_number() {
    let text = envelope("telepathy", r#"{"mood":"good"}"#);
    let message = ClientMessage::parse(&text).expect("tolerated");
    assert_eq!(message.body, ClientBody::Unknown { kind: "telepathy".to_owned() });
    assert_eq!(message.seq, 3);
}

#[test]
fn c46_offers_not_understood_are_skipped() {
    let media = offers(
        r#"[{"type":"audio","format":"OPUS","channels":["external"],"rate":48000},
            {"type":"video"}, 7, null, "PCMU",
            {"type":"audio","format":"PCMU","channels":["external"],"rate":16000},
            {"type":"audio","format":"PCMU","channels":["external","whisper"],"rate":8000},
            {"type":"audio","format":"PCMU","channels":[],"rate":8000},
            {"type":"audio","format":"PCMU","channels":["external","external"],"rate":8000},
            {"type":"audio","format":"PCMU","channels":["internal","external"],"rate":8000,"extra":1}]"#,
    );
    let channels = MediaChannels::new(&[MediaChannel::Internal, MediaChannel::External]);
    assert_eq!(media, [Media { format: Format::Pcmu, channels: channels.expect("valid") }]);
    assert_eq!(offers("[]"), []);
}

#[test]
fn the_best_offer_has_both_channels_and_is_the_clients_first_of_them() {
    let entry = |format: &str, channels: &str| {
        format!(r#"{{"type":"audio","format":"{format}","channels":[{channels}],"rate":8000}}"#)
    };
    let best = |entries: &[String]| {
        let text = envelope("open", &open(&format!("[{}]", entries.join(","))));
        let message = ClientMessage::parse(&text).expect("valid");
        let ClientBody::Open(open) = message.body else { panic!("expected open") };
        open.best_offer()
    };
    let (one, both) = (r#""internal""#, r#""external","internal""#);
    let turned = entry("PCMU", r#""internal","external""#);
    assert_eq!(best(&[]), None);
    assert_eq!(
        best(&[entry("PCMU", one), entry("L16", both), entry("PCMU", both), turned]),
        Some(Media::PCMU_STEREO)
    );
    assert_eq!(
        best(&[entry("PCMU", one), entry("PCMU", r#""external""#)]).map(|media| media.channels),
        MediaChannels::new(&[MediaChannel::Internal]).ok()
    );
}

#[test]
fn c51_c52_callers_without_numbers_and_opens_without_extras_are_fine() {
    for participant in [
        r#"{"id":"00000000-0000-0000-0000-000000000000","ani":"","aniName":"","dnis":""}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000000","ani":null}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000000"}"#,
    ] {
        let parameters = format!(
            r#"{{"organizationId":"0f0e0d0c-0b0a-4908-8706-050403020100","conversationId":"00000000-0000-0000-0000-000000000000","participant":{participant},"media":[],"language":null,"customConfig":null}}"#
        );
        let message = ClientMessage::parse(&envelope("open", &parameters)).expect("valid");
        let ClientBody::Open(open) = message.body else { panic!("expected open") };
        assert!(open.is_probe());
        assert_eq!((open.language, open.custom_config), (None, None));
        assert_eq!(open.participant.ani.reveal(), "");
    }
}

#[test]
fn a_close_without_or_with_an_unknown_reason_is_still_a_close() {
    let reason = |parameters: &str| {
        ClientMessage::parse(&envelope("close", parameters)).expect("tolerated").body
    };
    assert_eq!(reason("{}"), ClientBody::Close { reason: None });
    assert_eq!(
        reason(r#"{"reason":"sunset"}"#),
        ClientBody::Close { reason: Some(CloseReason::Other) }
    );
}

/// Parameters of `open` with one field more, or another value of one.
fn open_with(field: &str, value: &str) -> String {
    let parameters = open("[]");
    let name = format!("\"{field}\":\"");
    match parameters.find(&name) {
        Some(at) => {
            let from = at + name.len() - 1;
            let to = from + 2 + parameters[from + 1..].find('"').expect("a text");
            format!("{}{value}{}", &parameters[..from], &parameters[to..])
        }
        None => parameters.replacen('{', &format!("{{\"{field}\":{value},"), 1),
    }
}

#[test]
fn value_of_an_optional_field_never_refuses_an_open() {
    let fields = [
        "ani",
        "aniName",
        "dnis",
        "language",
        "supportedLanguages",
        "continuedSessions",
        "customConfig",
        "inputVariables",
        "someNewField",
        "half\\ud83d",
    ];
    let values = [
        r#""Caf\ud83d""#,
        r#""\udc00\ud83d\\ud83d""#,
        "null",
        "7",
        "1e400",
        "-0.5",
        "123456789012345678901234567890",
        "true",
        "[]",
        "{}",
        r#"[{"id":5}]"#,
        r#"{"a\udfff":["\ud800"]}"#,
    ];
    for field in fields {
        for value in values {
            let text = envelope("open", &open_with(field, value));
            let message = ClientMessage::parse(&text);
            assert!(matches!(message.map(|one| one.body), Ok(ClientBody::Open(_))), "{text}");
        }
    }
    let ClientBody::Open(open) =
        ClientMessage::parse(&envelope("open", &open_with("aniName", r#""Caf\ud83d""#)))
            .expect("read")
            .body
    else {
        panic!("expected open")
    };
    assert_eq!(open.participant.ani_name.reveal(), "Caf\u{fffd}");
}

#[test]
fn value_of_an_optional_field_never_refuses_another_message() {
    for (kind, field) in [
        ("ping", "rtt"),
        ("update", "language"),
        ("error", "code"),
        ("error", "message"),
        ("error", "retryAfter"),
        ("close", "reason"),
        ("dtmf", "digit"),
    ] {
        for value in [r#""\ud83d""#, "null", "5", "-1", "1e400", "[]", "{}", "false"] {
            let text = envelope(kind, &format!("{{\"{field}\":{value}}}"));
            assert!(ClientMessage::parse(&text).is_ok(), "{text}");
        }
    }
}

#[test]
fn refused_open_names_the_field_and_not_its_value() {
    for (field, value, named) in [
        ("organizationId", r#""no id""#, "organizationId"),
        ("conversationId", "7", "conversationId"),
        ("id", "7", "participant.id"),
    ] {
        let text = envelope("open", &open_with(field, value));
        let envelope = ClientEnvelope::parse(&text).expect("good envelope");
        assert_eq!(envelope.body(), Err(WireError::Parameters), "{text}");
        assert_eq!(envelope.faulty_field(), Some(named), "{text}");
    }
}

#[test]
fn c36_broken_text_is_told_from_broken_envelopes() {
    for text in ["", "{", "hello", r#"{"version":"2",}"#, "\u{0}"] {
        assert_eq!(ClientMessage::parse(text), Err(WireError::NotJson), "{text}");
    }
    let good = envelope("paused", "{}");
    for (from, to) in [
        (r#""version":"2""#, r#""version":"3""#),
        (r#""version":"2""#, r#""version":2"#),
        (r#""version":"2","#, ""),
        (r#""type":"paused""#, r#""type":null"#),
        (r#""seq":3"#, r#""seq":-3"#),
        (r#""seq":3"#, r#""seq":"3""#),
        (r#""seq":3"#, r#""seq":3.5"#),
        (r#""serverseq":2,"#, ""),
        (r#""position":"PT1S""#, r#""position":1"#),
        (r#""position":"PT1S""#, r#""position":"PT-1S""#),
        (r#""parameters":{}"#, r#""parameters":null"#),
        (r#""parameters":{}"#, r#""parameters":[]"#),
        (r#","parameters":{}"#, ""),
        (ID, "not-an-id"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert_eq!(ClientMessage::parse(&bad), Err(WireError::Envelope), "{bad}");
    }
    for text in ["7", "[]", "null", "\"open\""] {
        assert_eq!(ClientMessage::parse(text), Err(WireError::Envelope), "{text}");
    }
}

#[test]
fn wrong_parameters_leave_the_envelope_readable() {
    for (kind, parameters) in [
        ("resumed", r#"{"start":"PT0S"}"#),
        ("discarded", "{}"),
        ("open", "{}"),
        ("open", r#"{"media":[]}"#),
    ] {
        assert_eq!(refused(kind, parameters), WireError::Parameters, "{kind}");
        let text = envelope(kind, parameters);
        assert_eq!(ClientEnvelope::parse(&text).expect("good envelope").seq, 3);
    }
    let braced = open("[]").replace("c0ffee12-", "{c0ffee12-").replace("345678\"", "345678}\"");
    assert_eq!(refused("open", &braced), WireError::Parameters);
    assert_eq!(refused("open", &open("{}")), WireError::Parameters);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = ClientMessage::parse(&text);
    }

    #[test]
    fn no_parameters_make_it_panic(
        kind in "open|ping|resumed|discarded|update|error|close|dtmf",
        key in "start|discarded|rtt|reason|code|media|participant|retryAfter|language",
        value in "[0-9a-zA-Z\"{}\\[\\]:,.-]{0,40}",
    ) {
        let _ = ClientMessage::parse(&envelope(&kind, &format!(r#"{{"{key}":{value}}}"#)));
    }
}

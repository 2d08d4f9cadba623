//! One record as one JSON object: the fields of the schema under their own names, positions in
//! samples as there, enumerations as lower-case words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sidetone_consumer::{Ordered, Origin};
use sidetone_delivery_wire::{Body, CallEvent, Direction, transfer_name};
use sidetone_model::Timestamp;

use super::line::{cause_name, channel_name, event_name, format_name, gap_name};

/// Describes what the stream gave; the bytes of audio only if `with_audio`.
pub(super) fn item(item: &Ordered, with_audio: bool) -> Value {
    let (kind, fields) = match item {
        Ordered::Missing(missing) => {
            ("missing", json!({ "number_from": missing.from, "number_to": missing.to }))
        }
        Ordered::Record(record) => match &record.body {
            None => ("unknown", json!({})),
            Some(body) => fields(body, with_audio),
        },
    };
    let mut value = heading(kind, item.origin());
    if let Ordered::Record(record) = item {
        value.insert("number".into(), record.number.into());
        value.insert("made_at".into(), record.made_at.to_string().into());
        value.insert("sequence".into(), record.sequence.into());
    }
    if let Value::Object(fields) = fields {
        value.extend(fields);
    }
    Value::Object(value)
}

fn heading(kind: &str, origin: &Origin) -> Map<String, Value> {
    let key = origin.session.key;
    let mut value = Map::new();
    value.insert("type".into(), kind.into());
    value.insert("organization_id".into(), key.organization.to_string().into());
    value.insert("conversation_id".into(), key.conversation.to_string().into());
    let session = origin.session.session.map(|session| session.to_string());
    value.insert("session_id".into(), session.into());
    value.insert("connection_id".into(), origin.connection.as_str().into());
    value
}

fn fields(body: &Body, with_audio: bool) -> (&'static str, Value) {
    match body {
        Body::SessionStarted(one) => {
            let channels: Vec<_> = one.channels().map(channel_name).collect();
            let fields = json!({
                "format": format_name(one.format()),
                "rate": one.rate,
                "channels": channels,
                "participant_id": one.participant_id,
                "listen": one.listen,
                "opened_at": moment(one.opened_at_us),
                "language": one.language,
            });
            ("session-started", fields)
        }
        Body::Audio(one) => {
            let mut fields = json!({
                "position": one.position,
                "samples": one.samples,
                "bytes": one.data.len(),
                "agent_id": one.agent_id,
                "held": one.held,
            });
            if with_audio {
                fields["data"] = STANDARD.encode(&one.data).into();
            }
            ("audio", fields)
        }
        Body::Gap(one) => {
            let fields = json!({
                "from": one.from,
                "to": (!one.open).then_some(one.to),
                "reason": gap_name(one.reason()),
                "open": one.open,
                "lost_connection_id": one.lost_connection_id,
                "frames": one.frames,
            });
            ("gap", fields)
        }
        Body::Paused(one) => ("paused", json!({ "position": one.position, "asked": one.asked })),
        Body::Resumed(one) => ("resumed", json!({ "from": one.from, "to": one.to })),
        Body::CallEvent(one) => ("call-event", call_event(one)),
        Body::Match(one) => {
            let (agent_id, reason, position) = (&one.agent_id, &one.reason, one.position);
            ("match", json!({ "agent_id": agent_id, "reason": reason, "position": position }))
        }
        Body::SessionEnded(one) => {
            let fields = json!({
                "cause": cause_name(one.cause()),
                "position": one.position,
                "frames_received": one.frames_received,
                "frames_accepted": one.frames_accepted,
                "frames_in_gaps": one.frames_in_gaps,
                "streamed_ms": one.streamed_ms,
                "paused_ms": one.paused_ms,
                "ended_at": (one.ended_at_us > 0).then(|| moment(one.ended_at_us)),
            });
            ("session-ended", fields)
        }
    }
}

fn call_event(event: &CallEvent) -> Value {
    json!({
        "kind": event_name(event.kind()),
        "ordinal": event.ordinal,
        "at": moment(event.at_us),
        "position": event.position,
        "communication_id": event.communication_id,
        "participant_id": event.participant_id,
        "agent_id": event.agent_id,
        "user_id": event.user_id,
        "direction": direction_name(event.direction()),
        "queue_id": event.queue_id,
        "end_reason": event.end_reason,
        "transfer": transfer_name(event.transfer()),
        "late": event.late,
    })
}

fn moment(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Unspecified => "unknown",
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

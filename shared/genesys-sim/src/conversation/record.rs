//! A conversation as analytics keeps it: participants, sessions, segments.
//!
//! Refuses: metrics, endpoints, and every field that no filter and no tracker reads.
//! Source: genesys-cloud.md, sections 3.11 and 4.3.

use std::sync::Arc;

use serde_json::{Value, json};
use sidetone_model::{ConversationId, Direction, Timestamp};

use super::party::Party;
use super::wire::{CallState, DisconnectType, Purpose};

/// One stretch of a session.
struct Segment {
    kind: &'static str,
    from: Timestamp,
    to: Option<Timestamp>,
}

/// A conversation at one moment, from which its record is written if somebody wants it.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(super) conversation: ConversationId,
    pub(super) direction: Direction,
    pub(super) parties: Arc<[Party]>,
}

impl Recorded {
    /// Writes the record.
    pub(crate) fn write(&self) -> Value {
        record_of(self.conversation, self.direction, &self.parties)
    }
}

fn record_of(conversation: ConversationId, direction: Direction, parties: &[Party]) -> Value {
    let started_at = parties.iter().filter_map(Party::begun_at).min();
    let over = parties.iter().all(Party::is_over);
    let ended_at = parties.iter().filter_map(Party::ended_at).max().filter(|_| over);
    let participants: Vec<Value> = parties.iter().map(|it| participant(it, parties)).collect();
    let mut record = json!({
        "conversationId": conversation,
        "originatingDirection": match direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        },
        "divisionIds": [],
        "participants": participants,
    });
    put(&mut record, "conversationStart", started_at);
    put(&mut record, "conversationEnd", ended_at);
    record
}

/// Writes a moment where there is one: what is unknown is left out.
fn put(into: &mut Value, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        into[name] = at.to_string().into();
    }
}

fn participant(party: &Party, all: &[Party]) -> Value {
    let (wire, call) = (&party.wire, party.call());
    let segments = segments_of(party, all);
    // The wrap-up comes after whoever left has left.
    let last = segments.iter().rposition(|segment| segment.kind != "wrapup");
    let segments: Vec<Value> = (0..)
        .zip(&segments)
        .map(|(place, segment)| {
            let left = Some(place) == last && segment.to.is_some();
            let why = call.disconnect_type.filter(|_| left && party.is_over());
            written(segment, why, party)
        })
        .collect();
    let mut session = json!({
        "sessionId": call.id,
        "mediaType": if call.is_placed { "voice" } else { "callback" },
        "direction": call.direction,
        "provider": call.provider,
        "segments": segments,
        "metrics": [],
    });
    for (name, whom) in [
        ("peerId", call.peer_id),
        ("monitoredParticipantId", wire.monitored_participant_id),
        ("coachedParticipantId", wire.coached_participant_id),
        ("bargedParticipantId", wire.barged_participant_id),
    ] {
        if let Some(whom) = whom {
            session[name] = whom.to_string().into();
        }
    }
    let mut participant = json!({
        "participantId": wire.id,
        "participantName": wire.name,
        "purpose": wire.purpose,
        "sessions": [session],
    });
    if let Some(user) = wire.user_id {
        participant["userId"] = user.to_string().into();
    }
    participant
}

fn written(segment: &Segment, why: Option<DisconnectType>, party: &Party) -> Value {
    let mut value = json!({ "segmentType": segment.kind, "conference": false });
    put(&mut value, "segmentStart", Some(segment.from));
    put(&mut value, "segmentEnd", segment.to);
    if let Some(why) = why {
        value["disconnectType"] = json!(why);
    }
    if let Some(queue) = party.wire.queue_id {
        value["queueId"] = queue.to_string().into();
    }
    value
}

fn segments_of(party: &Party, all: &[Party]) -> Vec<Segment> {
    match party.wire.purpose {
        Purpose::Agent | Purpose::User => of_person(party, all),
        Purpose::Customer | Purpose::External => of_outside(party, all),
        Purpose::Ivr => whole(party, "ivr"),
        Purpose::Acd => whole(party, "delay"),
        Purpose::Voicemail => whole(party, "voicemail"),
        Purpose::Dialer => whole(party, "system"),
    }
}

fn whole(party: &Party, kind: &'static str) -> Vec<Segment> {
    let from = party.begun_at();
    from.map(|from| Segment { kind, from, to: party.ended_at() }).into_iter().collect()
}

fn of_person(party: &Party, all: &[Party]) -> Vec<Segment> {
    let (rang_at, ended_at) = (party.rang_at, party.ended_at());
    let own = party.connected_at();
    let mut segments = Vec::new();
    let dials = party.call().initial_state == CallState::Contacting;
    let far = all.iter().find(|it| it.is_outside()).and_then(Party::connected_at);
    // On an outbound call the agent's phone is up before the customer answers.
    let talks_from = if dials { own.zip(far).map(|(own, far)| own.max(far)) } else { own };
    if let Some(from) = rang_at {
        let kind = if dials { "contacting" } else { "alert" };
        segments.push(Segment { kind, from, to: own.or(ended_at) });
    }
    if dials && let Some(from) = own {
        segments.push(Segment { kind: "dialing", from, to: talks_from.or(ended_at) });
    }
    if let Some(from) = talks_from {
        segments.extend(talk(from, ended_at, &party.holds));
    }
    if let (Some(from), Some(_)) = (party.wire.start_acw_time, ended_at) {
        let to = party.wire.end_acw_time.map(|moment| moment.0);
        segments.push(Segment { kind: "wrapup", from: from.0, to });
    }
    segments
}

/// Cuts a talk at its holds.
fn talk(
    from: Timestamp,
    to: Option<Timestamp>,
    holds: &[(Timestamp, Option<Timestamp>)],
) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut since = Some(from);
    for (held_at, back_at) in holds {
        if let Some(from) = since {
            segments.push(Segment { kind: "interact", from, to: Some(*held_at) });
        }
        segments.push(Segment { kind: "hold", from: *held_at, to: back_at.or(to) });
        since = *back_at;
    }
    segments.extend(since.map(|from| Segment { kind: "interact", from, to }));
    segments
}

/// The outside party's session, along what happened to it: rung, with a flow, in the queue,
/// with somebody.
fn of_outside(party: &Party, all: &[Party]) -> Vec<Segment> {
    let Some(answered_at) = party.connected_at() else {
        let rings = Segment {
            kind: "dialing",
            from: party.begun_at().unwrap_or_default(),
            to: party.ended_at(),
        };
        return vec![rings];
    };
    let with = |it: &Party, kind| {
        it.connected_at().map(|from| Segment {
            kind,
            from: from.max(answered_at),
            to: it.ended_at(),
        })
    };
    let mut segments: Vec<Segment> = all
        .iter()
        .filter_map(|it| match it.wire.purpose {
            Purpose::Ivr => with(it, "ivr"),
            Purpose::Acd => with(it, "delay"),
            Purpose::Agent | Purpose::User if it.is_beside_another() => None,
            Purpose::Agent | Purpose::User => with(it, "interact"),
            Purpose::Voicemail => with(it, "voicemail"),
            Purpose::Customer | Purpose::External | Purpose::Dialer => None,
        })
        .collect();
    segments.sort_by_key(|segment| segment.from);
    if let Some(rang_at) = party.rang_at {
        let dialing = Segment { kind: "dialing", from: rang_at, to: Some(answered_at) };
        segments.insert(0, dialing);
    }
    if segments.is_empty() {
        segments.push(Segment { kind: "system", from: answered_at, to: party.ended_at() });
    }
    segments
}

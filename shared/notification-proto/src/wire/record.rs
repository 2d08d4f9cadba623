//! A page of the conversation details query, and what its records say of a call.
//!
//! A record knows the segments of each session with their true times, so it tells of a call
//! that nobody heard of while it happened. It is made near live: it may lag behind the events,
//! never ahead of them. Names, numbers and attributes are not read.
//! Source: docs/wire/notification.md, "Repair".

use serde::Deserialize;
use sidetone_model::{ConversationId, EventSource, Hold, Timestamp, UserId};

use super::conversation::{AfterCallWork, Call, Participant, Snapshot};
use super::loose;
use super::value::{CallState, Purpose};

/// One page of `POST /api/v2/analytics/conversations/details/query`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct RecordPage {
    /// The records; Genesys leaves the list out where there is none.
    #[serde(rename = "conversations", deserialize_with = "loose::list")]
    pub records: Vec<CallRecord>,
}

/// One conversation as analytics keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallRecord {
    #[serde(rename = "conversationId", deserialize_with = "loose::parsed")]
    conversation: Option<ConversationId>,
    /// When it ended; absent while it goes on.
    #[serde(rename = "conversationEnd", deserialize_with = "loose::parsed")]
    pub ended_at: Option<Timestamp>,
    #[serde(deserialize_with = "loose::list")]
    participants: Vec<Party>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Party {
    #[serde(rename = "participantId", deserialize_with = "loose::text")]
    id: Option<Box<str>>,
    #[serde(rename = "userId", deserialize_with = "loose::parsed")]
    user: Option<UserId>,
    #[serde(deserialize_with = "loose::parsed")]
    purpose: Option<Purpose>,
    #[serde(deserialize_with = "loose::list")]
    sessions: Vec<Session>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Session {
    #[serde(rename = "sessionId", deserialize_with = "loose::text")]
    id: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    media_type: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    direction: Option<Box<str>>,
    #[serde(rename = "monitoredParticipantId", deserialize_with = "loose::text")]
    monitored: Option<Box<str>>,
    #[serde(rename = "coachedParticipantId", deserialize_with = "loose::text")]
    coached: Option<Box<str>>,
    #[serde(rename = "bargedParticipantId", deserialize_with = "loose::text")]
    barged: Option<Box<str>>,
    #[serde(deserialize_with = "loose::list")]
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Segment {
    #[serde(rename = "segmentStart", deserialize_with = "loose::parsed")]
    from: Option<Timestamp>,
    #[serde(rename = "segmentEnd", deserialize_with = "loose::parsed")]
    to: Option<Timestamp>,
    #[serde(rename = "segmentType", deserialize_with = "loose::text")]
    kind: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    queue_id: Option<Box<str>>,
    #[serde(deserialize_with = "loose::text")]
    disconnect_type: Option<Box<str>>,
}

/// What a segment means for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    /// It rings.
    Alert,
    /// It is being set up, or is with a flow or a queue.
    Waiting,
    /// Two talk.
    Talk,
    /// One has the other on hold.
    Hold,
    /// After the call.
    Wrapup,
}

impl CallRecord {
    /// Returns the conversation's voice connections as a snapshot would show them, with the
    /// times that only records have; nothing of a record without an id.
    pub fn into_snapshot(self) -> Option<Snapshot> {
        let conversation = self.conversation?;
        let ended_at = self.ended_at;
        let participants = self.participants.into_iter();
        Some(Snapshot {
            conversation,
            participants: participants.map(|party| party.into_participant(ended_at)).collect(),
            source: EventSource::Repair,
            whole: false,
        })
    }
}

impl Party {
    fn into_participant(self, conversation_ended_at: Option<Timestamp>) -> Participant {
        let voice = || self.sessions.iter().filter(|session| session.is_voice());
        let first =
            |name: fn(&Session) -> &Option<Box<str>>| voice().find_map(|it| name(it).clone());
        Participant {
            user: self.user,
            purpose: self.purpose,
            queue: voice()
                .flat_map(|session| &session.segments)
                .find_map(|segment| segment.queue_id.clone()),
            monitored: first(|session| &session.monitored),
            coached: first(|session| &session.coached),
            barged: first(|session| &session.barged),
            calls: voice().map(|session| session.to_call(conversation_ended_at)).collect(),
            id: self.id,
            ..Participant::default()
        }
    }
}

impl Session {
    fn is_voice(&self) -> bool {
        self.media_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("voice"))
    }

    fn to_call(&self, conversation_ended_at: Option<Timestamp>) -> Call {
        let mut segments: Vec<&Segment> =
            self.segments.iter().filter(|it| it.stretch() != Stretch::Wrapup).collect();
        segments.sort_by_key(|segment| segment.from);
        let first = |kind: &[Stretch]| {
            let mut of_kind = segments.iter().filter(|it| kind.contains(&it.stretch()));
            of_kind.find_map(|segment| segment.from)
        };
        let connected_at = first(&[Stretch::Talk, Stretch::Hold]);
        let last = segments.last();
        let runs = last.is_some_and(|segment| segment.to.is_none());
        let left = last.is_some_and(|segment| segment.disconnect_type.is_some());
        // A segment that ended without a word of leaving is followed by another, which
        // analytics may not have yet.
        let is_over = conversation_ended_at.is_some() || left && !runs;
        let state = match last {
            // Without segments nothing is known but that it was there.
            None if !is_over => CallState::Other,
            None => CallState::Terminated,
            Some(_) if is_over => CallState::Terminated,
            Some(segment) => match segment.stretch() {
                Stretch::Talk | Stretch::Hold => CallState::Connected,
                Stretch::Alert => CallState::Alerting,
                Stretch::Waiting | Stretch::Wrapup => CallState::Contacting,
            },
        };
        let ended_at = || segments.iter().filter_map(|it| it.to).max().or(conversation_ended_at);
        Call {
            id: self.id.clone(),
            state: Some(state),
            direction: self.direction.clone(),
            alerting_at: first(&[Stretch::Alert]).or(first(&[Stretch::Waiting])),
            connected_at,
            ended_at: is_over.then(ended_at).flatten(),
            disconnect_type: last.and_then(|segment| segment.disconnect_type.clone()),
            hold_history: segments.iter().filter_map(|segment| segment.hold()).collect(),
            work: self.work(),
            ..Call::default()
        }
    }
}

impl Session {
    fn work(&self) -> AfterCallWork {
        let of_work = || self.segments.iter().filter(|it| it.stretch() == Stretch::Wrapup);
        let runs = of_work().any(|segment| segment.to.is_none());
        AfterCallWork {
            state: None,
            from: of_work().filter_map(|segment| segment.from).min(),
            to: of_work().filter_map(|segment| segment.to).max().filter(|_| !runs),
        }
    }
}

impl Segment {
    fn stretch(&self) -> Stretch {
        match self.kind.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
            "alert" => Stretch::Alert,
            "interact" => Stretch::Talk,
            "hold" | "parked" => Stretch::Hold,
            "wrapup" => Stretch::Wrapup,
            // Contacting, dialing, flows, queues, and what nobody has heard of.
            _ => Stretch::Waiting,
        }
    }

    fn hold(&self) -> Option<Hold> {
        let from = self.from.filter(|_| self.stretch() == Stretch::Hold)?;
        // A hold that the end of the call ended was not ended by the agent.
        let to = self.to.filter(|_| self.disconnect_type.is_none());
        Some(Hold { from, to })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const CALL: &str = "c0a1b2c3-0000-4000-8000-00000000c001";
    const ADA: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01";

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(1_786_784_400_000 + secs * 1_000)
    }

    fn segment(kind: &str, from: i64, to: Option<i64>, left: Option<&str>) -> Value {
        json!({
            "segmentType": kind,
            "segmentStart": at(from).to_string(),
            "segmentEnd": to.map(|to| at(to).to_string()),
            "disconnectType": left,
            "queueId": "billing",
        })
    }

    /// The agent's call in a record of one agent with these segments.
    fn call_of(ended: Option<i64>, segments: &[Value]) -> Call {
        let page = json!({"conversations": [{
            "conversationId": CALL,
            "conversationEnd": ended.map(|it| at(it).to_string()),
            "participants": [{"participantId": "p", "purpose": "agent", "userId": ADA,
                "sessions": [
                    {"sessionId": "m", "mediaType": "message", "segments": []},
                    {"sessionId": "s", "mediaType": "voice", "direction": "inbound",
                     "segments": segments},
                ]}],
        }], "totalHits": 1});
        let page: RecordPage = serde_json::from_value(page).unwrap();
        let [record] = &page.records[..] else { panic!("{page:?}") };
        let snapshot = record.clone().into_snapshot().unwrap();
        let [participant] = &snapshot.participants[..] else { panic!("{snapshot:?}") };
        assert_eq!(participant.user, Some(ADA.parse().unwrap()));
        let [call] = &participant.calls[..] else { panic!("{participant:?}") };
        call.clone()
    }

    #[test]
    fn s62_a_segment_without_end_is_the_state_of_the_call() {
        let alert = segment("alert", 1, Some(3), None);
        let talk = segment("interact", 3, Some(8), None);
        for (segments, state, connected) in [
            (vec![segment("alert", 1, None, None)], CallState::Alerting, None),
            (vec![segment("dialing", 1, None, None)], CallState::Contacting, None),
            (
                vec![alert.clone(), segment("interact", 3, None, None)],
                CallState::Connected,
                Some(3),
            ),
            (
                vec![segment("hold", 8, None, None), talk.clone(), alert.clone()],
                CallState::Connected,
                Some(3),
            ),
            // The next segment is not there yet: nobody has left.
            (vec![alert.clone(), talk.clone()], CallState::Connected, Some(3)),
        ] {
            let call = call_of(None, &segments);
            assert_eq!(call.state, Some(state), "{segments:?}");
            assert_eq!(call.connected_at, connected.map(at), "{segments:?}");
            assert_eq!((call.alerting_at, call.ended_at), (Some(at(1)), None));
        }
    }

    #[test]
    fn s63_a_call_that_is_over_has_its_true_times() {
        let call = call_of(
            None,
            &[
                segment("alert", 1, Some(3), None),
                segment("interact", 3, Some(8), None),
                segment("hold", 8, Some(10), None),
                segment("interact", 10, Some(12), Some("peer")),
                segment("wrapup", 12, None, None),
            ],
        );
        assert_eq!(call.state, Some(CallState::Terminated));
        assert_eq!((call.connected_at, call.ended_at), (Some(at(3)), Some(at(12))));
        assert_eq!(call.end_reason(), sidetone_model::EndReason::Peer);
        assert_eq!(call.hold_history, [Hold { from: at(8), to: Some(at(10)) }]);
        assert_eq!((call.work.from, call.work.to), (Some(at(12)), None));

        let missed = call_of(None, &[segment("alert", 1, Some(9), Some("noAnswerTransfer"))]);
        assert_eq!((missed.connected_at, missed.ended_at), (None, Some(at(9))));
        assert_eq!(missed.end_reason(), sidetone_model::EndReason::NoAnswerTransfer);

        let held = call_of(Some(9), &[segment("hold", 8, Some(9), Some("endpoint"))]);
        assert_eq!(held.hold_history, [Hold { from: at(8), to: None }]);
        assert_eq!(call_of(Some(9), &[]).ended_at, Some(at(9)));
    }

    #[test]
    fn s61_absent_lists_and_odd_records_are_none() {
        for (text, count) in [
            (r#"{"totalHits": 0}"#, 0),
            (r#"{"conversations": null}"#, 0),
            (r#"{"conversations": 7}"#, 0),
            (r#"{"conversations": [null, 1, "x", []]}"#, 0),
            (r#"{"conversations": [{"participants": [{"sessions": [{"segments": [3]}]}]}]}"#, 1),
        ] {
            let page: RecordPage = serde_json::from_str(text).unwrap();
            assert_eq!(page.records.len(), count, "{text}");
            assert!(page.records.into_iter().all(|record| record.into_snapshot().is_none()));
        }
    }
}

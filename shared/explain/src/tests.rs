//! One small picture a cause, and every combination of what may be known.

use std::collections::BTreeSet;
use std::time::Duration;

use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::Body;
use sidetone_model::{
    AgentId, Attribution, BreachReport, Changes, CommunicationId, ConnectionId, ConversationKey,
    Direction, DoorKind, EndCause, EventSource, Leg, NotOurs, OwnerId, ParticipantId,
    RefusalReport, SessionEnd, SessionId, SessionItem, SessionPhase, Timestamp, TrackerReport,
    UnheardReason, UserId,
};
use uuid::Uuid;

use crate::facts::{Facts, Told};
use crate::{Cause, explain};

/// The moment of asking, in seconds; calls lie before it.
const NOW: i64 = 1_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

fn key() -> ConversationKey {
    ConversationKey {
        organization: "0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap(),
        conversation: "c0ffee12-3456-4789-8abc-def012345678".parse().unwrap(),
    }
}

/// Nobody has heard of the call; the door lives and the tracker listens.
fn nothing() -> Facts {
    let mut facts = Facts::none(at(NOW), Some(key().organization), key().conversation);
    facts.alive = BTreeSet::from([OwnerId::new("door")]);
    facts.tracker = Some(TrackerReport {
        at: at(NOW - 5),
        connected_since: Some(at(0)),
        followed: 8,
        collisions: 0,
        rejected: 0,
        last_event_at: None,
        problem: None,
        clock_ahead_ms: None,
    });
    facts
}

fn session(number: u128, opened: i64, end: Option<(i64, EndCause)>) -> SessionItem {
    SessionItem {
        key: key(),
        session: SessionId::new(Uuid::from_u128(number)),
        connection: ConnectionId::new(format!("c-{number}")),
        participant: ParticipantId::new("customer"),
        owner: OwnerId::new("door"),
        opened_at: at(opened),
        phase: if end.is_some() { SessionPhase::Ended } else { SessionPhase::Live },
        door: DoorKind::Socket,
        media: None,
        unheard: None,
        end: end.map(|(second, cause)| SessionEnd { at: at(second), cause }),
    }
}

fn leg(attribution: Attribution, connected: Option<i64>, ended: Option<i64>) -> Leg {
    Leg {
        key: key(),
        participant: ParticipantId::new("agent"),
        communication: CommunicationId::new(format!("leg-{connected:?}-{attribution:?}")),
        user: UserId::new(Uuid::from_u128(7)),
        attribution,
        attributed_at: at(101),
        earlier: BTreeSet::new(),
        direction: Direction::Inbound,
        queue: None,
        ringing_at: Some(at(100)),
        connected_at: connected.map(at),
        ended_at: ended.map(at),
        end_reason: None,
        holds: Vec::new(),
        mutes: Changes::default(),
        conferences: Changes::default(),
        wrap_up_at: None,
        wrapped_up_at: None,
        late: false,
        sources: BTreeSet::from([EventSource::Socket]),
    }
}

fn ada() -> Attribution {
    Attribution::Ours(AgentId::new("ada"))
}

fn stranger(reason: NotOurs) -> Vec<Leg> {
    vec![leg(Attribution::NotOurs(reason), Some(110), Some(200))]
}

fn closed() -> Vec<SessionItem> {
    vec![session(1, 90, Some((201, EndCause::Closed)))]
}

fn told(session: u128, second: i64, body: Body) -> Told {
    let connection = ConnectionId::new(format!("c-{session}"));
    Told {
        at: at(second),
        session: Some(SessionId::new(Uuid::from_u128(session))),
        connection,
        body,
    }
}

/// Returns facts for which a cause is the one that counts.
fn picture_of(cause: Cause) -> Facts {
    let talked = vec![leg(ada(), Some(110), Some(200))];
    let ended_by = |cause| vec![session(1, 90, Some((150, cause)))];
    let mut facts = nothing();
    match cause {
        Cause::Probe => facts.conversation = sidetone_model::ConversationId::new(Uuid::nil()),
        Cause::NeverHeardOf => {}
        Cause::KeyRefused | Cause::HandshakeIncomplete => {
            facts.legs = talked;
            let is_key = cause == Cause::KeyRefused;
            let reason = if is_key { "unknown-key" } else { "handshake-upgrade" };
            facts.refusals = vec![RefusalReport {
                reason: reason.to_owned(),
                first_at: at(95),
                last_at: at(99),
                count: 4,
            }];
        }
        Cause::DoorCannotHear | Cause::NothingOffered => {
            (facts.sessions, facts.legs) = (closed(), talked);
            facts.sessions[0].unheard = Some(if cause == Cause::NothingOffered {
                UnheardReason::NothingOffered
            } else {
                UnheardReason::TextOnlyDoor
            });
        }
        Cause::DoorDied => {
            (facts.sessions, facts.legs) = (vec![session(1, 90, None)], talked);
            facts.alive.clear();
        }
        Cause::DoorShutDown => {
            (facts.sessions, facts.legs) = (ended_by(EndCause::Shutdown), talked);
        }
        Cause::ProtocolViolation => {
            (facts.sessions, facts.legs) = (ended_by(EndCause::Violation), talked);
        }
        Cause::ConnectionLost => {
            (facts.sessions, facts.legs) = (ended_by(EndCause::ConnectionLost), talked);
        }
        Cause::PausedByFlow => {
            (facts.sessions, facts.legs) = (closed(), talked);
            let paused = wire::Paused { position: 0, asked: false };
            facts.told = vec![told(1, 120, Body::Paused(paused))];
        }
        Cause::DuplicateSession | Cause::Matched => {
            (facts.sessions, facts.legs) = (closed(), talked);
            facts.sessions.push(session(2, 91, Some((201, EndCause::Closed))));
        }
        Cause::Collision => (facts.sessions, facts.legs) = (closed(), stranger(NotOurs::Collision)),
        Cause::OtherAdaptor => {
            (facts.sessions, facts.legs) = (closed(), stranger(NotOurs::OtherAdaptor));
        }
        Cause::Inactive => (facts.sessions, facts.legs) = (closed(), stranger(NotOurs::Inactive)),
        Cause::LookupFailed => {
            (facts.sessions, facts.legs) = (closed(), stranger(NotOurs::LookupFailed));
        }
        Cause::UnknownUser => {
            (facts.sessions, facts.legs) = (closed(), stranger(NotOurs::UnknownUser));
        }
        Cause::NotAnswered => {
            (facts.sessions, facts.legs) = (closed(), vec![leg(ada(), None, Some(120))]);
        }
        Cause::CallEventsWithoutAudio => facts.legs = talked,
        Cause::TrackerNotRunning => (facts.sessions, facts.tracker) = (closed(), None),
        Cause::NotSubscribed => {
            facts.sessions = closed();
            facts.tracker.as_mut().unwrap().rejected = 3;
        }
        Cause::NoAgentYet => facts.sessions = vec![session(1, 990, None)],
        Cause::NeverTold => facts.sessions = closed(),
    }
    facts
}

#[test]
fn each_cause_has_a_picture_in_which_it_counts() {
    for cause in Cause::all() {
        let explanation = explain(&picture_of(cause));
        // Never of the whole call: the other session has a better one.
        let is_of_one = cause == Cause::DuplicateSession;
        let counts = if is_of_one { explanation.sessions[1].cause } else { explanation.cause };
        assert_eq!(counts, cause, "{explanation:#?}");
        assert!(!explanation.summary.is_empty() && !explanation.next_step.is_empty());
    }
}

#[test]
fn names_are_unlike() {
    let names: BTreeSet<&str> = Cause::all().map(Cause::as_str).collect();
    assert_eq!(names.len(), Cause::all().count());
    assert!(!names.contains(""));
}

/// Whatever is known of a call, some cause holds: what is heard of is never "never heard of".
#[test]
fn what_was_heard_of_always_has_a_cause() {
    let ends = [None, Some((150, EndCause::Closed)), Some((150, EndCause::Timeout))];
    let sessions = ends.iter().map(|end| vec![session(1, 90, *end)]).chain([vec![]]);
    for sessions in sessions {
        for attribution in [ada(), Attribution::NotOurs(NotOurs::UnknownUser)] {
            for (connected, ended) in
                [(None, None), (None, Some(120)), (Some(110), None), (Some(110), Some(120))]
            {
                for (legs, tracker) in [(true, true), (true, false), (false, true), (false, false)]
                {
                    let mut facts = nothing();
                    facts.sessions.clone_from(&sessions);
                    facts.legs.extend(legs.then(|| leg(attribution.clone(), connected, ended)));
                    facts.tracker = facts.tracker.filter(|_| tracker);
                    let never = explain(&facts).cause == Cause::NeverHeardOf;
                    assert_eq!(never, !facts.is_heard_of(), "{facts:#?}");
                }
            }
        }
    }
}

#[test]
fn a_twin_that_took_over_is_matched_itself() {
    let mut facts = picture_of(Cause::DuplicateSession);
    facts.sessions[0].end = Some(SessionEnd { at: at(120), cause: EndCause::ConnectionLost });
    let explanation = explain(&facts);
    assert_eq!(explanation.cause, Cause::Matched, "{explanation:#?}");
    assert_eq!(explanation.sessions[1].cause, Cause::Matched);
}

#[test]
fn what_the_store_has_forgotten_the_stream_still_knows() {
    let mut facts = nothing();
    let started = wire::SessionStarted {
        participant_id: "customer".to_owned(),
        opened_at_us: at(90).as_micros(),
        ..wire::SessionStarted::default()
    };
    let event = |kind: wire::CallEventKind, second| {
        let mut event = wire::CallEvent {
            at_us: at(second).as_micros(),
            communication_id: "leg".to_owned(),
            agent_id: "ada".to_owned(),
            ..wire::CallEvent::default()
        };
        event.set_kind(kind);
        Body::CallEvent(event)
    };
    let mut ended = wire::SessionEnded::default();
    ended.set_cause(wire::EndCause::Closed);
    facts.told = vec![
        told(1, 90, Body::SessionStarted(started)),
        told(1, 110, event(wire::CallEventKind::Started, 110)),
        told(1, 200, event(wire::CallEventKind::Ended, 200)),
        told(1, 201, Body::SessionEnded(ended)),
    ];
    let explanation = explain(&facts);
    assert_eq!(explanation.cause, Cause::Matched, "{explanation:#?}");
    assert_eq!(explanation.legs[0].agent_id.as_deref(), Some("ada"));
}

#[test]
fn the_timeline_is_in_order_of_time() {
    let explanation = explain(&picture_of(Cause::PausedByFlow));
    let moments: Vec<Timestamp> = explanation.timeline.iter().map(|entry| entry.at).collect();
    assert!(moments.is_sorted() && moments.len() >= 6, "{:#?}", explanation.timeline);
    let value = serde_json::to_value(&explanation).unwrap();
    assert_eq!(value["cause"], "paused-by-flow");
    assert_eq!(value["timeline"][0]["what"], "audio-opened");
    assert_eq!(value["timeline"][0]["door"], "socket");
}

#[test]
fn refusals_of_another_hour_are_no_cause() {
    let mut facts = picture_of(Cause::KeyRefused);
    for one in &mut facts.refusals {
        one.first_at = one.first_at - Duration::from_secs(7_200);
        one.last_at = one.last_at - Duration::from_secs(7_200);
    }
    assert_eq!(explain(&facts).cause, Cause::CallEventsWithoutAudio);
}

#[test]
fn request_without_upgrade_names_the_setting_of_the_proxy() {
    let explanation = explain(&picture_of(Cause::HandshakeIncomplete));
    let summary = &explanation.summary;
    assert!(summary.contains("4 times handshake-upgrade"), "{summary}");
    assert!(summary.contains("proxy_set_header Upgrade $http_upgrade;"), "{summary}");
}

fn breach(second: i64) -> BreachReport {
    BreachReport {
        session: SessionId::new(Uuid::from_u128(1)),
        at: at(second),
        reason: "parameters".to_owned(),
        detail: "parameters are missing or invalid, first of them media".to_owned(),
    }
}

#[test]
fn refused_open_explains_a_call_without_audio() {
    let mut facts = picture_of(Cause::CallEventsWithoutAudio);
    facts.breaches = vec![breach(105)];
    let explanation = explain(&facts);
    assert_eq!(explanation.cause, Cause::ProtocolViolation, "{explanation:#?}");
    let wanted = "session 00000000-0000-0000-0000-000000000001: parameters are missing or invalid, \
                  first of them media";
    assert!(explanation.summary.contains(wanted), "{}", explanation.summary);
}

#[test]
fn breach_of_an_unknown_conversation_is_mentioned_at_its_time_only() {
    for (second, is_mentioned) in [(105, true), (500, false)] {
        let mut facts = picture_of(Cause::CallEventsWithoutAudio);
        facts.unnamed_breaches = vec![breach(second)];
        let explanation = explain(&facts);
        assert_eq!(explanation.cause, Cause::CallEventsWithoutAudio);
        let mention = "of an unknown conversation broke the protocol";
        assert_eq!(explanation.summary.contains(mention), is_mentioned, "{}", explanation.summary);
    }
}

//! What happened, one thing after the other.

use std::fmt;

use serde::Serialize;
use sidetone_delivery_wire as wire;
use sidetone_delivery_wire::Body;
use sidetone_model::{
    Attribution, CallEventKind, DoorKind, EndCause, NotOurs, SessionId, Timestamp, UnheardReason,
    UnmatchedReason,
};

use crate::picture::{Call, Picture, Session};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, by the clock of whoever knows it best.
    #[serde(serialize_with = "as_moment")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What may happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// An audio session opened.
    AudioOpened {
        /// The session.
        session_id: String,
        /// By which door.
        door: DoorKind,
        /// Why there is no audio.
        #[serde(skip_serializing_if = "Option::is_none")]
        unheard: Option<UnheardReason>,
    },
    /// A call event of a leg.
    CallEvent {
        /// Which.
        event: CallEventKind,
        /// The agent of ours whose leg it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_id: Option<String>,
        /// The Genesys user whose leg it is.
        user_id: String,
        /// The queue the leg came through.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue_id: Option<String>,
        /// Why the leg ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        end_reason: Option<String>,
        /// How the leg was heard of: `socket`, `repair`, `event-bus`.
        sources: Vec<&'static str>,
    },
    /// Who a Genesys user is was found out, or could not be.
    UserLookedUp {
        /// The user.
        user_id: String,
        /// The agent of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent_id: Option<String>,
        /// Why the user is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    /// A session's match changed.
    Matched {
        /// The session.
        session_id: String,
        /// The agent.
        agent_id: String,
    },
    /// A session has no agent of ours.
    Unmatched {
        /// The session.
        session_id: String,
        /// Why.
        reason: String,
    },
    /// No audio from here on.
    Paused {
        /// The session.
        session_id: String,
        /// Who paused: `sidetone`, or the call's own `flow`.
        by: &'static str,
    },
    /// Audio goes on.
    Resumed {
        /// The session.
        session_id: String,
    },
    /// The first audio was delivered.
    AudioDelivered {
        /// The session.
        session_id: String,
        /// How much there is of it in all.
        frames: u64,
        /// How long it is.
        milliseconds: u64,
    },
    /// Audio is missing.
    AudioMissing {
        /// The session.
        session_id: String,
        /// Why.
        reason: String,
    },
    /// An audio session's connection is gone.
    AudioEnded {
        /// The session.
        session_id: String,
        /// Why.
        cause: &'static str,
    },
    /// An audio session broke the protocol before it was accepted.
    ProtocolViolated {
        /// The session.
        session_id: String,
        /// The breach, as metrics name it.
        reason: String,
        /// The breach in words, with the field.
        detail: String,
    },
    /// Requests in the organization's name were refused.
    Refused {
        /// Why.
        reason: String,
        /// How many, until the last of them.
        count: u64,
    },
}

/// Returns everything in the order of its time.
pub(crate) fn timeline(picture: &Picture<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    picture.calls.iter().for_each(|call| entries.extend(of_call(call)));
    picture.sessions.iter().for_each(|session| entries.extend(of_session(session)));
    for told in &picture.facts.told {
        let Some(session) = told.session else { continue };
        entries.extend(of_told(session, &told.body).map(|what| Entry { at: told.at, what }));
    }
    entries.extend(picture.facts.breaches.iter().chain(picture.unnamed_breaches()).map(|one| {
        let (reason, detail) = (one.reason.clone(), one.detail.clone());
        let session_id = one.session.to_string();
        Entry { at: one.at, what: What::ProtocolViolated { session_id, reason, detail } }
    }));
    if picture.refusals().next().is_some() || !picture.facts.is_heard_of() {
        entries.extend(picture.facts.refusals.iter().map(|one| {
            let what = What::Refused { reason: one.reason.clone(), count: one.count };
            Entry { at: one.last_at, what }
        }));
    }
    // Stable: what happened in one moment stays in the order in which it must have.
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn of_call(call: &Call) -> Vec<Entry> {
    let agent_id = call.agent().map(ToString::to_string);
    let mut entries: Vec<Entry> = call
        .events
        .iter()
        .map(|(event, at)| {
            let ends = matches!(event, CallEventKind::Ended | CallEventKind::Transferred);
            let what = What::CallEvent {
                event: *event,
                agent_id: agent_id.clone(),
                user_id: call.user.clone(),
                queue_id: call.queue.clone(),
                end_reason: call.end_reason.clone().filter(|_| ends),
                sources: call.sources.clone(),
            };
            Entry { at: *at, what }
        })
        .collect();
    entries.extend(call.looked_up_at.map(|at| {
        let reason = match &call.attribution {
            Attribution::Ours(_) => None,
            Attribution::NotOurs(reason) => Some(reason_name(*reason)),
        };
        Entry { at, what: What::UserLookedUp { user_id: call.user.clone(), agent_id, reason } }
    }));
    entries
}

fn of_session(session: &Session) -> Vec<Entry> {
    let session_id = session.id.to_string();
    let (door, unheard) = (session.door, session.unheard);
    let what = What::AudioOpened { session_id: session_id.clone(), door, unheard };
    let mut entries = vec![Entry { at: session.opened_at, what }];
    entries.extend(session.audio.map(|audio| {
        let milliseconds = audio.samples / 8;
        let (session_id, frames) = (session_id.clone(), audio.frames);
        let what = What::AudioDelivered { session_id, frames, milliseconds };
        Entry { at: audio.first_at, what }
    }));
    entries.extend(session.end.map(|end| {
        let cause = end_name(end.cause);
        Entry { at: end.at, what: What::AudioEnded { session_id, cause } }
    }));
    entries
}

fn of_told(session: SessionId, body: &Body) -> Option<What> {
    let session_id = session.to_string();
    Some(match body {
        Body::Match(told) if told.agent_id.is_empty() => {
            What::Unmatched { session_id, reason: told.reason.clone() }
        }
        Body::Match(told) => What::Matched { session_id, agent_id: told.agent_id.clone() },
        Body::Paused(paused) => {
            What::Paused { session_id, by: if paused.asked { "sidetone" } else { "flow" } }
        }
        Body::Resumed(_) => What::Resumed { session_id },
        Body::Gap(gap) => {
            let reason = gap.reason().as_str_name().trim_start_matches("GAP_REASON_");
            What::AudioMissing { session_id, reason: reason.to_lowercase().replace('_', "-") }
        }
        // What doors and tracker wrote themselves tells of these.
        Body::SessionStarted(_) | Body::SessionEnded(_) | Body::CallEvent(_) | Body::Audio(_) => {
            return None;
        }
    })
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AudioOpened { session_id, door, unheard } => {
                let door = match door {
                    DoorKind::Socket => "the audio door",
                    DoorKind::ApiGateway => "the API Gateway door",
                };
                let unheard = if unheard.is_some() { ", without a medium" } else { "" };
                write!(f, "audio session {session_id} opened at {door}{unheard}")
            }
            Self::CallEvent { event, agent_id, user_id, queue_id, end_reason, sources } => {
                match agent_id {
                    Some(agent) => write!(f, "{agent}: {}", event_in_words(*event))?,
                    None => write!(f, "user {user_id}: {}", event_in_words(*event))?,
                }
                if let Some(queue) = queue_id {
                    write!(f, ", queue {queue}")?;
                }
                if let Some(reason) = end_reason {
                    write!(f, " ({reason})")?;
                }
                if sources.is_empty() { Ok(()) } else { write!(f, ", by {}", sources.join(", ")) }
            }
            Self::UserLookedUp { user_id, agent_id: Some(agent), .. } => {
                write!(f, "user {user_id} is {agent}")
            }
            Self::UserLookedUp { user_id, reason, .. } => {
                write!(f, "user {user_id} is nobody of ours: {}", reason.unwrap_or("unknown"))
            }
            Self::Matched { session_id, agent_id } => {
                write!(f, "session {session_id} matched to {agent_id}")
            }
            Self::Unmatched { session_id, reason } => {
                write!(f, "session {session_id} not matched: {reason}")
            }
            Self::Paused { session_id, by } => write!(f, "session {session_id} paused by {by}"),
            Self::Resumed { session_id } => write!(f, "session {session_id} goes on"),
            Self::AudioDelivered { session_id, frames, milliseconds } => write!(
                f,
                "first audio of session {session_id}; {frames} frames, {}.{:03} s in all",
                milliseconds / 1_000,
                milliseconds % 1_000
            ),
            Self::AudioMissing { session_id, reason } => {
                write!(f, "audio of session {session_id} is missing: {reason}")
            }
            Self::AudioEnded { session_id, cause } => {
                write!(f, "audio session {session_id} ended: {cause}")
            }
            Self::ProtocolViolated { session_id, detail, .. } => {
                write!(f, "session {session_id} broke the AudioHook protocol: {detail}")
            }
            Self::Refused { reason, count } => {
                write!(f, "the last of {count} handshakes that were refused: {reason}")
            }
        }
    }
}

const fn event_in_words(event: CallEventKind) -> &'static str {
    match event {
        CallEventKind::Ringing => "it rings",
        CallEventKind::Started => "connected",
        CallEventKind::Held => "put on hold",
        CallEventKind::Retrieved => "back from hold",
        CallEventKind::Transferred => "handed over",
        CallEventKind::Ended => "ended",
        CallEventKind::Muted => "muted",
        CallEventKind::Unmuted => "not muted any more",
        CallEventKind::ConferenceStarted => "in a conference",
        CallEventKind::ConferenceEnded => "out of the conference",
        CallEventKind::WrapUpStarted => "work after the call began",
        CallEventKind::WrapUpEnded => "work after the call done",
    }
}

/// Returns the name of a reason, as the stream has it.
pub(crate) const fn reason_name(reason: NotOurs) -> &'static str {
    wire::reason_name(UnmatchedReason::NotOurs(reason))
}

const fn end_name(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Closed => "closed",
        EndCause::ConnectionLost => "connection-lost",
        EndCause::Violation => "violation",
        EndCause::Lost => "lost",
        EndCause::Shutdown => "shutdown",
        EndCause::Timeout => "timeout",
    }
}

fn as_moment<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

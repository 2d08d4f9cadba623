//! The body of `v2.users.{id}.conversations`, as far as it is used; the REST conversation has
//! the same fields in the same places.
//!
//! Refuses only a body without a conversation id. Names, numbers and attributes are not read,
//! so they cannot leak.
//! Source: docs/wire/notification.md, "Conversation bodies".

use serde::Deserialize;
use sidetone_model::{
    CommunicationId, ConversationId, EndReason, EventSource, Hold, ParticipantId, Timestamp, UserId,
};

use super::loose;
use super::value::{CallState, Purpose, WorkState, end_reason_of};

/// The whole state of a conversation at one moment: every participant, present and past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The conversation.
    pub conversation: ConversationId,
    /// Everybody, in order of joining.
    pub participants: Vec<Participant>,
    /// Who tells it.
    pub source: EventSource,
    /// It shows the conversation as it was when it was made. Otherwise it tells moments alone:
    /// who is not in it may be there still, and flags say nothing.
    pub whole: bool,
}

/// One party's stay in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Participant {
    /// The entry.
    #[serde(deserialize_with = "loose::text")]
    pub id: Option<Box<str>>,
    /// When it was connected, by the provider's clock.
    #[serde(rename = "connectedTime", deserialize_with = "loose::parsed")]
    pub connected_at: Option<Timestamp>,
    /// When it left.
    #[serde(rename = "endTime", deserialize_with = "loose::parsed")]
    pub ended_at: Option<Timestamp>,
    /// The Genesys user.
    #[serde(rename = "userId", deserialize_with = "loose::parsed")]
    pub user: Option<UserId>,
    /// What it is.
    #[serde(deserialize_with = "loose::parsed")]
    pub purpose: Option<Purpose>,
    /// The queue it came through.
    #[serde(rename = "queueId", deserialize_with = "loose::text")]
    pub queue: Option<Box<str>>,
    /// Whom it listens to silently.
    #[serde(rename = "monitoredParticipantId", deserialize_with = "loose::text")]
    pub monitored: Option<Box<str>>,
    /// Whom it coaches.
    #[serde(rename = "coachedParticipantId", deserialize_with = "loose::text")]
    pub coached: Option<Box<str>>,
    /// Whom it barged in on.
    #[serde(rename = "bargedParticipantId", deserialize_with = "loose::text")]
    pub barged: Option<Box<str>>,
    /// Somebody whom it consults, or who is consulted: a consult goes on.
    #[serde(rename = "consultParticipantId", deserialize_with = "loose::text")]
    pub consult: Option<Box<str>>,
    /// When its after-call work began.
    #[serde(rename = "startAcwTime", deserialize_with = "loose::parsed")]
    pub work_from: Option<Timestamp>,
    /// When its after-call work was done.
    #[serde(rename = "endAcwTime", deserialize_with = "loose::parsed")]
    pub work_to: Option<Timestamp>,
    /// Its voice connections.
    #[serde(deserialize_with = "loose::list")]
    pub calls: Vec<Call>,
}

/// One voice connection of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Call {
    /// The communication id.
    #[serde(deserialize_with = "loose::text")]
    pub id: Option<Box<str>>,
    /// Its state.
    #[serde(deserialize_with = "loose::parsed")]
    pub state: Option<CallState>,
    /// `inbound` or `outbound`.
    #[serde(deserialize_with = "loose::text")]
    pub direction: Option<Box<str>>,
    /// This side put the call on hold.
    #[serde(deserialize_with = "loose::flag")]
    pub held: bool,
    /// This side is on hold by the other's doing, and hears music.
    #[serde(deserialize_with = "loose::flag")]
    pub confined: bool,
    /// This side is not heard.
    #[serde(deserialize_with = "loose::flag")]
    pub muted: bool,
    /// Since when; only while on hold.
    #[serde(rename = "startHoldTime", deserialize_with = "loose::parsed")]
    pub hold_from: Option<Timestamp>,
    /// When it began to ring; only in REST.
    #[serde(rename = "startAlertingTime", deserialize_with = "loose::parsed")]
    pub alerting_at: Option<Timestamp>,
    /// When this side and the far side were connected; only from detail events, which count
    /// the time of a talk from there.
    #[serde(skip)]
    pub talks_from: Option<Timestamp>,
    /// When it was answered, by the cloud's clock.
    #[serde(rename = "connectedTime", deserialize_with = "loose::parsed")]
    pub connected_at: Option<Timestamp>,
    /// When it ended, by the provider's clock.
    #[serde(rename = "disconnectedTime", deserialize_with = "loose::parsed")]
    pub ended_at: Option<Timestamp>,
    /// Why it ended, in Genesys' spelling.
    #[serde(rename = "disconnectType", deserialize_with = "loose::text")]
    pub disconnect_type: Option<Box<str>>,
    /// The work after it.
    #[serde(rename = "afterCallWork", deserialize_with = "loose::object")]
    pub work: AfterCallWork,
    /// Holds with their true times, oldest first; only where [`Snapshot::whole`] is not.
    #[serde(skip)]
    pub hold_history: Vec<Hold>,
}

/// What an agent does when a call is over, such as taking notes of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AfterCallWork {
    /// How far it is.
    #[serde(deserialize_with = "loose::parsed")]
    pub state: Option<WorkState>,
    /// When it began.
    #[serde(rename = "startTime", deserialize_with = "loose::parsed")]
    pub from: Option<Timestamp>,
    /// When it was done.
    #[serde(rename = "endTime", deserialize_with = "loose::parsed")]
    pub to: Option<Timestamp>,
}

impl Snapshot {
    pub(super) fn from_body(body: Body, source: EventSource) -> Option<Self> {
        let (conversation, participants) = (body.id?, body.participants);
        Some(Self { conversation, participants, source, whole: true })
    }
}

impl Participant {
    /// Returns the id of the entry, empty if Genesys left it out.
    pub fn participant_id(&self) -> ParticipantId {
        ParticipantId::new(self.id.clone().unwrap_or_default())
    }

    /// Returns whether this is a supervisor who listens in on, coaches or joins another's call.
    pub const fn is_beside_another(&self) -> bool {
        self.monitored.is_some() || self.coached.is_some() || self.barged.is_some()
    }
}

impl Call {
    /// Returns the communication id, if Genesys gave one.
    pub fn communication_id(&self) -> Option<CommunicationId> {
        self.id.clone().map(CommunicationId::new)
    }

    /// Returns why it ended; what is not said counts as [`EndReason::Other`].
    pub fn end_reason(&self) -> EndReason {
        self.disconnect_type.as_deref().map_or(EndReason::Other, end_reason_of)
    }
}

/// The body before it is known to be a conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    #[serde(deserialize_with = "loose::parsed")]
    id: Option<ConversationId>,
    #[serde(deserialize_with = "loose::list")]
    participants: Vec<Participant>,
}

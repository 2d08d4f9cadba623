//! The body of `v2.users.{id}.conversations`, as far as it is used; the REST conversation has
//! the same fields in the same places.
//!
//! Refuses only a body without a conversation id. Names, numbers and attributes are not read,
//! so they cannot leak.
//! Source: docs/wire/notification.md, "Conversation bodies".

use serde::Deserialize;
use sidetone_model::{
    CommunicationId, ConversationId, EndReason, Hold, ParticipantId, Timestamp, UserId,
};

use super::loose;
use super::value::{CallState, Purpose, end_reason_of};

/// The whole state of a conversation at one moment: every participant, present and past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The conversation.
    pub conversation: ConversationId,
    /// Everybody, in order of joining.
    pub participants: Vec<Participant>,
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
    /// This side put the call on hold. (`confined` is the other side's doing, so it is not
    /// read.)
    #[serde(deserialize_with = "loose::flag")]
    pub held: bool,
    /// Since when; only while on hold.
    #[serde(rename = "startHoldTime", deserialize_with = "loose::parsed")]
    pub hold_from: Option<Timestamp>,
    /// When it began to ring; only in REST.
    #[serde(rename = "startAlertingTime", deserialize_with = "loose::parsed")]
    pub alerting_at: Option<Timestamp>,
    /// When it was answered, by the cloud's clock.
    #[serde(rename = "connectedTime", deserialize_with = "loose::parsed")]
    pub connected_at: Option<Timestamp>,
    /// When it ended, by the provider's clock.
    #[serde(rename = "disconnectedTime", deserialize_with = "loose::parsed")]
    pub ended_at: Option<Timestamp>,
    /// Why it ended, in Genesys' spelling.
    #[serde(rename = "disconnectType", deserialize_with = "loose::text")]
    pub disconnect_type: Option<Box<str>>,
    /// Every hold so far with its true times, oldest first; only from records. The flags say
    /// nothing where it is present.
    #[serde(skip)]
    pub hold_history: Option<Vec<Hold>>,
}

impl Snapshot {
    pub(super) fn from_body(body: Body) -> Option<Self> {
        Some(Self { conversation: body.id?, participants: body.participants })
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

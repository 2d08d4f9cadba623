//! What is stored of an audio session beside the legs of its conversation.

use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, ConversationKey, OwnerId, ParticipantId, SessionId};
use crate::leg::NotOurs;
use crate::media::{Media, MediaChannel};
use crate::time::Timestamp;

/// When a session asks Genesys for audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listen {
    /// Paused until an agent of ours rings or talks.
    #[default]
    Matched,
    /// Never paused before the match: the last seconds wait in memory for the connected time.
    Ready,
    /// Everything is delivered, attributed to the right agent or to none.
    Always,
}

/// What happens to audio while the agent has the customer on hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnHold {
    /// Delivered, and marked as held.
    #[default]
    Keep,
    /// Paused on the wire.
    Pause,
}

/// Why a session was not matched to an agent of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnmatchedReason {
    /// No call event of an agent was seen for the conversation.
    NoAgent,
    /// It rang at an agent of ours, who never answered.
    NotAnswered,
    /// Another session of the same conversation and participant listens.
    Duplicate,
    /// Only people who are not ours were on the call.
    NotOurs(NotOurs),
}

/// Whether a session still runs; only ever moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionPhase {
    /// Its door holds it and its socket is open.
    Live,
    /// Its socket is gone; its door still waits for call events that come late.
    Lingering,
    /// It is over, by `close`, loss of the connection, or death of its owner.
    Ended,
}

/// What kind of door accepted a session's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoorKind {
    /// One that holds the socket itself and hears.
    #[default]
    Socket,
    /// Functions behind API Gateway, which takes text messages only.
    ApiGateway,
}

/// Why a session has no audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnheardReason {
    /// Its door takes text messages only.
    TextOnlyDoor,
    /// Genesys offered no medium.
    NothingOffered,
}

/// Why a session ended.
///
/// Written in the letters in which engines at rest have always written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EndCause {
    /// Genesys closed it.
    Closed,
    /// The connection went away.
    ConnectionLost,
    /// Genesys broke the protocol.
    Violation,
    /// Its door died.
    Lost,
    /// Its door shut down.
    Shutdown,
    /// A deadline ran out.
    Timeout,
}

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// When its socket was gone; of a door that died, when that was found out.
    pub at: Timestamp,
    /// Why.
    pub cause: EndCause,
}

/// One audio session as its door wrote it into the conversation's partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionItem {
    /// The conversation.
    pub key: ConversationKey,
    /// The session.
    pub session: SessionId,
    /// The socket it came in on.
    pub connection: ConnectionId,
    /// The participant it follows, today always the customer.
    pub participant: ParticipantId,
    /// Who holds it and reads its mailbox.
    pub owner: OwnerId,
    /// When `open` arrived.
    pub opened_at: Timestamp,
    /// Whether it still runs.
    pub phase: SessionPhase,
    /// What kind of door it came in by.
    #[serde(default)]
    pub door: DoorKind,
    /// The medium it was offered and can deliver; absent if there is none, or if an older version
    /// wrote the item.
    #[serde(default)]
    pub media: Option<Media>,
    /// Why there is no audio, if there is none.
    #[serde(default)]
    pub unheard: Option<UnheardReason>,
    /// How its socket came to be gone, once it is.
    #[serde(default)]
    pub end: Option<SessionEnd>,
}

impl SessionItem {
    /// Ends a session for its door, which can no longer.
    pub fn give_up(&mut self, now: Timestamp) {
        self.phase = SessionPhase::Ended;
        self.end.get_or_insert(SessionEnd { at: now, cause: EndCause::Lost });
    }

    /// Returns whether another has ended it for its door.
    pub fn was_given_up(&self) -> bool {
        self.phase == SessionPhase::Ended && self.end.is_some_and(|end| end.cause == EndCause::Lost)
    }

    /// Returns whether this session listens before `other`, both being of one conversation and
    /// participant: the one with more channels does, or else the one that opened first, while its
    /// socket is open.
    ///
    /// A session that was offered no medium goes before none. One whose medium is not known, as
    /// an older version did not write it, counts as having one with both channels.
    pub fn goes_before(&self, other: &Self) -> bool {
        let rank = |one: &Self| {
            (std::cmp::Reverse(one.channels().len()), one.opened_at, one.connection.clone())
        };
        self.phase == SessionPhase::Live
            && self.unheard.is_none()
            && self.key == other.key
            && self.participant == other.participant
            && rank(self) < rank(other)
    }

    /// Returns the channels that it can deliver.
    pub fn channels(&self) -> Vec<MediaChannel> {
        match (self.unheard, self.media) {
            (Some(_), _) => Vec::new(),
            (None, Some(media)) => media.channels.iter().collect(),
            (None, None) => vec![MediaChannel::External, MediaChannel::Internal],
        }
    }
}

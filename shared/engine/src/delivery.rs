//! What a session hands on, before it has a number or an encoding.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sidetone_model::{
    AgentId, CallEvent, EndCause, Leg, Listen, Media, ParticipantId, Position, Timestamp,
    UnheardReason, UnmatchedReason,
};

/// One thing that leaves a session for the stream, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The session was accepted.
    SessionStarted(SessionStarted),
    /// One whole frame.
    Audio(AudioDelivery),
    /// Media that is missing.
    Gap(GapDelivery),
    /// No media from here on.
    Paused {
        /// Where.
        position: Position,
        /// Whether we had asked for it.
        asked: bool,
    },
    /// Media goes on.
    Resumed {
        /// Where the pause began.
        from: Position,
        /// Where media goes on.
        to: Position,
    },
    /// Something happened on a leg.
    CallEvent(Box<CallEventDelivery>),
    /// The match, or its reason, changed.
    Match {
        /// The agent, or why there is none.
        state: MatchState,
        /// Where.
        position: Position,
    },
    /// The last one.
    SessionEnded(SessionEnded),
}

/// Whether a session belongs to an agent of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchState {
    /// It does.
    Matched(AgentId),
    /// It does not, and why.
    Unmatched(UnmatchedReason),
}

/// How a session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStarted {
    /// The media that was selected; nothing if none was.
    pub media: Option<Media>,
    /// Why there is none.
    pub unheard: Option<UnheardReason>,
    /// The participant it follows.
    pub participant: ParticipantId,
    /// How the session decides when to listen.
    pub listen: Listen,
    /// When `open` arrived.
    pub opened_at: Timestamp,
    /// BCP-47, if Genesys said.
    pub language: Option<String>,
}

/// One whole frame with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioDelivery {
    /// Where it begins.
    pub position: Position,
    /// How long it is, per channel.
    pub samples: u32,
    /// The samples as they came.
    pub data: Bytes,
    /// Whose it is, as far as is known.
    pub agent: Option<AgentId>,
    /// Whether the agent has the customer on hold, as far as is known.
    pub held: bool,
}

impl AudioDelivery {
    /// Returns where the frame ends.
    pub const fn end(&self) -> Position {
        self.position.plus_samples(self.samples as u64)
    }
}

/// Why media is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// Genesys discarded it.
    Discarded,
    /// The event that gave it to an agent came too late.
    LateEvent,
    /// It was lost between Genesys and the door.
    Undelivered,
}

/// Media that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapDelivery {
    /// Where it begins.
    pub from: Position,
    /// Where it ends.
    pub to: Position,
    /// Why.
    pub cause: GapCause,
    /// How many whole frames; 0 if that is not known.
    pub frames: u32,
}

/// Something that happened on a leg, with its place in the media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEventDelivery {
    /// What, and when.
    pub event: CallEvent,
    /// Where in the media that is.
    pub position: Position,
    /// The leg, as it was known then.
    pub leg: Leg,
}

/// How a session ended, in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnded {
    /// Why.
    pub cause: EndCause,
    /// How far the media had come.
    pub position: Position,
    /// Frames received.
    pub frames_received: u64,
    /// Frames that belonged to an agent's leg.
    pub frames_accepted: u64,
    /// Samples per channel that Genesys streamed.
    pub streamed: Position,
    /// Samples per channel that were paused, a pause at the end included.
    pub paused: Position,
    /// When it ended.
    pub ended_at: Timestamp,
}

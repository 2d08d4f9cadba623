//! What goes into an engine, what comes out, and what can be seen of it from outside.

use bytes::Bytes;
use sidetone_audiohook_proto::{SessionEvent, Violation};
use sidetone_model::{ConversationKey, Direction, Leg, Position, SessionItem, Timestamp};

use crate::delivery::{Delivery, MatchState};
use crate::matching::Conversation;

/// What comes in.
#[derive(Debug)]
pub enum Input<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Media(Bytes),
    /// What the conversation's partition holds.
    Conversation(Conversation),
    /// Audio up to here never came and will not: it was lost on its way to the door.
    Skipped {
        /// Where the next audio belongs.
        to: Position,
    },
    /// What time it is in the world, where Genesys' clock runs. The first input of a host whose
    /// `now` is another time, and another one whenever the two have moved against each other.
    WorldTime(Timestamp),
    /// A deadline has passed.
    Timeout,
    /// What came in cannot be read as messages at all.
    Breach(Violation),
    /// The socket is gone.
    Gone,
    /// The session must not go on: its nonce was seen elsewhere.
    Refuse,
    /// The door shuts down and can wait no longer.
    Shutdown,
}

/// What goes out, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A text message to Genesys.
    Reply(String),
    /// Something for the stream.
    Publish(Delivery),
    /// Write this item, query its partition, feed it back as [`Input::Conversation`].
    Join(SessionItem),
    /// Write this item, query its partition, and tell every other session in it.
    Save(SessionItem),
    /// Close the socket.
    DropSocket,
    /// Something for the log: a violation, a fault of the client's, an oddity let pass.
    Noted(SessionEvent),
    /// Nothing will follow.
    Done,
}

/// What a person wants to know of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStatus {
    /// The conversation, once `open` came.
    pub key: Option<ConversationKey>,
    /// Whether it is Genesys' test session.
    pub probe: bool,
    /// The agent, or why there is none.
    pub state: MatchState,
    /// Whether audio is wanted and flows.
    pub listens: bool,
    /// Whether it rings at an agent of ours.
    pub rings: bool,
    /// Whether an agent of ours has the customer on hold.
    pub held: bool,
    /// How far the media has come.
    pub position: Position,
    /// Frames that belonged to an agent's leg.
    pub frames_accepted: u64,
    /// The leg of the agent who has the customer, had it last, or is called.
    pub leg: Option<LegStatus>,
}

/// An agent's leg, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegStatus {
    /// When agent and customer were connected, by Genesys' clock.
    pub connected_at: Option<Timestamp>,
    /// When the leg ended.
    pub ended_at: Option<Timestamp>,
    /// Which way the call was set up.
    pub direction: Direction,
    /// The id of the queue it came through.
    pub queue: Option<Box<str>>,
}

impl LegStatus {
    /// Describes a leg.
    pub(crate) fn of(leg: &Leg) -> Self {
        Self {
            connected_at: leg.connected_at,
            ended_at: leg.ended_at,
            direction: leg.direction,
            queue: leg.queue.clone(),
        }
    }
}

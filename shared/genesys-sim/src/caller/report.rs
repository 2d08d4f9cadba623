//! What came of a session, as its client saw it.

use std::time::Duration;

use sidetone_audiohook_proto::{ClientEvent, EndCause, ServerFault};
use sidetone_model::{ConversationId, Media, Position, SessionId, Timestamp};

use crate::voice::Stretch;

/// Entries of a report's log: a call of a day has fewer.
pub const LOG_ENTRIES_MAX: usize = 32_768;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: ClientEvent,
}

/// What came of a session.
#[derive(Debug, Clone)]
pub struct CallerReport {
    /// The session.
    pub session: SessionId,
    /// The conversation it belonged to; null for a probe.
    pub conversation: ConversationId,
    /// When position zero was.
    pub begins: Timestamp,
    /// How often it connected or tried to.
    pub attempts: u32,
    /// When the server accepted; nothing if it never did.
    pub opened_at: Option<Timestamp>,
    /// From `open` to `opened`.
    pub opened_after: Option<Duration>,
    /// What the server selected.
    pub media: Option<Media>,
    /// Whether the server began paused.
    pub began_paused: bool,
    /// Binary messages with media.
    pub frames_sent: u64,
    /// Which media was sent, in order.
    pub sent: Vec<Stretch>,
    /// What was not sent by the client's own will: its pauses, and what it discarded.
    pub withheld: Vec<Stretch>,
    /// What was sent, and lost by the relay that carried it.
    pub lost: Vec<Stretch>,
    /// What lay in pauses of either side.
    pub paused: Vec<Stretch>,
    /// Where the stream ended.
    pub length: Position,
    /// How the server broke the protocol, all attempts together.
    pub faults: Vec<ServerFault>,
    /// Why the session is over.
    pub end: EndCause,
    /// All that happened, in order; at most [`LOG_ENTRIES_MAX`] entries.
    pub log: Vec<LogEntry>,
}

impl CallerReport {
    /// Returns whether the session ran as it should: opened, closed in order, no fault.
    pub fn is_clean(&self) -> bool {
        self.end == EndCause::Completed && self.faults.is_empty() && self.opened_at.is_some()
    }

    /// Returns every time between a `ping` and its `pong`.
    pub fn round_trips(&self) -> impl Iterator<Item = Duration> {
        self.log.iter().filter_map(|entry| match entry.event {
            ClientEvent::RoundTrip(time) => Some(time),
            ClientEvent::Opened { .. }
            | ClientEvent::Paused { .. }
            | ClientEvent::Resumed { .. }
            | ClientEvent::Discarded { .. }
            | ClientEvent::Updated
            | ClientEvent::ReconnectAsked
            | ClientEvent::Disconnected { .. }
            | ClientEvent::ServerFault(_)
            | ClientEvent::Ended { .. } => None,
        })
    }
}

//! What the server session takes in: the handshake, the socket's input, the engine's wishes.

use std::fmt;

use bytes::Bytes;
use sidetone_model::{Media, OrganizationId, Position};

use super::violation::Violation;
use crate::wire::{DisconnectReason, SessionIdText};

/// What the handshake said, checked by whoever accepted the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// Whom the credentials belong to; `open` must name the same.
    pub organization: OrganizationId,
    /// The session, as the header spells it.
    pub session_id: SessionIdText,
}

/// What comes from the socket, or from the clock.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerInput<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Media(Bytes),
    /// Media up to here was lost on its way to the door.
    Skipped {
        /// Where the next sample belongs.
        to: Position,
    },
    /// The deadline has passed.
    Timeout,
    /// The client broke the protocol below the level of messages, as the door saw it.
    Breach(Violation),
    /// The socket has ended.
    Gone,
}

impl fmt::Debug for ServerInput<'_> {
    /// Shows kinds and sizes: texts hold phone numbers, media holds voices.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Media(bytes) => write!(f, "Media({} bytes)", bytes.len()),
            Self::Skipped { to } => write!(f, "Skipped(to {})", to.samples()),
            Self::Timeout => f.write_str("Timeout"),
            Self::Breach(violation) => write!(f, "Breach({})", violation.label()),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

/// What the engine wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCommand {
    /// Accept the session. Without effect unless `open` waits for an answer.
    Open(OpenAnswer),
    /// Turn our pause on. Sent when the client takes it, and only if it changes something.
    Pause,
    /// Turn our pause off; as above. Audio follows only if the client is not paused itself.
    Resume,
    /// Refuse, end or fail the session. Without effect once the end has begun.
    Disconnect {
        /// Why; a fault is retried by Genesys, the others are not.
        reason: DisconnectReason,
        /// For Genesys' log; a constant, so that it cannot hold personal data.
        info: Option<&'static str>,
    },
    /// Ask for a planned handover; without effect unless [`super::ServerConfig::reconnection`].
    Reconnect,
}

/// How a session is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenAnswer {
    /// One of the offers, or none for a session without audio.
    pub media: Option<Media>,
    /// Whether to begin with our pause on.
    pub start_paused: bool,
    /// Up to where buffered audio is not wanted; sent if that is ahead. May be ignored.
    pub discard_to: Option<Position>,
    /// The languages to list; sent if `open` asks.
    pub supported_languages: Vec<String>,
}

/// Why a command cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerCommandError {
    /// The medium chosen is none of those offered; `open` still waits for an answer.
    #[error("the chosen medium was not offered")]
    NotOffered,
}

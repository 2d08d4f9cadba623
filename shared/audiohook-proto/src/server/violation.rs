//! What a client can do wrong that costs it the session.
//!
//! Source: docs/wire/audiohook.md, "Violations".

use crate::wire::DisconnectReason;

/// A breach of the protocol; answered by `disconnect`.
///
/// Holds counters at most, nothing of what the client sent: it is made for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// A text message over the limit.
    #[error("text of {bytes} bytes is too large")]
    TextTooLarge {
        /// How long it was.
        bytes: usize,
    },
    /// A binary message over the limit.
    #[error("frame of {bytes} bytes is too large")]
    FrameTooLarge {
        /// How long it was.
        bytes: usize,
    },
    /// A message over the limit, refused before it was read.
    #[error("message of {bytes} bytes is too large")]
    MessageTooLarge {
        /// How long it says that it is.
        bytes: usize,
    },
    /// What came is not what the WebSocket protocol allows.
    #[error("not a WebSocket message")]
    NotWebSocket,
    /// A message began to arrive and did not end.
    #[error("message not finished in time")]
    Unfinished,
    /// A text message that is not JSON.
    #[error("text is not JSON")]
    NotJson,
    /// JSON that is not an AudioHook envelope.
    #[error("envelope is not well formed")]
    Envelope,
    /// `seq` has a gap or repeats.
    #[error("expected seq {expected}, got {got}")]
    Sequence {
        /// The last one plus one.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// `serverseq` is above all we ever sent.
    #[error("expected serverseq up to {sent}, got {got}")]
    ServerSequence {
        /// Our last `seq`.
        sent: u64,
        /// What came.
        got: u64,
    },
    /// The message is of another session.
    #[error("message is of another session")]
    SessionId,
    /// `open` is of another organization than the credentials.
    #[error("open is of another organization")]
    Organization,
    /// The parameters are not what the type asks for.
    #[error("parameters are missing or invalid{}", in_field(*.field))]
    Parameters {
        /// Which, by name.
        field: Option<&'static str>,
    },
    /// Audio before `opened`.
    #[error("audio before opened")]
    AudioBeforeOpened,
    /// Audio after `paused`.
    #[error("audio while paused")]
    AudioWhilePaused,
    /// Audio although no medium was selected.
    #[error("audio without a medium")]
    AudioWithoutMedium,
    /// A frame that does not hold whole samples.
    #[error("frame of {bytes} bytes has a partial sample")]
    RaggedFrame {
        /// How long it was.
        bytes: usize,
    },
    /// No `open` in time.
    #[error("no open in time")]
    NoOpen,
    /// No `ping` in time.
    #[error("no ping in time")]
    NoPing,
}

fn in_field(field: Option<&str>) -> String {
    field.map(|field| format!(", first of them {field}")).unwrap_or_default()
}

impl Violation {
    /// Returns a name for metrics, of which there are as many as variants.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TextTooLarge { .. } => "text-too-large",
            Self::FrameTooLarge { .. } => "frame-too-large",
            Self::MessageTooLarge { .. } => "message-too-large",
            Self::NotWebSocket => "not-websocket",
            Self::Unfinished => "unfinished-message",
            Self::NotJson => "not-json",
            Self::Envelope => "envelope",
            Self::Sequence { .. } => "sequence",
            Self::ServerSequence { .. } => "server-sequence",
            Self::SessionId => "session-id",
            Self::Organization => "organization",
            Self::Parameters { .. } => "parameters",
            Self::AudioBeforeOpened => "audio-before-opened",
            Self::AudioWhilePaused => "audio-while-paused",
            Self::AudioWithoutMedium => "audio-without-medium",
            Self::RaggedFrame { .. } => "ragged-frame",
            Self::NoOpen => "no-open",
            Self::NoPing => "no-ping",
        }
    }

    /// Returns the reason of the `disconnect` that answers it.
    pub(super) const fn reason(self) -> DisconnectReason {
        match self {
            Self::Organization => DisconnectReason::Unauthorized,
            Self::TextTooLarge { .. }
            | Self::FrameTooLarge { .. }
            | Self::MessageTooLarge { .. }
            | Self::NotWebSocket
            | Self::Unfinished
            | Self::NotJson
            | Self::Envelope
            | Self::Sequence { .. }
            | Self::ServerSequence { .. }
            | Self::SessionId
            | Self::Parameters { .. }
            | Self::AudioBeforeOpened
            | Self::AudioWhilePaused
            | Self::AudioWithoutMedium
            | Self::RaggedFrame { .. }
            | Self::NoOpen
            | Self::NoPing => DisconnectReason::Error,
        }
    }

    /// Returns what Genesys may log of it: fixed words, and nothing about credentials.
    pub(super) const fn public_text(self) -> Option<&'static str> {
        match self {
            Self::TextTooLarge { .. } => Some("Client Error: Text message too large"),
            Self::FrameTooLarge { .. } => Some("Client Error: Binary message too large"),
            Self::MessageTooLarge { .. } => Some("Client Error: Message too large"),
            Self::NotWebSocket => Some("Client Error: Not a WebSocket message"),
            Self::Unfinished => Some("Client Error: Timeout waiting for the rest of a message"),
            Self::NotJson => Some("Client Error: Text message not valid JSON"),
            Self::Envelope => Some("Client Error: Message not a well-formed client message"),
            Self::Sequence { .. } => {
                Some("Client Error: Invalid seq value (not monotonically increasing)")
            }
            Self::ServerSequence { .. } => Some("Client Error: Invalid serverseq value"),
            Self::SessionId => Some("Client Error: Session identifier mismatch"),
            Self::Organization => None,
            Self::Parameters { .. } => Some("Client Error: Invalid/missing parameters"),
            Self::AudioBeforeOpened => Some("Client Error: Received audio before opened"),
            Self::AudioWhilePaused => Some("Client Error: Received audio while paused"),
            Self::AudioWithoutMedium => {
                Some("Client Error: Unexpected binary message: No media selected")
            }
            Self::RaggedFrame { .. } => Some("Client Error: Binary data not a valid audio frame"),
            Self::NoOpen => Some("Client Error: Timeout waiting for open"),
            Self::NoPing => Some("Client Error: Timeout waiting for ping"),
        }
    }
}

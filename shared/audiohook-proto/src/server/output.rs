//! What the server session hands out: messages to send, and what the engine must know.

use std::time::Duration;

use sidetone_model::Position;

use super::violation::Violation;
use crate::frame::Frame;
use crate::wire::{CloseReason, DisconnectReason, Open};

/// One thing for the driver or the engine to do; in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerOutput {
    /// Send this text message. There is no binary output: Monitor sessions have none.
    Send(String),
    /// Something happened.
    Event(SessionEvent),
    /// Close the socket: the client did not, in all the time it had.
    DropSocket,
}

/// What happened in a session.
///
/// Positions are where a thing takes effect: audio before it is at lower positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The client wants a session; answer with `ServerCommand::Open` or
    /// `ServerCommand::Disconnect`.
    OpenRequested {
        /// Where its media begins: zero, except when it continues another session.
        position: Position,
        /// All it says; [`Open::is_probe`] tells a test from a call.
        open: Box<Open>,
    },
    /// Audio came while it was legal; never an empty frame.
    Audio {
        /// Where its first sample is.
        position: Position,
        /// The samples, as they came.
        frame: Frame,
    },
    /// The client said `paused`, each time it does: no audio follows until `Resumed`.
    Paused {
        /// Where audio ends.
        position: Position,
        /// Whose pause it is.
        cause: PauseCause,
    },
    /// The client said `resumed`: audio may follow.
    Resumed {
        /// Where audio ended.
        start: Position,
        /// Where audio goes on; the same if nothing was left out.
        position: Position,
    },
    /// The client dropped audio.
    Discarded {
        /// Where the gap begins.
        start: Position,
        /// Where audio goes on.
        to: Position,
    },
    /// Audio was lost on its way to the door.
    Undelivered {
        /// Where the gap begins.
        start: Position,
        /// Where audio goes on.
        to: Position,
    },
    /// A message disagreed with the samples counted; its position is believed.
    Drifted {
        /// What was counted.
        expected: Position,
        /// What the message said, and where audio goes on.
        stated: Position,
    },
    /// A message said how far the media had come; any message but those after our
    /// `disconnect`. Made for aligning clocks: unlike audio it moves on during a pause.
    PositionObserved {
        /// How far.
        position: Position,
    },
    /// The language changed; `updated` is sent by itself.
    LanguageUpdated {
        /// From where on.
        position: Position,
        /// The new one, if the client said.
        language: Option<Box<str>>,
    },
    /// The client reported a fault; a fatal one is followed by its `close`.
    ClientError {
        /// Like an HTTP status.
        code: u32,
        /// For how long it wants no message, with 429; honoured by itself.
        retry_after: Option<Duration>,
        /// Its words, for the log; cut to [`SessionEvent::CLIENT_TEXT_MAX`] characters.
        message: Option<Box<str>>,
    },
    /// The client broke the protocol; `disconnect` is sent by itself.
    Violation(Violation),
    /// The client did something odd that is let pass.
    Tolerated(Tolerated),
    /// The end has begun: no audio follows. At most once, and not when the connection is lost.
    Closing {
        /// Where audio ends.
        position: Position,
        /// Why.
        reason: ClosingReason,
    },
    /// The session is over. Exactly once, as the last event.
    Closed {
        /// Where audio ended.
        position: Position,
        /// How it ended.
        by: ClosedBy,
    },
}

impl SessionEvent {
    /// The most characters that are kept of a client's own words.
    pub const CLIENT_TEXT_MAX: usize = 200;
}

/// Whose pause a `paused` means, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PauseCause {
    /// The answer to our `pause`, or to opening paused.
    Answer,
    /// The client's own: our switch was off when it was sent.
    Client,
    /// Said again while our switch is on: perhaps the client's own switch moved.
    Repeat,
}

/// Why a session begins to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosingReason {
    /// The client said `close`, and perhaps why.
    Client(Option<CloseReason>),
    /// The engine said `ServerCommand::Disconnect`.
    Requested(DisconnectReason),
    /// The client broke the protocol.
    Violation(Violation),
    /// The engine did not answer `open` in time.
    Unanswered,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// `close` was answered by `closed`.
    Agreement,
    /// The client did not answer our `disconnect` in time.
    Timeout,
    /// The socket ended without `close`.
    Loss,
}

/// What a client did that is odd and does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tolerated {
    /// A message of a type we do not know: newer clients have more.
    UnknownType,
    /// `open` again.
    SecondOpen,
    /// A message before `opened` that means nothing there, such as `ping`; it gets no answer.
    BeforeOpened,
    /// A message of the Audio Connector.
    ConnectorOnly,
}

impl Tolerated {
    /// Returns a name for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownType => "unknown-type",
            Self::SecondOpen => "second-open",
            Self::BeforeOpened => "before-opened",
            Self::ConnectorOnly => "connector-only",
        }
    }
}

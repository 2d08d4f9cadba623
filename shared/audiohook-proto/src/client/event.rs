//! What goes into the client machine and what comes out of it.

use std::time::Duration;

use sidetone_model::{Media, Position};

use crate::wire::DisconnectReason;

/// Something that happens to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientInput<'a> {
    /// The WebSocket is there.
    SocketOpened,
    /// There will be none.
    ConnectFailed(ConnectFailure),
    /// It went away.
    SocketClosed,
    /// A text message arrived, whole.
    Text(&'a str),
    /// A binary message of so many bytes arrived.
    Binary(usize),
    /// A deadline has come.
    Timeout,
    /// The client's own pause begins: a secure flow, or monitoring switched off.
    Pause,
    /// The client's own pause ends.
    Resume,
    /// The conversation's language changes.
    Update {
        /// The new one.
        language: String,
    },
    /// Throttling: the audio of this length, from where the stream stands, is dropped.
    Discard(Duration),
    /// The stream is over.
    End,
}

/// Why there is no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// No address, or nobody listens there.
    HostUnavailable,
    /// The server answered the upgrade with this status.
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The connection broke while it was set up.
    Broken,
    /// It took too long.
    Timeout,
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOutput {
    /// Send a text message.
    Send(String),
    /// Send one binary message with this stretch of media; empty if `from` equals `to`.
    SendAudio {
        /// The format and channels selected.
        media: Media,
        /// First sample.
        from: Position,
        /// Behind the last sample.
        to: Position,
        /// How to spoil it.
        fault: Option<FrameFault>,
    },
    /// Close the WebSocket; nothing more will be sent.
    CloseSocket,
    /// Tell whoever watches.
    Event(ClientEvent),
}

/// How a frame breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameFault {
    /// A byte too many.
    Odd,
    /// More bytes than a message may have, whatever the stretch.
    Oversize,
    /// Sent although the client has said `paused`; its content should be recognisable.
    AfterPaused,
}

/// Something worth knowing about the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server accepted.
    Opened {
        /// What it selected; nothing for a session without audio.
        media: Option<Media>,
        /// Whether it begins paused, by either side's will.
        paused: bool,
        /// From `open` to `opened`.
        latency: Duration,
    },
    /// The client said `paused`.
    Paused {
        /// Where the stream stands.
        position: Position,
    },
    /// The client said `resumed`.
    Resumed {
        /// Where the pause began.
        start: Position,
        /// Where audio goes on.
        position: Position,
    },
    /// The client said `discarded`.
    Discarded {
        /// Where the gap began.
        start: Position,
        /// Where audio goes on.
        position: Position,
    },
    /// A `pong` came.
    RoundTrip(Duration),
    /// The server accepted an update.
    Updated,
    /// The server asked for a handover, which this client does not do.
    ReconnectAsked,
    /// The server said `disconnect`.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
        /// Its text for the log.
        info: Option<String>,
    },
    /// The server broke the protocol.
    ServerFault(ServerFault),
    /// It is over.
    Ended {
        /// Why.
        cause: EndCause,
        /// Whether the real client would try again.
        retry: bool,
    },
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// The stream ended, or the probe had its answer, and the server said `closed`.
    Completed,
    /// The server said `disconnect`.
    Disconnected(DisconnectReason),
    /// There never was a WebSocket.
    ConnectFailed(ConnectFailure),
    /// The WebSocket went away.
    ConnectionLost,
    /// No `opened`.
    OpenTimeout,
    /// No `pong`.
    PongTimeout,
    /// No `closed`.
    CloseTimeout,
    /// The server broke the protocol in a way that ends a session.
    Fault {
        /// The code that the client reported.
        code: u32,
    },
    /// It was told to misbehave and went without `close`.
    Abandoned,
}

impl EndCause {
    /// Returns whether the real client tries again; it does so only while setting up.
    pub const fn is_retried(self, was_opened: bool) -> bool {
        if was_opened {
            return false;
        }
        match self {
            Self::ConnectionLost
            | Self::OpenTimeout
            | Self::Disconnected(DisconnectReason::Error)
            | Self::ConnectFailed(ConnectFailure::Broken | ConnectFailure::Timeout) => true,
            Self::Completed
            | Self::Disconnected(
                DisconnectReason::Completed
                | DisconnectReason::Unauthorized
                | DisconnectReason::Rejected,
            )
            | Self::ConnectFailed(
                ConnectFailure::HostUnavailable | ConnectFailure::Refused { .. },
            )
            | Self::PongTimeout
            | Self::CloseTimeout
            | Self::Fault { .. }
            | Self::Abandoned => false,
        }
    }
}

/// A deviation of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// A message over 64,000 bytes.
    #[error("message of {bytes} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A text that is not JSON.
    #[error("text is not JSON")]
    NotJson,
    /// JSON without a proper envelope, `parameters` included.
    #[error("not an AudioHook server message")]
    Envelope,
    /// A message whose parameters are wrong.
    #[error("{kind} with missing, unknown or invalid parameters")]
    Parameters {
        /// Its type.
        kind: String,
    },
    /// A number that is not the next one.
    #[error("expected sequence {expected} but received sequence {got}")]
    Seq {
        /// The next one.
        expected: u64,
        /// The one that came.
        got: u64,
    },
    /// A session id that is not spelt as ours.
    #[error("message of another session, or its id spelt differently")]
    Id,
    /// It acknowledged what was never sent.
    #[error("clientseq {got} but only {sent} messages were sent")]
    AckAhead {
        /// What it acknowledged.
        got: u64,
        /// What was sent.
        sent: u64,
    },
    /// It acknowledged less than before.
    #[error("clientseq {got} after {before}")]
    AckWentBack {
        /// What it acknowledged.
        got: u64,
        /// What it had acknowledged.
        before: u64,
    },
    /// A message that is not legal in this state.
    #[error("unexpected {kind}, {state}")]
    Unexpected {
        /// Its type.
        kind: String,
        /// What the client was doing, or what was missing.
        state: &'static str,
    },
    /// A type that no server message has.
    #[error("unknown message type {kind}")]
    UnknownType {
        /// Its name.
        kind: String,
    },
    /// An `event`, which a Monitor session has none of.
    #[error("event messages are not allowed")]
    EventOnMonitor,
    /// More than one medium.
    #[error("more than one media selected")]
    MediaTwice,
    /// A medium that was not offered.
    #[error("selected media not one of the offered")]
    MediaNotOffered,
    /// No list of languages although `open` asked for one.
    #[error("opened without supportedLanguages")]
    LanguagesMissing,
    /// A `pong` for another message than the `ping`.
    #[error("pong for {got} instead of {expected}")]
    PongDiffers {
        /// The ping's `seq`.
        expected: u64,
        /// The pong's `clientseq`.
        got: u64,
    },
    /// A `pong` without `ping`.
    #[error("pong without ping")]
    PongUnasked,
    /// A `closed` that does not acknowledge the `close`.
    #[error("closed for {got} instead of {expected}")]
    ClosedDiffers {
        /// The close's `seq`.
        expected: u64,
        /// The closed's `clientseq`.
        got: u64,
    },
    /// A binary message.
    #[error("unexpected binary message of {bytes} bytes")]
    Binary {
        /// Its size.
        bytes: usize,
    },
    /// More messages than the rate allows.
    #[error("too many messages")]
    TooManyMessages,
    /// No `opened` in time.
    #[error("timed out waiting for opened")]
    OpenTimeout,
    /// No `pong` in time.
    #[error("timed out waiting for pong")]
    PongTimeout,
    /// No `closed` in time.
    #[error("timed out waiting for closed")]
    CloseTimeout,
    /// It closed the WebSocket before the client did.
    #[error("server closed the socket first")]
    ClosedSocketFirst,
}

//! What is stored of an organization as a whole: how its tracker does, and who was turned away.
//!
//! It stands in the calls table under the nil conversation, which Genesys gives to probes only.
//! Refuses: names, numbers, secrets. It is read by whoever explains a call.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::time::Timestamp;

/// How a tracker was doing when it last said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerReport {
    /// When it said so; one that runs says so several times a minute.
    pub at: Timestamp,
    /// Since when events of everybody whom it follows arrive without a break; absent while they
    /// do not.
    pub connected_since: Option<Timestamp>,
    /// How many Genesys users it follows.
    pub followed: usize,
    /// How many telephony agent ids several Genesys users have.
    pub collisions: usize,
    /// How many followed users' topics Genesys would not give.
    pub rejected: usize,
    /// When it last heard of any conversation.
    pub last_event_at: Option<Timestamp>,
    /// What stood in its way, in words for an operator.
    pub problem: Option<String>,
    /// By how much the clock of its machine is ahead of Genesys', where the two differ. Units:
    /// milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_ms: Option<i64>,
}

impl TrackerReport {
    /// The name of its item.
    pub const ITEM_NAME: &str = "tracker#report";
}

/// Handshakes in an organization's name that a door refused for one reason.
///
/// Nobody has proved to be of that organization: it is what the requests claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalReport {
    /// Why, as metrics and log name it.
    pub reason: String,
    /// When the first of them came.
    pub first_at: Timestamp,
    /// When the last of them came.
    pub last_at: Timestamp,
    /// How many there were.
    pub count: u64,
}

/// Why a request for a session cannot become a WebSocket, found before anything of it is
/// authenticated.
///
/// Mostly a proxy in front of the door changed the request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum HandshakeFault {
    /// The path is another one.
    #[error("the path of the request is not the path of this door")]
    Path,
    /// Another method than GET.
    #[error("the method of the request is not GET")]
    Method,
    /// It does not ask for a WebSocket.
    #[error("the request has no header Upgrade: websocket")]
    Upgrade,
    /// HTTP/1.0, which has no upgrade.
    #[error("the request is HTTP/1.0")]
    Version,
    /// `Connection` does not name `Upgrade`.
    #[error("the header Connection of the request does not name Upgrade")]
    Connection,
    /// It has a body.
    #[error("the request has a body")]
    Body,
    /// Another version of WebSocket.
    #[error("the header Sec-WebSocket-Version of the request is not 13")]
    WebSocketVersion,
    /// No key, several, or a malformed one.
    #[error("the header Sec-WebSocket-Key of the request is missing or malformed")]
    WebSocketKey,
}

impl HandshakeFault {
    /// Every fault there is.
    pub const ALL: [Self; 8] = [
        Self::Path,
        Self::Method,
        Self::Upgrade,
        Self::Version,
        Self::Connection,
        Self::Body,
        Self::WebSocketVersion,
        Self::WebSocketKey,
    ];

    /// Returns the name for metrics and for [`RefusalReport::reason`].
    pub const fn label(self) -> &'static str {
        match self {
            Self::Path => "handshake-path",
            Self::Method => "handshake-method",
            Self::Upgrade => "handshake-upgrade",
            Self::Version => "handshake-http-version",
            Self::Connection => "handshake-connection",
            Self::Body => "handshake-body",
            Self::WebSocketVersion => "handshake-websocket-version",
            Self::WebSocketKey => "handshake-websocket-key",
        }
    }

    /// Returns the fault of a name.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.label() == label)
    }

    /// Returns the setting of a proxy to change.
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::Path => {
                "use the same path in the AudioHook integration, in the proxy and in \
                 audiohook.path, without a slash at the end; in nginx, give proxy_pass no path of \
                 its own"
            }
            Self::Method => "let the proxy forward the request with its method GET",
            Self::Upgrade | Self::Version | Self::Connection => {
                "let the proxy forward WebSockets; nginx does with: proxy_http_version 1.1; \
                 proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; \
                 proxy_set_header Host $http_host; Caddy does with reverse_proxy alone, so remove \
                 header_up lines that change Upgrade or Connection"
            }
            Self::Body => "let the proxy add no Content-Length and no Transfer-Encoding",
            Self::WebSocketVersion | Self::WebSocketKey => {
                "let the proxy forward the Sec-WebSocket headers unchanged"
            }
        }
    }
}

impl RefusalReport {
    /// Returns what was wrong with the requests, if they were refused before authentication.
    pub fn handshake_fault(&self) -> Option<HandshakeFault> {
        HandshakeFault::from_label(&self.reason)
    }

    /// What the names of its items begin with.
    pub const ITEM_PREFIX: &str = "refusal#";
}

/// An audio session that ended by a breach of the protocol before its conversation was accepted.
///
/// It is stored under the conversation that its `open` names, if that can be read; otherwise under
/// the nil conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachReport {
    /// The session.
    pub session: SessionId,
    /// When it happened.
    pub at: Timestamp,
    /// The breach, as metrics name it.
    pub reason: String,
    /// The breach in words, with the field; nothing of what the client sent.
    pub detail: String,
}

impl BreachReport {
    /// What the names of its items begin with.
    pub const ITEM_PREFIX: &str = "breach#";
}

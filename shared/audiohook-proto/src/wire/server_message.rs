//! Messages from the server to Genesys (or the simulator).
//!
//! Written with exactly the documented fields: the production client refuses others.
//! Source: docs/wire/audiohook.md, "Server messages".

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sidetone_model::Media;

use super::envelope::{self, Empty, PROTOCOL_VERSION, WireError};
use super::media_entry;
use super::media_time::MediaTime;
use super::raw_json::RawJson;
use super::session_id_text::SessionIdText;

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// The session, in the client's spelling.
    pub id: SessionIdText,
    /// The server's counter: 1, then one more for every text message.
    pub seq: u64,
    /// The highest `seq` of the client that the server has processed.
    pub clientseq: u64,
    /// What it says.
    pub body: ServerBody,
}

/// The envelope of a server message; its parameters wait in [`ServerEnvelope::body`].
#[derive(Debug, Clone)]
pub struct ServerEnvelope<'a> {
    /// The session.
    pub id: SessionIdText,
    /// What kind of message this is.
    pub kind: Cow<'a, str>,
    /// The server's counter.
    pub seq: u64,
    /// The highest `seq` of the client that the server has processed.
    pub clientseq: u64,
    parameters: &'a RawValue,
}

/// What a server message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerBody {
    /// Accepts the session.
    Opened(Opened),
    /// Answers `ping`.
    Pong,
    /// Wants no audio.
    Pause,
    /// Wants audio again.
    Resume,
    /// Accepts an `update`.
    Updated,
    /// Refuses, ends or fails the session.
    Disconnect(Disconnect),
    /// Answers `close`; the last message.
    Closed,
    /// Asks for a planned handover; experimental.
    Reconnect {
        /// For the log.
        info: Option<String>,
    },
    /// Hands results to the client; Transcription and Audio Connector only.
    Event {
        /// What happened, each `{type, data}`.
        entities: Vec<RawJson>,
    },
    /// A type this crate does not know.
    Unknown {
        /// Its name.
        kind: String,
    },
}

/// The parameters of `opened`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// The medium chosen from the offers, or none for a session without audio.
    #[serde(with = "media_entry::selection")]
    pub media: Vec<Media>,
    /// Whether the session begins in the server's pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_paused: Option<bool>,
    /// Up to where buffered audio is not wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discard_to: Option<MediaTime>,
    /// The languages, if `open` asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supported_languages: Option<Vec<String>>,
}

/// The parameters of `disconnect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disconnect {
    /// Why.
    pub reason: DisconnectReason,
    /// For Genesys' log; never personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Cow<'static, str>>,
    /// Results for the flow; Audio Connector only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_variables: Option<BTreeMap<String, String>>,
}

/// Why the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisconnectReason {
    /// Done; normal.
    Completed,
    /// The client's credentials do not allow this; not retried.
    Unauthorized,
    /// A fault; retried.
    Error,
    /// A reconnecting session is not wanted; the old one goes on.
    Rejected,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    id: SessionIdText,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    seq: u64,
    clientseq: u64,
    #[serde(borrow)]
    parameters: &'a RawValue,
}

#[derive(Serialize)]
struct Outgoing<'a, P> {
    version: &'static str,
    id: &'a SessionIdText,
    #[serde(rename = "type")]
    kind: &'a str,
    seq: u64,
    clientseq: u64,
    parameters: P,
}

#[derive(Serialize, Deserialize)]
struct Reconnect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    entities: Vec<RawJson>,
}

#[derive(Serialize)]
struct EventRef<'a> {
    entities: &'a [RawJson],
}

impl<'a> ServerEnvelope<'a> {
    /// Reads the envelope of a text message.
    ///
    /// Errors: [`WireError::NotJson`], [`WireError::Envelope`].
    pub fn parse(text: &'a str) -> Result<Self, WireError> {
        let Incoming { version, id, kind, seq, clientseq, parameters } =
            serde_json::from_str(text).map_err(|error| WireError::of_envelope(&error))?;
        envelope::check(&version, parameters)?;
        Ok(Self { id, kind, seq, clientseq, parameters })
    }

    /// Reads the parameters as the type asks; the media of `opened` as strictly as the
    /// production client does.
    ///
    /// Errors: [`WireError::Parameters`].
    pub fn body(&self) -> Result<ServerBody, WireError> {
        let parameters = self.parameters;
        Ok(match &*self.kind {
            "opened" => ServerBody::Opened(envelope::read(parameters)?),
            "pong" => ServerBody::Pong,
            "pause" => ServerBody::Pause,
            "resume" => ServerBody::Resume,
            "updated" => ServerBody::Updated,
            "disconnect" => ServerBody::Disconnect(envelope::read(parameters)?),
            "closed" => ServerBody::Closed,
            "reconnect" => {
                let Reconnect { info } = envelope::read(parameters)?;
                ServerBody::Reconnect { info }
            }
            "event" => {
                let Event { entities } = envelope::read(parameters)?;
                ServerBody::Event { entities }
            }
            unknown => ServerBody::Unknown { kind: unknown.to_owned() },
        })
    }

    /// Returns the parameters as they came.
    pub fn parameters(&self) -> &'a str {
        self.parameters.get()
    }
}

impl ServerMessage {
    /// Reads a whole text message.
    ///
    /// Errors: any [`WireError`].
    pub fn parse(text: &str) -> Result<Self, WireError> {
        let envelope = ServerEnvelope::parse(text)?;
        let body = envelope.body()?;
        let ServerEnvelope { id, seq, clientseq, .. } = envelope;
        Ok(Self { id, seq, clientseq, body })
    }

    /// Writes the message.
    pub fn to_json(&self) -> String {
        match &self.body {
            ServerBody::Opened(opened) => self.write(opened),
            ServerBody::Disconnect(disconnect) => self.write(disconnect),
            ServerBody::Reconnect { info } => self.write(Reconnect { info: info.clone() }),
            ServerBody::Event { entities } => self.write(EventRef { entities }),
            ServerBody::Pong
            | ServerBody::Pause
            | ServerBody::Resume
            | ServerBody::Updated
            | ServerBody::Closed
            | ServerBody::Unknown { .. } => self.write(Empty {}),
        }
    }

    fn write(&self, parameters: impl Serialize) -> String {
        envelope::write(&Outgoing {
            version: PROTOCOL_VERSION,
            id: &self.id,
            kind: self.body.kind(),
            seq: self.seq,
            clientseq: self.clientseq,
            parameters,
        })
    }
}

impl ServerBody {
    /// Returns the type's name on the wire.
    pub fn kind(&self) -> &str {
        match self {
            Self::Opened(_) => "opened",
            Self::Pong => "pong",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Updated => "updated",
            Self::Disconnect(_) => "disconnect",
            Self::Closed => "closed",
            Self::Reconnect { .. } => "reconnect",
            Self::Event { .. } => "event",
            Self::Unknown { kind } => kind,
        }
    }
}

#[cfg(test)]
mod tests;

//! Messages from Genesys (or the simulator) to the server.
//!
//! Source: docs/wire/audiohook.md, "Client messages".

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sidetone_model::{ConversationId, Format, Media, OrganizationId, ParticipantId, Pii};

use super::envelope::{self, Empty, PROTOCOL_VERSION, WireError};
use super::media_entry;
use super::media_time::MediaTime;
use super::optional;
use super::raw_json::RawJson;
use super::session_id_text::SessionIdText;

/// A message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMessage {
    /// The session, as spelt by the client.
    pub id: SessionIdText,
    /// The client's counter: 1, then one more for every text message.
    pub seq: u64,
    /// The highest `seq` of the server that the client has seen.
    pub serverseq: u64,
    /// Where the client's media stood when it sent this.
    pub position: MediaTime,
    /// What it says.
    pub body: ClientBody,
}

/// The envelope of a client message; its parameters wait in [`ClientEnvelope::body`].
#[derive(Debug, Clone)]
pub struct ClientEnvelope<'a> {
    /// The session, as spelt by the client.
    pub id: SessionIdText,
    /// What kind of message this is.
    pub kind: Cow<'a, str>,
    /// The client's counter.
    pub seq: u64,
    /// The highest `seq` of the server that the client has seen.
    pub serverseq: u64,
    /// Where the client's media stood when it sent this.
    pub position: MediaTime,
    parameters: &'a RawValue,
}

/// What a client message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientBody {
    /// Wants a session.
    Open(Box<Open>),
    /// Wants a `pong`.
    Ping {
        /// The round trip of the ping before.
        rtt: Option<MediaTime>,
    },
    /// No audio follows until `resumed`.
    Paused,
    /// Audio follows again.
    Resumed(Skip),
    /// Some audio was dropped.
    Discarded(Skip),
    /// The language changed.
    Update {
        /// The new one; the only property there is.
        language: Option<String>,
    },
    /// Something went wrong at the client's side.
    Error(ClientFault),
    /// The stream is over.
    Close {
        /// Why; some clients leave it out.
        reason: Option<CloseReason>,
    },
    /// A key was pressed; Audio Connector only.
    Dtmf {
        /// Which.
        digit: String,
    },
    /// The server's audio began to play; Audio Connector only.
    PlaybackStarted,
    /// All of the server's audio was played; Audio Connector only.
    PlaybackCompleted,
    /// A type this crate does not know.
    Unknown {
        /// Its name.
        kind: String,
    },
}

/// The parameters of `open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The tenant; equals the header.
    #[serde(deserialize_with = "envelope::from_text")]
    pub organization_id: OrganizationId,
    /// The conversation; null for a probe.
    #[serde(deserialize_with = "envelope::from_text")]
    pub conversation_id: ConversationId,
    /// Whom the session follows.
    pub participant: Participant,
    /// What the client can send, best first; entries not understood are left out.
    #[serde(with = "media_entry::offers")]
    pub media: Vec<Media>,
    /// The language to begin with, a BCP 47 tag.
    #[serde(default, deserialize_with = "optional::read", skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether `opened` shall list languages.
    #[serde(default, deserialize_with = "optional::read", skip_serializing_if = "Option::is_none")]
    pub supported_languages: Option<bool>,
    /// Earlier sessions of a reconnected stream.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "continued_sessions"
    )]
    pub continued_sessions: Option<Vec<ContinuedSession>>,
    /// The administrator's own JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_config: Option<RawJson>,
    /// Variables of the flow; Audio Connector only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_variables: Option<RawJson>,
}

/// Sessions that one may continue: a stream that is reconnected every few minutes for hours.
const CONTINUED_SESSIONS_MAX: usize = 16;

fn continued_sessions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<ContinuedSession>>, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    let entries: Vec<Box<RawValue>> = serde_json::from_str(text.get()).unwrap_or_default();
    if entries.len() > CONTINUED_SESSIONS_MAX {
        return Err(serde::de::Error::custom("more continued sessions than there may be"));
    }
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

impl Open {
    /// Returns whether this is Genesys' test of the integration, not a call.
    pub const fn is_probe(&self) -> bool {
        self.conversation_id.is_nil()
    }

    /// Returns the offer that says most: the first with both channels, PCMU before others,
    /// else the first there is.
    pub fn best_offer(&self) -> Option<Media> {
        let worth = |media: &Media| (media.channels.count(), media.format == Format::Pcmu);
        // The last of equals would win, and the client's order says which it prefers.
        self.media.iter().rev().copied().max_by_key(worth)
    }
}

/// The party a session follows, today always the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Its id in the conversation; null for a probe.
    pub id: ParticipantId,
    /// The caller's number, of no fixed form; may be empty.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub ani: Pii<String>,
    /// The caller's name; may be empty.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub ani_name: Pii<String>,
    /// The number called; may be empty.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub dnis: Pii<String>,
}

/// An earlier session of a reconnected stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinuedSession {
    /// The session.
    pub id: SessionIdText,
    /// The last `seq` the client had seen of the server.
    pub serverseq: u64,
    /// The client's own last `seq`.
    pub clientseq: u64,
}

/// Media time that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Where it began.
    pub start: MediaTime,
    /// How long it was.
    pub discarded: MediaTime,
}

/// The parameters of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientFault {
    /// Like an HTTP status; 0 if there is none that can be read.
    #[serde(default, deserialize_with = "optional::read")]
    pub code: u32,
    /// For the log.
    #[serde(default, deserialize_with = "optional::read")]
    pub message: Option<String>,
    /// How long to wait before the next message, with 429.
    #[serde(default, deserialize_with = "optional::read", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<MediaTime>,
}

/// Why the client closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloseReason {
    /// The stream is over.
    End,
    /// The client saw a fault.
    Error,
    /// It answers our `disconnect`.
    Disconnect,
    /// Another session took over.
    Reconnect,
    /// A reason this crate does not know.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    id: SessionIdText,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    seq: u64,
    serverseq: u64,
    position: MediaTime,
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
    serverseq: u64,
    position: MediaTime,
    parameters: P,
}

#[derive(Serialize, Deserialize)]
struct Ping {
    #[serde(default, deserialize_with = "optional::read", skip_serializing_if = "Option::is_none")]
    rtt: Option<MediaTime>,
}

#[derive(Serialize, Deserialize)]
struct Update {
    #[serde(default, deserialize_with = "optional::read", skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Close {
    #[serde(default, deserialize_with = "optional::read", skip_serializing_if = "Option::is_none")]
    reason: Option<CloseReason>,
}

#[derive(Serialize, Deserialize)]
struct Dtmf {
    #[serde(default, deserialize_with = "optional::read")]
    digit: String,
}

impl<'a> ClientEnvelope<'a> {
    /// Reads the envelope of a text message.
    ///
    /// Errors: [`WireError::NotJson`], [`WireError::Envelope`].
    pub fn parse(text: &'a str) -> Result<Self, WireError> {
        let Incoming { version, id, kind, seq, serverseq, position, parameters } =
            serde_json::from_str(text).map_err(|error| WireError::of_envelope(&error))?;
        envelope::check(&version, parameters)?;
        Ok(Self { id, kind, seq, serverseq, position, parameters })
    }

    /// Reads the parameters as the type asks.
    ///
    /// Errors: [`WireError::Parameters`].
    pub fn body(&self) -> Result<ClientBody, WireError> {
        let parameters = self.parameters;
        Ok(match &*self.kind {
            "open" => ClientBody::Open(envelope::read(parameters)?),
            "ping" => {
                let Ping { rtt } = envelope::read(parameters)?;
                ClientBody::Ping { rtt }
            }
            "paused" => ClientBody::Paused,
            "resumed" => ClientBody::Resumed(envelope::read(parameters)?),
            "discarded" => ClientBody::Discarded(envelope::read(parameters)?),
            "update" => {
                let Update { language } = envelope::read(parameters)?;
                ClientBody::Update { language }
            }
            "error" => ClientBody::Error(envelope::read(parameters)?),
            "close" => {
                let Close { reason } = envelope::read(parameters)?;
                ClientBody::Close { reason }
            }
            "dtmf" => {
                let Dtmf { digit } = envelope::read(parameters)?;
                ClientBody::Dtmf { digit }
            }
            "playback_started" => ClientBody::PlaybackStarted,
            "playback_completed" => ClientBody::PlaybackCompleted,
            unknown => ClientBody::Unknown { kind: unknown.to_owned() },
        })
    }

    /// Returns the conversation that an `open` names, whatever else is wrong with the message.
    pub fn conversation_of_open(text: &str) -> Option<ConversationId> {
        let message: Value = serde_json::from_str(text).ok()?;
        let is_open = message.get("type")?.as_str()? == "open";
        let id = message.pointer("/parameters/conversationId")?.as_str()?;
        is_open.then(|| id.parse().ok()).flatten()
    }

    /// Returns the first parameter that keeps [`ClientEnvelope::body`] from reading the message,
    /// by its name and never by its value.
    pub fn faulty_field(&self) -> Option<&'static str> {
        type Check = fn(&Value) -> bool;
        const IS_TIME: Check =
            |value| value.as_str().is_some_and(|text| text.parse::<MediaTime>().is_ok());
        let fields: &[(&'static str, &str, Check)] = match &*self.kind {
            "open" => &[
                ("organizationId", "/organizationId", |value| {
                    value.as_str().is_some_and(|text| text.parse::<OrganizationId>().is_ok())
                }),
                ("conversationId", "/conversationId", |value| {
                    value.as_str().is_some_and(|text| text.parse::<ConversationId>().is_ok())
                }),
                ("participant", "/participant", Value::is_object),
                ("participant.id", "/participant/id", Value::is_string),
                ("media", "/media", Value::is_array),
            ],
            "resumed" | "discarded" => {
                &[("start", "/start", IS_TIME), ("discarded", "/discarded", IS_TIME)]
            }
            _ => &[],
        };
        let text = optional::without_lone_surrogates(self.parameters.get());
        let parameters: Value = serde_json::from_str(&text).unwrap_or_default();
        let is_faulty = |at: &str, is_good: Check| !parameters.pointer(at).is_some_and(is_good);
        fields.iter().find(|(_, at, is_good)| is_faulty(at, *is_good)).map(|(name, ..)| *name)
    }

    /// Returns the parameters as they came.
    pub fn parameters(&self) -> &'a str {
        self.parameters.get()
    }
}

impl ClientMessage {
    /// Reads a whole text message.
    ///
    /// Errors: any [`WireError`].
    pub fn parse(text: &str) -> Result<Self, WireError> {
        let envelope = ClientEnvelope::parse(text)?;
        let body = envelope.body()?;
        let ClientEnvelope { id, seq, serverseq, position, .. } = envelope;
        Ok(Self { id, seq, serverseq, position, body })
    }

    /// Writes the message.
    pub fn to_json(&self) -> String {
        match &self.body {
            ClientBody::Open(open) => self.write(open),
            ClientBody::Ping { rtt } => self.write(Ping { rtt: *rtt }),
            ClientBody::Resumed(skip) | ClientBody::Discarded(skip) => self.write(skip),
            ClientBody::Update { language } => self.write(Update { language: language.clone() }),
            ClientBody::Error(fault) => self.write(fault),
            ClientBody::Close { reason } => self.write(Close { reason: *reason }),
            ClientBody::Dtmf { digit } => self.write(Dtmf { digit: digit.clone() }),
            ClientBody::Paused
            | ClientBody::PlaybackStarted
            | ClientBody::PlaybackCompleted
            | ClientBody::Unknown { .. } => self.write(Empty {}),
        }
    }

    fn write(&self, parameters: impl Serialize) -> String {
        envelope::write(&Outgoing {
            version: PROTOCOL_VERSION,
            id: &self.id,
            kind: self.body.kind(),
            seq: self.seq,
            serverseq: self.serverseq,
            position: self.position,
            parameters,
        })
    }
}

impl ClientBody {
    /// Returns the type's name on the wire.
    pub fn kind(&self) -> &str {
        match self {
            Self::Open(_) => "open",
            Self::Ping { .. } => "ping",
            Self::Paused => "paused",
            Self::Resumed(_) => "resumed",
            Self::Discarded(_) => "discarded",
            Self::Update { .. } => "update",
            Self::Error(_) => "error",
            Self::Close { .. } => "close",
            Self::Dtmf { .. } => "dtmf",
            Self::PlaybackStarted => "playback_started",
            Self::PlaybackCompleted => "playback_completed",
            Self::Unknown { kind } => kind,
        }
    }
}

/// A caller without a number must not cost the session.
fn text_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pii<String>, D::Error> {
    Ok(Pii::new(optional::read::<_, Option<String>>(deserializer)?.unwrap_or_default()))
}

#[cfg(test)]
mod tests;

//! A partner event of Genesys on a customer's event bus: an envelope around the same topics that
//! notification sockets have, and around detail events.
//!
//! Refuses what does not come from Genesys; topics that nobody here handles are named and left.
//! Source: docs/wire/notification.md, "Event bus".

use serde::Deserialize;
use serde_json::value::RawValue;
use sidetone_model::{ConversationId, EventSource, OrganizationId, Timestamp};

use super::conversation::{Body, Snapshot};
use super::detail::{Delta, DetailBody};
use super::envelope::user_of_conversation_topic;
use super::loose::{self, Object};
use crate::error::ReadError;

/// What the name of every partner event source of Genesys begins with; organization and a
/// suffix follow.
const SOURCE_PREFIX: &str = "aws.partner/genesys.com/cloud/";

/// What the topic of every detail event of a conversation begins with; id and kind follow.
const CONVERSATION_DETAIL: &str = "v2.detail.events.conversation.";

/// The same of an agent's session.
const AGENT_DETAIL: &str = "v2.detail.events.agent.";

/// A partner event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusEvent {
    /// The organization, as AWS and Genesys agreed on the event's source.
    pub organization: OrganizationId,
    /// When Genesys sent it.
    pub sent_at: Option<Timestamp>,
    /// What it says.
    pub kind: BusEventKind,
}

/// What a partner event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEventKind {
    /// All of a conversation.
    Conversation(Snapshot),
    /// One thing about a conversation.
    Delta {
        /// The conversation.
        conversation: ConversationId,
        /// The thing.
        delta: Delta,
    },
    /// A topic that nobody here handles, or one that says nothing of a voice call.
    Other {
        /// The topic, in lower case.
        topic: Box<str>,
    },
}

impl BusEvent {
    /// Reads an event as EventBridge passes it on.
    ///
    /// Errors: [`ReadError`] if it is no JSON object, is not from Genesys, or has a topic of
    /// conversations and no conversation.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let event: Object<Event<'_>> = serde_json::from_str(text).map_err(ReadError::NotJson)?;
        let Object(Some(event)) = event else {
            return Err(ReadError::NotJson(serde::de::Error::custom("not an object")));
        };
        let source = event.source.unwrap_or_default();
        let organization = organization_of(&source).ok_or(ReadError::Source)?;
        let detail = event.detail.and_then(|detail| {
            serde_json::from_str::<Object<Detail<'_>>>(detail.get()).ok().and_then(|it| it.0)
        });
        let Some(detail) = detail else {
            let kind = BusEventKind::Other { topic: "".into() };
            return Ok(Self { organization, sent_at: event.time, kind });
        };
        let topic = detail.topic.unwrap_or_default().to_ascii_lowercase();
        let sent_at = detail.timestamp.or(event.time);
        let kind = kind_of(topic, detail.body)?;
        Ok(Self { organization, sent_at, kind })
    }
}

/// Returns the organization that a partner event source is of.
fn organization_of(source: &str) -> Option<OrganizationId> {
    source.strip_prefix(SOURCE_PREFIX)?.split('/').next()?.parse().ok()
}

fn kind_of(topic: String, body: Option<&RawValue>) -> Result<BusEventKind, ReadError> {
    let text = body.map_or("null", RawValue::get);
    if user_of_conversation_topic(&topic).is_some() {
        let body = read_body::<Body>(&topic, text)?;
        let snapshot = body.and_then(|body| Snapshot::from_body(body, EventSource::EventBus));
        return match snapshot {
            Some(snapshot) => Ok(BusEventKind::Conversation(snapshot)),
            None => Err(ReadError::Body { topic, source: None }),
        };
    }
    let rest = topic.strip_prefix(CONVERSATION_DETAIL).or(topic.strip_prefix(AGENT_DETAIL));
    // The id has no dots, the kind may.
    let kind = rest.and_then(|rest| rest.split_once('.')).map(|(_, kind)| kind);
    let Some(kind) = kind else { return Ok(BusEventKind::Other { topic: topic.into() }) };
    let delta = read_body::<DetailBody>(&topic, text)?.and_then(|body| Delta::read(kind, body));
    Ok(match delta {
        Some((conversation, delta)) => BusEventKind::Delta { conversation, delta },
        None => BusEventKind::Other { topic: topic.into() },
    })
}

fn read_body<'a, T: Deserialize<'a>>(topic: &str, text: &'a str) -> Result<Option<T>, ReadError> {
    let refuse = |source| ReadError::Body { topic: topic.to_owned(), source: Some(source) };
    let body: Object<T> = serde_json::from_str(text).map_err(refuse)?;
    Ok(body.0)
}

/// What EventBridge puts around.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default, deserialize_with = "loose::text")]
    source: Option<Box<str>>,
    #[serde(default, deserialize_with = "loose::parsed")]
    time: Option<Timestamp>,
    #[serde(default, borrow)]
    detail: Option<&'a RawValue>,
}

/// What Genesys puts around: as on a socket, and when it was sent.
#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(default, rename = "topicName", deserialize_with = "loose::text")]
    topic: Option<Box<str>>,
    #[serde(default, deserialize_with = "loose::parsed")]
    timestamp: Option<Timestamp>,
    #[serde(default, borrow, rename = "eventBody")]
    body: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests;

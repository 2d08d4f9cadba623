//! The envelope around every frame, and the order in which its kinds are told apart.
//!
//! Refuses what is no JSON object, and a conversation topic without a conversation.
//! Source: docs/wire/notification.md, "Socket".

use serde::Deserialize;
use serde_json::value::RawValue;
use sidetone_model::{EventSource, UserId};

use super::conversation::{Body, Snapshot};
use super::loose::{self, Object};
use crate::error::ReadError;

/// One text frame of the notification socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Genesys' correlation id, for its support.
    pub correlation: Option<Box<str>>,
}

/// What a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameKind {
    /// An answer to something sent over the socket; has no topic.
    Control(ControlAnswer),
    /// The server is there; says nothing of subscriptions.
    Heartbeat,
    /// The answer to [`ping_text`].
    Pong,
    /// Other news of the notification channel.
    Metadata,
    /// The service speaks of itself.
    System(SystemEvent),
    /// A conversation of a followed user.
    Conversation {
        /// Whose topic it came under.
        followed: UserId,
        /// All of the conversation.
        snapshot: Snapshot,
    },
    /// News of a followed user that is about no conversation.
    User {
        /// The user.
        user: UserId,
        /// What it is about.
        about: UserNews,
    },
    /// A topic that nobody here handles, in lower case; empty if there is none.
    Unknown {
        /// The topic.
        topic: Box<str>,
    },
}

/// What news of a user are about. They come under these single names even where the topic was
/// asked for combined with others, as `v2.users.{id}?presence&routingStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserNews {
    /// Whether the user is there.
    Presence,
    /// Whether calls are routed to the user.
    RoutingStatus,
}

/// An answer to a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlAnswer {
    /// `200`, `400`, `404`, …
    pub result: Box<str>,
    /// `subscribed`, `failure`, `error`, …
    pub status: Option<Box<str>>,
}

/// News of the service itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemEvent {
    /// What.
    pub kind: SystemEventKind,
}

/// What the service says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemEventKind {
    /// Maintenance: open another socket within a minute.
    SocketClosing,
    /// Another notification channel took the topics over.
    NoLongerSubscribed,
    /// The token that made the notification channel is void.
    TokenRevoked,
    /// The set of topics changed.
    SubscriptionUpdated,
    /// Something else.
    Other,
}

impl Frame {
    /// Reads a text frame.
    ///
    /// Errors: [`ReadError`] if there is nothing to be told apart; count it and go on.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let envelope: Object<Envelope<'_>> =
            serde_json::from_str(text).map_err(ReadError::NotJson)?;
        let Object(Some(envelope)) = envelope else {
            return Err(ReadError::NotJson(serde::de::Error::custom("not an object")));
        };
        let correlation = envelope.metadata.and_then(Correlation::read);
        Ok(Self { kind: kind_of(&envelope)?, correlation })
    }
}

/// Returns the text that asks the server for a sign of life.
pub const fn ping_text() -> &'static str {
    r#"{"message":"ping"}"#
}

/// Returns the topic of all conversations of a user.
pub fn conversation_topic(user: UserId) -> String {
    format!("v2.users.{user}.conversations")
}

/// Returns whose conversations a topic is about, whatever its letter case.
pub fn user_of_conversation_topic(topic: &str) -> Option<UserId> {
    let topic = topic.to_ascii_lowercase();
    topic.strip_prefix("v2.users.")?.strip_suffix(".conversations")?.parse().ok()
}

fn kind_of(envelope: &Envelope<'_>) -> Result<FrameKind, ReadError> {
    if let Some(result) = &envelope.result {
        let answer = ControlAnswer { result: result.clone(), status: envelope.status.clone() };
        return Ok(FrameKind::Control(answer));
    }
    let topic = envelope.topic.as_deref().unwrap_or_default().to_ascii_lowercase();
    if topic == "channel.metadata" {
        return Ok(metadata_kind(envelope.body));
    }
    if topic.starts_with("v2.system.") || topic == "v2.subscription.updated" {
        return Ok(FrameKind::System(SystemEvent { kind: system_kind(&topic, envelope.body) }));
    }
    if let Some(followed) = user_of_conversation_topic(&topic) {
        let snapshot = snapshot_of(&topic, envelope.body)?;
        let mut users = snapshot.participants.iter().filter_map(|one| one.user).peekable();
        if users.peek().is_some() && !users.any(|user| user == followed) {
            return Err(ReadError::OtherUser);
        }
        return Ok(FrameKind::Conversation { followed, snapshot });
    }
    if let Some((user, about)) = user_news(&topic) {
        return Ok(FrameKind::User { user, about });
    }
    Ok(FrameKind::Unknown { topic: topic.into() })
}

/// Returns what a topic in lower case brings of a user, besides conversations.
fn user_news(topic: &str) -> Option<(UserId, UserNews)> {
    let (user, name) = topic.strip_prefix("v2.users.")?.split_once('.')?;
    let about = match name {
        "presence" => UserNews::Presence,
        "routingstatus" => UserNews::RoutingStatus,
        _ => return None,
    };
    Some((user.parse().ok()?, about))
}

fn metadata_kind(body: Option<&RawValue>) -> FrameKind {
    let message = read_body::<SystemBody>(body).and_then(|body| body.message).unwrap_or_default();
    if message.eq_ignore_ascii_case("pong") {
        FrameKind::Pong
    } else if message.eq_ignore_ascii_case("websocket heartbeat") {
        FrameKind::Heartbeat
    } else {
        FrameKind::Metadata
    }
}

fn system_kind(topic: &str, body: Option<&RawValue>) -> SystemEventKind {
    let of_name = |name: &str| match name {
        "socket_closing" => Some(SystemEventKind::SocketClosing),
        "no_longer_subscribed" => Some(SystemEventKind::NoLongerSubscribed),
        "token_revoked" => Some(SystemEventKind::TokenRevoked),
        "subscription_changed" => Some(SystemEventKind::SubscriptionUpdated),
        _ => None,
    };
    if topic == "v2.subscription.updated" {
        return SystemEventKind::SubscriptionUpdated;
    }
    let name = topic.trim_start_matches("v2.system.").split('.').next().unwrap_or_default();
    of_name(name)
        .or_else(|| {
            let named = read_body::<SystemBody>(body)?.kind?;
            of_name(&named.to_ascii_lowercase())
        })
        .unwrap_or(SystemEventKind::Other)
}

fn snapshot_of(topic: &str, body: Option<&RawValue>) -> Result<Snapshot, ReadError> {
    let refuse = |source| ReadError::Body { topic: topic.to_owned(), source };
    let body: Object<Body> =
        serde_json::from_str(body.map_or("null", RawValue::get)).map_err(|e| refuse(Some(e)))?;
    let snapshot = body.0.and_then(|body| Snapshot::from_body(body, EventSource::Socket));
    snapshot.ok_or_else(|| refuse(None))
}

fn read_body<'a, T: Deserialize<'a>>(body: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str::<Object<T>>(body?.get()).ok()?.0
}

/// What all frames have, those of ours included.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "loose::text")]
    result: Option<Box<str>>,
    #[serde(default, deserialize_with = "loose::text")]
    status: Option<Box<str>>,
    #[serde(default, rename = "topicName", deserialize_with = "loose::text")]
    topic: Option<Box<str>>,
    #[serde(default, borrow, rename = "eventBody")]
    body: Option<&'a RawValue>,
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SystemBody {
    #[serde(deserialize_with = "loose::text")]
    message: Option<Box<str>>,
    #[serde(rename = "systemTopicType", deserialize_with = "loose::text")]
    kind: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Correlation {
    #[serde(
        rename = "CorrelationId",
        alias = "correlationId",
        alias = "correlationid",
        deserialize_with = "loose::text"
    )]
    id: Option<Box<str>>,
}

impl Correlation {
    fn read(metadata: &RawValue) -> Option<Box<str>> {
        read_body::<Self>(Some(metadata))?.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01";
    const CALL: &str = "c0a1b2c3-0000-4000-8000-00000000c001";

    fn check(text: &str, expected: FrameKind) {
        assert_eq!(Frame::read(text).unwrap().kind, expected, "{text}");
    }

    fn system(kind: SystemEventKind) -> FrameKind {
        FrameKind::System(SystemEvent { kind })
    }

    #[test]
    fn s25_heartbeat_and_pong_are_no_conversations() {
        let metadata = |message| {
            format!(r#"{{"topicName":"channel.metadata","eventBody":{{"message":"{message}"}}}}"#)
        };
        check(&metadata("WebSocket Heartbeat"), FrameKind::Heartbeat);
        check(&metadata("pong"), FrameKind::Pong);
        check(&metadata("something new"), FrameKind::Metadata);
        check(r#"{"topicName":"channel.metadata"}"#, FrameKind::Metadata);
        check(r#"{"topicName":"channel.metadata","eventBody":[1]}"#, FrameKind::Metadata);
    }

    #[test]
    fn body_about_other_users_than_its_topic_is_dropped() {
        let frame = |users: &str| {
            format!(
                r#"{{"topicName":"v2.users.{ADA}.conversations","eventBody":{{"id":"{CALL}",
                    "participants":[{users}]}}}}"#
            )
        };
        let other = r#"{"userId":"6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a99"}"#;
        let own = format!(r#"{{"userId":"{}"}}"#, ADA.to_uppercase());
        for users in [String::new(), r#"{"purpose":"customer"}"#.into(), format!("{other},{own}")] {
            assert!(Frame::read(&frame(&users)).is_ok(), "{users}");
        }
        assert!(matches!(Frame::read(&frame(other)), Err(ReadError::OtherUser)));
    }

    #[test]
    fn s34_what_has_a_result_and_no_topic_is_a_control_answer() {
        for result in [r#""404""#, "404"] {
            check(
                &format!(r#"{{"result":{result},"status":"error","message":"gone"}}"#),
                FrameKind::Control(ControlAnswer {
                    result: "404".into(),
                    status: Some("error".into()),
                }),
            );
        }
    }

    #[test]
    fn s28_system_topics_are_told_apart_by_topic_or_body() {
        use SystemEventKind::*;
        let topic = |topic: &str| format!(r#"{{"topicName":"{topic}","eventBody":{{}}}}"#);
        check(&topic("v2.system.socket_closing"), system(SocketClosing));
        check(&topic(&format!("v2.system.no_longer_subscribed.{ADA}")), system(NoLongerSubscribed));
        check(&topic(&format!("V2.System.Token_Revoked.{ADA}")), system(TokenRevoked));
        check(&topic("v2.subscription.updated"), system(SubscriptionUpdated));
        check(&topic("v2.system.a.b"), system(Other));
        check(
            r#"{"topicName":"v2.system.a.b","eventBody":{"systemTopicType":"token_revoked"}}"#,
            system(TokenRevoked),
        );
    }

    #[test]
    fn s33_topics_are_matched_whatever_their_case() {
        let user: UserId = ADA.parse().unwrap();
        let upper = conversation_topic(user).to_ascii_uppercase();
        assert_eq!(user_of_conversation_topic(&upper), Some(user));
        let text = format!(r#"{{"topicName":"{upper}","eventBody":{{"id":"{CALL}"}}}}"#);
        let FrameKind::Conversation { followed, snapshot } = Frame::read(&text).unwrap().kind
        else {
            panic!("not a conversation");
        };
        assert_eq!(followed, user);
        assert_eq!(snapshot.conversation, CALL.parse().unwrap());
    }

    #[test]
    fn s32_each_part_of_a_combined_topic_is_dispatched_by_its_single_name() {
        let user: UserId = ADA.parse().unwrap();
        for (name, about) in
            [("presence", UserNews::Presence), ("routingStatus", UserNews::RoutingStatus)]
        {
            let text = format!(r#"{{"topicName":"v2.users.{ADA}.{name}","eventBody":{{}}}}"#);
            check(&text, FrameKind::User { user, about });
        }
        let text = format!(
            r#"{{"topicName":"v2.users.{ADA}.conversations","eventBody":{{"id":"{CALL}"}}}}"#
        );
        let kind = Frame::read(&text).unwrap().kind;
        assert!(matches!(kind, FrameKind::Conversation { followed, .. } if followed == user));
        check(
            r#"{"topicName":"v2.users.nobody.presence"}"#,
            FrameKind::Unknown { topic: "v2.users.nobody.presence".into() },
        );
    }

    #[test]
    fn topics_of_others_are_named_and_left() {
        check(
            &format!(r#"{{"topicName":"v2.users.{ADA}.station","eventBody":{{}}}}"#),
            FrameKind::Unknown { topic: format!("v2.users.{ADA}.station").into() },
        );
        check(r#"{"hello":1}"#, FrameKind::Unknown { topic: "".into() });
        check(r#"{"topicName":null,"eventBody":null}"#, FrameKind::Unknown { topic: "".into() });
    }

    #[test]
    fn s55_absent_null_and_odd_fields_are_accepted() {
        let text = format!(
            r#"{{"topicName":"v2.users.{ADA}.conversations","version":"2","extra":[1],
            "eventBody":{{"id":"{CALL}","participants":[null,7,"x",[],{{
                "id":null,"userId":5,"purpose":"wizard","connectedTime":"soon","endTime":null,
                "calls":[{{"id":"b1","state":"levitating","held":null,"connectedTime":{{}}}},null]
            }},{{"calls":null}},{{"calls":{{"id":"b2"}}}},{{"calls":"none"}}]}},
            "metadata":{{"correlationId":"abc"}}}}"#
        );
        let frame = Frame::read(&text).unwrap();
        assert_eq!(frame.correlation.as_deref(), Some("abc"));
        let FrameKind::Conversation { snapshot, .. } = frame.kind else { panic!("no snapshot") };
        assert_eq!(snapshot.participants.len(), 4);
        assert_eq!(snapshot.participants[0].calls.len(), 1);
        assert_eq!(snapshot.participants[0].calls[0].connected_at, None);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        for text in ["", "x", "[]", "7", "null", r#"{"topicName":"#] {
            assert!(matches!(Frame::read(text), Err(ReadError::NotJson(_))), "{text}");
        }
        assert!(matches!(Frame::read(&"[".repeat(100_000)), Err(ReadError::NotJson(_))));
        for body in ["{}", "null", r#"{"id":"x"}"#, "[]", r#"{"id":null,"participants":[]}"#] {
            let text =
                format!(r#"{{"topicName":"v2.users.{ADA}.conversations","eventBody":{body}}}"#);
            assert!(matches!(Frame::read(&text), Err(ReadError::Body { .. })), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_text_is_read_or_refused_and_never_panics(
            noise in ".{0,200}",
            cut in 0_usize..400,
            swap in 0_usize..400,
        ) {
            drop(Frame::read(&noise));
            let valid = format!(
                r#"{{"topicName":"v2.users.{ADA}.conversations","eventBody":{{"id":"{CALL}",
                "participants":[{{"id":"p","purpose":"agent","userId":"{ADA}","endTime":null,
                "calls":[{{"id":"b1","state":"connected","held":true}}]}}]}},"metadata":{{}}}}"#
            );
            let mut bytes = valid.into_bytes();
            let place = swap % bytes.len();
            bytes[place] = noise.bytes().next().unwrap_or(b'"');
            bytes.truncate(cut.max(1));
            drop(Frame::read(&String::from_utf8_lossy(&bytes)));
        }
    }
}

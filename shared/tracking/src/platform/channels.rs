//! Notification channels: made, subscribed, checked, emptied.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sidetone_model::{Timestamp, UserId};
use sidetone_notification_proto::{
    TOPICS_PER_CHANNEL_MAX, conversation_topic, renew_at, user_of_conversation_topic,
};

use super::answer::moment;
use super::client::{PlatformClient, Request};
use super::error::PlatformError;
use crate::secret::Secret;

/// How long a channel lives where Genesys does not say.
const CHANNEL_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// How often a list is sent again without topics that Genesys called invalid.
const INVALID_TOPICS_TRIES_MAX: usize = 20;

/// A notification channel; whoever knows its address can read it.
#[derive(Debug, Clone)]
pub struct NotificationChannel {
    id: Secret,
    pub(crate) connect_uri: Secret,
    pub(crate) made_at: Timestamp,
    /// When to have another in its place: before it expires, and before the token that made
    /// it does.
    pub(crate) replace_at: Timestamp,
    pub(super) token_number: u64,
}

/// A topic that Genesys would not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedTopic {
    /// Whose conversations stay unseen.
    pub user: UserId,
    /// What the OAuth client's roles lack; empty if Genesys gave another reason.
    pub missing_permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireChannel {
    id: String,
    connect_uri: String,
    #[serde(default)]
    expires: Option<String>,
}

#[derive(Deserialize)]
struct Topics {
    #[serde(default)]
    entities: Vec<Value>,
}

impl PlatformClient {
    /// Makes a notification channel.
    ///
    /// Errors: besides the usual, [`PlatformError::Unexpected`] if its address is not one of
    /// the platform's own.
    pub async fn create_channel(&self) -> Result<NotificationChannel, PlatformError> {
        const ACTION: &str = "make a notification channel";
        let (made_at, begun) = (self.clock().now(), self.clock().steady());
        let token = self.token().await?;
        let request = Request {
            method: Method::POST,
            body: Some(json!({})),
            is_idempotent: false,
            ..Request::get(ACTION, "/api/v2/notifications/channels")
        };
        let wire: WireChannel = self.value(request).await?;
        if !self.hosts().may_connect(&wire.connect_uri) {
            let what = "the channel's address is not the platform's";
            return Err(PlatformError::Unexpected { action: ACTION, what });
        }
        let expires_at = moment(wire.expires.as_deref()).unwrap_or(made_at + CHANNEL_LIFE);
        let replace_at = renew_at(begun, begun + expires_at.since(made_at)).min(token.renew_at);
        metrics::counter!("sidetone_notification_channels_made_total").increment(1);
        Ok(NotificationChannel {
            id: Secret::new(wire.id),
            connect_uri: Secret::new(wire.connect_uri),
            made_at,
            replace_at,
            token_number: token.number,
        })
    }

    /// Gives a channel the conversations of these users in the place of all it had; returns
    /// those which Genesys would not give. The others work.
    ///
    /// Panics if there are more than a channel takes: the plan sees to that.
    pub async fn put_topics(
        &self,
        channel: &NotificationChannel,
        users: &BTreeSet<UserId>,
    ) -> Result<Vec<RejectedTopic>, PlatformError> {
        assert!(users.len() <= TOPICS_PER_CHANNEL_MAX, "a plan of {} topics", users.len());
        let mut users = users.clone();
        let mut rejected = Vec::new();
        for _ in 0..INVALID_TOPICS_TRIES_MAX {
            match self.put_list(channel, &users).await {
                Ok(more) => {
                    rejected.extend(more);
                    return Ok(rejected);
                }
                Err(error) => {
                    let invalid = invalid_topics(&error, &users);
                    if invalid.is_empty() {
                        return Err(error);
                    }
                    for user in invalid {
                        users.remove(&user);
                        rejected.push(RejectedTopic { user, missing_permissions: Vec::new() });
                    }
                }
            }
        }
        Err(PlatformError::Unexpected {
            action: "subscribe",
            what: "each list without the invalid topics has another invalid topic",
        })
    }

    /// Returns whether a channel still exists.
    pub async fn channel_exists(
        &self,
        channel: &NotificationChannel,
    ) -> Result<bool, PlatformError> {
        let path = format!("/api/v2/notifications/channels/{}", channel.id.reveal());
        let mut request = Request::get("check a notification channel", path);
        request.method = Method::HEAD;
        match self.answer(request).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns whose conversations a channel has.
    ///
    /// Errors: besides the usual, one that [`PlatformError::is_gone`] if there is no channel.
    pub async fn topics(
        &self,
        channel: &NotificationChannel,
    ) -> Result<BTreeSet<UserId>, PlatformError> {
        let request = Request::get("list topics of a channel", subscriptions(channel));
        let topics: Topics = self.value(request).await?;
        let id = |topic: &Value| user_of_conversation_topic(topic.get("id")?.as_str()?);
        Ok(topics.entities.iter().filter_map(id).collect())
    }

    /// Takes all topics off a channel, so that it is the first to go when there are too many.
    pub async fn clear_topics(&self, channel: &NotificationChannel) -> Result<(), PlatformError> {
        let mut request = Request::get("unsubscribe", subscriptions(channel));
        request.method = Method::DELETE;
        self.answer(request).await.map(|_| ())
    }

    async fn put_list(
        &self,
        channel: &NotificationChannel,
        users: &BTreeSet<UserId>,
    ) -> Result<Vec<RejectedTopic>, PlatformError> {
        let list: Vec<_> =
            users.iter().map(|&user| json!({"id": conversation_topic(user)})).collect();
        let mut request = Request::get("subscribe", subscriptions(channel));
        request.method = Method::PUT;
        request.query = vec![("ignoreErrors", "true".to_owned())];
        request.body = Some(Value::Array(list));
        let topics: Topics = self.value(request).await?;
        Ok(topics.entities.iter().filter_map(RejectedTopic::read).collect())
    }
}

impl RejectedTopic {
    fn read(topic: &Value) -> Option<Self> {
        let state = topic.get("state")?.as_str()?;
        if !state.eq_ignore_ascii_case("rejected") {
            return None;
        }
        let missing = topic.get("missingPermissions").and_then(Value::as_array);
        Some(Self {
            user: user_of_conversation_topic(topic.get("id")?.as_str()?)?,
            missing_permissions: missing
                .into_iter()
                .flatten()
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect(),
        })
    }
}

fn subscriptions(channel: &NotificationChannel) -> String {
    format!("/api/v2/notifications/channels/{}/subscriptions", channel.id.reveal())
}

/// Returns whose topics a refusal names.
fn invalid_topics(error: &PlatformError, users: &BTreeSet<UserId>) -> Vec<UserId> {
    let bad_request = StatusCode::BAD_REQUEST.as_u16();
    match error {
        PlatformError::Refused { status, code, message, .. }
            if *status == bad_request && code == "notification.invalid.topic" =>
        {
            let message = message.to_ascii_lowercase();
            users.iter().copied().filter(|user| message.contains(&user.to_string())).collect()
        }
        PlatformError::Refused { .. }
        | PlatformError::Credentials { .. }
        | PlatformError::OtherOrganization { .. }
        | PlatformError::Throttled { .. }
        | PlatformError::Unavailable { .. }
        | PlatformError::Unreachable { .. }
        | PlatformError::TimedOut { .. }
        | PlatformError::Unexpected { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u32) -> UserId {
        format!("6b1e0c52-5a5e-4f0b-9a57-{number:012x}").parse().unwrap()
    }

    #[test]
    fn s20_an_invalid_topic_is_found_in_genesys_words_by_its_agent() {
        let refusal = |code: &str, message: String| PlatformError::Refused {
            action: "subscribe",
            status: 400,
            code: code.to_owned(),
            correlation: "c".to_owned(),
            message,
        };
        let users = BTreeSet::from([user(1), user(2), user(3)]);
        let words = format!("invalid: [{}]", conversation_topic(user(2)).to_ascii_uppercase());
        let invalid = refusal("notification.invalid.topic", words.clone());
        assert_eq!(invalid_topics(&invalid, &users), [user(2)]);
        assert_eq!(invalid_topics(&refusal("bad.request", words), &users), []);
    }

    #[test]
    fn s19_a_rejected_topic_names_its_user_and_the_missing_permissions() {
        let id = conversation_topic(user(1));
        let rejected = json!({"id": id, "state": "Rejected", "missingPermissions": ["a:b:c", 7]});
        let missing_permissions = vec!["a:b:c".to_owned()];
        assert_eq!(
            RejectedTopic::read(&rejected),
            Some(RejectedTopic { user: user(1), missing_permissions })
        );
        for fine in [json!({"id": id, "state": "Permitted"}), json!({"id": id}), json!(null)] {
            assert_eq!(RejectedTopic::read(&fine), None);
        }
    }
}

//! Whether Genesys will give what a tracker needs, found out before anybody waits for it.
//!
//! Genesys alone knows which permissions a topic needs and by which ways it comes, so it is
//! asked; and what the OAuth client lacks of them it says only when a topic is subscribed.
//! Source: docs/wire/notification.md, "Channels".

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use sidetone_model::UserId;

use super::client::{PlatformClient, Request};
use super::error::PlatformError;

/// What is asked of each topic beyond its name.
const EXPANDED: [&str; 3] = ["transports", "requiresPermissions", "permissionDetails"];

/// By which way a topic's events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A notification socket.
    WebSocket,
    /// A partner event bus of AWS.
    EventBridge,
}

/// A topic that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededTopic {
    /// Its name in Genesys' own list, such as `v2.users.{id}.conversations`.
    pub template: &'static str,
    /// By which way its events are to come.
    pub transport: Transport,
}

impl NeededTopic {
    /// The conversations of a followed user: what a tracker lives on.
    pub const CONVERSATIONS: Self =
        Self { template: "v2.users.{id}.conversations", transport: Transport::WebSocket };
}

/// What Genesys says of a needed topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPreflight {
    /// Which.
    pub needed: NeededTopic,
    /// Whether Genesys has it at all.
    pub is_known: bool,
    /// The ways by which it comes, in Genesys' spelling; empty if Genesys does not say.
    pub transports: Vec<String>,
    /// The permissions that it needs.
    pub required_permissions: Vec<String>,
    /// Those of them that the OAuth client was seen to lack.
    pub missing_permissions: Vec<String>,
    /// Whether Genesys refused the topic when it was tried.
    pub is_rejected: bool,
}

impl TopicPreflight {
    /// Returns whether its events come by the way that is needed; what Genesys does not say is
    /// taken for yes.
    pub fn comes_as_needed(&self) -> bool {
        let name = match self.needed.transport {
            Transport::WebSocket => "websocket",
            Transport::EventBridge => "eventbridge",
        };
        let fits = |transport: &String| ["all", name].contains(&&*transport.to_ascii_lowercase());
        self.transports.is_empty() || self.transports.iter().any(fits)
    }

    /// Returns whether nothing stands in its way, as far as Genesys told.
    pub fn is_fine(&self) -> bool {
        self.is_known && !self.is_rejected && self.comes_as_needed()
    }

    fn read(needed: NeededTopic, listed: &[AvailableTopic]) -> Self {
        let found = listed.iter().find(|topic| topic.id.eq_ignore_ascii_case(needed.template));
        let mut required = BTreeSet::new();
        if let Some(topic) = found {
            required.extend(texts(&topic.requires_permissions));
            let details = topic.permission_details.iter().filter_map(Value::as_array).flatten();
            for detail in details {
                required.extend(texts(detail.get("permissions").unwrap_or(&Value::Null)));
            }
        }
        Self {
            needed,
            is_known: found.is_some(),
            transports: found.map(|topic| texts(&topic.transports).collect()).unwrap_or_default(),
            required_permissions: required.into_iter().collect(),
            missing_permissions: Vec::new(),
            is_rejected: false,
        }
    }
}

#[derive(Deserialize)]
struct AvailableTopics {
    #[serde(default)]
    entities: Vec<AvailableTopic>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AvailableTopic {
    #[serde(default)]
    id: String,
    #[serde(default)]
    transports: Value,
    #[serde(default)]
    requires_permissions: Value,
    #[serde(default)]
    permission_details: Option<Value>,
}

fn texts(list: &Value) -> impl Iterator<Item = String> + '_ {
    list.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned))
}

impl PlatformClient {
    /// Asks Genesys for the ways and permissions of each needed topic. With a user, the topic
    /// of that user's conversations is tried as well, on a channel that is emptied afterwards:
    /// only then are missing permissions known.
    pub async fn preflight(
        &self,
        needed: &[NeededTopic],
        trial: Option<UserId>,
    ) -> Result<Vec<TopicPreflight>, PlatformError> {
        let mut request = Request::get("list topics", "/api/v2/notifications/availabletopics");
        request.query = EXPANDED.map(|name| ("expand", name.to_owned())).to_vec();
        let listed: AvailableTopics = self.value(request).await?;
        let mut found: Vec<TopicPreflight> =
            needed.iter().map(|topic| TopicPreflight::read(*topic, &listed.entities)).collect();
        let conversations = NeededTopic::CONVERSATIONS;
        if let (Some(user), Some(topic)) =
            (trial, found.iter_mut().find(|topic| topic.needed == conversations))
        {
            let channel = self.create_channel().await?;
            let rejected = self.put_topics(&channel, &BTreeSet::from([user])).await;
            self.clear_topics(&channel).await?;
            for rejected in rejected? {
                topic.is_rejected = true;
                topic.missing_permissions.extend(rejected.missing_permissions);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(needed: NeededTopic, listed: Value) -> TopicPreflight {
        let listed: AvailableTopics = serde_json::from_value(listed).unwrap();
        TopicPreflight::read(needed, &listed.entities)
    }

    #[test]
    fn s72_a_topic_is_found_with_its_transports_and_permissions() {
        let listed = json!({"entities": [
            {"id": "v2.users.{id}.presence", "transports": ["All"]},
            {"id": "V2.Users.{id}.Conversations", "transports": ["EventBridge", "Websocket"],
             "requiresPermissions": ["a:b:view"],
             "permissionDetails": [{"type": "requiresPermissions",
                                    "permissions": ["a:b:view", "c:d:view"]}]},
        ]});
        let topic = read(NeededTopic::CONVERSATIONS, listed);
        assert!(topic.is_fine() && topic.comes_as_needed());
        assert_eq!(topic.transports, ["EventBridge", "Websocket"]);
        assert_eq!(topic.required_permissions, ["a:b:view", "c:d:view"]);
    }

    #[test]
    fn s72_what_is_absent_or_comes_another_way_is_not_fine() {
        let needed = NeededTopic::CONVERSATIONS;
        for nothing in [json!({}), json!({"entities": []}), json!({"entities": [{}]})] {
            assert!(!read(needed, nothing).is_known);
        }
        let elsewhere =
            json!({"entities": [{"id": needed.template, "transports": ["EventBridge"]}]});
        assert!(!read(needed, elsewhere.clone()).is_fine());
        let bus = NeededTopic { transport: Transport::EventBridge, ..needed };
        assert!(read(bus, elsewhere).is_fine());
        let silent = json!({"entities": [{"id": needed.template, "transports": null}]});
        assert!(read(needed, silent).is_fine());
    }
}

//! The Genesys users on one conversation, as Genesys lists them now: for a person who asks why a
//! call was not matched.
//!
//! Refuses: following the call. That is the tracker's, which needs no request for each call.
//! Source: docs/wire/notification.md, "Users".

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::Value;
use sidetone_model::{
    Adaptor, AgentId, ConversationKey, GenesysUser, Pii, User, UserId, UserStatus,
};
use sidetone_ports::{StoreError, UserStore};

use crate::platform::{PlatformClient, PlatformError};

/// Why the users on a conversation could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum AttendanceError {
    /// Genesys did not answer.
    #[error("Genesys could not be asked who is on the conversation")]
    Platform(#[from] PlatformError),
    /// The store did not answer.
    #[error("the provisioned users could not be read")]
    Store(#[from] StoreError),
}

/// A Genesys user on a conversation.
///
/// **Shape**: as JSON, an entry of `genesys.users` in what `sidetone why --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attendant {
    /// The user.
    #[serde(serialize_with = "as_text")]
    pub user_id: UserId,
    /// The person's name; empty if Genesys has none.
    #[serde(serialize_with = "revealed")]
    pub name: Pii<String>,
    /// The username; empty if Genesys knows no such user.
    #[serde(serialize_with = "revealed")]
    pub username: Pii<String>,
    /// The telephony agent id that follows from the username.
    pub agent_id: Option<AgentId>,
    /// Whether user and customer were ever connected; absent if Genesys no longer has the call.
    pub answered: Option<bool>,
    /// The queue's id.
    pub queue_id: Option<String>,
    /// The queue's name.
    pub queue: Option<String>,
    /// How the agent id is provisioned.
    pub provisioned: Provisioned,
    /// The usernames of all Genesys users with the same agent id, if there are several.
    #[serde(serialize_with = "all_revealed")]
    pub shared_with: Vec<Pii<String>>,
}

/// How an agent id is provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provisioned {
    /// Sidetone listens to the agent.
    Here,
    /// For another telephony platform.
    OtherAdaptor,
    /// And switched off.
    Inactive,
    /// Not at all.
    No,
}

impl Provisioned {
    fn of(user: Option<&User>) -> Self {
        match user {
            None => Self::No,
            Some(user) if user.adaptor != Adaptor::GenesysCloud => Self::OtherAdaptor,
            Some(user) if user.status != UserStatus::Active => Self::Inactive,
            Some(_) => Self::Here,
        }
    }
}

/// What a conversation says of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    answered: Option<bool>,
    queue_id: Option<String>,
    queue: Option<String>,
}

/// Asks Genesys who is on a conversation; `known` are users whom call events named, with their
/// queues, for a conversation that Genesys has no longer.
///
/// `collisions` asks for all users too, to name those who share an agent id.
///
/// Errors: [`AttendanceError`]; among them that the OAuth client is another organization's.
pub async fn attendance<S: UserStore>(
    platform: &PlatformClient,
    store: &S,
    key: ConversationKey,
    known: &BTreeMap<UserId, Option<String>>,
    collisions: bool,
) -> Result<Vec<Attendant>, AttendanceError> {
    platform.must_belong_to(key.organization).await?;
    let conversation = platform.conversation(key.conversation).await?;
    let mut seen = conversation.as_ref().map(users_of).unwrap_or_default();
    for (user, queue_id) in known {
        let one = seen.entry(*user).or_default();
        one.queue_id = one.queue_id.take().or_else(|| queue_id.clone());
    }
    let queues = queue_names(platform, &seen).await?;
    let everybody = if collisions { platform.users().await? } else { Vec::new() };
    let mut attendants = Vec::new();
    for (user_id, Seen { answered, queue_id, queue }) in seen {
        let user = platform.user(user_id).await?;
        let agent_id = user.as_ref().and_then(GenesysUser::agent);
        let provisioned = match &agent_id {
            Some(agent) => store.user(key.organization, agent).await?,
            None => None,
        };
        let named = queue_id.as_ref().and_then(|id| queues.get(id).cloned());
        let (name, username) = match user {
            Some(user) => (user.name, user.username),
            None => (Pii::new(String::new()), Pii::new(String::new())),
        };
        attendants.push(Attendant {
            user_id,
            name,
            username,
            shared_with: sharing(&everybody, agent_id.as_ref()),
            agent_id,
            answered,
            queue: queue.or(named),
            queue_id,
            provisioned: Provisioned::of(provisioned.as_ref()),
        });
    }
    Ok(attendants)
}

/// Returns the users among a conversation's participants.
///
/// Genesys writes ids flat (`userId`) here and nested (`user.id`) there.
fn users_of(conversation: &Value) -> BTreeMap<UserId, Seen> {
    let id = |party: &Value, flat: &str, nested: &str| {
        let id = party[flat].as_str().or_else(|| party[nested]["id"].as_str());
        id.map(str::to_owned)
    };
    let parties = || conversation["participants"].as_array().into_iter().flatten();
    // The queue takes part under its own name.
    let acd = parties().filter(|party| party["purpose"] == "acd");
    let names: BTreeMap<String, &str> = acd
        .filter_map(|party| Some((id(party, "queueId", "queue")?, party["name"].as_str()?)))
        .collect();
    let mut seen = BTreeMap::<UserId, Seen>::new();
    for party in parties() {
        let user = id(party, "userId", "user").and_then(|id| id.parse().ok());
        let Some(user) = user else { continue };
        let calls = party["calls"].as_array();
        let connected = calls.into_iter().flatten().any(|call| call["connectedTime"].is_string());
        let one = seen.entry(user).or_default();
        one.answered = Some(one.answered.unwrap_or_default() || connected);
        one.queue_id = one.queue_id.take().or_else(|| id(party, "queueId", "queue"));
        let name = one.queue_id.as_ref().and_then(|id| names.get(id)).copied();
        let name = party["queueName"].as_str().or(name).filter(|name| !name.is_empty());
        one.queue = one.queue.take().or_else(|| name.map(str::to_owned));
    }
    seen
}

async fn queue_names(
    platform: &PlatformClient,
    seen: &BTreeMap<UserId, Seen>,
) -> Result<BTreeMap<String, String>, PlatformError> {
    let unnamed = seen.values().any(|one| one.queue_id.is_some() && one.queue.is_none());
    if !unnamed {
        return Ok(BTreeMap::new());
    }
    match platform.queues().await {
        Ok(queues) => Ok(queues.into_iter().map(|queue| (queue.id, queue.name)).collect()),
        // The role may lack that permission alone; ids are better than no answer.
        Err(error) if error.is_forbidden() => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Returns the usernames that lead to an agent id, in order, if there are several.
fn sharing(everybody: &[GenesysUser], agent: Option<&AgentId>) -> Vec<Pii<String>> {
    let Some(agent) = agent else { return Vec::new() };
    let same = everybody.iter().filter(|user| user.agent().as_ref() == Some(agent));
    let usernames: BTreeSet<&String> = same.map(|user| user.username.reveal()).collect();
    if usernames.len() < 2 {
        return Vec::new();
    }
    usernames.into_iter().map(|username| Pii::new(username.clone())).collect()
}

fn as_text<S: Serializer>(id: &UserId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn revealed<S: Serializer>(text: &Pii<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.reveal())
}

fn all_revealed<S: Serializer>(texts: &[Pii<String>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(Pii::reveal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ADA: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a01";
    const LOU: &str = "6b1e0c52-5a5e-4f0b-9a57-0d1f3c2b4a10";

    #[test]
    fn users_of_a_conversation_are_read_in_both_spellings() {
        let conversation = json!({"participants": [
            {"purpose": "customer", "calls": [{"connectedTime": "2026-08-15T09:00:00Z"}]},
            {"purpose": "agent", "userId": ADA, "queueId": "q1", "calls": [{"state": "alerting"}]},
            {"purpose": "agent", "user": {"id": LOU}, "queue": {"id": "q1"},
             "calls": [{"connectedTime": "2026-08-15T09:00:09Z"}]},
            {"purpose": "acd", "queueId": "q1", "name": "Billing"},
            {"purpose": "agent", "userId": "not an id"},
        ]});
        let seen = users_of(&conversation);
        let (ada, lou) = (&seen[&ADA.parse().unwrap()], &seen[&LOU.parse().unwrap()]);
        assert_eq!(seen.len(), 2);
        assert_eq!((ada.answered, lou.answered), (Some(false), Some(true)));
        assert_eq!((lou.queue_id.as_deref(), lou.queue.as_deref()), (Some("q1"), Some("Billing")));
        assert!(users_of(&json!("hello")).is_empty());
    }
}

//! Who should be listened to and is not: queue members whom nobody provisioned, provisioned users
//! whom Genesys does not know or who never were on a call.
//!
//! [`coverage`] asks Genesys and the store; [`cover`] is a function of what they said.
//! Source: docs/wire/notification.md, "Users".

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use sidetone_model::{
    Adaptor, AgentId, Attribution, GenesysUser, NotOurs, OrganizationId, Pii, Timestamp, User,
    UserId, UserStatus,
};
use sidetone_ports::{CallStore, OrganizationStore, StoreError, UserStore};

use crate::legs::{SEEN_LIFE, seen_agents};
use crate::platform::{GenesysQueue, PlatformClient, PlatformError, QueueMember};
use crate::roster::Directory;

/// Why coverage could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// Genesys did not answer.
    #[error("Genesys could not be asked who works in which queue")]
    Platform(#[from] PlatformError),
    /// The store did not answer.
    #[error("the provisioned users could not be read")]
    Store(#[from] StoreError),
    /// There is no such queue, or none that the OAuth client may see.
    #[error("no queue is called {name}, or has that id")]
    NoQueue {
        /// What was asked for.
        name: String,
    },
}

/// What coverage is found out from.
#[derive(Debug, Clone)]
pub struct CoverageFacts {
    /// When it was asked.
    pub now: Timestamp,
    /// Whose.
    pub organization: OrganizationId,
    /// Every active Genesys user.
    pub listed: Vec<GenesysUser>,
    /// Every provisioned user.
    pub provisioned: Vec<User>,
    /// The queues that are looked at, with their members.
    pub queues: Vec<(GenesysQueue, Vec<QueueMember>)>,
    /// When each agent was on a call last.
    pub seen: BTreeMap<AgentId, Timestamp>,
}

/// Who should be listened to and is not.
///
/// **Shape**: as JSON, what `sidetone coverage --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Whose.
    #[serde(serialize_with = "as_text")]
    pub organization: OrganizationId,
    /// The queues that were looked at, in order of name.
    pub queues: Vec<QueueCoverage>,
    /// Members of these queues, and users who are followed, whom nobody listens to.
    pub not_covered: Vec<Uncovered>,
    /// Provisioned users whom Genesys does not list: gone, inactive, or misspelt.
    pub not_listed: Vec<AgentId>,
    /// Provisioned users who are listened to and were on no call.
    pub never_on_a_call: Vec<AgentId>,
    /// How many days back calls are remembered for that.
    pub seen_days: u64,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueCoverage {
    /// The queue.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub members: usize,
    /// How many of them are listened to.
    pub covered: usize,
}

/// A Genesys user whom nobody listens to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// The user.
    #[serde(serialize_with = "as_text")]
    pub user_id: UserId,
    /// The telephony agent id that follows from the username.
    pub agent: Option<AgentId>,
    /// The username, so that the user can be provisioned.
    #[serde(serialize_with = "revealed")]
    pub username: Pii<String>,
    /// Why nobody listens.
    pub reason: UncoveredReason,
    /// The names of the queues that the user is in.
    pub queues: Vec<String>,
}

/// Why nobody listens to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UncoveredReason {
    /// Nobody is provisioned under the telephony agent id.
    NotProvisioned,
    /// Two Genesys users have the same local part.
    Collision,
    /// The user is provisioned, on another telephony platform.
    OtherAdaptor,
    /// The user is provisioned and switched off.
    Inactive,
}

/// Asks Genesys and the store; of the queues that are named by name or id, else of those that
/// the organization's settings name, else of all.
///
/// Errors: [`CoverageError`]; among them that the OAuth client is another organization's.
pub async fn coverage<S: UserStore + CallStore + OrganizationStore>(
    platform: &PlatformClient,
    store: &S,
    organization: OrganizationId,
    queues: &[String],
) -> Result<Coverage, CoverageError> {
    let now = platform.clock().now();
    platform.must_belong_to(organization).await?;
    let followed = store.organization(organization).await?.map(|own| own.queues);
    let followed = followed.unwrap_or_default();
    let queues = if queues.is_empty() { &followed } else { queues };
    let mut with_members = Vec::new();
    for queue in chosen(platform.queues().await?, queues)? {
        let members = platform.queue_members(&queue).await?;
        with_members.push((queue, members));
    }
    Ok(cover(&CoverageFacts {
        now,
        organization,
        listed: platform.users().await?,
        provisioned: store.users(organization).await?,
        queues: with_members,
        seen: seen_agents(store, organization, now).await?,
    }))
}

/// Returns the queues that were named, or all if none was.
fn chosen(all: Vec<GenesysQueue>, named: &[String]) -> Result<Vec<GenesysQueue>, CoverageError> {
    let is_meant = |queue: &GenesysQueue, name: &String| {
        queue.name.to_lowercase() == name.to_lowercase() || queue.id.eq_ignore_ascii_case(name)
    };
    if let Some(name) = named.iter().find(|name| !all.iter().any(|queue| is_meant(queue, name))) {
        return Err(CoverageError::NoQueue { name: name.clone() });
    }
    let wanted =
        |queue: &GenesysQueue| named.is_empty() || named.iter().any(|name| is_meant(queue, name));
    Ok(all.into_iter().filter(wanted).collect())
}

/// Says who should be listened to and is not.
///
/// A member whom Genesys does not list cannot sign in, and is left out.
pub fn cover(facts: &CoverageFacts) -> Coverage {
    let mut directory = Directory::default();
    directory.put_listed(&facts.listed);
    directory.put_provisioned(&facts.provisioned);
    let listed: BTreeMap<UserId, &GenesysUser> =
        facts.listed.iter().map(|user| (user.id, user)).collect();
    let is_ours = |user: UserId| {
        let attribution = directory.attribution(user, facts.now);
        attribution.is_some_and(|attribution| attribution.agent().is_some())
    };
    let mut expected: BTreeMap<UserId, Vec<String>> =
        directory.followed().into_iter().map(|user| (user, Vec::new())).collect();
    let mut queues = Vec::new();
    for (queue, members) in &facts.queues {
        let members: Vec<UserId> = members
            .iter()
            .map(|member| member.user)
            .filter(|user| listed.contains_key(user))
            .collect();
        let covered = members.iter().filter(|user| is_ours(**user)).count();
        let (id, name) = (queue.id.clone(), queue.name.clone());
        queues.push(QueueCoverage { id, name, members: members.len(), covered });
        for user in members {
            expected.entry(user).or_default().push(queue.name.clone());
        }
    }
    let not_covered = expected.into_iter().filter_map(|(user, queues)| {
        let reason = reason(directory.attribution(user, facts.now)?)?;
        let known = listed.get(&user)?;
        let (agent, username) = (known.agent(), known.username.clone());
        Some(Uncovered { user_id: user, agent, username, reason, queues })
    });
    let not_listed = directory.missing();
    Coverage {
        organization: facts.organization,
        queues,
        not_covered: not_covered.collect(),
        never_on_a_call: never_on_a_call(facts, &not_listed),
        not_listed: not_listed.into_iter().collect(),
        seen_days: SEEN_LIFE.as_secs() / (24 * 3_600),
    }
}

fn never_on_a_call(facts: &CoverageFacts, not_listed: &BTreeSet<AgentId>) -> Vec<AgentId> {
    let is_listened_to =
        |user: &&User| user.adaptor == Adaptor::GenesysCloud && user.status == UserStatus::Active;
    let listened_to = facts.provisioned.iter().filter(is_listened_to).map(|user| &user.agent);
    let mut agents: Vec<AgentId> = listened_to
        .filter(|agent| !not_listed.contains(agent) && !facts.seen.contains_key(agent))
        .cloned()
        .collect();
    agents.sort();
    agents
}

/// Returns why nobody listens; nothing if somebody does, or it cannot be known.
fn reason(attribution: Attribution) -> Option<UncoveredReason> {
    match attribution {
        Attribution::Ours(_) | Attribution::NotOurs(NotOurs::LookupFailed) => None,
        Attribution::NotOurs(NotOurs::UnknownUser) => Some(UncoveredReason::NotProvisioned),
        Attribution::NotOurs(NotOurs::Collision) => Some(UncoveredReason::Collision),
        Attribution::NotOurs(NotOurs::OtherAdaptor) => Some(UncoveredReason::OtherAdaptor),
        Attribution::NotOurs(NotOurs::Inactive) => Some(UncoveredReason::Inactive),
    }
}

fn as_text<T: std::fmt::Display, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// The one who asks provisions users, and has to see whom.
fn revealed<S: Serializer>(text: &Pii<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.reveal())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    fn listed(number: u128, username: &str) -> GenesysUser {
        let name = Pii::new("Invented".to_owned());
        GenesysUser { id: id(number), name, username: Pii::new(username.to_owned()), active: true }
    }

    fn provisioned(agent: &str, adaptor: Adaptor, status: UserStatus) -> User {
        User {
            agent: AgentId::new(agent),
            name: Pii::new("Invented".to_owned()),
            username: Pii::new(format!("{agent}@customer.example")),
            adaptor,
            team: String::new(),
            supervisor: String::new(),
            site: String::new(),
            status,
        }
    }

    fn queue(name: &str) -> GenesysQueue {
        GenesysQueue { id: format!("id-of-{name}"), name: name.to_owned() }
    }

    fn members(users: &[u128]) -> Vec<QueueMember> {
        users.iter().map(|number| QueueMember { user: id(*number), joined: true }).collect()
    }

    fn facts() -> CoverageFacts {
        let (cloud, active) = (Adaptor::GenesysCloud, UserStatus::Active);
        CoverageFacts {
            now: Timestamp::from_millis(0),
            organization: OrganizationId::new(Uuid::from_u128(1)),
            listed: vec![
                listed(1, "ada@customer.example"),
                listed(2, "lou@customer.example"),
                listed(3, "kay@customer.example"),
                listed(4, "hal@customer.example"),
                listed(5, "max@customer.example"),
                listed(6, "max@partner.example"),
                listed(7, "bo@customer.example"),
            ],
            provisioned: vec![
                provisioned("ada", cloud, active),
                provisioned("bo", cloud, active),
                provisioned("kay", Adaptor::Avaya, active),
                provisioned("hal", cloud, UserStatus::Inactive),
                provisioned("zoe", cloud, active),
            ],
            queues: vec![
                (queue("Billing"), members(&[1, 2, 3, 4])),
                (queue("Claims"), members(&[2, 99])),
            ],
            seen: BTreeMap::from([(AgentId::new("ada"), Timestamp::from_millis(0))]),
        }
    }

    #[test]
    fn whoever_works_in_a_queue_and_is_not_listened_to_is_named_with_the_reason() {
        let coverage = cover(&facts());
        let found: Vec<_> = coverage
            .not_covered
            .iter()
            .map(|one| (one.user_id, one.reason, one.queues.join(" ")))
            .collect();
        let (not_provisioned, collision) =
            (UncoveredReason::NotProvisioned, UncoveredReason::Collision);
        assert_eq!(
            found,
            [
                (id(2), not_provisioned, "Billing Claims".to_owned()),
                (id(3), UncoveredReason::OtherAdaptor, "Billing".to_owned()),
                (id(4), UncoveredReason::Inactive, "Billing".to_owned()),
                // In no queue, and followed so that the reason can be told.
                (id(5), collision, String::new()),
                (id(6), collision, String::new()),
            ]
        );
        let covered: Vec<_> =
            coverage.queues.iter().map(|queue| (queue.members, queue.covered)).collect();
        assert_eq!(covered, [(4, 1), (1, 0)]);
    }

    #[test]
    fn provisioned_users_who_were_never_seen_are_named() {
        let coverage = cover(&facts());
        assert_eq!(coverage.not_listed, [AgentId::new("zoe")]);
        assert_eq!(coverage.never_on_a_call, [AgentId::new("bo")]);
    }

    #[test]
    fn queues_are_chosen_by_name_or_id_and_a_wrong_one_is_named() {
        let all = vec![queue("Billing"), queue("Claims")];
        let names = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            chosen(all.clone(), &named)
                .map(|queues| queues.into_iter().map(|queue| queue.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["Billing", "Claims"]);
        assert_eq!(names(&["claims"]).unwrap(), ["Claims"]);
        assert_eq!(names(&["ID-of-Billing"]).unwrap(), ["Billing"]);
        let error = names(&["Biling"]).unwrap_err();
        assert_eq!(error.to_string(), "no queue is called Biling, or has that id");
    }
}

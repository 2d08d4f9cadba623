//! Users as Genesys has them: a plan that is a function of the people whom Genesys lists and the
//! users that stand, and its commit.
//!
//! Refuses: guessing. Two people of one agent id are told and left alone. What administrators
//! decide stays theirs: adaptor, team, supervisor, site and status of somebody who stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sidetone_model::{Adaptor, AgentId, GenesysUser, OrganizationId, People, User, UserId};
use sidetone_ports::UserStore;
use sidetone_user_file::{FieldError, Fields};

use crate::difference::Difference;
use crate::error::UsersError;
use crate::users::{Absent, Intent, Outcome, TRIES_MAX, Users, allowed};

/// What a sync found beside the changes.
///
/// **Shape**: as JSON, by these names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Findings {
    /// How many active users Genesys lists.
    pub listed: usize,
    /// How many of them were looked at.
    pub looked_at: usize,
    /// Who shares an agent id; nobody was added or changed under it.
    pub collisions: Vec<Collision>,
    /// Who stands here under another agent id than the username says; neither added nor changed.
    pub known_otherwise: Vec<KnownOtherwise>,
    /// Whom Genesys lists with fields that cannot be; neither added nor changed.
    pub unusable: Vec<Unusable>,
    /// Who stands here, is served by Genesys Cloud, and is no active user there whatever the
    /// scope; removed only where somebody said so.
    pub vanished: Vec<AgentId>,
}

/// Genesys users who share the local part of the username.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Collision {
    /// The agent id.
    pub agent: AgentId,
    /// They.
    pub users: Vec<UserId>,
}

/// Somebody who was given another agent id than the username says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownOtherwise {
    /// The Genesys user.
    pub user_id: UserId,
    /// What the username says.
    pub agent: AgentId,
    /// Under which ids the same username stands.
    pub stands_as: Vec<AgentId>,
}

/// Somebody who cannot be provisioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unusable {
    /// The Genesys user.
    pub user_id: UserId,
    /// Each bad field and why, without what stood there.
    pub reasons: Vec<String>,
}

/// What a sync did, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The changes.
    pub outcome: Outcome,
    /// The rest.
    pub findings: Findings,
}

impl<S: UserStore> Users<S> {
    /// Adds and updates users as Genesys has them, in one commit; `vanished` says whether those
    /// go whom Genesys no longer has.
    ///
    /// Errors: the store's, [`UsersError::Crowded`], or [`UsersError::ManyRemoved`].
    pub async fn sync(
        &self,
        organization: OrganizationId,
        people: &People,
        vanished: Absent,
        intent: Intent<'_>,
    ) -> Result<Synced, UsersError> {
        for _ in 0..TRIES_MAX {
            let (expected, stored) = self.read(organization).await?;
            let before = stored.len();
            let (difference, findings) = plan(stored, people, vanished);
            if let (Absent::Remove(removals), Intent::Commit(_)) = (vanished, intent) {
                allowed(removals, &difference, before)?;
            }
            if let Some(outcome) = self.commit(organization, expected, difference, intent).await? {
                return Ok(Synced { outcome, findings });
            }
        }
        Err(UsersError::Crowded)
    }
}

/// Says what must change so that those who are meant stand as Genesys has them.
fn plan(stored: Vec<User>, people: &People, vanished: Absent) -> (Difference, Findings) {
    let known = Known::new(&stored, people);
    let mut findings = Findings { listed: people.listed.len(), ..Findings::default() };
    let (mut wanted, mut shared) = (Vec::new(), BTreeSet::new());
    for person in people.meant() {
        findings.looked_at += 1;
        match known.standing(person) {
            Standing::Wanted(user) => wanted.push(Arc::new(*user)),
            Standing::Shared(collision) => drop(shared.insert(collision)),
            Standing::Otherwise(known) => findings.known_otherwise.push(known),
            Standing::Unusable(errors) => findings.unusable.push(Unusable {
                user_id: person.id,
                reasons: errors.iter().map(ToString::to_string).collect(),
            }),
        }
    }
    findings.collisions = shared.into_iter().collect();
    findings.vanished = known.vanished();

    let removes = vanished != Absent::Stay;
    let goes = |user: &User| removes && findings.vanished.binary_search(&user.agent).is_ok();
    let named: BTreeSet<AgentId> = wanted.iter().map(|user| user.agent.clone()).collect();
    let concerned = |user: &User| named.contains(&user.agent) || goes(user);
    let concerned = stored.into_iter().filter(concerned).collect();
    (Difference::between(concerned, &wanted, true), findings)
}

/// What a person is to the users that stand.
enum Standing {
    /// Should stand like that.
    Wanted(Box<User>),
    /// Is one of several.
    Shared(Collision),
    /// Stands as somebody else.
    Otherwise(KnownOtherwise),
    /// Cannot stand.
    Unusable(Vec<FieldError>),
}

/// Everybody, by what they are looked for.
struct Known<'a> {
    /// Listed people by agent id.
    holders: BTreeMap<AgentId, Vec<UserId>>,
    /// The usernames of listed people, lower-cased.
    usernames: BTreeSet<String>,
    stored: BTreeMap<&'a AgentId, &'a User>,
    /// Users whose agent id is nobody's who is listed, by username.
    orphans: BTreeMap<String, Vec<&'a User>>,
}

impl<'a> Known<'a> {
    fn new(stored: &'a [User], people: &People) -> Self {
        let mut holders: BTreeMap<AgentId, Vec<UserId>> = BTreeMap::new();
        for (agent, id) in people.listed.iter().filter_map(|one| Some((one.agent()?, one.id))) {
            holders.entry(agent).or_default().push(id);
        }
        let mut orphans: BTreeMap<String, Vec<&User>> = BTreeMap::new();
        for user in stored.iter().filter(|user| !holders.contains_key(&user.agent)) {
            orphans.entry(lowered(user.username.reveal())).or_default().push(user);
        }
        let usernames = people.listed.iter().map(|one| lowered(one.username.reveal())).collect();
        let stored = stored.iter().map(|user| (&user.agent, user)).collect();
        Self { holders, usernames, stored, orphans }
    }

    fn standing(&self, person: &GenesysUser) -> Standing {
        let user = match fields_of(person).check() {
            Ok(user) => user,
            Err(errors) => return Standing::Unusable(errors),
        };
        if let Some(several @ [_, _, ..]) = self.holders.get(&user.agent).map(Vec::as_slice) {
            return Standing::Shared(Collision { agent: user.agent, users: several.to_vec() });
        }
        if let Some(stands) = self.stored.get(&user.agent) {
            let User { name, username, .. } = user;
            return Standing::Wanted(Box::new(User { name, username, ..User::clone(stands) }));
        }
        match self.orphans.get(&lowered(person.username.reveal())) {
            Some(orphans) => Standing::Otherwise(KnownOtherwise {
                user_id: person.id,
                agent: user.agent,
                stands_as: orphans.iter().map(|user| user.agent.clone()).collect(),
            }),
            None => Standing::Wanted(Box::new(user)),
        }
    }

    /// Returns who is served by Genesys Cloud, and is nobody there, by agent id or username.
    fn vanished(&self) -> Vec<AgentId> {
        let gone = self.orphans.iter().filter(|(username, _)| !self.usernames.contains(*username));
        let gone = gone.flat_map(|(_, users)| users);
        let served = gone.filter(|user| user.adaptor == Adaptor::GenesysCloud);
        let agents: BTreeSet<AgentId> = served.map(|user| user.agent.clone()).collect();
        agents.into_iter().collect()
    }
}

/// Returns the fields of a user who would be added.
fn fields_of(person: &GenesysUser) -> Fields<'_> {
    Fields {
        name: person.name.reveal(),
        email: person.username.reveal(),
        adaptor: Adaptor::GenesysCloud.as_str(),
        ..Fields::default()
    }
}

fn lowered(username: &str) -> String {
    username.trim().to_lowercase()
}

#[cfg(test)]
mod tests;

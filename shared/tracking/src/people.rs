//! Who the organization's people are, and who of them somebody means by queue, group or division.
//!
//! Refuses: half an answer. What cannot be read whole is an error.
//! Source: docs/wire/notification.md, "Users".

use std::collections::{BTreeMap, BTreeSet};

use sidetone_model::{OrganizationId, People, UserId};

use crate::platform::{GenesysQueue, Listed, Named, PlatformClient, PlatformError};

/// Whom somebody means: those who are in any of these, each by name in any letter case or by id;
/// everybody if nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeopleScope {
    /// The members of these queues, joined or not.
    pub queues: Vec<String>,
    /// The members of these groups.
    pub groups: Vec<String>,
    /// The users of these divisions.
    pub divisions: Vec<String>,
}

/// How far a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is read.
    pub what: &'static str,
    /// How many were.
    pub done: usize,
    /// How many there are.
    pub of: usize,
}

/// Is told how far a reading is.
pub type Watch<'a> = dyn Fn(Step) + Send + Sync + 'a;

/// Why nobody knows who is meant.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Genesys did not answer.
    #[error("Genesys could not be asked who there is")]
    Platform(#[from] PlatformError),
    /// There is none of that name or id, or none that the OAuth client may see.
    #[error("no {kind} is called {name}, or has that id")]
    NoSuch {
        /// `queue`, `group` or `division`.
        kind: &'static str,
        /// What was asked for.
        name: String,
    },
    /// There are several of that name.
    #[error("{count} {kind}s are called {name}; name the one you mean by its id")]
    Several {
        /// `queue`, `group` or `division`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// A role without rights in any division sees nobody, which looks like an organization
    /// that everybody has left.
    #[error("Genesys lists no active user that the OAuth client may see")]
    Nobody,
}

impl PeopleScope {
    /// Returns whether everybody is meant.
    pub const fn is_everybody(&self) -> bool {
        self.queues.is_empty() && self.groups.is_empty() && self.divisions.is_empty()
    }
}

impl PlatformClient {
    /// Reads everybody, and who of them is meant.
    ///
    /// Errors: [`PeopleError`]; among them that the OAuth client is another organization's.
    pub async fn people(
        &self,
        organization: OrganizationId,
        scope: &PeopleScope,
        watch: &Watch<'_>,
    ) -> Result<People, PeopleError> {
        self.must_belong_to(organization).await?;
        let members = self.members(scope, watch).await?;
        let divisions = match scope.divisions.as_slice() {
            [] => Vec::new(),
            named => chosen("division", self.divisions().await?, named)?,
        };
        let listed = self.every_user(watch).await?;
        if listed.is_empty() {
            return Err(PeopleError::Nobody);
        }
        let meant = (!scope.is_everybody()).then(|| meant(members, &divisions, &listed));
        Ok(People { listed: listed.into_values().map(|one| one.user).collect(), meant })
    }

    /// Returns who is in the queues and groups.
    async fn members(
        &self,
        scope: &PeopleScope,
        watch: &Watch<'_>,
    ) -> Result<BTreeSet<UserId>, PeopleError> {
        let queues = match scope.queues.as_slice() {
            [] => Vec::new(),
            named => {
                let queues = self.queues().await?.into_iter();
                let all = queues.map(|GenesysQueue { id, name }| Named { id, name });
                chosen("queue", all.collect(), named)?
            }
        };
        let groups = match scope.groups.as_slice() {
            [] => Vec::new(),
            named => chosen("group", self.groups().await?, named)?,
        };
        let (mut members, of) = (BTreeSet::new(), queues.len() + groups.len());
        let step = |done| watch(Step { what: "queues and groups", done, of });
        let before_groups = queues.len();
        for (done, Named { id, name }) in queues.into_iter().enumerate() {
            step(done);
            let in_queue = self.queue_members(&GenesysQueue { id, name }).await?;
            members.extend(in_queue.into_iter().map(|member| member.user));
        }
        for (done, group) in groups.iter().enumerate() {
            step(before_groups + done);
            members.extend(self.group_members(group).await?);
        }
        Ok(members)
    }
}

/// Returns what was named, once each.
fn chosen(
    kind: &'static str,
    all: Vec<Named>,
    named: &[String],
) -> Result<Vec<Named>, PeopleError> {
    let mut ids = BTreeSet::new();
    for name in named {
        let by_id = |one: &&Named| one.id.eq_ignore_ascii_case(name);
        let by_name = |one: &&Named| one.name.to_lowercase() == name.to_lowercase();
        let found: Vec<&Named> = match all.iter().find(by_id) {
            Some(one) => vec![one],
            None => all.iter().filter(by_name).collect(),
        };
        match found.as_slice() {
            [] => return Err(PeopleError::NoSuch { kind, name: name.clone() }),
            [one] => drop(ids.insert(one.id.clone())),
            [_, ..] => {
                return Err(PeopleError::Several { kind, name: name.clone(), count: found.len() });
            }
        }
    }
    Ok(all.into_iter().filter(|one| ids.contains(&one.id)).collect())
}

fn meant(
    mut members: BTreeSet<UserId>,
    divisions: &[Named],
    listed: &BTreeMap<UserId, Listed>,
) -> BTreeSet<UserId> {
    let is_in = |one: &Listed| divisions.iter().any(|division| division.id == one.division);
    members.extend(listed.iter().filter(|(_, one)| is_in(one)).map(|(id, _)| *id));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_by_name_or_id_and_never_guessed() {
        let named = |id: &str, name: &str| Named { id: id.to_owned(), name: name.to_owned() };
        let all = vec![named("1", "Billing"), named("2", "Sales"), named("3", "sales")];
        let ids = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let chosen = chosen("group", all.clone(), &names);
            chosen.map(|all| all.into_iter().map(|one| one.id).collect::<Vec<_>>())
        };
        assert_eq!(ids(&["BILLING", "1", "3"]).unwrap(), ["1", "3"]);
        let none = ids(&["Biling"]).unwrap_err();
        assert_eq!(none.to_string(), "no group is called Biling, or has that id");
        let several = ids(&["Sales"]).unwrap_err();
        assert_eq!(
            several.to_string(),
            "2 groups are called Sales; name the one you mean by its id"
        );
    }
}

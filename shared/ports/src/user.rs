//! Provisioned users, and the memory of everything that was changed about them.
//!
//! Users change in commits: all of one or none of it, its entries in the history with it, and
//! only if nobody committed since its writer read. Who plans commits is the crate `users`.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sidetone_model::{AgentId, OrganizationId, Timestamp, User};

use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::Revision;

/// By which way a change came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeWay {
    /// A file that was imported, wherever.
    File,
    /// The users API, or that of organizations.
    Api,
    /// A command.
    Cli,
    /// What Genesys said about its users.
    Sync,
    /// Whoever set a simulation or a test up.
    Setup,
}

impl ChangeWay {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::File, Self::Api, Self::Cli, Self::Sync, Self::Setup];

    /// Returns the word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Sync => "sync",
            Self::Setup => "setup",
        }
    }

    /// Returns the way that a word stands for.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == word)
    }
}

/// Who changed users or settings, when, and by which way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeOrigin {
    /// When.
    pub at: Timestamp,
    /// Who, in the words of the way: a login name, the subject of a token, a file.
    pub by: String,
    /// By which way.
    pub way: ChangeWay,
}

/// What becomes of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChange {
    /// Whose key this is, before and after.
    pub agent: AgentId,
    /// The user as it stood; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Arc<User>>,
    /// The user as it stands; absent if it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Arc<User>>,
}

/// One change of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The commit it was part of.
    pub revision: Revision,
    /// Who, when, by which way.
    pub origin: ChangeOrigin,
    /// Of what into what.
    pub change: UserChange,
}

impl HistoryEntry {
    /// Returns its place in the history.
    pub fn place(&self) -> HistoryPlace {
        HistoryPlace { revision: self.revision, agent: self.change.agent.clone() }
    }
}

/// A place in an organization's history; later commits are greater.
///
/// **Shape** as text: the revision, a stroke, the agent id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPlace {
    /// The commit.
    pub revision: Revision,
    /// The user within it.
    pub agent: AgentId,
}

impl fmt::Display for HistoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.revision, self.agent)
    }
}

/// A text that is no place in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the history: expected REVISION/AGENT, as an earlier page ended with")]
pub struct HistoryPlaceError;

impl FromStr for HistoryPlace {
    type Err = HistoryPlaceError;

    fn from_str(text: &str) -> Result<Self, HistoryPlaceError> {
        let (revision, agent) = text.split_once('/').ok_or(HistoryPlaceError)?;
        let revision = revision.parse().map_err(|_| HistoryPlaceError)?;
        Ok(Self { revision, agent: AgentId::new(agent) })
    }
}

/// Which users are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserQuery {
    /// Those behind this agent id, whether somebody has it or not; absent for the first.
    pub after: Option<AgentId>,
    /// How many, at most and at least one.
    pub limit: usize,
}

/// A page of users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPage {
    /// In order of agent id; may be fewer than asked for though more follow.
    pub users: Vec<User>,
    /// Behind whom to go on, if there may be more.
    pub next: Option<AgentId>,
}

/// What is asked of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of one user alone.
    pub agent: Option<AgentId>,
    /// What lies before this place, which is not itself returned.
    pub before: Option<HistoryPlace>,
    /// How many entries, at most and at least one.
    pub limit: usize,
}

/// A page of history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// Newest first; within a commit by agent id, the last first.
    pub entries: Vec<HistoryEntry>,
    /// Where to go on, if there may be more.
    pub next: Option<HistoryPlace>,
}

/// How often [`UserStore::put_users`] begins again because others were first.
const PUTS_MAX: u32 = 100;
/// How long it waits before that, longer with each time, up to twenty times. Real time.
const PUT_PAUSE: Duration = Duration::from_millis(5);

/// Provisioned users.
pub trait UserStore: Clone + Send + Sync + 'static {
    /// Returns how many commits there were; whoever plans a change reads this first.
    ///
    /// It grows with every change, so what was read stays true while it stays the same.
    fn user_revision(
        &self,
        organization: OrganizationId,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Commits changes with their history, all or none of them, if there was no commit since
    /// `expected` was read; returns the new revision. Without changes nothing happens.
    ///
    /// No agent may stand twice among the changes.
    /// Errors: [`StoreError::Conflict`] if another writer was first.
    fn change_users(
        &self,
        organization: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        changes: &[UserChange],
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Finds one.
    fn user(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// Returns all, in order of agent id.
    fn users(
        &self,
        organization: OrganizationId,
    ) -> impl Future<Output = Result<Vec<User>, StoreError>> + Send;

    /// Returns some of them, in order of agent id, beginning behind one; reads no more than it
    /// has to.
    fn user_page(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> impl Future<Output = Result<UserPage, StoreError>> + Send;

    /// Returns what was changed, newest first.
    fn user_history(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
    ) -> impl Future<Output = Result<HistoryPage, StoreError>> + Send;

    /// Adds or replaces users, all or none of them, whoever was first.
    ///
    /// For who sets up a world of its own; what administrators do is planned and shown by the
    /// crate `users`. Of two entries of one agent the later counts.
    fn put_users(
        &self,
        organization: OrganizationId,
        users: &[User],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        async move {
            let clock = Clock::system();
            let wanted: BTreeMap<&AgentId, &User> =
                users.iter().map(|user| (&user.agent, user)).collect();
            let origin =
                ChangeOrigin { at: clock.now(), by: "setup".to_owned(), way: ChangeWay::Setup };
            let mut tried = 0;
            loop {
                let expected = self.user_revision(organization).await?;
                let changes = differing(self.users(organization).await?, &wanted);
                match self.change_users(organization, expected, &origin, &changes).await {
                    Err(error) if error.is_conflict() && tried < PUTS_MAX => {
                        tried += 1;
                        clock.sleep(PUT_PAUSE * tried.min(20)).await;
                    }
                    other => return other.map(drop),
                }
            }
        }
    }
}

/// Returns what must change so that all of `wanted` are stored as they are.
fn differing(stored: Vec<User>, wanted: &BTreeMap<&AgentId, &User>) -> Vec<UserChange> {
    let mut before: BTreeMap<AgentId, User> =
        stored.into_iter().map(|user| (user.agent.clone(), user)).collect();
    let mut changes = Vec::new();
    for (agent, user) in wanted {
        let before = before.remove(*agent);
        if before.as_ref() != Some(*user) {
            changes.push(UserChange {
                agent: (*agent).clone(),
                before: before.map(Arc::new),
                after: Some(Arc::new((*user).clone())),
            });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_grow_with_the_commits() {
        let place = |revision, agent| HistoryPlace { revision, agent: AgentId::new(agent) };
        for one in [place(0, ""), place(7, "ada/lovelace"), place(u64::MAX, "bo")] {
            assert_eq!(one.to_string().parse(), Ok(one));
        }
        for text in ["", "7", "x/ada", "-1/ada"] {
            assert_eq!(text.parse::<HistoryPlace>(), Err(HistoryPlaceError), "{text}");
        }
        assert!(place(10, "a") > place(9, "z"));
    }

    #[test]
    fn ways_are_stored_under_the_words_they_are_shown_under() {
        for way in ChangeWay::ALL {
            assert_eq!(serde_json::to_value(way).unwrap(), way.as_str());
            assert_eq!(ChangeWay::of_word(way.as_str()), Some(way));
        }
    }
}

//! What lies between the users that stand and those that should.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use sidetone_model::{AgentId, User};
use sidetone_ports::UserChange;

/// What becomes of a user, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Is new.
    Added,
    /// Has other fields, and the same adaptor.
    Changed,
    /// Has another adaptor, whatever else.
    Moved,
    /// Is no more.
    Removed,
}

impl ChangeKind {
    /// Every kind, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Added, Self::Changed, Self::Moved, Self::Removed];

    /// Returns the word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Moved => "moved",
            Self::Removed => "removed",
        }
    }

    /// Returns what kind of change this is.
    pub fn of(change: &UserChange) -> Self {
        match (&change.before, &change.after) {
            (None, _) => Self::Added,
            (Some(_), None) => Self::Removed,
            (Some(before), Some(after)) if before.adaptor != after.adaptor => Self::Moved,
            (Some(_), Some(_)) => Self::Changed,
        }
    }
}

/// How many users each becomes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// How many are new.
    pub added: usize,
    /// How many have other fields.
    pub changed: usize,
    /// How many have another adaptor.
    pub moved: usize,
    /// How many are no more.
    pub removed: usize,
    /// How many were named and stay as they are.
    pub unchanged: usize,
}

/// What must change so that users stand as they should.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In order of agent id.
    pub changes: Vec<UserChange>,
    /// How many were named and stand as they should.
    pub unchanged: usize,
    /// Who stands, was not named, and stays.
    pub absent: Vec<AgentId>,
}

impl Difference {
    /// Compares what stands with what should; `removes` says whether whoever is not wanted
    /// goes or stays.
    ///
    /// Of two wanted entries of one agent the later counts.
    pub(crate) fn between(stored: Vec<User>, wanted: &[Arc<User>], removes: bool) -> Self {
        let mut wanted: BTreeMap<&AgentId, &Arc<User>> =
            wanted.iter().map(|user| (&user.agent, user)).collect();
        let mut difference = Self::default();
        for before in stored {
            match wanted.remove(&before.agent) {
                Some(after) if **after == before => difference.unchanged += 1,
                Some(after) => difference.push(Some(before), Some(after)),
                None if removes => difference.push(Some(before), None),
                None => difference.absent.push(before.agent),
            }
        }
        for after in wanted.into_values() {
            difference.push(None, Some(after));
        }
        difference.changes.sort_unstable_by(|one, other| one.agent.cmp(&other.agent));
        difference
    }

    fn push(&mut self, before: Option<User>, after: Option<&Arc<User>>) {
        let agent = before.as_ref().or(after.map(|after| &**after)).map(|user| user.agent.clone());
        if let Some(agent) = agent {
            let (before, after) = (before.map(Arc::new), after.cloned());
            self.changes.push(UserChange { agent, before, after });
        }
    }

    /// Returns how many users there were, if all of them were compared.
    pub fn stored(&self) -> usize {
        let existed = self.changes.iter().filter(|change| change.before.is_some()).count();
        existed + self.unchanged + self.absent.len()
    }

    /// Returns how many of each kind there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { unchanged: self.unchanged, ..Counts::default() };
        for change in &self.changes {
            match ChangeKind::of(change) {
                ChangeKind::Added => counts.added += 1,
                ChangeKind::Changed => counts.changed += 1,
                ChangeKind::Moved => counts.moved += 1,
                ChangeKind::Removed => counts.removed += 1,
            }
        }
        counts
    }

    /// Returns who becomes another person, as far as a username tells: the same one renamed,
    /// or two people who share an id.
    pub fn other_usernames(&self) -> impl Iterator<Item = &AgentId> {
        let other = |change: &&UserChange| match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                !before.username.reveal().eq_ignore_ascii_case(after.username.reveal())
            }
            (None, _) | (_, None) => false,
        };
        self.changes.iter().filter(other).map(|change| &change.agent)
    }
}

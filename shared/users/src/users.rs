//! What can be done with users, each as a plan that is shown or committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sidetone_model::{Adaptor, AgentId, OrganizationId, User};
use sidetone_ports::{ChangeOrigin, HistoryPlace, HistoryQuery, Revision, UserChange, UserStore};
use sidetone_user_file::{FieldError, doubts};

use crate::difference::Difference;
use crate::error::UsersError;

/// How often a commit is planned anew because somebody was first; each try takes milliseconds,
/// and administrators are few.
pub(crate) const TRIES_MAX: u32 = 12;
/// How many entries of a history are read at once.
const PAGE_ENTRIES: usize = 500;

/// How many users one change may remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removals {
    /// At most 20 % of those there are: a wrong file is noticed before it does harm.
    #[default]
    Few,
    /// At most so many, as a person confirmed.
    UpTo(usize),
}

impl Removals {
    /// Whatever it takes: somebody said so beforehand.
    pub const ALL: Self = Self::UpTo(usize::MAX);

    /// The largest share of the users that one change removes without being confirmed.
    ///
    /// Units: percent.
    pub const FEW_PERCENT: usize = 20;

    /// Returns whether a change may remove so many of all users.
    const fn allows(self, removed: usize, stored: usize) -> bool {
        match self {
            Self::Few => removed * 100 <= stored * Self::FEW_PERCENT,
            Self::UpTo(max) => removed <= max,
        }
    }
}

/// What becomes of users who are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// They stay.
    #[default]
    Stay,
    /// They are removed, if they are not too many.
    Remove(Removals),
}

/// Whether a plan is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent<'a> {
    /// Nothing changes.
    DryRun,
    /// It is committed in that name.
    Commit(&'a ChangeOrigin),
}

/// What was planned, and done unless it was only to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What lay between.
    pub difference: Difference,
    /// The commit, by which it can be undone; absent if nothing changed.
    pub revision: Option<Revision>,
}

impl Outcome {
    /// Returns what is odd about users who were added or changed: no call will be matched to them.
    pub fn doubts(&self) -> impl Iterator<Item = (&AgentId, FieldError)> {
        let after = self.difference.changes.iter().filter_map(|one| one.after.as_deref());
        after.flat_map(|user| doubts(user).into_iter().map(|doubt| (&user.agent, doubt)))
    }
}

/// The users of a store.
#[derive(Debug, Clone)]
pub struct Users<S> {
    store: S,
}

/// What is wished for, as often as it has to be planned.
enum Wish<'a> {
    Put { wanted: &'a [Arc<User>], kept: &'a [&'static str], absent: Absent },
    Add(&'a Arc<User>),
    Edit(&'a AgentId, &'a Edit<'a>),
    Remove(&'a [AgentId], Removals),
    Move(&'a [AgentId], Adaptor),
    Undo(Revision),
}

/// Makes of a user that stands one that should, or names every field that is bad.
pub type Edit<'a> = dyn Fn(&User) -> Result<User, Vec<FieldError>> + Send + Sync + 'a;

impl<S: UserStore> Users<S> {
    /// Works on a store.
    pub const fn new(store: S) -> Self {
        Self { store }
    }

    /// Adds and changes users; those who exist already keep the fields that are named `kept`.
    ///
    /// Errors: the store's, [`UsersError::Crowded`], or [`UsersError::ManyRemoved`].
    pub async fn put(
        &self,
        organization: OrganizationId,
        wanted: &[Arc<User>],
        kept: &[&'static str],
        absent: Absent,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Put { wanted, kept, absent }, intent).await
    }

    /// Adds one user.
    ///
    /// Errors: [`UsersError::Exists`] if somebody has the id.
    pub async fn add(
        &self,
        organization: OrganizationId,
        user: User,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Add(&Arc::new(user)), intent).await
    }

    /// Changes one user; `edit` is given what stands, each time anew.
    ///
    /// Errors: [`UsersError::Unknown`], or [`UsersError::Fields`].
    pub async fn edit(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
        edit: &Edit<'_>,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Edit(agent, edit), intent).await
    }

    /// Removes users; one user is always removed, `removals` limits several.
    ///
    /// Errors: [`UsersError::Unknown`] if one of them does not exist, or
    /// [`UsersError::ManyRemoved`]; then none is removed.
    pub async fn remove(
        &self,
        organization: OrganizationId,
        agents: &[AgentId],
        removals: Removals,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Remove(agents, removals), intent).await
    }

    /// Moves users to another adaptor.
    ///
    /// Errors: [`UsersError::Unknown`] if one of them does not stand; then none is moved.
    pub async fn move_to(
        &self,
        organization: OrganizationId,
        agents: &[AgentId],
        adaptor: Adaptor,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Move(agents, adaptor), intent).await
    }

    /// Takes a commit back, whole.
    ///
    /// Errors: [`UsersError::NoChange`]; [`UsersError::ChangedSince`] if one of its users does
    /// not stand as it left them.
    pub async fn undo(
        &self,
        organization: OrganizationId,
        revision: Revision,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Undo(revision), intent).await
    }

    /// Plans upon a revision, and commits upon the same; begins again if that moved on.
    async fn attempt(
        &self,
        organization: OrganizationId,
        wish: Wish<'_>,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        for _ in 0..TRIES_MAX {
            let expected = self.store.user_revision(organization).await?;
            let difference = self.plan(organization, &wish).await?;
            if intent != Intent::DryRun {
                self.check_removals(organization, &wish, &difference).await?;
            }
            if let Some(outcome) = self.commit(organization, expected, difference, intent).await? {
                return Ok(outcome);
            }
        }
        Err(UsersError::Crowded)
    }

    /// Reads all users, and first the commit that they are of at least.
    pub(crate) async fn read(
        &self,
        organization: OrganizationId,
    ) -> Result<(Revision, Vec<User>), UsersError> {
        let revision = self.store.user_revision(organization).await?;
        Ok((revision, self.store.users(organization).await?))
    }

    /// Commits a plan unless it is only to be shown; nothing if others were first.
    pub(crate) async fn commit(
        &self,
        organization: OrganizationId,
        expected: Revision,
        difference: Difference,
        intent: Intent<'_>,
    ) -> Result<Option<Outcome>, UsersError> {
        let Intent::Commit(origin) = intent else {
            return Ok(Some(Outcome { difference, revision: None }));
        };
        let changes = &difference.changes;
        match self.store.change_users(organization, expected, origin, changes).await {
            Ok(revision) => {
                let revision = (revision != expected).then_some(revision);
                Ok(Some(Outcome { difference, revision }))
            }
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn plan(
        &self,
        organization: OrganizationId,
        wish: &Wish<'_>,
    ) -> Result<Difference, UsersError> {
        Ok(match *wish {
            Wish::Put { wanted, kept, absent } => {
                let stored = self.store.users(organization).await?;
                let wanted = keeping(&stored, wanted, kept);
                Difference::between(stored, &wanted, absent != Absent::Stay)
            }
            Wish::Add(user) => match self.store.user(organization, &user.agent).await? {
                Some(_) => return Err(UsersError::Exists { agent: user.agent.clone() }),
                None => Difference::between(Vec::new(), std::slice::from_ref(user), false),
            },
            Wish::Edit(agent, edit) => {
                let stored = self.named(organization, std::slice::from_ref(agent)).await?;
                let wanted = stored.iter().map(|user| edit(user).map(Arc::new));
                let wanted = wanted
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|errors| UsersError::Fields { errors })?;
                Difference::between(stored, &wanted, false)
            }
            Wish::Remove(agents, _) => {
                Difference::between(self.named(organization, agents).await?, &[], true)
            }
            Wish::Move(agents, adaptor) => {
                let stored = self.named(organization, agents).await?;
                let moved = |user: &User| Arc::new(User { adaptor, ..user.clone() });
                let wanted: Vec<_> = stored.iter().map(moved).collect();
                Difference::between(stored, &wanted, false)
            }
            Wish::Undo(revision) => self.way_back(organization, revision).await?,
        })
    }

    /// Refuses a plan that removes more users than its wish allows.
    async fn check_removals(
        &self,
        organization: OrganizationId,
        wish: &Wish<'_>,
        difference: &Difference,
    ) -> Result<(), UsersError> {
        let (removals, stored) = match *wish {
            Wish::Put { absent: Absent::Remove(removals), .. } => (removals, difference.stored()),
            Wish::Remove([_, _, ..], removals) => {
                (removals, self.store.users(organization).await?.len())
            }
            // An undo restores what was there, and can be undone itself.
            Wish::Put { absent: Absent::Stay, .. }
            | Wish::Remove(..)
            | Wish::Add(_)
            | Wish::Edit(..)
            | Wish::Move(..)
            | Wish::Undo(_) => return Ok(()),
        };
        allowed(removals, difference, stored)
    }

    async fn way_back(
        &self,
        organization: OrganizationId,
        revision: Revision,
    ) -> Result<Difference, UsersError> {
        let done = self.commit_of(organization, revision).await?;
        if done.is_empty() {
            return Err(UsersError::NoChange { revision });
        }
        let mut since = Vec::new();
        let mut difference = Difference::default();
        let standing = self.standing(organization, &done).await?;
        for (change, stands) in done.into_iter().zip(standing) {
            if stands.as_ref() == change.after.as_deref() {
                let UserChange { agent, before, after } = change;
                difference.changes.push(UserChange { agent, before: after, after: before });
            } else {
                since.push(change.agent);
            }
        }
        if since.is_empty() {
            difference.changes.sort_unstable_by(|one, other| one.agent.cmp(&other.agent));
            Ok(difference)
        } else {
            since.sort_unstable();
            Err(UsersError::ChangedSince { revision, agents: since })
        }
    }

    /// Reads users who must stand.
    async fn named(
        &self,
        organization: OrganizationId,
        agents: &[AgentId],
    ) -> Result<Vec<User>, UsersError> {
        let (mut users, mut unknown) = (Vec::new(), Vec::new());
        for agent in agents.iter().collect::<BTreeSet<_>>() {
            match self.store.user(organization, agent).await? {
                Some(user) => users.push(user),
                None => unknown.push(agent.clone()),
            }
        }
        if unknown.is_empty() { Ok(users) } else { Err(UsersError::Unknown { agents: unknown }) }
    }

    /// Reads how the users of a commit stand, one by one or, if they are many, all at once.
    async fn standing(
        &self,
        organization: OrganizationId,
        changes: &[UserChange],
    ) -> Result<Vec<Option<User>>, UsersError> {
        /// From where on one long reading is less than many short ones.
        const MANY: usize = 50;
        let mut standing = Vec::with_capacity(changes.len());
        if changes.len() < MANY {
            for change in changes {
                standing.push(self.store.user(organization, &change.agent).await?);
            }
        } else {
            let users = self.store.users(organization).await?;
            for change in changes {
                let place = users.binary_search_by(|user| user.agent.cmp(&change.agent));
                standing.push(place.ok().map(|place| users[place].clone()));
            }
        }
        Ok(standing)
    }

    /// Reads all changes of a commit; none if there was none.
    async fn commit_of(
        &self,
        organization: OrganizationId,
        revision: Revision,
    ) -> Result<Vec<UserChange>, UsersError> {
        // Everything of a commit lies before the first place of the next.
        let next = HistoryPlace { revision: revision.saturating_add(1), agent: AgentId::new("") };
        let mut query = HistoryQuery { agent: None, before: Some(next), limit: PAGE_ENTRIES };
        let mut changes = Vec::new();
        loop {
            let page = self.store.user_history(organization, &query).await?;
            for entry in page.entries {
                if entry.revision != revision {
                    return Ok(changes);
                }
                changes.push(entry.change);
            }
            match page.next {
                Some(next) => query.before = Some(next),
                None => return Ok(changes),
            }
        }
    }
}

/// Refuses a plan that removes more users than it may.
pub(crate) fn allowed(
    removals: Removals,
    difference: &Difference,
    stored: usize,
) -> Result<(), UsersError> {
    let removed = difference.counts().removed;
    if removals.allows(removed, stored) {
        Ok(())
    } else {
        Err(UsersError::ManyRemoved { removed, stored })
    }
}

/// Returns the wanted users with the fields of those who exist where a field is kept.
fn keeping(stored: &[User], wanted: &[Arc<User>], kept: &[&'static str]) -> Vec<Arc<User>> {
    if kept.is_empty() {
        return wanted.to_vec();
    }
    let kept_of = |stored: &User, wanted: &User| {
        let keeps = |field| kept.contains(&field);
        let or = |field, stored: &String, wanted: &String| {
            if keeps(field) { stored.clone() } else { wanted.clone() }
        };
        Arc::new(User {
            agent: wanted.agent.clone(),
            name: wanted.name.clone(),
            username: wanted.username.clone(),
            adaptor: if keeps("adaptor") { stored.adaptor } else { wanted.adaptor },
            team: or("team", &stored.team, &wanted.team),
            supervisor: or("supervisor", &stored.supervisor, &wanted.supervisor),
            site: or("site", &stored.site, &wanted.site),
            status: if keeps("status") { stored.status } else { wanted.status },
        })
    };
    let by_agent: BTreeMap<_, _> = stored.iter().map(|user| (&user.agent, user)).collect();
    let each = |user: &Arc<User>| match by_agent.get(&user.agent) {
        Some(stored) => kept_of(stored, user),
        None => Arc::clone(user),
    };
    wanted.iter().map(each).collect()
}

#[cfg(test)]
mod tests;

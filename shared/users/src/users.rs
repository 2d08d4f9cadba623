//! What can be done with users, each as a plan that is shown or committed.

use std::collections::BTreeSet;
use std::sync::Arc;

use sidetone_model::{Adaptor, AgentId, OrganizationId, User};
use sidetone_ports::{ChangeOrigin, HistoryPlace, HistoryQuery, Revision, UserChange, UserStore};
use sidetone_user_file::FieldError;

use crate::difference::Difference;
use crate::error::UsersError;

/// How often a commit is planned anew because somebody was first; each try takes milliseconds,
/// and administrators are few.
pub(crate) const TRIES_MAX: u32 = 12;
/// How many entries of a history are read at once.
const PAGE_ENTRIES: usize = 500;

/// What becomes of users who are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// They stay.
    #[default]
    Stay,
    /// They are removed. Only where somebody said so.
    Remove,
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

/// The users of a store.
#[derive(Debug, Clone)]
pub struct Users<S> {
    store: S,
}

/// What is wished for, as often as it has to be planned.
enum Wish<'a> {
    Put(&'a [Arc<User>], Absent),
    Add(&'a Arc<User>),
    Edit(&'a AgentId, &'a Edit<'a>),
    Remove(&'a [AgentId]),
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

    /// Makes users stand as they should.
    ///
    /// Errors: the store's, or [`UsersError::Crowded`].
    pub async fn put(
        &self,
        organization: OrganizationId,
        wanted: &[Arc<User>],
        absent: Absent,
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Put(wanted, absent), intent).await
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

    /// Removes users.
    ///
    /// Errors: [`UsersError::Unknown`] if one of them does not stand; then none is removed.
    pub async fn remove(
        &self,
        organization: OrganizationId,
        agents: &[AgentId],
        intent: Intent<'_>,
    ) -> Result<Outcome, UsersError> {
        self.attempt(organization, Wish::Remove(agents), intent).await
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
            Wish::Put(wanted, absent) => {
                let stored = self.store.users(organization).await?;
                Difference::between(stored, wanted, absent == Absent::Remove)
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
            Wish::Remove(agents) => {
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

#[cfg(test)]
mod tests;

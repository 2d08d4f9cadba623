//! Where the users are: in a data directory, or in a deployed stack.

use sidetone_model::{AgentId, OrganizationId, User};
use sidetone_ports::{
    ChangeOrigin, HistoryPage, HistoryQuery, Revision, StoreError, UserChange, UserPage, UserQuery,
    UserStore,
};
#[cfg(feature = "aws")]
use sidetone_ports_aws::DynamoStore;
use sidetone_ports_embedded::Store;
use sidetone_tracking::PlatformClient;
use uuid::Uuid;

use crate::args::{GlobalArgs, UserScope};
use crate::commands::{data, existing_data};
use crate::failure::Failure;
use crate::organization::{SIMULATED_ORGANIZATION, served};
use crate::output::Output;
use crate::platforms::asked;
#[cfg(feature = "aws")]
use crate::stack::Stack;

/// The users of one organization.
pub(super) struct Place {
    pub(super) organization: OrganizationId,
    pub(super) store: Either,
}

impl Place {
    /// Returns the organization; nothing where none is set up yet.
    pub(super) fn named(&self) -> Option<OrganizationId> {
        Some(self.organization).filter(|organization| *organization != NO_ORGANIZATION)
    }
}

/// What a command is about to do with users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Change or show users that exist.
    Existing,
    /// Add users, perhaps the first ones.
    Add,
    /// Show what adding users would do.
    TryAdding,
}

impl Use {
    /// Returns what a command does that adds users.
    pub(super) const fn adding(dry_run: bool) -> Self {
        if dry_run { Self::TryAdding } else { Self::Add }
    }
}

/// Opens the place that the command line names.
///
/// Errors: bad input if no organization is named and none is served there, as users of another
/// one would never be looked for.
pub(super) async fn open(
    global: &GlobalArgs,
    scope: &UserScope,
    purpose: Use,
    output: &mut Output<'_>,
) -> Result<Place, Failure> {
    #[cfg(feature = "aws")]
    if let Some(stack) = Stack::named(global).await? {
        let organization = stack.organization(scope.organization).await?;
        return Ok(Place { organization, store: Either::Stack(stack.store().clone()) });
    }
    let tries = purpose == Use::TryAdding;
    if tries && !global.config()?.data.is_dir() {
        let organization = scope.organization.unwrap_or(NO_ORGANIZATION);
        output.note("there is no data directory yet: every user would be the first");
        return Ok(Place { organization, store: Either::Here(Store::in_memory()?) });
    }
    let data = match (purpose, scope.organization) {
        // A command that will be refused leaves no directory.
        (Use::Add, Some(_)) => data(global)?,
        (Use::Add, None) if !global.config()?.data.is_dir() => return Err(no_organization(global)),
        (Use::Add | Use::TryAdding | Use::Existing, _) => existing_data(global)?,
    };
    let store = Store::open(&data.store())?;
    let organization = match scope.organization {
        Some(named) => Some(named),
        None => match served(&data, &store).await? {
            Some(served) => Some(served),
            None => simulated(&store, output).await?,
        },
    };
    let organization = match organization {
        Some(organization) => organization,
        None if tries => {
            output.note("no organization is set up here yet: name yours with --organization when you import");
            NO_ORGANIZATION
        }
        None => return Err(no_organization(global)),
    };
    Ok(Place { organization, store: Either::Here(store) })
}

/// Stands for an organization where none is set up yet; none has the nil id.
const NO_ORGANIZATION: OrganizationId = OrganizationId::new(Uuid::nil());

/// Returns the organization of the simulated Genesys Cloud, if its users are there.
async fn simulated(
    store: &Store,
    output: &mut Output<'_>,
) -> Result<Option<OrganizationId>, Failure> {
    let query = UserQuery { after: None, limit: 1 };
    let page = store.user_page(SIMULATED_ORGANIZATION, &query).await?;
    if page.users.is_empty() && store.user_revision(SIMULATED_ORGANIZATION).await? == 0 {
        return Ok(None);
    }
    output.note("no organization is set up here and none was named: taking the simulated one");
    Ok(Some(SIMULATED_ORGANIZATION))
}

fn no_organization(global: &GlobalArgs) -> Failure {
    let new = global.command(&["secrets", "new", "--organization", "UUID"], None);
    Failure::bad_input("no organization is set up here and none was named; nothing was changed")
        .hint(format!(
            "name yours with --organization: Genesys Cloud shows its id under Admin > Account \
             Settings > Organization Settings. Or make its AudioHook key first, `{new}`, and it \
             need not be named; or try simulated calls with `{}`",
            global.command(&["run", "--simulate"], None),
        ))
}

/// Opens the place that the command line names, with the client to ask Genesys about its people.
pub(super) async fn open_asking(
    global: &GlobalArgs,
    named: Option<OrganizationId>,
    makes: bool,
) -> Result<(Place, PlatformClient), Failure> {
    #[cfg(feature = "aws")]
    if let Some(stack) = Stack::named(global).await? {
        let (organization, platform) = stack.asked(named).await?;
        let store = Either::Stack(stack.store().clone());
        return Ok((Place { organization, store }, platform));
    }
    let data = if makes { data(global)? } else { existing_data(global)? };
    let store = Store::open(&data.store())?;
    let (organization, platform) = asked(global, named, &data, &store).await?;
    Ok((Place { organization, store: Either::Here(store) }, platform))
}

/// Either twin.
#[derive(Debug, Clone)]
pub(super) enum Either {
    Here(Store),
    #[cfg(feature = "aws")]
    Stack(DynamoStore),
}

/// Calls the same of whichever twin it is.
macro_rules! either {
    ($place:expr, $store:ident => $call:expr) => {
        match $place {
            Either::Here($store) => $call.await,
            #[cfg(feature = "aws")]
            Either::Stack($store) => $call.await,
        }
    };
}

impl UserStore for Either {
    async fn user_revision(&self, organization: OrganizationId) -> Result<Revision, StoreError> {
        either!(self, store => store.user_revision(organization))
    }

    async fn change_users(
        &self,
        organization: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        changes: &[UserChange],
    ) -> Result<Revision, StoreError> {
        either!(self, store => store.change_users(organization, expected, origin, changes))
    }

    async fn user(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
    ) -> Result<Option<User>, StoreError> {
        either!(self, store => store.user(organization, agent))
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        either!(self, store => store.users(organization))
    }

    async fn user_page(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<UserPage, StoreError> {
        either!(self, store => store.user_page(organization, query))
    }

    async fn user_history(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        either!(self, store => store.user_history(organization, query))
    }
}

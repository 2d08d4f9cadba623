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

use crate::args::{GlobalArgs, UserScope};
use crate::commands::{data, existing_data};
use crate::failure::Failure;
use crate::organization::{SIMULATED_ORGANIZATION, chosen};
use crate::output::Output;
use crate::platforms::asked;
#[cfg(feature = "aws")]
use crate::stack::Stack;

/// The users of one organization.
pub(super) struct Place {
    pub(super) organization: OrganizationId,
    pub(super) store: Either,
}

/// Opens the place that the command line names; `makes` says whether to make a data directory
/// where there is none.
pub(super) async fn open(
    global: &GlobalArgs,
    scope: &UserScope,
    makes: bool,
    output: &mut Output<'_>,
) -> Result<Place, Failure> {
    #[cfg(feature = "aws")]
    if let Some(stack) = Stack::named(global).await? {
        let organization = stack.organization(scope.organization).await?;
        return Ok(Place { organization, store: Either::Stack(stack.store().clone()) });
    }
    let data = if makes { data(global)? } else { existing_data(global)? };
    let organization = chosen(scope.organization, &data)?.unwrap_or_else(|| {
        output.note("no organization has a key here and none was named: taking the simulated one");
        SIMULATED_ORGANIZATION
    });
    Ok(Place { organization, store: Either::Here(Store::open(&data.store())?) })
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

//! Where the host of the router knows whom to ask about an organization's people.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use sidetone_model::OrganizationId;
use sidetone_ports::{ClientSource, Clock, OrganizationStore};
use sidetone_tracking::{Hosts, PlatformClient, StoredTenants, Tenant, TenantName};

/// The platform clients of a host, by organization.
///
/// A host keeps each client that it makes: every further one would sign in anew. What it returns
/// need not be checked; the handlers ask Genesys whose client it is before anything else.
pub trait Platforms: Clone + Send + Sync + 'static {
    /// Returns the client of an organization; nothing if none is known.
    ///
    /// Errors: [`NoClient`] if there should be one and it cannot be had at the moment.
    fn platform(
        &self,
        organization: OrganizationId,
    ) -> impl Future<Output = Result<Option<PlatformClient>, NoClient>> + Send;
}

/// An OAuth client that cannot be had, though there should be one.
#[derive(Debug, thiserror::Error)]
#[error("the OAuth client cannot be had")]
pub struct NoClient {
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl NoClient {
    /// Keeps why not, for the log.
    pub fn because(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

/// A host that finds each organization's client as its trackers do: the one that was entered for
/// it, else the configured one.
///
/// They are read when somebody asks, so that a secret nobody has filled keeps nobody from users.
#[derive(Debug, Clone)]
pub struct TenantPlatforms<S, C> {
    source: StoredTenants<S, C>,
    otherwise: Option<PlatformClient>,
    clock: Clock,
    made: Arc<Mutex<BTreeMap<TenantName, (Tenant, PlatformClient)>>>,
}

impl<S: OrganizationStore, C: ClientSource> TenantPlatforms<S, C> {
    /// Finds clients there; `otherwise` is for whoever has none. `clock` is for what lasts.
    pub fn new(
        source: StoredTenants<S, C>,
        otherwise: Option<PlatformClient>,
        clock: Clock,
    ) -> Self {
        Self { source, otherwise, clock, made: Arc::default() }
    }

    /// Returns a tenant's client: each is made once, and anew if it was changed.
    fn made(&self, tenant: Tenant) -> Result<Option<PlatformClient>, NoClient> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, platform)) = made.get(&tenant.name).filter(|(it, _)| *it == tenant) {
            return Ok(Some(platform.clone()));
        }
        let Some(client) = tenant.clients.first().cloned() else { return Ok(None) };
        let hosts = Hosts::at(&tenant.place).map_err(NoClient::because)?;
        let platform = PlatformClient::new(hosts, client.id, client.secret, self.clock);
        let platform = platform.map_err(NoClient::because)?;
        made.insert(tenant.name.clone(), (tenant, platform.clone()));
        Ok(Some(platform))
    }
}

impl<S: OrganizationStore, C: ClientSource> Platforms for TenantPlatforms<S, C> {
    async fn platform(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<PlatformClient>, NoClient> {
        let tenants = self.source.tenants(false).await.map_err(NoClient::because)?;
        let own = TenantName::Organization(organization);
        let found = tenants.iter().find(|one| one.name == own && !one.clients.is_empty());
        let configured = || tenants.iter().find(|one| one.name.organization().is_none());
        match found.or_else(configured) {
            Some(tenant) => self.made(tenant.clone()),
            None => Ok(self.otherwise.clone()),
        }
    }
}

/// A host that serves one organization, or all of them by one client.
impl Platforms for PlatformClient {
    async fn platform(&self, _: OrganizationId) -> Result<Option<PlatformClient>, NoClient> {
        Ok(Some(self.clone()))
    }
}

/// A host that knows nobody to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPlatforms;

impl Platforms for NoPlatforms {
    async fn platform(&self, _: OrganizationId) -> Result<Option<PlatformClient>, NoClient> {
        Ok(None)
    }
}

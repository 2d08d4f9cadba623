//! Tenants as they stand in the stores: settings joined with the secrets of OAuth clients.

use std::collections::BTreeMap;

use sidetone_model::{OrganizationId, PlatformPlace};
use sidetone_ports::{ClientSource, OrganizationStore, StoreError, StoredClient};
use tokio::sync::watch;

use super::{Tenant, TenantName};
use crate::clients::OAuthClient;
use crate::secret::Secret;
use crate::status::TrackerStatus;

/// Where tenants are found.
#[derive(Debug, Clone)]
pub struct StoredTenants<S, C> {
    /// Their settings.
    pub store: S,
    /// Their secrets.
    pub clients: C,
    /// Where the platform of the clients is that stand in the deployment's settings, if they
    /// are followed from here.
    pub configured: Option<PlatformPlace>,
    /// A tracker elsewhere in this process, whose organization has no second one.
    pub elsewhere: Option<watch::Receiver<TrackerStatus>>,
}

impl<S: OrganizationStore, C: ClientSource> StoredTenants<S, C> {
    /// Returns who is to be followed, each of them once; with secrets past any memory if
    /// `afresh`.
    ///
    /// Errors: settings or secrets cannot be read.
    pub async fn tenants(&self, afresh: bool) -> Result<Vec<Tenant>, StoreError> {
        let (organizations, known) =
            tokio::try_join!(self.store.organizations(), self.clients.known_clients(afresh))?;
        let mut secrets: BTreeMap<OrganizationId, Vec<StoredClient>> = BTreeMap::new();
        for client in known.organizations {
            secrets.entry(client.organization).or_default().push(client);
        }
        let elsewhere = self.elsewhere.as_ref().and_then(|status| status.borrow().organization);
        let mut tenants = Vec::new();
        for one in organizations.into_iter().filter(|one| elsewhere != Some(one.id)) {
            let own = secrets.remove(&one.id).unwrap_or_default();
            // In the order of the settings: the first one lists users, too.
            let secret_of = |id: &String| own.iter().find(|client| client.client_id == *id);
            let clients = one.client_ids.iter().filter_map(secret_of);
            let clients = clients.map(|one| oauth(&one.client_id, &one.client_secret)).collect();
            let name = TenantName::Organization(one.id);
            tenants.push(Tenant { name, place: one.platform, clients });
        }
        if let (Some(first), Some(place)) = (known.configured.first(), &self.configured) {
            let is_first = |client: &OAuthClient| client.id == first.client_id;
            if !tenants.iter().any(|tenant| tenant.clients.iter().any(is_first)) {
                let clients = known.configured.iter();
                let clients = clients.map(|one| oauth(&one.client_id, &one.client_secret));
                let name = TenantName::Configured(first.client_id.clone());
                tenants.push(Tenant { name, place: place.clone(), clients: clients.collect() });
            }
        }
        Ok(tenants)
    }
}

fn oauth(id: &str, secret: &str) -> OAuthClient {
    OAuthClient { id: id.to_owned(), secret: Secret::new(secret) }
}

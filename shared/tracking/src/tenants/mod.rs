//! A tracker for each organization that is to be followed, beside each other: what is added,
//! changed or removed takes effect at the next look, and one that fails stops no other.
//!
//! Refuses: an OAuth client that belongs to another organization than it was entered for.

mod follow;
mod source;
mod stay;

use std::collections::BTreeMap;
use std::fmt;

use sidetone_model::{OrganizationId, PlatformPlace};
use tokio::sync::watch;

use crate::clients::OAuthClient;
use crate::lease::{lease_name, organization_lease};
use crate::platform::{Hosts, PlaceError};
use crate::status::TrackerStatus;
use crate::tracker::TrackerConfig;

pub use follow::Tenants;
pub use source::StoredTenants;
pub use stay::{TenantFailure, TenantStay, TenantTurns, TenantsOutcome};

/// Whose calls one tracker follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Which.
    pub name: TenantName,
    /// Where its platform is.
    pub place: PlatformPlace,
    /// Its OAuth clients; without one it cannot be followed.
    pub clients: Vec<OAuthClient>,
}

/// Why nobody can follow a tenant yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    /// Its settings name no platform.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// No secret is known.
    #[error("it has no OAuth client whose secret is known")]
    NoClient,
}

impl Tenant {
    /// Returns what a tracker of it is told.
    ///
    /// Errors: [`Unready`].
    pub(crate) fn config(&self) -> Result<TrackerConfig, Unready> {
        let hosts = Hosts::at(&self.place)?;
        let mut clients = self.clients.iter().cloned();
        let first = clients.next().ok_or(Unready::NoClient)?;
        let config = TrackerConfig {
            organization: self.name.organization(),
            ..TrackerConfig::new(hosts, first.id, first.secret)
        };
        Ok(clients.fold(config, |config, client| config.with_client(client.id, client.secret)))
    }
}

/// How a tenant is known before anybody asks the platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TenantName {
    /// The one of the settings, by its OAuth client; whose it is, the platform knows.
    Configured(String),
    /// An organization that was set up by itself; its clients must be its own.
    Organization(OrganizationId),
}

impl TenantName {
    /// Returns the organization if it is known.
    pub const fn organization(&self) -> Option<OrganizationId> {
        match self {
            Self::Configured(_) => None,
            Self::Organization(id) => Some(*id),
        }
    }

    /// Returns the name of the lease on its notification channels.
    pub fn lease(&self) -> String {
        match self {
            Self::Configured(client) => lease_name(client),
            Self::Organization(id) => organization_lease(*id),
        }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(_) => f.write_str("the configured OAuth client"),
            Self::Organization(id) => write!(f, "organization {id}"),
        }
    }
}

/// How the tracker of each organization does that was set up by itself.
pub type TenantStatuses = BTreeMap<OrganizationId, watch::Receiver<TrackerStatus>>;

/// Returns what stands in the way of an organization's tracker, if something does.
pub fn problem_of(statuses: &TenantStatuses) -> Option<String> {
    statuses.iter().find_map(|(id, status)| {
        let status = status.borrow();
        let problem = || status.problem.clone().unwrap_or_else(|| "not connected yet".to_owned());
        (!status.is_connected()).then(|| format!("organization {id}: {}", problem()))
    })
}

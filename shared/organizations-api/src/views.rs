//! What requests and answers hold, as `openapi.json` describes it.

use serde::{Deserialize, Serialize};
use sidetone_model::{Listen, OnHold, OrganizationId, PlatformPlace};
use sidetone_organizations::{Change, NewClient, NewKey, Removed, Standing};
use sidetone_ports::Revision;
use sidetone_users_api::present;

/// All organizations that the asker reaches.
#[derive(Debug, Serialize)]
pub(crate) struct OrganizationList {
    pub(crate) organizations: Vec<Standing>,
}

/// What part of a history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryParameters {
    pub(crate) limit: Option<usize>,
    pub(crate) before: Option<Revision>,
}

/// What went with an organization.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedView {
    organization: OrganizationId,
    keys: usize,
    clients: usize,
}

impl RemovedView {
    pub(crate) const fn new(organization: OrganizationId, removed: Removed) -> Self {
        Self { organization, keys: removed.keys, clients: removed.clients }
    }
}

/// What of an organization is said; what is absent stays, or is as usual.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationFields {
    /// Which; for one that is new.
    #[serde(default, deserialize_with = "present")]
    pub(crate) organization: Option<OrganizationId>,
    #[serde(default, deserialize_with = "present")]
    region: Option<String>,
    #[serde(default, deserialize_with = "present")]
    hosts: Option<HostFields>,
    #[serde(default, deserialize_with = "present")]
    clients: Option<Vec<SecretFields>>,
    #[serde(default, deserialize_with = "present")]
    key: Option<SecretFields>,
    #[serde(default, deserialize_with = "present")]
    listen: Option<Listen>,
    #[serde(default, deserialize_with = "present")]
    on_hold: Option<OnHold>,
    #[serde(default, deserialize_with = "present")]
    queues: Option<Vec<String>>,
    retention_days: Option<u16>,
}

/// A simulated platform beside the deployment.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostFields {
    login: String,
    api: String,
}

/// An id with a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFields {
    id: String,
    secret: String,
}

impl OrganizationFields {
    /// Returns whether it names an address, which is the operator's affair.
    pub(crate) const fn names_hosts(&self) -> bool {
        self.hosts.is_some()
    }

    /// Returns whether it names two places.
    pub(crate) const fn names_two_places(&self) -> bool {
        self.hosts.is_some() && self.region.is_some()
    }

    pub(crate) fn into_change(self) -> Change {
        let place = match (self.region, self.hosts) {
            (Some(region), _) => Some(PlatformPlace::Region(region)),
            (None, Some(HostFields { login, api })) => Some(PlatformPlace::Hosts { login, api }),
            (None, None) => None,
        };
        let client = |SecretFields { id, secret }| NewClient { id, secret };
        Change {
            place,
            clients: self.clients.map(|clients| clients.into_iter().map(client).collect()),
            key: self.key.map(|SecretFields { id, secret }| NewKey { id, secret }),
            listen: self.listen,
            on_hold: self.on_hold,
            queues: self.queues,
            retention_days: self.retention_days,
        }
    }
}

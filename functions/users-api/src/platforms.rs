//! Whom to ask about an organization's people: the OAuth client in the stack's secret.
//!
//! It is read when somebody asks, so that a secret nobody has filled keeps nobody from users.

use std::sync::{Arc, Mutex, PoisonError};

use sidetone_lambda_start::{GenesysPlace, StartError};
use sidetone_model::OrganizationId;
use sidetone_ports::Clock;
use sidetone_ports_aws::{GenesysClient, GenesysSecret};
use sidetone_tracking::{Hosts, PlatformClient, Secret};
use sidetone_users_api::{NoClient, Platforms};

/// The client in the secret; made once, and anew if the secret is another. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SecretPlatforms {
    hosts: Hosts,
    secret: GenesysSecret,
    made: Arc<Mutex<Option<(GenesysClient, PlatformClient)>>>,
}

impl SecretPlatforms {
    pub(crate) fn new(hosts: Hosts, secret: GenesysSecret) -> Self {
        Self { hosts, secret, made: Arc::default() }
    }

    fn made(&self, client: GenesysClient) -> Result<PlatformClient, NoClient> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, platform)) = made.as_ref().filter(|(before, _)| *before == client) {
            return Ok(platform.clone());
        }
        let secret = Secret::new(client.client_secret.reveal());
        let (hosts, id) = (self.hosts.clone(), client.client_id.as_str());
        let platform = PlatformClient::new(hosts, id, secret, Clock::system());
        let platform = platform.map_err(NoClient::because)?;
        *made = Some((client, platform.clone()));
        Ok(platform)
    }
}

impl Platforms for SecretPlatforms {
    async fn platform(&self, _: OrganizationId) -> Result<Option<PlatformClient>, NoClient> {
        let client = self.secret.client().await.map_err(NoClient::because)?;
        if client.client_id.is_empty() {
            return Ok(None);
        }
        self.made(client).map(Some)
    }
}

/// Returns where the platform is.
///
/// Errors: no such region, or hosts that are not on this machine.
pub(crate) fn hosts_of(place: GenesysPlace) -> Result<Hosts, StartError> {
    Ok(match place {
        GenesysPlace::Region(region) => Hosts::resolve(&region)?,
        GenesysPlace::Hosts { login, api } => Hosts::loopback(&login, &api)?,
    })
}

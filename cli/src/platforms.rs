//! Whom to ask about an organization's people: the OAuth clients that `sidetone org add` keeps,
//! and the one of the configuration file.
//!
//! Refuses: secrets anywhere but in the clients that are made of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sidetone_bootstrap::GenesysConfig;
use sidetone_model::{OrganizationId, PlatformPlace};
use sidetone_notification_proto::Region;
use sidetone_ports::{Clock, OrganizationStore};
use sidetone_ports_embedded::{ClientFile, DataDir, Store, StoredClient};
use sidetone_tracking::{Hosts, PlatformClient, Secret};
use sidetone_users_api::{NoClient, Platforms};

use crate::args::GlobalArgs;
use crate::failure::Failure;

/// Every client that is known on this machine; each is made once, and anew if it was changed.
#[derive(Clone)]
pub(crate) struct LocalPlatforms {
    clock: Clock,
    store: Store,
    file: ClientFile,
    configured: Option<PlatformClient>,
    made: Arc<Mutex<BTreeMap<OrganizationId, Made>>>,
}

struct Made {
    place: PlatformPlace,
    client: StoredClient,
    platform: PlatformClient,
}

impl LocalPlatforms {
    /// Knows the clients beside a store, and perhaps one more.
    pub(crate) fn new(
        store: Store,
        file: ClientFile,
        configured: Option<PlatformClient>,
        clock: Clock,
    ) -> Self {
        Self { clock, store, file, configured, made: Arc::default() }
    }

    async fn stored(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<(PlatformPlace, StoredClient)>, NoClient> {
        let settings = self.store.organization(organization).await.map_err(NoClient::because)?;
        let Some(settings) = settings else { return Ok(None) };
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || file.clients(organization)).await;
        let mut clients = read.map_err(NoClient::because)?.map_err(NoClient::because)?;
        clients.retain(|client| settings.client_ids.contains(&client.client_id));
        Ok(clients.into_iter().next().map(|client| (settings.platform, client)))
    }

    fn made(&self, place: PlatformPlace, client: StoredClient) -> Result<PlatformClient, NoClient> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let before = made.get(&client.organization);
        if let Some(before) = before.filter(|it| it.place == place && it.client == client) {
            return Ok(before.platform.clone());
        }
        let hosts = hosts_of_place(&place).map_err(NoClient::because)?;
        let secret = Secret::new(client.client_secret.as_str());
        let platform = PlatformClient::new(hosts, client.client_id.as_str(), secret, self.clock);
        let platform = platform.map_err(NoClient::because)?;
        let kept = Made { place, client, platform: platform.clone() };
        made.insert(kept.client.organization, kept);
        Ok(platform)
    }
}

impl Platforms for LocalPlatforms {
    async fn platform(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<PlatformClient>, NoClient> {
        match self.stored(organization).await? {
            Some((place, client)) => self.made(place, client).map(Some),
            None => Ok(self.configured.clone()),
        }
    }
}

/// Returns whose people a command is about, and the client to ask for them: of the organization
/// that was named, else the client of the configuration file, else that of the only organization
/// that is set up.
///
/// Errors: bad input if no client is known, or nobody says which of several.
pub(crate) async fn asked(
    global: &GlobalArgs,
    named: Option<OrganizationId>,
    data: &DataDir,
    store: &Store,
) -> Result<(OrganizationId, PlatformClient), Failure> {
    let configured = match &global.config()?.genesys {
        Some(genesys) => Some(configured(genesys)?),
        None => None,
    };
    if let (None, Some(platform)) = (named, &configured) {
        return Ok((platform.organization().await?, platform.clone()));
    }
    let organization = match named {
        Some(named) => named,
        None => only(store).await?,
    };
    let file = ClientFile::new(&data.clients());
    let platforms = LocalPlatforms::new(store.clone(), file, configured, Clock::system());
    let platform = platforms.platform(organization).await.map_err(|error| {
        Failure::fault(format!("organization {organization} cannot be asked for")).because(error)
    })?;
    let platform = platform.ok_or_else(|| {
        Failure::bad_input(format!("no OAuth client of organization {organization} is known"))
            .hint("give it one with `sidetone org add --client`, or name a file with --config")
    })?;
    Ok((organization, platform))
}

async fn only(store: &Store) -> Result<OrganizationId, Failure> {
    let all = store.organizations().await?;
    match all.as_slice() {
        [only] => Ok(only.id),
        [] => Err(Failure::bad_input(
            "no [genesys] in the configuration and no organization set up: nobody can be asked",
        )
        .hint("name the file that `sidetone run` uses with --config, or see `sidetone org add`")),
        [_, ..] => {
            let ids: Vec<String> = all.iter().map(|one| one.id.to_string()).collect();
            Err(Failure::bad_input("several organizations are set up here")
                .hint(format!("say which with --organization, one of {}", ids.join(", "))))
        }
    }
}

/// Makes the client of the configuration file.
///
/// Errors: bad input if it says no place or no secret.
fn configured(genesys: &GenesysConfig) -> Result<PlatformClient, Failure> {
    let secret = Secret::new(genesys.secret()?.reveal());
    let id = genesys.client_id.as_str();
    Ok(PlatformClient::new(hosts_of(genesys)?, id, secret, Clock::system())?)
}

/// Returns where the platform of the configuration file is.
///
/// Errors: bad input if it names no such place.
pub(crate) fn hosts_of(genesys: &GenesysConfig) -> Result<Hosts, Failure> {
    Ok(match (&genesys.region, &genesys.hosts) {
        (Some(typed), _) => {
            let region = Region::resolve(typed).map_err(|error| {
                Failure::bad_input("genesys.region is no Genesys Cloud region").because(error)
            })?;
            Hosts::of_region(region)
        }
        (None, Some(hosts)) => Hosts::loopback(&hosts.login, &hosts.api)
            .map_err(|error| Failure::bad_input("genesys.hosts cannot be used").because(error))?,
        (None, None) => return Err(Failure::bad_input("genesys.region is missing")),
    })
}

/// Returns where the platform of an organization is.
///
/// Errors: there is no such place.
pub(crate) fn hosts_of_place(
    place: &PlatformPlace,
) -> Result<Hosts, Box<dyn std::error::Error + Send + Sync>> {
    Ok(match place {
        PlatformPlace::Region(region) => Hosts::resolve(region)?,
        PlatformPlace::Hosts { login, api } => Hosts::loopback(login, api)?,
    })
}

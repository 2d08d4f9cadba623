//! Whom to ask about an organization's people: the OAuth clients that `sidetone org add` keeps,
//! and the one of the configuration file.
//!
//! Refuses: secrets anywhere but in the clients that are made of them.

use sidetone_bootstrap::GenesysConfig;
use sidetone_model::OrganizationId;
use sidetone_notification_proto::Region;
use sidetone_ports::{Clock, OrganizationStore};
use sidetone_ports_embedded::{DataDir, SecretFiles, SimulatedPlatform, Store};
use sidetone_tracking::{Hosts, PlatformClient, Secret, StoredTenants};
use sidetone_users_api::{Platforms, TenantPlatforms};

use crate::args::GlobalArgs;
use crate::failure::Failure;

/// Every client that is known on this machine.
pub(crate) type LocalPlatforms = TenantPlatforms<Store, SecretFiles>;

/// Knows the clients of a data directory, and perhaps one more.
pub(crate) fn local(
    store: &Store,
    clients: SecretFiles,
    configured: Option<PlatformClient>,
    clock: Clock,
) -> LocalPlatforms {
    let store = store.clone();
    let source = StoredTenants { store, clients, configured: None, elsewhere: None };
    TenantPlatforms::new(source, configured, clock)
}

/// Returns whose people a command is about, and the client to ask for them: of the organization
/// that was named, else the client of the configuration file, else that of the only organization
/// that is set up, else that of the simulated platform of the process that runs here.
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
    if let Some((organization, platform)) = simulated(data)? {
        let chosen = match named {
            Some(named) => named == organization,
            None => store.organizations().await?.is_empty(),
        };
        if chosen {
            return Ok((organization, platform));
        }
    }
    let organization = match named {
        Some(named) => named,
        None => only(store).await?,
    };
    let platforms = local(store, SecretFiles::open(data)?, configured, Clock::system());
    let platform = platforms.platform(organization).await.map_err(|error| {
        Failure::fault(format!("organization {organization} cannot be asked for")).because(error)
    })?;
    let platform = platform.ok_or_else(|| {
        Failure::bad_input(format!("no OAuth client of organization {organization} is known"))
            .hint("give it one with `sidetone org add --client`, or name a file with --config")
    })?;
    Ok((organization, platform))
}

/// Makes the client of the simulated platform of a process that runs on the directory.
///
/// Errors: a fault if its file cannot be used, or names a host that is not this machine.
fn simulated(data: &DataDir) -> Result<Option<(OrganizationId, PlatformClient)>, Failure> {
    let Some(running) = SimulatedPlatform::running(data)? else { return Ok(None) };
    let hosts = Hosts::loopback(&running.login, &running.api)
        .map_err(|error| Failure::fault("the simulated platform is elsewhere").because(error))?;
    let secret = Secret::new(running.client_secret);
    let client = PlatformClient::new(hosts, &running.client_id, secret, Clock::system())?;
    Ok(Some((running.organization, client)))
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
                // A secret in the wrong field is longer than any name of a region.
                let shown = if typed.len() <= 32 { typed.as_str() } else { "the value" };
                Failure::bad_input(format!("genesys.region: {shown:?} cannot be used"))
                    .because(error)
            })?;
            Hosts::of_region(region)
        }
        (None, Some(hosts)) => Hosts::loopback(&hosts.login, &hosts.api)
            .map_err(|error| Failure::bad_input("genesys.hosts cannot be used").because(error))?,
        (None, None) => return Err(Failure::bad_input("genesys.region is missing")),
    })
}

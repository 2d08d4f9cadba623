//! A simulated Genesys Cloud for a system of this process: platform, people, credentials.

use std::net::{Ipv4Addr, SocketAddr};
#[cfg(feature = "aws")]
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::Rng;
use sidetone_audiohook_proto::{KeyId, Secret};
use sidetone_genesys_sim::{Cast, Platform, PlatformConfig, PlatformError, Source, Stage, Target};
use sidetone_model::{OrganizationId, PlatformPlace};
use sidetone_organizations::{Change, NewClient, Organizations};
use sidetone_ports::{ChangeOrigin, ChangeWay, Clock, StoredKey, UserStore};
use sidetone_ports_embedded::{DataDir, KeyFile, SecretFiles, SimulatedPlatform, Store};
use sidetone_tracking::{Hosts, TrackerConfig};

use crate::failure::Failure;
use crate::organization::{NEIGHBOUR_ORGANIZATION, SIMULATED_ORGANIZATION};

/// The OAuth client of the simulated organization.
const CLIENT_ID: &str = "5ecbeef0-0000-4000-8000-0000000000c1";

/// The key of its AudioHook integration.
pub(crate) const KEY_ID: &str = "sidetone-simulated-genesys";

/// The key of another organization's, which has the same agents.
const NEIGHBOUR_KEY_ID: &str = "sidetone-simulated-neighbour";

/// How long a tracker elsewhere may take to listen. Units: real time.
#[cfg(feature = "aws")]
const LISTENED_TO_LIMIT: Duration = Duration::from_secs(150);

/// How often in a row it must be seen to listen.
#[cfg(feature = "aws")]
const CALM_LOOKS: u32 = 4;

/// A running platform, and the credentials with which both sides know each other.
#[derive(Clone)]
pub struct Simulated {
    clock: Clock,
    organization: OrganizationId,
    platform: Platform,
    credentials: Credentials,
}

/// What both sides know each other by.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) key_id: &'static str,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) key_secret: String,
}

impl Simulated {
    /// Starts the platform with its cast.
    ///
    /// Errors: a fault if no port of this machine is free.
    pub async fn start(clock: Clock) -> Result<Self, Failure> {
        let credentials = Credentials {
            key_id: KEY_ID,
            client_id: CLIENT_ID.to_owned(),
            client_secret: random_secret(),
            key_secret: random_secret(),
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_with(clock, any, credentials).await
    }

    /// Starts another organization's platform, with the same cast and the same OAuth client's id.
    ///
    /// Errors: a fault if no port of this machine is free.
    pub(crate) async fn start_neighbour(clock: Clock) -> Result<Self, Failure> {
        let credentials = Credentials {
            key_id: NEIGHBOUR_KEY_ID,
            client_id: CLIENT_ID.to_owned(),
            client_secret: random_secret(),
            key_secret: random_secret(),
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_as(clock, NEIGHBOUR_ORGANIZATION, any, credentials).await
    }

    /// Starts the platform with its cast, the login host at a given address, the API and the
    /// streaming host at the two ports behind it.
    ///
    /// Errors: a fault if these are not free.
    pub(crate) async fn start_with(
        clock: Clock,
        address: SocketAddr,
        credentials: Credentials,
    ) -> Result<Self, Failure> {
        Self::start_as(clock, SIMULATED_ORGANIZATION, address, credentials).await
    }

    async fn start_as(
        clock: Clock,
        organization: OrganizationId,
        address: SocketAddr,
        credentials: Credentials,
    ) -> Result<Self, Failure> {
        let mut config = PlatformConfig::new(
            clock,
            organization,
            credentials.client_id.clone(),
            credentials.client_secret.clone(),
            Cast::sim_users(),
        );
        config.bind = address;
        config.queues = Cast::sim_queues();
        let platform = Platform::start(config).await.map_err(|error: PlatformError| {
            Failure::fault("the simulated Genesys Cloud does not start").because(error)
        })?;
        Ok(Self { clock, organization, platform, credentials })
    }

    /// Provisions the cast's users and the integration's key in a data directory.
    ///
    /// Errors: a fault if it cannot be written.
    pub async fn provision(&self, data: &DataDir) -> Result<(), Failure> {
        let store = Store::open(&data.store())?;
        store.put_users(self.organization, &Cast::ours()).await?;
        KeyFile::open(&data.keys())?.add(self.key())?;
        Ok(())
    }

    /// Does the same, and sets the organization up as an administrator would, so that whoever
    /// runs on the data follows it.
    ///
    /// Errors: a fault if it cannot be written.
    pub(crate) async fn settle(&self, data: &DataDir) -> Result<(), Failure> {
        self.provision(data).await?;
        let (login, api) = self.platform.base_urls();
        let Credentials { client_id, client_secret, .. } = self.credentials.clone();
        let change = Change {
            place: Some(PlatformPlace::Hosts { login, api }),
            clients: Some(vec![NewClient { id: client_id, secret: client_secret }]),
            ..Change::default()
        };
        let (store, secrets) = (Store::open(&data.store())?, SecretFiles::open(data)?);
        let (at, by) = (Clock::system().now(), "simulate".to_owned());
        let origin = ChangeOrigin { at, by, way: ChangeWay::Setup };
        Organizations::new(store, secrets).put(self.organization, &change, &origin).await?;
        Ok(())
    }

    /// Publishes where the platform is, for commands that work beside the process.
    ///
    /// Errors: a fault if it cannot be written.
    pub(crate) fn publish(&self, data: &DataDir) -> Result<(), Failure> {
        let (login, api) = self.platform.base_urls();
        let Credentials { client_id, client_secret, .. } = self.credentials.clone();
        let organization = self.organization;
        SimulatedPlatform { organization, login, api, client_id, client_secret }.publish(data)?;
        Ok(())
    }

    /// Returns whose platform it is.
    pub(crate) const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Returns the key of its AudioHook integration.
    pub fn key(&self) -> StoredKey {
        StoredKey {
            key_id: self.credentials.key_id.to_owned(),
            secrets: vec![self.credentials.key_secret.clone()],
            organizations: vec![self.organization],
            api_key_only: false,
        }
    }

    /// Waits until a tracker in another process listens to the platform.
    ///
    /// Errors: a fault if none does within two and a half minutes; one is started every minute.
    #[cfg(feature = "aws")]
    pub(crate) async fn is_listened_to(&self) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + LISTENED_TO_LIMIT;
        let mut calm = 0;
        while calm < CALM_LOOKS {
            if tokio::time::Instant::now() > until {
                let stats = self.platform.stats();
                return Err(Failure::fault("no tracker listens to the simulated platform")
                    .because(format!(
                        "{} requests came, {} channels and {} topics are there",
                        stats.requests, stats.channels_alive, stats.topics
                    ))
                    .hint("the log of the tracker's function says why"));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            let stats = self.platform.stats();
            calm = if stats.sockets_open > 0 && stats.topics > 0 { calm + 1 } else { 0 };
        }
        Ok(())
    }

    /// Returns what a tracker needs to follow the platform.
    ///
    /// Errors: never in practice; the platform is on this machine.
    pub fn tracker(&self) -> Result<TrackerConfig, Failure> {
        let (login, api) = self.platform.base_urls();
        let hosts = Hosts::loopback(&login, &api).map_err(|error| {
            Failure::fault("the simulated platform is elsewhere").because(error)
        })?;
        let secret = sidetone_tracking::Secret::new(self.credentials.client_secret.clone());
        Ok(TrackerConfig::new(hosts, self.credentials.client_id.as_str(), secret))
    }

    /// Returns the stage on which calls are played against a door of this machine.
    ///
    /// Errors: never in practice; the address is the door's own.
    pub fn stage(&self, audiohook_url: &str, sound: Option<Source>) -> Result<Stage, Failure> {
        let secret = Secret::from_base64(&self.credentials.key_secret)
            .map_err(|error| Failure::fault("the simulated secret is wrong").because(error))?;
        let key = KeyId::new(self.credentials.key_id);
        let target = Target::new(audiohook_url, self.organization, key, Some(secret))
            .map_err(|error| Failure::fault("the door's address is no URL").because(error))?;
        let platform = Some(self.platform.clone());
        Ok(Stage { clock: self.clock, target, platform, sound, administrator: None })
    }

    /// Stops the platform; returns the rules that were broken.
    pub async fn close(self) -> Vec<String> {
        let violations = self.platform.violations();
        self.platform.stop().await;
        violations.iter().map(ToString::to_string).collect()
    }

    /// Returns the platform.
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }
}

/// Returns 32 random bytes in base64, as a client secret is written.
pub(crate) fn random_secret() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    BASE64_STANDARD.encode(bytes)
}

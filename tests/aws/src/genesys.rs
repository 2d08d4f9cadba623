//! The simulated Genesys Cloud: one organization, its OAuth client, its AudioHook key.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sidetone_audiohook_proto::{KeyId, Secret};
use sidetone_genesys_sim::{Cast, Platform, PlatformConfig, Stage, Target};
use sidetone_model::OrganizationId;
use sidetone_ports::Clock;
use uuid::Uuid;

use crate::error::LocalError;

/// The organization, the same as in the simulations of the `sidetone` command.
pub const ORGANIZATION: OrganizationId =
    OrganizationId::new(Uuid::from_u128(0x0f0e_0d0c_0b0a_4908_8706_0504_0302_0100));

/// The OAuth client.
const CLIENT_ID: &str = "5ecbeef0-0000-4000-8000-0000000000c1";

/// The key of the AudioHook integration.
const KEY_ID: &str = "sidetone-simulated-genesys";

/// What both sides know of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesys {
    /// Where the login host listens; the API and the streaming host have the two ports behind.
    pub bind: SocketAddr,
    /// The organization.
    pub organization: OrganizationId,
    /// The OAuth client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The AudioHook key.
    pub key_id: String,
    /// Its secret, in base64.
    pub key_secret: String,
}

impl Genesys {
    /// Makes up credentials for an organization that will listen there.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            organization: ORGANIZATION,
            client_id: CLIENT_ID.to_owned(),
            client_secret: random_secret(),
            key_id: KEY_ID.to_owned(),
            key_secret: random_secret(),
        }
    }

    /// Returns the base URLs of login and API.
    pub fn base_urls(&self) -> (String, String) {
        let mut api = self.bind;
        api.set_port(self.bind.port() + 1);
        (format!("http://{}", self.bind), format!("http://{api}"))
    }

    /// Starts it, with its cast.
    ///
    /// Errors: [`LocalError::Genesys`] if somebody else listens there.
    pub async fn start(&self, clock: Clock) -> Result<Platform, LocalError> {
        let (client, secret) = (self.client_id.clone(), self.client_secret.clone());
        let users = Cast::sim_users();
        let config = PlatformConfig::new(clock, self.organization, client, secret, users);
        let config = PlatformConfig { bind: self.bind, ..config };
        Platform::start(config).await.map_err(LocalError::Genesys)
    }

    /// Returns what its AudioHook client calls at an address, as a key in force.
    ///
    /// Errors: [`LocalError::Missing`] if it is no address or no key.
    pub fn target(&self, url: &str) -> Result<Target, LocalError> {
        let secret = Secret::from_base64(&self.key_secret)
            .map_err(|_| LocalError::missing("the AudioHook key", "secret in base64"))?;
        let key = KeyId::new(self.key_id.as_str());
        Target::new(url, self.organization, key, Some(secret))
            .map_err(|_| LocalError::missing(url, "WebSocket URL"))
    }

    /// Returns the stage on which calls are played against a door.
    ///
    /// Errors: those of [`Genesys::target`].
    pub fn stage(&self, clock: Clock, platform: &Platform, url: &str) -> Result<Stage, LocalError> {
        let target = self.target(url)?;
        let platform = Some(platform.clone());
        Ok(Stage { clock, target, platform, sound: None, administrator: None })
    }

    /// Returns the secret of AudioHook keys, as the doors read it.
    pub fn keys_secret(&self) -> Value {
        self.keys_secret_of(&[&self.key_secret])
    }

    /// Returns the same with other client secrets of the key, the one to sign with first.
    pub fn keys_secret_of(&self, secrets: &[&str]) -> Value {
        json!({ "keys": [{
            "key_id": self.key_id,
            "secrets": secrets,
            "organizations": [self.organization],
            "api_key_only": false,
        }] })
    }

    /// Returns the secret of the OAuth client, as the tracker reads it.
    pub fn client_secret(&self) -> Value {
        json!({ "client_id": self.client_id, "client_secret": self.client_secret })
    }
}

/// Returns 32 random bytes in base64, as a client secret is written.
pub fn random_secret() -> String {
    BASE64_STANDARD.encode(rand::random::<[u8; 32]>())
}

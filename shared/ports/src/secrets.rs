//! The secrets of the organizations that are served: OAuth clients and AudioHook keys.
//!
//! Doors and trackers read them through [`SecretSource`] and their own sources; this is for
//! whoever changes them.
//!
//! [`SecretSource`]: crate::SecretSource

use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};
use sidetone_model::OrganizationId;

use crate::error::StoreError;
use crate::store::StoredKey;

/// An OAuth client of an organization, with its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredClient {
    /// Whose.
    pub organization: OrganizationId,
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

impl fmt::Debug for StoredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredClient")
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

/// An OAuth client that stands in a deployment's settings; only the platform knows whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfiguredClient {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

impl fmt::Debug for ConfiguredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredClient").finish_non_exhaustive()
    }
}

/// OAuth clients, as whoever follows calls finds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownClients {
    /// Those of the one organization that stands in the settings, the first one first.
    pub configured: Vec<ConfiguredClient>,
    /// Those of organizations that are set up by themselves.
    pub organizations: Vec<StoredClient>,
}

/// Where whoever follows calls finds OAuth clients.
pub trait ClientSource: Clone + Send + Sync + 'static {
    /// Returns all of them; past any memory of the source's own if `afresh`, because the
    /// platform refused one that was known.
    fn known_clients(
        &self,
        afresh: bool,
    ) -> impl Future<Output = Result<KnownClients, StoreError>> + Send;
}

/// Why secrets were left as they were.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The key is another organization's, or not this one's alone.
    #[error("the AudioHook key is in use by another organization")]
    Taken,
    /// The organization has as many keys as one may have.
    #[error("an organization has at most {max} AudioHook keys; remove one that is not used")]
    TooManyKeys {
        /// How many.
        max: usize,
    },
    /// The organization's keys take as many bytes as those of one may.
    #[error(
        "the AudioHook keys of an organization have at most {max} bytes; remove one that is not used"
    )]
    TooLongKeys {
        /// How many.
        max: usize,
    },
    /// There is no room for more.
    #[error("{what} would have {bytes} bytes, of at most {bytes_max}")]
    Full {
        /// Which secrets.
        what: &'static str,
        /// How many bytes they would have.
        bytes: usize,
        /// How many there may be.
        bytes_max: usize,
    },
    /// They could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where the secrets of all organizations are kept. A change of one organization's leaves those
/// of all others as they are, whoever else changes something at the same time.
pub trait OrganizationSecrets: Clone + Send + Sync + 'static {
    /// Returns the OAuth clients of all organizations, in order of organization and id.
    fn clients(&self) -> impl Future<Output = Result<Vec<StoredClient>, StoreError>> + Send;

    /// Puts OAuth clients of an organization in the place of those that it had.
    fn replace_clients(
        &self,
        organization: OrganizationId,
        clients: Vec<StoredClient>,
    ) -> impl Future<Output = Result<(), SecretsError>> + Send;

    /// Returns every AudioHook key that is good, in order of its id.
    fn keys(&self) -> impl Future<Output = Result<Vec<StoredKey>, StoreError>> + Send;

    /// Adds a secret to an organization's key, which is made if there is none of that id, and
    /// returns the key. The newest secret that it had stays good beside the new one.
    ///
    /// Errors: [`SecretsError::Taken`] if others may use the key, [`SecretsError::TooManyKeys`]
    /// and [`SecretsError::TooLongKeys`] at the organization's limits; all is as it was then.
    fn add_key(
        &self,
        organization: OrganizationId,
        key_id: &str,
        secret: &str,
    ) -> impl Future<Output = Result<StoredKey, SecretsError>> + Send;

    /// Takes every key from an organization, at once; keys that nobody else may use go. Returns
    /// how many it could use.
    fn remove_keys(
        &self,
        organization: OrganizationId,
    ) -> impl Future<Output = Result<usize, SecretsError>> + Send;
}

impl StoredKey {
    /// How many secrets of one key are good at a time: the one in use and its successor.
    pub const SECRETS_MAX: usize = 2;

    /// How many keys one organization may have: one for each integration and its successor.
    pub const KEYS_PER_ORGANIZATION_MAX: usize = 16;

    /// How many bytes the ids and secrets of one organization's keys may have together.
    ///
    /// All organizations share one file, or one secret of 64 KiB on AWS: none can fill it.
    pub const KEY_BYTES_PER_ORGANIZATION_MAX: usize = 6 * 1_024;

    /// Puts a secret before those that there are, of which the newest stays.
    pub fn renew(&mut self, secret: String) {
        self.secrets.retain(|old| *old != secret);
        self.secrets.insert(0, secret);
        self.secrets.truncate(Self::SECRETS_MAX);
    }

    /// Adds a secret to an organization's key among others, as
    /// [`OrganizationSecrets::add_key`] says.
    ///
    /// Errors: [`SecretsError::Taken`], [`SecretsError::TooManyKeys`],
    /// [`SecretsError::TooLongKeys`].
    pub fn add_secret(
        keys: &mut Vec<Self>,
        organization: OrganizationId,
        key_id: &str,
        secret: &str,
    ) -> Result<Self, SecretsError> {
        let own = keys.iter().filter(|key| key.organizations.contains(&organization));
        let others = own.filter(|key| key.key_id != key_id);
        let (count, bytes) = others.fold((0, 0), |(count, bytes), key| {
            let secrets = key.secrets.iter().map(String::len).sum::<usize>();
            (count + 1, bytes + key.key_id.len() + secrets)
        });
        if count >= Self::KEYS_PER_ORGANIZATION_MAX {
            return Err(SecretsError::TooManyKeys { max: Self::KEYS_PER_ORGANIZATION_MAX });
        }
        let added = key_id.len() + Self::SECRETS_MAX * secret.len();
        if bytes + added > Self::KEY_BYTES_PER_ORGANIZATION_MAX {
            return Err(SecretsError::TooLongKeys { max: Self::KEY_BYTES_PER_ORGANIZATION_MAX });
        }
        let organizations = vec![organization];
        let known = keys.iter_mut().find(|key| key.key_id == key_id);
        if let Some(known) = known {
            if known.organizations != organizations {
                return Err(SecretsError::Taken);
            }
            known.renew(secret.to_owned());
            return Ok(known.clone());
        }
        let (key_id, secrets) = (key_id.to_owned(), vec![secret.to_owned()]);
        let key = Self { key_id, secrets, organizations, api_key_only: false };
        keys.push(key.clone());
        Ok(key)
    }

    /// Takes keys from an organization, as [`OrganizationSecrets::remove_keys`] says.
    pub fn take_from(keys: &mut Vec<Self>, organization: OrganizationId) -> usize {
        let used = keys.iter().filter(|key| key.organizations.contains(&organization)).count();
        keys.iter_mut().for_each(|key| key.organizations.retain(|one| *one != organization));
        keys.retain(|key| !key.organizations.is_empty());
        used
    }
}

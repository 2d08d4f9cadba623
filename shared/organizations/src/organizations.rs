//! Adding, changing, showing and removing organizations, over whatever stores there are.

use serde::Serialize;
use sidetone_audiohook_proto::KeyId;
use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{OrganizationSecrets, OrganizationStore, StoreError, StoredClient, StoredKey};

use crate::change::Change;
use crate::error::OrganizationsError;

/// Organizations, by their settings and their secrets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Organizations<S, X> {
    store: S,
    secrets: X,
}

/// An organization with what may be known of its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its settings.
    pub settings: Organization,
    /// The ids of the OAuth clients whose secret is there.
    pub with_secret: Vec<String>,
    /// Its AudioHook keys.
    pub keys: Vec<KeyStanding>,
}

/// What may be known of an AudioHook key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStanding {
    /// Tells it from others, and reveals neither it nor its secrets.
    pub fingerprint: String,
    /// How many of its secrets are good.
    pub live_secrets: usize,
}

/// What went with an organization that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// How many AudioHook keys it could use.
    pub keys: usize,
    /// How many OAuth clients it had.
    pub clients: usize,
}

impl<S: OrganizationStore, X: OrganizationSecrets> Organizations<S, X> {
    /// Stands on a store of settings and one of secrets.
    pub const fn new(store: S, secrets: X) -> Self {
        Self { store, secrets }
    }

    /// Adds an organization, or changes one; `by` says who wants it, for the log.
    ///
    /// Errors: [`OrganizationsError`]; nothing is written if what was said cannot be.
    pub async fn put(
        &self,
        id: OrganizationId,
        change: &Change,
        by: &str,
    ) -> Result<Standing, OrganizationsError> {
        let before = self.store.organization(id).await?;
        self.commit(id, before, change, by).await
    }

    /// Adds an organization.
    ///
    /// Errors: as [`Organizations::put`], and [`OrganizationsError::Exists`].
    pub async fn add(
        &self,
        id: OrganizationId,
        change: &Change,
        by: &str,
    ) -> Result<Standing, OrganizationsError> {
        if self.store.organization(id).await?.is_some() {
            return Err(OrganizationsError::Exists(id));
        }
        self.commit(id, None, change, by).await
    }

    /// Changes an organization.
    ///
    /// Errors: as [`Organizations::put`], and [`OrganizationsError::Unknown`].
    pub async fn change(
        &self,
        id: OrganizationId,
        change: &Change,
        by: &str,
    ) -> Result<Standing, OrganizationsError> {
        let before = self.known(id).await?;
        self.commit(id, Some(before), change, by).await
    }

    /// Returns all organizations, in order of their id.
    ///
    /// Errors: [`OrganizationsError::Store`].
    pub async fn list(&self) -> Result<Vec<Standing>, OrganizationsError> {
        let all = self.store.organizations().await?;
        let (clients, keys) = self.secrets().await?;
        Ok(all.into_iter().map(|one| standing(one, &clients, &keys)).collect())
    }

    /// Returns one organization.
    ///
    /// Errors: [`OrganizationsError::Unknown`], [`OrganizationsError::Store`].
    pub async fn show(&self, id: OrganizationId) -> Result<Standing, OrganizationsError> {
        let settings = self.known(id).await?;
        let (clients, keys) = self.secrets().await?;
        Ok(standing(settings, &clients, &keys))
    }

    /// Removes an organization with its secrets. Users, calls and recordings stay.
    ///
    /// Errors: [`OrganizationsError::Unknown`]; [`OrganizationsError::Store`], and removing it
    /// again ends what was begun.
    pub async fn remove(
        &self,
        id: OrganizationId,
        by: &str,
    ) -> Result<Removed, OrganizationsError> {
        let settings = self.known(id).await?;
        // The keys first: from here on nobody comes in. The settings last, without which it
        // could not be removed again.
        let keys = self.secrets.remove_keys(id).await?;
        self.secrets.replace_clients(id, Vec::new()).await?;
        self.store.remove_organization(id).await?;
        tracing::info!(organization = %id, by, keys, "organization removed");
        Ok(Removed { keys, clients: settings.client_ids.len() })
    }

    async fn commit(
        &self,
        id: OrganizationId,
        before: Option<Organization>,
        change: &Change,
        by: &str,
    ) -> Result<Standing, OrganizationsError> {
        let is_new = before.is_none();
        let settings = change.over(id, before)?;
        // The secrets first: a tracker that starts in between finds all that it needs.
        if let Some(key) = &change.key {
            self.secrets.add_key(id, &key.id, &key.secret).await?;
        }
        if let Some(clients) = &change.clients {
            let stored = clients.iter().map(|client| StoredClient {
                organization: id,
                client_id: client.id.clone(),
                client_secret: client.secret.clone(),
            });
            self.secrets.replace_clients(id, stored.collect()).await?;
        }
        self.store.put_organization(&settings).await?;
        let (changed, what) = (change.names(), if is_new { "added" } else { "changed" });
        tracing::info!(organization = %id, by, changed, "organization {what}");
        let (clients, keys) = self.secrets().await?;
        Ok(standing(settings, &clients, &keys))
    }

    async fn known(&self, id: OrganizationId) -> Result<Organization, OrganizationsError> {
        self.store.organization(id).await?.ok_or(OrganizationsError::Unknown(id))
    }

    async fn secrets(&self) -> Result<(Vec<StoredClient>, Vec<StoredKey>), StoreError> {
        Ok((self.secrets.clients().await?, self.secrets.keys().await?))
    }
}

fn standing(settings: Organization, clients: &[StoredClient], keys: &[StoredKey]) -> Standing {
    let id = settings.id;
    let own = clients.iter().filter(|client| client.organization == id);
    let keys = keys.iter().filter(|key| key.organizations.contains(&id));
    let key = |key: &StoredKey| KeyStanding {
        fingerprint: KeyId::new(key.key_id.as_str()).fingerprint(),
        live_secrets: key.secrets.len(),
    };
    Standing {
        with_secret: own.map(|client| client.client_id.clone()).collect(),
        keys: keys.map(key).collect(),
        settings,
    }
}

#[cfg(test)]
mod tests;

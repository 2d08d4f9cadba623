//! Adding, changing, showing and removing organizations, over whatever stores there are.

use serde::Serialize;
use sidetone_audiohook_proto::KeyId;
use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{
    ChangeOrigin, OrganizationSecrets, OrganizationStore, Revision, SettingsChange, SettingsPage,
    SettingsQuery, StoreError, StoredClient, StoredKey,
};

use crate::change::Change;
use crate::error::OrganizationsError;

/// How often a change is planned anew because somebody was first: administrators are few, and
/// each try takes a moment.
const TRIES_MAX: usize = 12;

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

/// Of what a change may be.
#[derive(Debug, Clone, Copy)]
enum Aim {
    Put,
    Add,
    Change,
}

impl Aim {
    fn check(
        self,
        id: OrganizationId,
        stands: Option<&Organization>,
    ) -> Result<(), OrganizationsError> {
        match (self, stands) {
            (Self::Add, Some(_)) => Err(OrganizationsError::Exists(id)),
            (Self::Change, None) => Err(OrganizationsError::Unknown(id)),
            (Self::Put, _) | (Self::Add, None) | (Self::Change, Some(_)) => Ok(()),
        }
    }
}

impl<S: OrganizationStore, X: OrganizationSecrets> Organizations<S, X> {
    /// Stands on a store of settings and one of secrets.
    pub const fn new(store: S, secrets: X) -> Self {
        Self { store, secrets }
    }

    /// Adds an organization, or changes one; `origin` says who wants it.
    ///
    /// What is named is put over what stands when it is written: of two who change one
    /// organization at once, both get what they named.
    /// Errors: [`OrganizationsError`]; nothing is written if what was said cannot be.
    pub async fn put(
        &self,
        id: OrganizationId,
        change: &Change,
        origin: &ChangeOrigin,
    ) -> Result<Standing, OrganizationsError> {
        self.attempt(id, Aim::Put, change, origin).await
    }

    /// Adds an organization; of two who add one at once, one does. The secrets of OAuth clients
    /// may be the other's then, which [`Standing::with_secret`] shows.
    ///
    /// Errors: as [`Organizations::put`], and [`OrganizationsError::Exists`].
    pub async fn add(
        &self,
        id: OrganizationId,
        change: &Change,
        origin: &ChangeOrigin,
    ) -> Result<Standing, OrganizationsError> {
        self.attempt(id, Aim::Add, change, origin).await
    }

    /// Changes an organization.
    ///
    /// Errors: as [`Organizations::put`], and [`OrganizationsError::Unknown`].
    pub async fn change(
        &self,
        id: OrganizationId,
        change: &Change,
        origin: &ChangeOrigin,
    ) -> Result<Standing, OrganizationsError> {
        self.attempt(id, Aim::Change, change, origin).await
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

    /// Returns what was changed of an organization, newest first, also of one that was removed.
    ///
    /// Errors: [`OrganizationsError::Unknown`] if it never was served;
    /// [`OrganizationsError::Store`].
    pub async fn history(
        &self,
        id: OrganizationId,
        query: &SettingsQuery,
    ) -> Result<SettingsPage, OrganizationsError> {
        let page = self.store.organization_history(id, query).await?;
        if page.entries.is_empty() && self.store.organization_revision(id).await? == 0 {
            // It may stand there from before there was a history.
            self.known(id).await?;
        }
        Ok(page)
    }

    /// Removes an organization with its secrets. Users, calls, recordings and its history stay.
    ///
    /// Errors: [`OrganizationsError::Unknown`]; [`OrganizationsError::Crowded`] or
    /// [`OrganizationsError::Store`], and removing it again ends what was begun.
    pub async fn remove(
        &self,
        id: OrganizationId,
        origin: &ChangeOrigin,
    ) -> Result<Removed, OrganizationsError> {
        let mut keys = 0;
        for _ in 0..TRIES_MAX {
            let expected = self.store.organization_revision(id).await?;
            let settings = self.known(id).await?;
            let clients = settings.client_ids.len();
            // The keys first: from here on nobody comes in. The settings last, without which it
            // could not be removed again.
            keys += self.take_secrets(id).await?;
            let before = Some(settings);
            let change = SettingsChange { before, after: None, key_set: false, clients_set: false };
            if self.commit(id, expected, origin, &change).await? {
                tracing::info!(organization = %id, by = origin.by, keys, "organization removed");
                return Ok(Removed { keys, clients });
            }
        }
        Err(OrganizationsError::Crowded(id))
    }

    /// Puts what is named over what stands, and begins again if that is no longer so.
    async fn attempt(
        &self,
        id: OrganizationId,
        aim: Aim,
        change: &Change,
        origin: &ChangeOrigin,
    ) -> Result<Standing, OrganizationsError> {
        for tried in 0..TRIES_MAX {
            let expected = self.store.organization_revision(id).await?;
            let before = self.store.organization(id).await?;
            let planned = aim.check(id, before.as_ref());
            let settings = match planned.and_then(|()| change.over(id, before.clone())) {
                Ok(settings) => settings,
                Err(error) => {
                    if tried > 0 && before.is_none() && change.has_secrets() {
                        // It was removed after its secrets were written: they must not outlive it.
                        self.take_secrets(id).await?;
                    }
                    return Err(error);
                }
            };
            // The secrets first, and each time: a tracker that starts in between finds all that
            // it needs, and whose settings are written last, those secrets stand beside them.
            self.put_secrets(id, change).await?;
            let what = if before.is_none() { "added" } else { "changed" };
            let (key_set, clients_set) = (change.key.is_some(), change.clients.is_some());
            let after = Some(settings.clone());
            let written = SettingsChange { before, after, key_set, clients_set };
            if !written.is_nothing() {
                if !self.commit(id, expected, origin, &written).await? {
                    continue;
                }
                let (changed, by) = (change.names(), &origin.by);
                tracing::info!(organization = %id, by, changed, "organization {what}");
            }
            let (clients, keys) = self.secrets().await?;
            return Ok(standing(settings, &clients, &keys));
        }
        Err(OrganizationsError::Crowded(id))
    }

    /// Writes a change of settings; returns whether nobody was first.
    async fn commit(
        &self,
        id: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        change: &SettingsChange,
    ) -> Result<bool, OrganizationsError> {
        match self.store.change_organization(id, expected, origin, change).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_secrets(
        &self,
        id: OrganizationId,
        change: &Change,
    ) -> Result<(), OrganizationsError> {
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
        Ok(())
    }

    /// Takes all of its secrets from an organization; returns how many keys it could use.
    async fn take_secrets(&self, id: OrganizationId) -> Result<usize, OrganizationsError> {
        let keys = self.secrets.remove_keys(id).await?;
        self.secrets.replace_clients(id, Vec::new()).await?;
        Ok(keys)
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

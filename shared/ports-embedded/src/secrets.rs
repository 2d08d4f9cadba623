//! Secrets of organizations in the two files of a data directory.

use sidetone_model::OrganizationId;
use sidetone_ports::{
    ClientSource, KnownClients, OrganizationSecrets, SecretsError, StoreError, StoredClient,
    StoredKey,
};

use crate::clients::ClientFile;
use crate::data_dir::DataDir;
use crate::keys::KeyFile;
use crate::private_file::KeyFileError;

/// OAuth clients and AudioHook keys in files that their owner alone may read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SecretFiles {
    clients: ClientFile,
    keys: KeyFile,
}

impl SecretFiles {
    /// Opens the files of a data directory, which need not be there yet.
    ///
    /// Errors: [`KeyFileError`] if others may read the keys or they are something else.
    pub fn open(data: &DataDir) -> Result<Self, KeyFileError> {
        Ok(Self { clients: ClientFile::new(&data.clients()), keys: KeyFile::open(&data.keys())? })
    }
}

impl From<KeyFileError> for StoreError {
    fn from(error: KeyFileError) -> Self {
        Self::unavailable("use a file of secrets", error)
    }
}

impl From<KeyFileError> for SecretsError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Full { bytes, bytes_max, .. } => {
                Self::Full { what: "the file of secrets", bytes, bytes_max }
            }
            error @ (KeyFileError::TooOpen { .. }
            | KeyFileError::Malformed { .. }
            | KeyFileError::TooLarge { .. }
            | KeyFileError::Incomplete { .. }
            | KeyFileError::File { .. }) => Self::Store(error.into()),
        }
    }
}

impl OrganizationSecrets for SecretFiles {
    async fn clients(&self) -> Result<Vec<StoredClient>, StoreError> {
        let file = self.clients.clone();
        blocking(move || Ok(file.clients()?)).await
    }

    async fn replace_clients(
        &self,
        organization: OrganizationId,
        clients: Vec<StoredClient>,
    ) -> Result<(), SecretsError> {
        let file = self.clients.clone();
        blocking(move || Ok(file.replace(organization, clients)?)).await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let file = self.keys.clone();
        blocking(move || Ok(file.keys()?)).await
    }

    async fn add_key(
        &self,
        organization: OrganizationId,
        key_id: &str,
        secret: &str,
    ) -> Result<StoredKey, SecretsError> {
        let (file, key_id, secret) = (self.keys.clone(), key_id.to_owned(), secret.to_owned());
        blocking(move || {
            file.change(|keys| StoredKey::add_secret(keys, organization, &key_id, &secret))
        })
        .await
    }

    async fn remove_keys(&self, organization: OrganizationId) -> Result<usize, SecretsError> {
        let file = self.keys.clone();
        blocking(move || file.change(|keys| Ok(StoredKey::take_from(keys, organization)))).await
    }
}

impl ClientSource for SecretFiles {
    async fn known_clients(&self, _afresh: bool) -> Result<KnownClients, StoreError> {
        let organizations = OrganizationSecrets::clients(self).await?;
        Ok(KnownClients { organizations, ..KnownClients::default() })
    }
}

/// Works on a file where that may take its time.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let worked = tokio::task::spawn_blocking(work).await;
    worked
        .unwrap_or_else(|error| Err(StoreError::unavailable("use a file of secrets", error).into()))
}

#[cfg(test)]
mod tests {
    use sidetone_testkit::conformance;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(directory.path()).unwrap();
        conformance::organization_secrets(SecretFiles::open(&data).unwrap()).await;
    }
}

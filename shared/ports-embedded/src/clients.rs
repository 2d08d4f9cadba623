//! OAuth clients' secrets: a JSON file for its owner alone, beside the settings in the store.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sidetone_model::OrganizationId;
use sidetone_ports::StoredClient;

use crate::private_file::{KeyFileError, failed, load, lock_directory, save};

/// OAuth clients in a JSON file.
///
/// **Shape**: `{"clients": [{"organization": "…", "client_id": "…", "client_secret": "…"}]}`.
///
/// A file that is not there holds none. Every call reads or writes it, and blocks.
#[derive(Debug, Clone)]
pub struct ClientFile(PathBuf);

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    clients: Vec<StoredClient>,
}

impl ClientFile {
    /// Names the file, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self(path.into())
    }

    /// Returns the clients of all organizations, in order of organization and id.
    ///
    /// Errors: [`KeyFileError`] if others may read the file or it is something else.
    pub fn clients(&self) -> Result<Vec<StoredClient>, KeyFileError> {
        Ok(self.read()?.clients)
    }

    /// Puts the clients of an organization in the place of those that it had.
    ///
    /// Errors: [`KeyFileError`] if the file cannot be used; it is as it was then.
    pub fn replace(
        &self,
        organization: OrganizationId,
        clients: Vec<StoredClient>,
    ) -> Result<(), KeyFileError> {
        let path = &self.0;
        // Held until the file is replaced, so that of two commands at once neither is lost.
        let _lock = lock_directory(path).map_err(failed(path))?;
        let mut document = self.read()?;
        document.clients.retain(|client| client.organization != organization);
        document.clients.extend(clients);
        document.clients.sort_by(|one, other| {
            (one.organization, &one.client_id).cmp(&(other.organization, &other.client_id))
        });
        save(path, &document)
    }

    fn read(&self) -> Result<Document, KeyFileError> {
        Ok(load(&self.0)?.0.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use sidetone_testkit::fresh_organization;

    use super::*;

    fn client(organization: OrganizationId, id: &str) -> StoredClient {
        StoredClient {
            organization,
            client_id: id.into(),
            client_secret: format!("secret of {id}"),
        }
    }

    #[test]
    fn each_organization_has_its_own_clients_in_a_file_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clients.json");
        let file = ClientFile::new(&path);
        let (one, other) = (fresh_organization(), fresh_organization());
        let of = |id| {
            let mut clients = file.clients().unwrap();
            clients.retain(|client| client.organization == id);
            clients
        };
        assert_eq!(of(one), []);
        file.replace(one, vec![client(one, "b"), client(one, "a")]).unwrap();
        file.replace(other, vec![client(other, "c")]).unwrap();
        assert_eq!(of(one), [client(one, "a"), client(one, "b")]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        file.replace(one, Vec::new()).unwrap();
        assert_eq!(of(one), []);
        assert_eq!(of(other), [client(other, "c")]);
        assert!(!format!("{:?}", client(one, "a")).contains("secret of"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clients.json");
        let file = ClientFile::new(&path);
        let one = fresh_organization();
        file.replace(one, vec![client(one, "a")]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.clients(), Err(KeyFileError::TooOpen { mode: 0o644, .. })));
        let again = file.replace(one, Vec::new());
        assert!(matches!(again, Err(KeyFileError::TooOpen { .. })));
    }
}

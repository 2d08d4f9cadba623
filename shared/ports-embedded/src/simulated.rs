//! Where the simulated platform of a running process is, and the client to ask it with: a file
//! for its owner alone, so that commands in another terminal reach the same platform.
//!
//! Refuses: a platform that is not simulated. Its secrets are in configuration and stores.

use std::io;

use serde::{Deserialize, Serialize};
use sidetone_model::OrganizationId;

use crate::data_dir::DataDir;
use crate::private_file::{KeyFileError, failed, load, save};

/// A simulated platform on this machine.
///
/// **Shape**: `{"organization": "…", "login": "http://127.0.0.1:…", "api": "http://127.0.0.1:…",
/// "client_id": "…", "client_secret": "…"}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedPlatform {
    /// Its organization.
    pub organization: OrganizationId,
    /// The address of its login host.
    pub login: String,
    /// The address of its API.
    pub api: String,
    /// The OAuth client.
    pub client_id: String,
    /// The client's secret, which is new in every process.
    pub client_secret: String,
}

impl std::fmt::Debug for SimulatedPlatform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedPlatform")
            .field("organization", &self.organization)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl SimulatedPlatform {
    /// Publishes the platform for as long as the process has the directory.
    ///
    /// Errors: [`KeyFileError::File`].
    pub fn publish(&self, data: &DataDir) -> Result<(), KeyFileError> {
        let path = data.simulated();
        save(&path, self)
    }

    /// Removes what an earlier process, or this one, published.
    ///
    /// Errors: [`KeyFileError::File`].
    pub fn withdraw(data: &DataDir) -> Result<(), KeyFileError> {
        let path = data.simulated();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns the platform of the process that runs on the directory, if it simulates one.
    ///
    /// Errors: [`KeyFileError`] if the file or the lock cannot be read.
    pub fn running(data: &DataDir) -> Result<Option<Self>, KeyFileError> {
        let in_use = data.is_in_use().map_err(|error| KeyFileError::File {
            path: data.path().into(),
            source: io::Error::other(error),
        })?;
        if in_use { Ok(load(&data.simulated())?.0) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn simulated_platform_is_found_while_its_process_runs() {
        let directory = tempfile::tempdir().unwrap();
        let held = DataDir::open(directory.path()).unwrap();
        let platform = SimulatedPlatform {
            organization: sidetone_testkit::fresh_organization(),
            login: "http://127.0.0.1:1".into(),
            api: "http://127.0.0.1:2".into(),
            client_id: "client".into(),
            client_secret: "not to be shown".into(),
        };
        platform.publish(&held).unwrap();
        let mode = held.simulated().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{platform:?}").contains("not to be shown"));
        let looking = DataDir::peek(directory.path()).unwrap();
        let found = SimulatedPlatform::running(&looking).unwrap().unwrap();
        assert_eq!((found.api, found.client_secret), (platform.api, platform.client_secret));
        drop(held);
        assert!(SimulatedPlatform::running(&looking).unwrap().is_none());
        let _next = DataDir::open(directory.path()).unwrap();
        SimulatedPlatform::withdraw(&looking).unwrap();
        SimulatedPlatform::withdraw(&looking).unwrap();
        assert!(SimulatedPlatform::running(&looking).unwrap().is_none());
    }
}

//! The directory in which one running Sidetone keeps everything.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the lock is tried before it counts as held.
const LOOKS: u32 = 5;

/// How long to wait between two tries.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("another sidetone runs on {}; stop it or choose --data", path.display())]
    Held {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("using {} as data directory", path.display())]
    File {
        /// The directory or the file in it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A data directory, held for as long as this lives if it was opened.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// The lock goes with the file.
    _lock: Option<File>,
}

impl DataDir {
    /// Opens a directory for the process that runs on it, creating it for its owner alone.
    ///
    /// Errors: [`DataDirError::Held`] while another process has it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let directory = Self::peek(path)?;
        let place = path.join("lock");
        let failed = |source| DataDirError::File { path: place.clone(), source };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&place)
            .map_err(failed)?;
        for look in 1.. {
            match lock.try_lock() {
                Ok(()) => break,
                // A command that asks whether a process runs here has the lock for an instant.
                Err(TryLockError::WouldBlock) if look < LOOKS => std::thread::sleep(LOOK_AGAIN),
                Err(TryLockError::WouldBlock) => {
                    return Err(DataDirError::Held { path: path.into() });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Ok(Self { _lock: Some(lock), ..directory })
    }

    /// Returns whether a process runs on the directory now.
    ///
    /// Errors: [`DataDirError::File`] if the lock cannot be looked at.
    pub fn is_in_use(&self) -> Result<bool, DataDirError> {
        let place = self.path.join("lock");
        let failed = |source| DataDirError::File { path: place.clone(), source };
        let lock = match File::open(&place) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Opens a directory without holding it, for commands that work beside a running process
    /// or before the first one; creates it too.
    pub fn peek(path: &Path) -> Result<Self, DataDirError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| DataDirError::File { path: path.into(), source })?;
        Ok(Self { path: path.into(), _lock: None })
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file of the store: calls, owners, letters, nonces, users.
    pub fn store(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// Returns the file of the stream.
    pub fn stream(&self) -> PathBuf {
        self.path.join("stream.db")
    }

    /// Returns the file of parts of running recordings.
    pub fn parts(&self) -> PathBuf {
        self.path.join("parts")
    }

    /// Returns the directory of finished recordings.
    pub fn recordings(&self) -> PathBuf {
        self.path.join("recordings")
    }

    /// Returns the file of AudioHook keys.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys.json")
    }

    /// Returns the file that says where the simulated platform of a running process is.
    pub fn simulated(&self) -> PathBuf {
        self.path.join("simulated.json")
    }

    /// Returns the file of OAuth clients' secrets.
    pub fn clients(&self) -> PathBuf {
        self.path.join("clients.json")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_process_holds_a_directory_and_others_may_look() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let held = DataDir::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let refused = DataDir::open(&path).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("another sidetone runs on {}; stop it or choose --data", path.display())
        );
        assert_eq!(DataDir::peek(&path).unwrap().store(), held.store());
        let looking = DataDir::peek(&path).unwrap();
        assert!(looking.is_in_use().unwrap());
        drop(held);
        assert!(!looking.is_in_use().unwrap());
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_path_that_is_a_file_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        std::fs::write(&path, "x").unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::File { .. })));
    }
}

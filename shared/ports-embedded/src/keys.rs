//! AudioHook keys: a JSON file for its owner alone, read again when it changes.
//!
//! Refuses: a file that others may read, and to quote any of it in an error.

use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sidetone_ports::{SecretSource, StoreError, StoredKey};

/// How long what was read counts as current. Real time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many secrets of one key are good at a time: the one in use and its successor.
const SECRETS_MAX: usize = 2;
/// The largest file that is read; thousands of keys.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others than its owner may use it.
    #[error(
        "{} has mode {mode:03o} and holds secrets; run chmod 600 on it",
        path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("{} is not a key file: error at line {line}, column {column}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where reading failed, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is too large to be one.
    #[error("{} has {bytes} bytes, too many for a key file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A key that nobody could use.
    #[error("a key needs {missing}")]
    Incomplete {
        /// What it lacks, in words.
        missing: &'static str,
    },
    /// The file system refused.
    #[error("using the key file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// AudioHook keys in a JSON file.
///
/// **Shape**: `{"keys": [{"key_id": "…", "secrets": ["…"], "organizations": ["…"]}]}`.
///
/// A file that is not there holds no keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    keys: Arc<Keys>,
    stamp: Stamp,
    looked_at: Instant,
}

type Keys = BTreeMap<String, StoredKey>;

/// What changes when the file does; absent without a file.
type Stamp = Option<(u64, u64, i64, i64, u64, u32)>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    keys: Vec<StoredKey>,
}

impl KeyFile {
    /// Opens a key file, which need not be there yet.
    ///
    /// Errors: [`KeyFileError`] if others may read it or it is something else.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let (keys, stamp) = load(path)?;
        let cache = Cache { keys: Arc::new(keys), stamp, looked_at: Instant::now() };
        Ok(Self(Arc::new(Shared { path: path.into(), cache: Mutex::new(cache) })))
    }

    /// Returns every key, in order of its id.
    ///
    /// Errors: [`KeyFileError`] if the file cannot be read.
    pub fn keys(&self) -> Result<Vec<StoredKey>, KeyFileError> {
        Ok(load(&self.0.path)?.0.into_values().collect())
    }

    /// Adds a key, and returns it as it stands afterwards.
    ///
    /// A key that is there already keeps its newest secret beside the new one, so that both
    /// are good while Genesys is told; everything else is replaced. The file changes whole or
    /// not at all. Blocks.
    ///
    /// Errors: [`KeyFileError::Incomplete`] for a key that nobody could use.
    pub fn add(&self, key: StoredKey) -> Result<StoredKey, KeyFileError> {
        check(&key)?;
        let path = &self.0.path;
        // Held until the file is replaced, so that of two commands at once neither is lost.
        let _lock = lock_directory(path).map_err(failed(path))?;
        let (mut keys, _) = load(path)?;
        let old = keys.remove(&key.key_id).map(|old| old.secrets).unwrap_or_default();
        let mut secrets: Vec<String> = Vec::new();
        for secret in key.secrets.into_iter().chain(old) {
            if !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
        secrets.truncate(SECRETS_MAX);
        let key = StoredKey { secrets, ..key };
        keys.insert(key.key_id.clone(), key.clone());
        save(path, keys.into_values().collect()).map_err(failed(path))?;
        let (keys, stamp) = load(path)?;
        *self.cache() = Cache { keys: Arc::new(keys), stamp, looked_at: Instant::now() };
        Ok(key)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keys if they were looked at lately.
    fn current(&self) -> Option<Arc<Keys>> {
        let cache = self.cache();
        (cache.looked_at.elapsed() < LOOK_EVERY).then(|| Arc::clone(&cache.keys))
    }

    /// Returns the keys as they are on disk. Blocks.
    ///
    /// A file that is being edited may be malformed for a moment; the last good keys hold
    /// meanwhile. One that others may read is refused.
    fn look(&self) -> Result<Arc<Keys>, KeyFileError> {
        let path = &self.0.path;
        let stamp = stamp(path).map_err(failed(path))?;
        let mut cache = self.cache();
        if cache.stamp != stamp {
            match load(path) {
                Ok((keys, stamp)) => {
                    cache.keys = Arc::new(keys);
                    cache.stamp = stamp;
                }
                Err(error @ (KeyFileError::Malformed { .. } | KeyFileError::TooLarge { .. })) => {
                    tracing::error!(%error, "the key file changed for the worse; keys are kept");
                    cache.stamp = stamp;
                }
                Err(
                    error @ (KeyFileError::TooOpen { .. }
                    | KeyFileError::Incomplete { .. }
                    | KeyFileError::File { .. }),
                ) => return Err(error),
            }
        }
        cache.looked_at = Instant::now();
        Ok(Arc::clone(&cache.keys))
    }
}

impl SecretSource for KeyFile {
    async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        let failed = |source| StoreError::unavailable("read the key file", source);
        let keys = match self.current() {
            Some(keys) => keys,
            None => {
                let file = self.clone();
                let looked = tokio::task::spawn_blocking(move || file.look()).await;
                looked
                    .map_err(|error| StoreError::unavailable("read the key file", error))?
                    .map_err(failed)?
            }
        };
        Ok(keys.get(key_id).cloned())
    }
}

/// Keys in memory, for tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeys(Arc<Mutex<Keys>>);

impl MemoryKeys {
    /// Holds the given keys.
    pub fn new(keys: impl IntoIterator<Item = StoredKey>) -> Self {
        let memory = Self::default();
        keys.into_iter().for_each(|key| memory.insert(key));
        memory
    }

    /// Adds a key or replaces it whole.
    pub fn insert(&self, key: StoredKey) {
        self.keys().insert(key.key_id.clone(), key);
    }

    /// Forgets a key.
    pub fn remove(&self, key_id: &str) {
        self.keys().remove(key_id);
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecretSource for MemoryKeys {
    async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        Ok(self.keys().get(key_id).cloned())
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> KeyFileError {
    move |source| KeyFileError::File { path: path.into(), source }
}

fn check(key: &StoredKey) -> Result<(), KeyFileError> {
    let missing = if key.key_id.is_empty() {
        "an id"
    } else if key.organizations.is_empty() {
        "at least one organization"
    } else if key.secrets.is_empty() && !key.api_key_only {
        "a secret, or to be good without signature"
    } else {
        return Ok(());
    };
    Err(KeyFileError::Incomplete { missing })
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(stamp_of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn stamp_of(metadata: &Metadata) -> (u64, u64, i64, i64, u64, u32) {
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), seconds, nanos, metadata.len(), metadata.mode())
}

/// Reads the file, and what it looked like when it was opened.
fn load(path: &Path) -> Result<(Keys, Stamp), KeyFileError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Keys::new(), None)),
        Err(error) => return Err(failed(path)(error)),
    };
    let metadata = file.metadata().map_err(failed(path))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen { path: path.into(), mode });
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(KeyFileError::TooLarge { path: path.into(), bytes: metadata.len() });
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(failed(path))?;
    // The parser's own words may quote a secret; where it stopped is enough to find the fault.
    let document: Document = serde_json::from_slice(&text).map_err(|error| {
        KeyFileError::Malformed { path: path.into(), line: error.line(), column: error.column() }
    })?;
    let keys = document.keys.into_iter().map(|key| (key.key_id.clone(), key)).collect();
    Ok((keys, Some(stamp_of(&metadata))))
}

/// Replaces the file whole, by one that only its owner may read.
fn save(path: &Path, keys: Vec<StoredKey>) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(&Document { keys })?;
    text.push(b'\n');
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    // What a command that was killed left behind may have any mode.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(directory_of(path))?.sync_all()
}

/// Locks the directory rather than the file, which is replaced.
fn lock_directory(path: &Path) -> io::Result<File> {
    let directory = File::open(directory_of(path))?;
    directory.lock()?;
    Ok(directory)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use sidetone_testkit::{conformance, fresh_organization};

    use super::*;

    fn key(key_id: &str, secret: &str) -> StoredKey {
        StoredKey {
            key_id: key_id.into(),
            secrets: vec![secret.into()],
            organizations: vec![fresh_organization()],
            api_key_only: false,
        }
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn conforms_on_a_file_and_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyFile::open(&directory.path().join("keys.json")).unwrap();
        let stored = key("one", "c2VjcmV0");
        file.add(stored.clone()).unwrap();
        file.add(key("two", "b3RoZXI=")).unwrap();
        conformance::secret_source(file, stored.clone()).await;
        conformance::secret_source(MemoryKeys::new([stored.clone()]), stored).await;
    }

    #[test]
    fn a_new_secret_leaves_the_last_one_good() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let file = KeyFile::open(&path).unwrap();
        file.add(key("other", "x")).unwrap();
        for secret in ["first", "second", "second"] {
            file.add(key("one", secret)).unwrap();
        }
        let third = file.add(key("one", "third")).unwrap();
        assert_eq!(third.secrets, ["third", "second"]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let ids: Vec<_> = file.keys().unwrap().into_iter().map(|key| key.key_id).collect();
        assert_eq!(ids, ["one", "other"]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn concurrent_commands_lose_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let file = KeyFile::open(path).unwrap();
                    file.add(key(&format!("key-{number}"), "x")).unwrap();
                });
            }
        });
        assert_eq!(KeyFile::open(&path).unwrap().keys().unwrap().len(), 8);
    }

    #[tokio::test]
    async fn what_another_process_added_is_found_soon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let reader = KeyFile::open(&path).unwrap();
        assert!(reader.key("one").await.unwrap().is_none());
        KeyFile::open(&path).unwrap().add(key("one", "x")).unwrap();
        for _ in 0..200 {
            if reader.key("one").await.unwrap().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the key must be found within four seconds");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        write(&path, "{\"keys\": []}", 0o640);
        let refused = KeyFile::open(&path).unwrap_err().to_string();
        assert!(refused.ends_with("has mode 640 and holds secrets; run chmod 600 on it"));
    }

    #[test]
    fn an_error_quotes_nothing_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        write(&path, "{\"keys\": [{\"key_id\": \"one\", \"secrets\": \"hush\"}]}", 0o600);
        let refused = KeyFile::open(&path).unwrap_err();
        assert!(matches!(refused, KeyFileError::Malformed { line: 1, .. }), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("hush"));
    }

    #[test]
    fn a_file_that_breaks_while_in_use_keeps_its_last_good_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let file = KeyFile::open(&path).unwrap();
        file.add(key("one", "x")).unwrap();
        write(&path, "{\"keys\": [", 0o600);
        assert!(file.look().unwrap().contains_key("one"));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.look(), Err(KeyFileError::TooOpen { .. })));
        fs::remove_file(&path).unwrap();
        assert!(file.look().unwrap().is_empty(), "without a file there are no keys");
    }

    #[test]
    fn a_key_that_nobody_could_use_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeyFile::open(&directory.path().join("keys.json")).unwrap();
        for broken in [
            key("", "x"),
            StoredKey { organizations: Vec::new(), ..key("one", "x") },
            StoredKey { secrets: Vec::new(), ..key("one", "x") },
        ] {
            assert!(matches!(file.add(broken), Err(KeyFileError::Incomplete { .. })));
        }
        let unsigned = StoredKey { secrets: Vec::new(), api_key_only: true, ..key("one", "x") };
        file.add(unsigned).unwrap();
    }
}

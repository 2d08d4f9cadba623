//! AudioHook keys: a JSON file for its owner alone, read again when it changes.
//!
//! Refuses: a file that others may read, and to quote any of it in an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sidetone_ports::{SecretSource, StoreError, StoredKey};

use crate::private_file::{self, KeyFileError, Stamp, failed, lock_directory, save, stamp};

/// How long what was read counts as current. Real time.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
        self.change(|keys| {
            let old = keys.iter().position(|old| old.key_id == key.key_id);
            let mut secrets = key.secrets;
            secrets.extend(old.map(|place| keys.remove(place).secrets).unwrap_or_default());
            let mut key = StoredKey { secrets: Vec::new(), ..key };
            secrets.into_iter().rev().for_each(|secret| key.renew(secret));
            keys.push(key.clone());
            Ok(key)
        })
    }

    /// Changes the keys; the file changes whole or not at all. Blocks.
    ///
    /// Errors: those of `edit`, and [`KeyFileError`] if the file cannot be used; it is as it
    /// was then.
    pub(crate) fn change<T, E: From<KeyFileError>>(
        &self,
        edit: impl FnOnce(&mut Vec<StoredKey>) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = &self.0.path;
        // Held until the file is replaced, so that of two commands at once neither is lost.
        let _lock = lock_directory(path).map_err(failed(path))?;
        let mut keys = self.keys()?;
        let (before, edited) = (keys.clone(), edit(&mut keys)?);
        if keys != before {
            self.replace(keys)?;
        }
        Ok(edited)
    }

    /// Writes the keys and remembers them; the directory is locked.
    fn replace(&self, mut keys: Vec<StoredKey>) -> Result<(), KeyFileError> {
        let path = &self.0.path;
        keys.sort_by(|one, other| one.key_id.cmp(&other.key_id));
        let document = Document { keys };
        save(path, &document)?;
        let (keys, stamp) = load(path)?;
        *self.cache() = Cache { keys: Arc::new(keys), stamp, looked_at: Instant::now() };
        Ok(())
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
                    | KeyFileError::Full { .. }
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

/// Reads the file, and what it looked like when it was opened.
fn load(path: &Path) -> Result<(Keys, Stamp), KeyFileError> {
    let (document, stamp) = private_file::load::<Document>(path)?;
    let keys = document.map(|document| document.keys).unwrap_or_default();
    Ok((keys.into_iter().map(|key| (key.key_id.clone(), key)).collect(), stamp))
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
    fn key_that_would_make_the_file_too_large_is_refused_and_the_file_stays_readable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let file = KeyFile::open(&path).unwrap();
        let long = "x".repeat(1024 * 1024);
        let added = (0..8).map(|number| file.add(key(&format!("key-{number}"), &long)));
        let added: Vec<_> = added.collect();
        assert!(matches!(added.last(), Some(Err(KeyFileError::Full { .. }))), "{added:?}");
        let kept = KeyFile::open(&path).unwrap().keys().unwrap();
        assert_eq!(kept.len(), added.iter().flatten().count());
    }

    #[test]
    fn file_above_the_limit_may_shrink_and_not_grow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let (large, small) = (key("large", &"x".repeat(3_900_000)), key("small", "x"));
        let document = Document { keys: vec![large.clone(), small] };
        write(&path, &serde_json::to_string_pretty(&document).unwrap(), 0o600);
        let file = KeyFile::open(&path).unwrap();
        let refused = file.add(key("another", "x")).unwrap_err().to_string();
        assert!(refused.ends_with("of at most 3145728"), "{refused}");
        let removed = file.change(|keys| {
            Ok::<_, KeyFileError>(StoredKey::take_from(keys, large.organizations[0]))
        });
        assert_eq!(removed.unwrap(), 1);
        assert_eq!(file.keys().unwrap().len(), 1);
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

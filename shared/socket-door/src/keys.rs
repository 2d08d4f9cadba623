//! The keys that open this door: read from their source when first used, and now and then
//! again.
//!
//! What is kept are keys that exist; names that strangers make up leave nothing behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_audiohook_proto::{ApiKey, ApiKeyError, KeyId, Secret, SecretError, SignatureRule};
use sidetone_model::Timestamp;
use sidetone_ports::{Clock, SecretSource, StoreError, StoredKey, chain};
use tokio::sync::Semaphore;

use crate::config::DoorPace;

/// Look-ups under way at once: made-up keys cannot flood the source. The others wait.
const LOOKUPS_MAX: usize = 8;

/// How old a key must be to be read again because a request did not fit it: a secret may just
/// have been changed.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// What is known of a key id.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// This is the key.
    Key(Arc<ApiKey>),
    /// There is none.
    Nothing,
    /// It could not be found out.
    Unavailable,
}

impl Found {
    /// Returns the key, if there is one.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Nothing | Self::Unavailable => None,
        }
    }
}

/// A stored key that the protocol does not allow.
#[derive(Debug, thiserror::Error)]
enum UnusableKey {
    #[error("a secret of the key is unusable")]
    Secret(#[from] SecretError),
    #[error("the key is unusable")]
    Key(#[from] ApiKeyError),
}

#[derive(Debug, Clone)]
struct Entry {
    key: Arc<ApiKey>,
    read_at: Timestamp,
}

/// The keys of a door.
#[derive(Debug)]
pub(crate) struct Keys<K> {
    source: K,
    clock: Clock,
    within: Duration,
    life: Duration,
    known: Mutex<HashMap<KeyIdText, Entry>>,
    lookups: Semaphore,
}

/// A key id as a map's key; the id itself has no hash, so that nothing compares it by accident.
#[derive(Debug, PartialEq, Eq, Hash)]
struct KeyIdText(Box<str>);

impl KeyIdText {
    fn of(id: &KeyId) -> Self {
        Self(id.reveal().into())
    }
}

impl<K: SecretSource> Keys<K> {
    pub(crate) fn new(clock: Clock, source: K, pace: &DoorPace) -> Self {
        Self {
            source,
            clock,
            within: pace.key_within,
            life: pace.key_life,
            known: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS_MAX),
        }
    }

    /// Returns the key of that id, at most as old as keys may become.
    pub(crate) async fn find(&self, id: &KeyId) -> Found {
        self.find_younger_than(id, self.life).await
    }

    /// Returns the key again after a request did not fit it; nothing if it was read just now.
    pub(crate) async fn find_again(&self, id: &KeyId) -> Option<Found> {
        let read_at = self.lock().get(&KeyIdText::of(id)).map(|entry| entry.read_at)?;
        if self.clock.now().since(read_at) < RECHECK_AFTER {
            return None;
        }
        Some(self.find_younger_than(id, RECHECK_AFTER).await)
    }

    async fn find_younger_than(&self, id: &KeyId, age: Duration) -> Found {
        let name = KeyIdText::of(id);
        let known = self.lock().get(&name).cloned();
        if let Some(entry) = &known
            && self.clock.now().since(entry.read_at) < age
        {
            return Found::Key(Arc::clone(&entry.key));
        }
        let found = match self.clock.timeout(self.within, self.look_up(id)).await {
            Some(Ok(found)) => found,
            fault => {
                let error = fault.and_then(Result::err).map(|error| chain(&error));
                let key = id.fingerprint();
                tracing::error!(key, error = error.as_deref(), "api key cannot be looked up");
                // What was true a minute ago is better than turning calls away.
                return known.map_or(Found::Unavailable, |entry| Found::Key(entry.key));
            }
        };
        let Some(stored) = found else {
            self.lock().remove(&name);
            return Found::Nothing;
        };
        match usable(&stored) {
            Ok(key) => {
                let key = Arc::new(key);
                let entry = Entry { key: Arc::clone(&key), read_at: self.clock.now() };
                self.lock().insert(name, entry);
                Found::Key(key)
            }
            Err(error) => {
                let key = id.fingerprint();
                tracing::error!(key, error = %chain(&error), "api key is configured wrongly");
                self.lock().remove(&name);
                Found::Nothing
            }
        }
    }

    async fn look_up(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError> {
        // Nobody closes the semaphore.
        let _turn = self.lookups.acquire().await;
        self.source.key(id.reveal()).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyIdText, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn usable(stored: &StoredKey) -> Result<ApiKey, UnusableKey> {
    let secrets =
        stored.secrets.iter().map(|text| Secret::from_base64(text)).collect::<Result<_, _>>()?;
    let rule = match stored.api_key_only {
        true => SignatureRule::ApiKeyOnly,
        false => SignatureRule::Required,
    };
    let id = KeyId::new(stored.key_id.as_str());
    Ok(ApiKey::new(id, secrets, stored.organizations.iter().copied(), rule)?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Source {
        stored: Arc<Mutex<Option<StoredKey>>>,
        fails: Arc<Mutex<bool>>,
        reads: Arc<AtomicUsize>,
    }

    impl SecretSource for Source {
        async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if *self.fails.lock().unwrap() {
                return Err(StoreError::unavailable("read a key", "down"));
            }
            Ok(self.stored.lock().unwrap().clone().filter(|stored| stored.key_id == key_id))
        }
    }

    fn stored(secret: &str) -> StoredKey {
        StoredKey {
            key_id: "demo".to_owned(),
            secrets: vec![secret.to_owned()],
            organizations: vec!["0f0e0d0c-0b0a-4908-8706-050403020100".parse().unwrap()],
            api_key_only: false,
        }
    }

    fn keys(source: &Source) -> Keys<Source> {
        Keys::new(Clock::system(), source.clone(), &DoorPace::default())
    }

    #[tokio::test(start_paused = true)]
    async fn reads_a_key_once_a_life_and_again_when_a_request_does_not_fit() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let (keys, id) = (keys(&source), KeyId::new("demo"));
        assert!(keys.find(&id).await.key().is_some());
        assert!(keys.find(&id).await.key().is_some());
        assert_eq!(source.reads.load(Ordering::Relaxed), 1);
        assert!(keys.find_again(&id).await.is_none(), "it was read just now");
        tokio::time::sleep(RECHECK_AFTER).await;
        assert!(keys.find_again(&id).await.is_some());
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
        tokio::time::sleep(DoorPace::default().key_life).await;
        *source.stored.lock().unwrap() = None;
        assert!(matches!(keys.find(&id).await, Found::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_key_outlives_an_outage_of_its_source() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let keys = keys(&source);
        assert!(keys.find(&KeyId::new("demo")).await.key().is_some());
        *source.fails.lock().unwrap() = true;
        tokio::time::sleep(DoorPace::default().key_life).await;
        assert!(keys.find(&KeyId::new("demo")).await.key().is_some());
        assert!(matches!(keys.find(&KeyId::new("other")).await, Found::Unavailable));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_breaks_the_rules_opens_nothing() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("not base64!"));
        assert!(matches!(keys(&source).find(&KeyId::new("demo")).await, Found::Nothing));
    }
}

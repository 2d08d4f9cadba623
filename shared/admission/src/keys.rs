//! The keys that open a door: read from their source when first used, and now and then
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

use crate::config::AdmissionConfig;

/// Look-ups under way at once of names that are not known as keys: made-up ones cannot flood the
/// source. The others wait.
const STRANGERS_MAX: usize = 8;

/// Look-ups under way at once of keys that are known; no stranger is in their way.
const KNOWN_MAX: usize = 8;

/// The least time between two looks at the source itself because requests did not fit a key: a
/// secret may just have been changed. A request waits for the next look, well within the time
/// that a refusal takes, so that nobody who uses a new secret is refused.
const RECHECK_EVERY: Duration = Duration::from_millis(250);

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
    /// When the source itself was last looked at; locked while somebody looks.
    rechecked_at: Arc<tokio::sync::Mutex<Option<Timestamp>>>,
}

/// Where a key is looked up.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Wherever the source finds it first.
    Usual,
    /// Past any memory of the source's own.
    PastMemory,
}

/// The keys of a door.
#[derive(Debug)]
pub(crate) struct Keys<K> {
    source: K,
    within: Duration,
    life: Duration,
    known: Mutex<HashMap<KeyIdText, Entry>>,
    strangers: Semaphore,
    acquaintances: Semaphore,
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
    pub(crate) fn new(source: K, config: &AdmissionConfig) -> Self {
        Self {
            source,
            within: config.key_within,
            life: config.key_life,
            known: Mutex::default(),
            strangers: Semaphore::new(STRANGERS_MAX),
            acquaintances: Semaphore::new(KNOWN_MAX),
        }
    }

    /// Returns the key of that id as it was last read, however long ago.
    pub(crate) fn known(&self, id: &KeyId) -> Option<Arc<ApiKey>> {
        self.lock().get(&KeyIdText::of(id)).map(|entry| Arc::clone(&entry.key))
    }

    /// Returns the key of that id, at most as old as keys may become.
    pub(crate) async fn find(&self, clock: &Clock, id: &KeyId) -> Found {
        let known = self.lock().get(&KeyIdText::of(id)).cloned();
        match known {
            Some(entry) if clock.steady().since(entry.read_at) < self.life => Found::Key(entry.key),
            known => self.read(clock, id, known, Look::Usual).await,
        }
    }

    /// Returns the key as its source has it, after a request that came at `since` did not fit
    /// what was known; nothing if there was no key, or the source cannot be asked in time.
    ///
    /// Requests that come together share one look.
    pub(crate) async fn find_again(
        &self,
        clock: &Clock,
        id: &KeyId,
        since: Timestamp,
    ) -> Option<Found> {
        let name = KeyIdText::of(id);
        let known = || self.lock().get(&name).cloned();
        let rechecked_at = known()?.rechecked_at;
        let search = async {
            let mut last = rechecked_at.lock().await;
            match *last {
                Some(at) if at >= since => {
                    return known().map_or(Found::Nothing, |entry| Found::Key(entry.key));
                }
                Some(at) => clock.sleep_until(at + RECHECK_EVERY).await,
                None => {}
            }
            *last = Some(clock.steady());
            self.read(clock, id, known(), Look::PastMemory).await
        };
        clock.timeout(self.within, search).await
    }

    async fn read(&self, clock: &Clock, id: &KeyId, known: Option<Entry>, look: Look) -> Found {
        let name = KeyIdText::of(id);
        let found = match clock.timeout(self.within, self.look_up(id, known.is_some(), look)).await
        {
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
                let rechecked_at = known.map(|entry| entry.rechecked_at).unwrap_or_default();
                let read_at = clock.steady();
                let entry = Entry { key: Arc::clone(&key), read_at, rechecked_at };
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

    async fn look_up(
        &self,
        id: &KeyId,
        is_known: bool,
        look: Look,
    ) -> Result<Option<StoredKey>, StoreError> {
        let turns = if is_known { &self.acquaintances } else { &self.strangers };
        // Nobody closes the semaphore.
        let _turn = turns.acquire().await;
        match look {
            Look::Usual => self.source.key(id.reveal()).await,
            Look::PastMemory => self.source.fresh_key(id.reveal()).await,
        }
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

    /// A source that remembers what it was once asked for, unless asked to look again.
    #[derive(Debug, Clone, Default)]
    struct Source {
        stored: Arc<Mutex<Option<StoredKey>>>,
        remembered: Arc<Mutex<Option<StoredKey>>>,
        fails: Arc<Mutex<bool>>,
        reads: Arc<AtomicUsize>,
        looks: Arc<AtomicUsize>,
    }

    impl SecretSource for Source {
        async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if *self.fails.lock().unwrap() {
                return Err(StoreError::unavailable("read a key", "down"));
            }
            let stored = self.stored.lock().unwrap().clone();
            let mut remembered = self.remembered.lock().unwrap();
            if remembered.is_none() || stored.is_none() {
                *remembered = stored;
            }
            Ok(remembered.clone().filter(|stored| stored.key_id == key_id))
        }

        async fn fresh_key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            *self.remembered.lock().unwrap() = None;
            self.key(key_id).await
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
        Keys::new(source.clone(), &AdmissionConfig::default())
    }

    #[tokio::test(start_paused = true)]
    async fn reads_a_key_once_a_life_and_again_when_a_request_does_not_fit() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let (clock, keys, id) = (Clock::scaled(1.0), keys(&source), KeyId::new("demo"));
        assert!(keys.find(&clock, &id).await.key().is_some());
        assert!(keys.find(&clock, &id).await.key().is_some());
        assert_eq!(source.reads.load(Ordering::Relaxed), 1);
        let since = clock.steady();
        assert!(keys.find_again(&clock, &id, since).await.is_some());
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
        assert!(keys.find_again(&clock, &id, since).await.is_some());
        assert_eq!(source.reads.load(Ordering::Relaxed), 2, "it was looked at since");
        tokio::time::sleep(AdmissionConfig::default().key_life).await;
        *source.stored.lock().unwrap() = None;
        assert!(matches!(keys.find(&clock, &id).await, Found::Nothing));
        assert!(keys.find_again(&clock, &id, clock.steady()).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_key_is_found_past_the_memory_of_its_source() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let (clock, keys, id) = (Clock::scaled(1.0), keys(&source), KeyId::new("demo"));
        let rule = |found: Found| found.key().map(ApiKey::rule);
        assert_eq!(rule(keys.find(&clock, &id).await), Some(SignatureRule::Required));
        let changed = StoredKey { secrets: Vec::new(), api_key_only: true, ..stored("YWJj") };
        *source.stored.lock().unwrap() = Some(changed);
        tokio::time::sleep(AdmissionConfig::default().key_life).await;
        let since = clock.steady();
        let remembered = rule(keys.find(&clock, &id).await);
        assert_eq!(remembered, Some(SignatureRule::Required), "the source's memory");
        let again = keys.find_again(&clock, &id, since).await.unwrap();
        assert_eq!(rule(again), Some(SignatureRule::ApiKeyOnly));
        assert_eq!(rule(keys.find(&clock, &id).await), Some(SignatureRule::ApiKeyOnly));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_fit_looks_in_turn_and_nobody_goes_without_a_look() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let (clock, keys) = (Clock::scaled(1.0), Arc::new(keys(&source)));
        assert!(keys.find(&clock, &KeyId::new("demo")).await.key().is_some());
        let began = clock.steady();
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..100 {
            let keys = Arc::clone(&keys);
            asking.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number * 10)).await;
                let since = clock.steady();
                let found = keys.find_again(&clock, &KeyId::new("demo"), since).await;
                assert!(found.is_some_and(|found| found.key().is_some()));
                clock.steady().since(since)
            });
        }
        let waits = asking.join_all().await;
        // A refusal takes 500 ms in any case.
        assert!(waits.iter().all(|wait| *wait < Duration::from_millis(400)), "{waits:?}");
        let took = clock.steady().since(began);
        let looks = source.looks.load(Ordering::Relaxed);
        assert!(looks <= 1 + (took.as_millis() / RECHECK_EVERY.as_millis()) as usize, "{looks}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_key_outlives_an_outage_of_its_source() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let (clock, keys) = (Clock::scaled(1.0), keys(&source));
        assert!(keys.find(&clock, &KeyId::new("demo")).await.key().is_some());
        *source.fails.lock().unwrap() = true;
        tokio::time::sleep(AdmissionConfig::default().key_life).await;
        assert!(keys.find(&clock, &KeyId::new("demo")).await.key().is_some());
        assert!(matches!(keys.find(&clock, &KeyId::new("other")).await, Found::Unavailable));
    }

    #[tokio::test(start_paused = true)]
    async fn made_up_names_are_not_in_the_way_of_keys_that_are_known() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("YWJj"));
        let (clock, keys, id) = (Clock::scaled(1.0), keys(&source), KeyId::new("demo"));
        assert!(keys.find(&clock, &id).await.key().is_some());
        let _all = keys.strangers.acquire_many(STRANGERS_MAX as u32).await.unwrap();
        let unknown = keys.find(&clock, &KeyId::new("made-up")).await;
        assert!(matches!(unknown, Found::Unavailable), "it waits in vain");
        let since = clock.steady();
        assert!(keys.find_again(&clock, &id, since).await.is_some());
        assert!(clock.steady().since(since) < Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_breaks_the_rules_opens_nothing() {
        let source = Source::default();
        *source.stored.lock().unwrap() = Some(stored("not base64!"));
        let clock = Clock::scaled(1.0);
        assert!(matches!(keys(&source).find(&clock, &KeyId::new("demo")).await, Found::Nothing));
    }
}

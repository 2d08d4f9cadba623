//! AudioHook keys from one secret, whose current and previous versions are both good.
//!
//! Genesys and Secrets Manager are changed by hand, one after the other: while one of them is
//! behind, calls come with the old secret or with the new one, and both are let in. A current
//! version that says that it is complete stands alone; programs write such.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use sidetone_model::OrganizationId;
use sidetone_ports::{SecretSource, StoreError, StoredKey, chain};
use tokio::time::Instant;

use super::document::{self, Keys, Stage};
use super::{Secret, SecretFault};

/// How long what was read is believed. A secret that was retired is refused after that, so it is
/// short; a new one is found at once by whoever uses it. Two requests in half a minute cost a
/// task under a dollar a month.
const LIFE: Duration = Duration::from_secs(30);
/// How long the last good keys hold before the next look, after one failed: so long nobody waits
/// for a service that is down.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The least time between two looks. Whoever asks in between waits for the next one, so that
/// nobody is refused who uses a secret that was just changed; strangers who make up keys cause
/// no more than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const ACTION: &str = "read the secret with the AudioHook keys";

/// AudioHook keys in Secrets Manager. Cheap to clone.
///
/// While the service is down, the last good keys hold; without any, nobody is let in.
#[derive(Debug, Clone)]
pub struct SecretsSource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    secret: Secret,
    known: Mutex<Known>,
    /// Held by the one who looks.
    turn: tokio::sync::Mutex<Looked>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<Arc<Keys>>,
    /// By the wall clock: a monotonic one stands still while a Lambda is frozen.
    good_until: Option<SystemTime>,
}

/// When the last look began, whatever it brought.
#[derive(Debug, Default)]
struct Looked(Option<Instant>);

impl SecretsSource {
    pub(crate) fn new(config: &SdkConfig, id: String) -> Self {
        Self(Arc::new(Shared {
            secret: Secret::new(config, id),
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Returns every organization that has a key.
    ///
    /// Errors: as [`SecretSource::key`].
    pub async fn organizations(&self) -> Result<BTreeSet<OrganizationId>, StoreError> {
        let keys = self.look().await?;
        Ok(keys.values().flat_map(|key| key.organizations.iter().copied()).collect())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keys if they were read lately, or somebody else is about to.
    fn current(&self) -> Option<Arc<Keys>> {
        let known = self.known();
        let left = known.good_until.and_then(|until| until.duration_since(SystemTime::now()).ok());
        // More than a life is left only if the clock was set back.
        let good = left.is_some_and(|left| left <= LIFE) || self.0.turn.try_lock().is_err();
        known.keys.clone().filter(|_| good)
    }

    /// Looks at the secret, unless somebody has who began after this was asked.
    async fn look(&self) -> Result<Arc<Keys>, StoreError> {
        let asked = Instant::now();
        let mut looked = self.0.turn.lock().await;
        if let Some(began) = looked.0 {
            if began >= asked {
                return self.shared();
            }
            tokio::time::sleep_until(began + LOOK_EVERY).await;
        }
        looked.0 = Some(Instant::now());
        match self.read().await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                *self.known() = Known {
                    keys: Some(Arc::clone(&keys)),
                    good_until: Some(SystemTime::now() + LIFE),
                };
                Ok(keys)
            }
            Err(error) => self.hold(error),
        }
    }

    /// Returns what the last look came to, for those who waited for it.
    fn shared(&self) -> Result<Arc<Keys>, StoreError> {
        let known = self.known().keys.clone();
        known.ok_or_else(|| StoreError::unavailable(ACTION, "a look just failed"))
    }

    /// Holds on to the last good keys after a look failed, if there are any.
    fn hold(&self, error: StoreError) -> Result<Arc<Keys>, StoreError> {
        metrics::counter!("sidetone_secret_look_failures_total").increment(1);
        let mut known = self.known();
        let Some(keys) = known.keys.clone() else { return Err(error) };
        tracing::error!(error = chain(&error), "the AudioHook keys cannot be read; the last hold");
        known.good_until = Some(SystemTime::now() + RETRY_AFTER);
        Ok(keys)
    }

    async fn read(&self) -> Result<Keys, StoreError> {
        let Shared { secret, .. } = &*self.0;
        let unavailable = |fault: SecretFault| StoreError::unavailable(ACTION, fault);
        let (current, previous) =
            tokio::join!(secret.text("AWSCURRENT"), secret.text("AWSPREVIOUS"),);
        let current = match current {
            Ok(text) => stage_of("AWSCURRENT", &text)?,
            Err(fault) => {
                // That is an answer: whoever deletes the secret closes the door.
                if matches!(fault, SecretFault::Absent { .. }) {
                    *self.known() = Known::default();
                }
                return Err(unavailable(fault));
            }
        };
        let previous = match previous {
            // What it says is of no matter then, be it readable or not.
            Ok(_) if current.complete => Stage::default(),
            Ok(text) => stage_of("AWSPREVIOUS", &text)?,
            // A secret that was never changed.
            Err(SecretFault::Absent { .. }) => Stage::default(),
            Err(fault @ (SecretFault::Binary | SecretFault::Unread(_))) => {
                return Err(unavailable(fault));
            }
        };
        Ok(document::join(&current, &previous))
    }
}

impl SecretSource for SecretsSource {
    async fn key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        if let Some(keys) = self.current()
            && let Some(key) = keys.get(key_id)
        {
            return Ok(Some(key.clone()));
        }
        self.fresh_key(key_id).await
    }

    async fn fresh_key(&self, key_id: &str) -> Result<Option<StoredKey>, StoreError> {
        Ok(self.look().await?.get(key_id).cloned())
    }
}

pub(super) fn stage_of(name: &'static str, text: &str) -> Result<Stage, StoreError> {
    let stage = document::read(text).map_err(|error| StoreError::Unreadable {
        what: format!("stage {name} of the secret with the AudioHook keys"),
        source: error.into(),
    })?;
    for error in &stage.errors {
        tracing::error!(stage = name, %error, "an AudioHook key cannot be used");
    }
    Ok(stage)
}

#[cfg(test)]
mod tests;

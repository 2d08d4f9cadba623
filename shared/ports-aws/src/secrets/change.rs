//! A change of a secret upon what was read: a new version becomes the current one only if the
//! one that was read still is, or else it begins again.
//!
//! The new version is first put under a label of ours, which changes nothing for readers. Then
//! `AWSCURRENT` is moved from the version that was read, and the service refuses that if it is
//! at another by now.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use sidetone_ports::{SecretsError, StoreError};
use uuid::Uuid;
use zeroize::Zeroize;

use crate::connect::timeouts;
use crate::failure::AwsFailure;

/// What the service keeps in one version.
const SECRET_BYTES_MAX: usize = 65_536;

/// The label of a version that is about to be the current one.
const NEXT: &str = "SIDETONE_NEXT";
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// How often others may be first. They are people and commands, not machines.
const TRIES_MAX: u32 = 20;
/// How long whoever was second waits at most, at first; it doubles up to eight times that.
const WAIT: Duration = Duration::from_millis(50);

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS_MAX: u32 = 3;

/// A secret that is changed.
#[derive(Debug)]
pub(super) struct ChangingSecret {
    client: Client,
    id: String,
    /// What is in it, for errors.
    what: &'static str,
}

/// What is read of a secret before it is changed.
pub(super) struct Versions {
    id: String,
    pub(super) current: String,
    pub(super) previous: Option<String>,
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.current.zeroize();
        self.previous.zeroize();
    }
}

/// Whether somebody else was first.
enum Moved {
    Done,
    Lost,
}

impl ChangingSecret {
    pub(super) fn new(config: &SdkConfig, id: String, what: &'static str) -> Self {
        let config = Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, OPERATION_TIMEOUT))
            .build();
        Self { client: Client::from_conf(config), id, what }
    }

    /// Reads the current version, and the one before if there is one.
    pub(super) async fn read(&self) -> Result<Versions, StoreError> {
        let Some((id, current)) = self.version(CURRENT).await? else {
            let absent = format!("{} has no current version", self.id);
            return Err(StoreError::unavailable("read a secret", absent));
        };
        let previous = self.version(PREVIOUS).await?.map(|(_, text)| text);
        Ok(Versions { id, current, previous })
    }

    /// Changes the text; `edit` returns nothing for what is to stay as it is, and is called
    /// again where somebody else was first.
    ///
    /// Errors: those of `edit`; [`SecretsError::Full`]; [`SecretsError::Store`].
    pub(super) async fn change<T>(
        &self,
        edit: impl Fn(&Versions) -> Result<(T, Option<String>), SecretsError>,
    ) -> Result<T, SecretsError> {
        for tried in 0..TRIES_MAX {
            let read = self.read().await?;
            let (edited, text) = edit(&read)?;
            let Some(text) = text else { return Ok(edited) };
            if text.len() > SECRET_BYTES_MAX {
                let (bytes, bytes_max) = (text.len(), SECRET_BYTES_MAX);
                return Err(SecretsError::Full { what: self.what, bytes, bytes_max });
            }
            let next = self.put(text).await?;
            match self.make_current(&next, &read.id).await? {
                Moved::Done => return Ok(edited),
                Moved::Lost => tokio::time::sleep(some_of(WAIT * (1 << tried.min(3)))).await,
            }
        }
        let why = "others change it all the time";
        Err(StoreError::unavailable("change a secret", why).into())
    }

    async fn version(&self, stage: &str) -> Result<Option<(String, String)>, StoreError> {
        const ACTION: &str = "read a secret";
        let asked = self.client.get_secret_value().secret_id(&self.id).version_stage(stage);
        let value = match asked.send().await {
            Ok(value) => value,
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(None),
            Err(error) => {
                let failure = AwsFailure::new("secretsmanager:GetSecretValue", &error);
                return Err(StoreError::unavailable(ACTION, failure));
            }
        };
        match (value.version_id, value.secret_string) {
            (Some(id), Some(text)) => Ok(Some((id, text))),
            (_, _) => Err(StoreError::unavailable(ACTION, "it is binary; it should be text")),
        }
    }

    /// Puts a version that nobody reads yet, and returns its id.
    async fn put(&self, text: String) -> Result<String, StoreError> {
        let id = Uuid::new_v4().to_string();
        let put = self
            .client
            .put_secret_value()
            .secret_id(&self.id)
            .client_request_token(&id)
            .version_stages(NEXT)
            .secret_string(text);
        put.send().await.map(|_| id).map_err(|error| {
            let failure = AwsFailure::new("secretsmanager:PutSecretValue", &error);
            StoreError::unavailable("write a secret", failure)
        })
    }

    async fn make_current(&self, next: &str, read: &str) -> Result<Moved, StoreError> {
        let moved = self
            .client
            .update_secret_version_stage()
            .secret_id(&self.id)
            .version_stage(CURRENT)
            .move_to_version_id(next)
            .remove_from_version_id(read)
            .send()
            .await;
        let error = match moved {
            Ok(_) => return Ok(Moved::Done),
            Err(error) => error,
        };
        // An answer that was lost may have been a yes.
        let is_refused = error.as_service_error().is_some_and(|error| {
            error.is_invalid_parameter_exception() || error.is_resource_not_found_exception()
        });
        if is_refused {
            let current = self.version(CURRENT).await?;
            let is_ours = current.is_some_and(|(id, _)| id == next);
            return Ok(if is_ours { Moved::Done } else { Moved::Lost });
        }
        let failure = AwsFailure::new("secretsmanager:UpdateSecretVersionStage", &error);
        Err(StoreError::unavailable("make a version the current one", failure))
    }
}

/// Returns a time up to the given one, so that two do not meet again.
fn some_of(most: Duration) -> Duration {
    let part = u32::from(Uuid::new_v4().as_bytes()[0]);
    most * part / 255
}

//! Secrets: AudioHook keys, and OAuth clients.
//!
//! Refuses: to quote any of a secret in an error or a log.

mod change;
mod document;
mod genesys;
mod keys;
mod organizations;

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_secretsmanager_caching::SecretsManagerCachingClient;

use crate::connect::timeouts;
use crate::failure::AwsFailure;

pub use genesys::{GenesysClient, GenesysClients, GenesysSecret, MoreGenesysClient, SecretText};
pub use keys::SecretsSource;
pub use organizations::ManagedSecrets;

/// One attempt; a handshake waits for it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(800);
/// Both attempts: a door waits 2 s for a key.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(1_800);
const ATTEMPTS_MAX: u32 = 2;
/// Two stages of one secret, with room.
const CACHE_SIZE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
enum SecretFault {
    /// There is no such secret any more, or none at that stage.
    #[error("the secret does not exist, is being deleted, or has no value at stage {stage}")]
    Absent { stage: &'static str },
    /// It has only bytes.
    #[error("the secret is binary; it should be text")]
    Binary,
    /// It could not be read.
    #[error("the secret could not be read")]
    Unread(#[source] Box<dyn Error + Send + Sync>),
}

/// A secret in Secrets Manager.
#[derive(Debug)]
struct Secret {
    cache: Option<SecretsManagerCachingClient>,
    id: String,
}

/// Whether what the cache holds will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetch {
    IfOld,
    Always,
}

impl Secret {
    fn new(config: &SdkConfig, id: String, life: Duration) -> Self {
        let config = Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, OPERATION_TIMEOUT))
            .build();
        let client = Client::from_conf(config);
        // With its store in memory, making it cannot fail.
        let cache = SecretsManagerCachingClient::new(client, CACHE_SIZE, life, true).ok();
        Self { cache, id }
    }

    /// Returns the secret's text at a stage.
    async fn text(&self, stage: &'static str, fetch: Fetch) -> Result<String, SecretFault> {
        let fetch = fetch == Fetch::Always;
        let no_cache = || SecretFault::Unread("there is no cache".into());
        let cache = self.cache.as_ref().ok_or_else(no_cache)?;
        match cache.get_secret_value(&self.id, None, Some(stage), fetch).await {
            Ok(value) => value.secret_string.ok_or(SecretFault::Binary),
            Err(error) => Err(fault(stage, error)),
        }
    }
}

fn fault(stage: &'static str, error: Box<dyn Error>) -> SecretFault {
    match error.downcast::<SdkError<GetSecretValueError>>() {
        Ok(error) => match error.as_service_error() {
            Some(
                GetSecretValueError::ResourceNotFoundException(_)
                | GetSecretValueError::InvalidRequestException(_),
            ) => SecretFault::Absent { stage },
            Some(_) | None => {
                SecretFault::Unread(AwsFailure::new("secretsmanager:GetSecretValue", &error).into())
            }
        },
        // The cache's own errors may not be sent; their words may.
        Err(error) => SecretFault::Unread(error.to_string().into()),
    }
}

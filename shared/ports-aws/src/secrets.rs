//! Secrets: AudioHook keys, and OAuth clients.
//!
//! Refuses: to quote any of a secret in an error or a log.

mod change;
mod document;
mod genesys;
mod keys;
mod organizations;

use std::error::Error;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

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
    client: Client,
    id: String,
}

impl Secret {
    fn new(config: &SdkConfig, id: String) -> Self {
        let config = Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, OPERATION_TIMEOUT))
            .build();
        Self { client: Client::from_conf(config), id }
    }

    /// Reads the secret's text at a stage.
    async fn text(&self, stage: &'static str) -> Result<String, SecretFault> {
        let request = self.client.get_secret_value().secret_id(&self.id).version_stage(stage);
        let value = request.send().await.map_err(|error| fault(stage, &error))?;
        value.secret_string.ok_or(SecretFault::Binary)
    }
}

fn fault(stage: &'static str, error: &SdkError<GetSecretValueError>) -> SecretFault {
    match error.as_service_error() {
        Some(
            GetSecretValueError::ResourceNotFoundException(_)
            | GetSecretValueError::InvalidRequestException(_),
        ) => SecretFault::Absent { stage },
        Some(_) | None => {
            SecretFault::Unread(AwsFailure::new("secretsmanager:GetSecretValue", error).into())
        }
    }
}

//! The one way to AWS: region, credentials, end points and time-outs, settled once.
//!
//! Everything an operator may set is the SDK's own: `AWS_REGION`, `AWS_PROFILE`, the chain of
//! credentials, `AWS_ENDPOINT_URL`, `SSL_CERT_FILE`. Nothing is asked of AWS here.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::line::ManagementLine;
use crate::recordings::BucketRecordings;
use crate::secrets::{GenesysSecret, ManagedSecrets, SecretsSource};
#[cfg(feature = "stack")]
use crate::stack::{StackError, StackOutputs};
use crate::store::{DynamoStore, Tables};
use crate::stream::{Begin, KinesisSink, KinesisSource};
use crate::user_files::BucketUserFiles;

/// What AWS is told is asking.
const APP_NAME: &str = "sidetone";
/// A service that is there answers its door within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// One attempt; the services answer within tens of milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// All attempts; well below the 29 s that API Gateway waits for a function.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts, the first included.
const ATTEMPTS_MAX: u32 = 3;

/// AWS as this process sees it. Cheap to clone; hands out the twins by the names of what they
/// stand on.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
}

/// Why AWS cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody said where.
    #[error("no AWS region is set; set AWS_REGION, or a region in the profile")]
    NoRegion,
}

impl Aws {
    /// Settles how to reach AWS, from environment and profile.
    ///
    /// Errors: [`ConnectError::NoRegion`]. Whether the credentials are any good shows at the
    /// first request.
    pub async fn connect() -> Result<Self, ConnectError> {
        let config = loader().load().await;
        if config.region().is_none() {
            return Err(ConnectError::NoRegion);
        }
        Ok(Self { config })
    }

    /// Returns what any client of the SDK is made from; for tests.
    #[cfg(feature = "local-aws")]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Returns the stores on the given tables.
    pub fn store(&self, tables: Tables) -> DynamoStore {
        DynamoStore::new(&aws_sdk_dynamodb::Client::new(&self.config), tables)
    }

    /// Returns the sink at the end of a stream.
    pub fn sink(&self, stream: impl Into<String>) -> KinesisSink {
        KinesisSink::new(&self.config, stream.into())
    }

    /// Returns a source that reads a stream from the given place on.
    pub fn source(&self, stream: impl Into<String>, begin: Begin) -> KinesisSource {
        KinesisSource::new(&self.config, stream.into(), begin)
    }

    /// Returns the AudioHook keys in a secret, by its ARN or name.
    pub fn keys(&self, secret: impl Into<String>) -> SecretsSource {
        SecretsSource::new(&self.config, secret.into())
    }

    /// Returns the OAuth clients in a secret, by its ARN or name.
    pub fn genesys_secret(&self, secret: impl Into<String>) -> GenesysSecret {
        GenesysSecret::new(&self.config, secret.into())
    }

    /// Returns the secrets of all organizations where they can be changed, by the ARNs or names of
    /// the secret with the AudioHook keys and of the one with the OAuth clients.
    pub fn secrets(&self, keys: impl Into<String>, clients: impl Into<String>) -> ManagedSecrets {
        ManagedSecrets::new(&self.config, keys.into(), clients.into())
    }

    /// Returns the recordings in a bucket.
    pub fn recordings(&self, bucket: impl Into<String>) -> BucketRecordings {
        BucketRecordings::new(&self.config, bucket.into())
    }

    /// Returns the files of users in a bucket.
    pub fn user_files(&self, bucket: impl Into<String>) -> BucketUserFiles {
        BucketUserFiles::new(&self.config, bucket.into())
    }

    /// Returns the line to the clients of a WebSocket API, by the URL of its stage.
    pub fn line(&self, endpoint: impl Into<String>) -> ManagementLine {
        ManagementLine::new(&self.config, endpoint.into())
    }

    /// Reads what a deployed stack says of itself.
    ///
    /// Errors: [`StackError`], which says what is missing.
    #[cfg(feature = "stack")]
    pub async fn outputs(&self, stack: impl Into<String>) -> Result<StackOutputs, StackError> {
        StackOutputs::read(&self.config, stack.into()).await
    }
}

/// Attempts that wait no longer than `attempt` each, and `operation` together.
pub(crate) fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(attempt))
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

/// Returns what finds the configuration, with what is Sidetone's own in it.
pub(crate) fn loader() -> aws_config::ConfigLoader {
    let https = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .timeout_config(timeouts(ATTEMPT_TIMEOUT, OPERATION_TIMEOUT))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
    match AppName::new(APP_NAME) {
        Ok(name) => loader.app_name(name),
        // A name of plain letters is never refused.
        Err(_) => loader,
    }
}

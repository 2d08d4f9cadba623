//! A bucket, as whatever keeps objects in one asks it.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sidetone_ports::StoreError;

use crate::connect::timeouts;
use crate::failure::AwsFailure;

/// One attempt: a recording of two hours has 115 MB and goes in one piece.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);
/// All attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);

/// A bucket and a client for it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Bucket {
    pub(crate) fn new(config: &SdkConfig, name: String) -> Self {
        let s3 = Builder::from(config)
            // A bucket has a host name of its own on AWS, and nowhere else.
            .force_path_style(config.endpoint_url().is_some())
            .timeout_config(timeouts(ATTEMPT_TIMEOUT, OPERATION_TIMEOUT))
            .build();
        Self { client: Client::from_conf(s3), name }
    }

    pub(crate) fn list(&self) -> ListObjectsV2FluentBuilder {
        self.client.list_objects_v2().bucket(&self.name)
    }

    pub(crate) async fn put(
        &self,
        action: &'static str,
        key: &str,
        kind: &str,
        body: ByteStream,
    ) -> Result<(), StoreError> {
        self.put_tagged(action, key, kind, None, body).await
    }

    /// Writes an object whole, with its tags as a query writes them.
    pub(crate) async fn put_tagged(
        &self,
        action: &'static str,
        key: &str,
        kind: &str,
        tags: Option<String>,
        body: ByteStream,
    ) -> Result<(), StoreError> {
        let put = self.client.put_object().bucket(&self.name).key(key).content_type(kind);
        put.set_tagging(tags).body(body).send().await.map(drop).map_err(|error| {
            StoreError::unavailable(action, AwsFailure::new("s3:PutObject", &error))
        })
    }

    /// Reads an object; nothing if there is none, or if it has another entity tag than the given.
    pub(crate) async fn get(
        &self,
        action: &'static str,
        key: &str,
        tag: Option<&str>,
    ) -> Result<Option<Bytes>, StoreError> {
        let get = self.client.get_object().bucket(&self.name).key(key);
        let get = get.set_if_match(tag.map(|tag| format!("\"{tag}\"")));
        let object = match get.send().await {
            Ok(object) => object,
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "PreconditionFailed")) => {
                return Ok(None);
            }
            Err(error) => {
                let failure = AwsFailure::new("s3:GetObject", &error);
                return Err(StoreError::unavailable(action, failure));
            }
        };
        let body = object.body.collect().await;
        let body = body.map_err(|error| StoreError::unavailable(action, error))?;
        Ok(Some(body.into_bytes()))
    }
}

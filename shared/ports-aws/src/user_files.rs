//! Files of users in a bucket, and beside each what became of it.

use aws_config::SdkConfig;
use bytes::Bytes;
use sidetone_ports::StoreError;

use crate::bucket::Bucket;

/// Files of users in an S3 bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BucketUserFiles {
    bucket: Bucket,
}

impl BucketUserFiles {
    pub(crate) fn new(config: &SdkConfig, bucket: String) -> Self {
        Self { bucket: Bucket::new(config, bucket) }
    }

    /// Returns the bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket.name
    }

    /// Reads a file; nothing if it is not there, or not the one with that entity tag.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn file(&self, key: &str, tag: &str) -> Result<Option<Bytes>, StoreError> {
        self.bucket.get("read a file of users", key, Some(tag)).await
    }

    /// Reads what became of a file; nothing if that is not known.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn result(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.bucket.get("read the result of an import", key, None).await
    }

    /// Writes down what became of a file.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn put_result(&self, key: &str, json: Bytes) -> Result<(), StoreError> {
        let action = "write the result of an import";
        self.bucket.put(action, key, "application/json", json.into()).await
    }
}

//! Where files of users are read, and results written.

use std::future::Future;

use bytes::Bytes;
use sidetone_ports::StoreError;
use sidetone_ports_aws::BucketUserFiles;

/// A bucket of files of users.
pub(crate) trait Files: Send + Sync + 'static {
    /// Reads a file; nothing if it is not there, or not the one with that entity tag.
    fn file(
        &self,
        key: &str,
        tag: &str,
    ) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    /// Reads a result that was written.
    fn result(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    /// Writes a result, over an earlier one.
    fn put_result(
        &self,
        key: &str,
        json: Bytes,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Files for BucketUserFiles {
    async fn file(&self, key: &str, tag: &str) -> Result<Option<Bytes>, StoreError> {
        self.file(key, tag).await
    }

    async fn result(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.result(key).await
    }

    async fn put_result(&self, key: &str, json: Bytes) -> Result<(), StoreError> {
        self.put_result(key, json).await
    }
}

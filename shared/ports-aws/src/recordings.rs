//! Parts and recordings in a bucket.
//!
//! **Shape** of the keys: `parts/<organization>_<session>/<part's name>`, `recordings/<name>`.
//!
//! An object is there whole or not at all, so nothing has to be moved into place. Parts that
//! nobody picks up are left to the bucket's own rules of expiry.

use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sidetone_model::OrganizationId;
use sidetone_ports::{
    OrganizationStore, Part, PartName, RecordedSession, RecordingStore, StoreError,
};

use crate::bucket::Bucket;
use crate::failure::AwsFailure;
use crate::store::DynamoStore;

/// Parts put and read at the same time: each takes some milliseconds.
const PUTS_MAX: usize = 64;
const GETS_MAX: usize = 16;
/// As many objects as one request deletes.
const DELETE_MAX: usize = 1_000;
/// The longest name of a recording, as the embedded twin has it.
const NAME_BYTES_MAX: usize = 240;

/// The tag by which the bucket's rules know how long a recording is kept: a number of days, or
/// `default`.
const RETENTION_TAG: &str = "retention-days";

const PARTS: &str = "parts/";
const RECORDINGS: &str = "recordings/";

/// Parts of running sessions and finished recordings, in an S3 bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BucketRecordings {
    bucket: Bucket,
    /// Where it stands how long an organization's recordings are kept.
    settings: Option<DynamoStore>,
}

impl BucketRecordings {
    pub(crate) fn new(config: &SdkConfig, bucket: String) -> Self {
        Self { bucket: Bucket::new(config, bucket), settings: None }
    }

    /// Says of each recording from now on, by a tag, how long it is kept: as the settings of its
    /// organization say, or else as the bucket's own.
    #[must_use]
    pub fn kept_by(self, settings: DynamoStore) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// Returns the names of the finished files whose conversation's id begins so.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn names(&self, start: &str) -> Result<Vec<String>, StoreError> {
        let failed = |failure| StoreError::unavailable("list recordings", failure);
        // Names begin with the organization; one listing finds which there are.
        let list = self.bucket.list().prefix(RECORDINGS).delimiter("_");
        let mut pages = list.into_paginator().send();
        let mut organizations = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(AwsFailure::new("s3:ListBucket", &error)))?;
            let prefixes = page.common_prefixes().iter().filter_map(|common| common.prefix());
            organizations.extend(prefixes.map(str::to_owned));
        }
        let mut names = Vec::new();
        for organization in organizations {
            let list = self.bucket.list().prefix(format!("{organization}{start}"));
            let mut pages = list.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page =
                    page.map_err(|error| failed(AwsFailure::new("s3:ListBucket", &error)))?;
                let keys = page.contents().iter().filter_map(|object| object.key());
                let own = keys.filter_map(|key| key.strip_prefix(RECORDINGS));
                names.extend(own.map(str::to_owned));
            }
        }
        Ok(names)
    }

    /// Returns the tag that says how long an organization's recordings are kept.
    ///
    /// Errors: the settings cannot be read; a recording must not be kept longer for that.
    async fn tag(&self, organization: OrganizationId) -> Result<Option<String>, StoreError> {
        let Some(settings) = &self.settings else { return Ok(None) };
        let days = settings.organization(organization).await?.and_then(|one| one.retention_days);
        let days = days.map_or_else(|| "default".to_owned(), |days| days.to_string());
        Ok(Some(format!("{RETENTION_TAG}={days}")))
    }

    async fn put_file(
        &self,
        key: &str,
        kind: &'static str,
        tag: Option<String>,
        file: &Path,
    ) -> Result<(), StoreError> {
        const ACTION: &str = "put a recording";
        let body = ByteStream::from_path(file).await;
        let body = body.map_err(|error| StoreError::unavailable(ACTION, error))?;
        self.bucket.put_tagged(ACTION, key, kind, tag, body).await?;
        if let Err(error) = tokio::fs::remove_file(file).await {
            // The recording is safe; what is left over is a temporary file.
            tracing::warn!(%error, "a file that was put could not be removed");
        }
        Ok(())
    }

    async fn delete(&self, action: &'static str, keys: &[String]) -> Result<(), StoreError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            StoreError::unavailable(action, error)
        };
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let objects =
            objects.collect::<Result<Vec<_>, _>>().map_err(|error| failed(error.into()))?;
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
        let delete = delete.map_err(|error| failed(error.into()))?;
        let answer = self
            .bucket
            .client
            .delete_objects()
            .bucket(&self.bucket.name)
            .delete(delete)
            .send()
            .await;
        let answer =
            answer.map_err(|error| failed(AwsFailure::new("s3:DeleteObject", &error).into()))?;
        // What is not there counts as deleted.
        let Some(first) = answer.errors().first() else { return Ok(()) };
        let code = first.code().unwrap_or("no code");
        let message = first.message().unwrap_or("no message");
        let count = answer.errors().len();
        Err(failed(format!("s3:DeleteObject answered {code}: {message} ({count} objects)").into()))
    }
}

impl RecordingStore for BucketRecordings {
    async fn put_parts(&self, parts: Vec<Part>) -> Vec<Result<(), StoreError>> {
        let put = parts.into_iter().map(|Part { session, name, data }| async move {
            // A name says what is in it, so writing it again changes nothing.
            let key = part_key(session, &name);
            self.bucket.put("put a part", &key, "application/octet-stream", data.into()).await
        });
        stream::iter(put).buffered(PUTS_MAX).collect().await
    }

    async fn part_names(&self, session: RecordedSession) -> Result<Vec<PartName>, StoreError> {
        let prefix = format!("{PARTS}{session}/");
        let list = self.bucket.list().prefix(&prefix);
        let mut pages = list.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                StoreError::unavailable("list parts", AwsFailure::new("s3:ListBucket", &error))
            })?;
            for object in page.contents() {
                let Some(text) = object.key().and_then(|key| key.strip_prefix(&prefix)) else {
                    continue;
                };
                match text.parse() {
                    Ok(name) => names.push(name),
                    Err(error) => {
                        tracing::warn!(session = %session.session, %error, "a stray object among parts")
                    }
                }
            }
        }
        // Names have an order of their own, which is not that of their texts.
        names.sort_unstable();
        Ok(names)
    }

    async fn parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let get = names.into_iter().map(|name| async move {
            self.bucket.get("read a part", &part_key(session, &name), None).await
        });
        stream::iter(get).buffered(GETS_MAX).try_collect().await
    }

    async fn sessions_with_parts(&self) -> Result<Vec<RecordedSession>, StoreError> {
        let list = self.bucket.list().prefix(PARTS).delimiter("/");
        let mut pages = list.into_paginator().send();
        let mut sessions = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                let failure = AwsFailure::new("s3:ListBucket", &error);
                StoreError::unavailable("list sessions with parts", failure)
            })?;
            let prefixes = page.common_prefixes().iter().filter_map(|common| common.prefix());
            sessions.extend(prefixes.filter_map(|prefix| {
                prefix.strip_prefix(PARTS)?.strip_suffix('/')?.parse::<RecordedSession>().ok()
            }));
        }
        Ok(sessions)
    }

    async fn remove_parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = names.iter().map(|name| part_key(session, name)).collect();
        for keys in keys.chunks(DELETE_MAX) {
            self.delete("remove parts", keys).await?;
        }
        Ok(())
    }

    async fn put_recordings(
        &self,
        organization: OrganizationId,
        files: Vec<(String, PathBuf)>,
    ) -> Result<String, StoreError> {
        let tag = self.tag(organization).await?;
        let mut place = String::new();
        for (name, file) in files {
            let key = recording_key(&name)?;
            self.put_file(&key, kind_of(&name), tag.clone(), &file).await?;
            place = format!("s3://{}/{key}", self.bucket.name);
        }
        Ok(place)
    }

    async fn recording(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.bucket.get("read a recording", &recording_key(name)?, None).await
    }
}

fn part_key(session: RecordedSession, name: &PartName) -> String {
    format!("{PARTS}{session}/{name}")
}

/// Returns a recording's key, of a name that would do for a file too.
fn recording_key(name: &str) -> Result<String, StoreError> {
    let is_plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.chars().any(|letter| matches!(letter, '/' | '\\') || letter.is_control());
    if is_plain {
        return Ok(format!("{RECORDINGS}{name}"));
    }
    let why = "a name has no path separators or control characters, begins with no dot";
    Err(StoreError::unavailable("name a recording", why))
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "wav")) => "audio/wav",
        Some((_, "json")) => "application/json",
        Some(_) | None => "application/octet-stream",
    }
}

//! The stream, and what its consumers keep.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use sidetone_model::{ConversationId, OrganizationId, Timestamp};

use crate::error::{SinkError, SourceError, StoreError};
use crate::part::{Part, PartName, RecordedSession};

/// The place of a record in the stream; grows, may have holes.
///
/// A twin whose stream has no such number counts for itself: then a place is good for the source
/// that gave it and its clones alone, and what a put answers names no place of any source.
pub type Sequence = u64;

/// What is put: the records of one session, encoded, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Records of one conversation stay in order.
    pub partition_key: ConversationId,
    /// `CallRecords` in Protocol Buffers. At most [`StreamRecord::DATA_BYTES_MAX`].
    pub data: Bytes,
}

impl StreamRecord {
    /// The largest record: Kinesis takes 1 MiB with its partition key.
    pub const DATA_BYTES_MAX: usize = 1024 * 1024 - 256;
    /// The most records in one put: the limit of Kinesis.
    pub const PUT_RECORDS_MAX: usize = 500;
    /// The most bytes in one put: the limit of Kinesis with room for keys.
    pub const PUT_BYTES_MAX: usize = 5 * 1024 * 1024 - 64 * 1024;
}

/// What became of one record of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// In the stream, for good.
    Committed(Sequence),
    /// Not in the stream: over the throughput; try again later.
    Throttled,
    /// Not in the stream: a fault inside; try again.
    Failed,
}

/// Where records go.
pub trait RecordSink: Clone + Send + Sync + 'static {
    /// Puts records of different sessions; answers one by one, in the same order.
    ///
    /// Errors: [`SinkError`] if it is not known what happened to any of them. The caller puts
    /// the same bytes again; consumers drop what came twice. A put over the limits that
    /// [`StreamRecord`] names is refused whole in the same way, and leaves nothing.
    fn put(
        &self,
        records: Vec<StreamRecord>,
    ) -> impl Future<Output = Result<Vec<PutOutcome>, SinkError>> + Send;
}

/// A record as a consumer receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its place.
    pub sequence: Sequence,
    /// When the stream took it.
    pub committed_at: Timestamp,
    /// What was put.
    pub record: StreamRecord,
}

/// Where records come from.
pub trait RecordSource: Clone + Send + Sync + 'static {
    /// Reads what follows `after` (0 for the beginning), at most `limit` records, waiting up
    /// to `wait` of real time if there is nothing yet.
    fn read(
        &self,
        after: Sequence,
        limit: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Delivered>, SourceError>> + Send;

    /// Returns the place of the newest record; 0 if there is none.
    fn tip(&self) -> impl Future<Output = Result<Sequence, SourceError>> + Send;
}

/// How far each consumer has come.
pub trait Checkpoints: Clone + Send + Sync + 'static {
    /// Returns the last sequence that a consumer has finished; 0 at first.
    fn checkpoint(
        &self,
        consumer: &str,
    ) -> impl Future<Output = Result<Sequence, StoreError>> + Send;

    /// Notes that a consumer has finished everything up to `sequence`; never goes back.
    fn save_checkpoint(
        &self,
        consumer: &str,
        sequence: Sequence,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Where the recorder keeps parts of running sessions and puts finished recordings.
pub trait RecordingStore: Clone + Send + Sync + 'static {
    /// Keeps parts; answers each by itself, in their order. Putting a name again changes
    /// nothing.
    fn put_parts(
        &self,
        parts: Vec<Part>,
    ) -> impl Future<Output = Vec<Result<(), StoreError>>> + Send;

    /// Returns the names of a session's parts, in their order.
    fn part_names(
        &self,
        session: RecordedSession,
    ) -> impl Future<Output = Result<Vec<PartName>, StoreError>> + Send;

    /// Reads parts of a session, in the order of `names`; nothing for those that are not there.
    /// All of them are in memory at once.
    fn parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StoreError>> + Send;

    /// Returns every session that has parts.
    fn sessions_with_parts(
        &self,
    ) -> impl Future<Output = Result<Vec<RecordedSession>, StoreError>> + Send;

    /// Drops parts of a session: those named and no others, as more may come meanwhile. What
    /// is not there is no error.
    fn remove_parts(
        &self,
        session: RecordedSession,
        names: Vec<PartName>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Moves finished files into an organization's recordings, one after the other, each under
    /// its name, whole or not at all, replacing an older one of that name. Once it returns, and
    /// where the last one is there, all of them stay; returns where that one lies, in words for
    /// people.
    fn put_recordings(
        &self,
        organization: OrganizationId,
        files: Vec<(String, PathBuf)>,
    ) -> impl Future<Output = Result<String, StoreError>> + Send;

    /// Reads a finished file, if there is one of that name.
    fn recording(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;
}

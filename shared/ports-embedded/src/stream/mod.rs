//! The stream: one row a put, so that a put costs a copy of its bytes and little else.

mod null;
mod row;
mod tail;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sidetone_model::Timestamp;
use sidetone_ports::{
    Checkpoints, Clock, Delivered, PutOutcome, RecordSink, RecordSource, Sequence, SinkError,
    SourceError, StoreError, StreamRecord,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::database::{Database, POLL_EVERY, signed, unsigned};
use crate::error::{DatabaseError, OpenError};
use crate::probe::Probed;
use crate::schema::{Place, Schema};

use tail::{Put, Tail};

pub use null::NullStream;

const SCHEMA: Schema = Schema {
    name: "stream",
    migrations: &["
        -- Records first to last, which were put together at committed_at, in microseconds
        -- since the Unix epoch; row.rs says what heads and data hold.
        CREATE TABLE puts (
            first        INTEGER NOT NULL PRIMARY KEY,
            last         INTEGER NOT NULL,
            committed_at INTEGER NOT NULL,
            heads        BLOB    NOT NULL,
            data         BLOB    NOT NULL
        ) STRICT;
        CREATE TABLE checkpoints (
            consumer TEXT    NOT NULL PRIMARY KEY,
            sequence INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    "],
    // A put of 300 frames is 1 MB: pages of 32 KiB take a third of the system time that pages
    // of 4 KiB take, and larger ones gained nothing.
    page_bytes: 32 * 1024,
    survives_power_loss: true,
    // Room for the largest put and the pages around it.
    cache_bytes: 8 * 1024 * 1024,
    // Moved often and in small pieces: a put waits while it happens.
    log_bytes: 16 * 1024 * 1024,
};

/// How many bytes one read returns at most, unless its first put alone is larger.
const READ_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many puts one transaction of a trim deletes; puts that come meanwhile wait for it.
const TRIM_PUTS_MAX: usize = 16;

/// The stream of call records, with the checkpoints of its consumers.
///
/// Durable: what is committed survives the power. Several processes may have the same file
/// open. Cheap to clone; the file is closed with the last clone.
#[derive(Debug, Clone)]
pub struct Stream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    probed: Probed,
    clock: Clock,
    committed: Arc<Notify>,
    tail: Arc<Mutex<Tail>>,
}

impl Stream {
    /// Opens the stream in a file, creating it if need be; `clock` dates what is committed.
    ///
    /// Errors: [`OpenError`] if a newer version wrote it or the file cannot be used.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        Ok(Self::over(Some(path), Database::open(Place::File(path), &SCHEMA)?, clock))
    }

    /// Opens the stream that another process writes, for reading; puts and checkpoints fail.
    ///
    /// Errors: [`OpenError::Missing`] if nothing was written there yet.
    pub fn open_read_only(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        Ok(Self::over(Some(path), Database::open_to_read(path, &SCHEMA)?, clock))
    }

    /// Opens an empty stream in memory, which keeps everything until it is trimmed.
    ///
    /// Errors: [`OpenError`] if SQLite has no memory.
    pub fn in_memory(clock: Clock) -> Result<Self, OpenError> {
        Ok(Self::over(None, Database::open(Place::Memory, &SCHEMA)?, clock))
    }

    fn over(path: Option<&Path>, database: Database, clock: Clock) -> Self {
        let (committed, tail) = (Arc::default(), Arc::default());
        let probed = Probed::new(path.map(Path::to_path_buf), &SCHEMA);
        Self(Arc::new(Shared { database, probed, clock, committed, tail }))
    }

    /// Writes to the database and reads it, as a check of readiness.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.0.probed.probe(&self.0.database).await
    }

    /// Deletes what was committed before `older_than` and returns how many puts that were.
    ///
    /// Consumers that are behind see a jump in the sequence. The newest put loses its records
    /// and keeps its place, so that sequences go on from there.
    pub async fn trim(&self, older_than: Timestamp) -> Result<usize, StoreError> {
        let mut trimmed = 0;
        loop {
            let step = move |connection: &Connection| trim_some(connection, older_than);
            let some = self.0.database.write(0, step, |_| {}).await;
            let some = some.map_err(|error| StoreError::unavailable("trim the stream", error))?;
            trimmed += some;
            if some < TRIM_PUTS_MAX {
                locked(&self.0.tail).trim(older_than);
                return Ok(trimmed);
            }
        }
    }
}

impl RecordSink for Stream {
    /// A queue that is full throttles every record; any other failure is a [`SinkError`].
    async fn put(&self, records: Vec<StreamRecord>) -> Result<Vec<PutOutcome>, SinkError> {
        let count = records.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let bytes = bytes_within_limits(&records)?;
        let clock = self.0.clock;
        let work = move |connection: &Connection| insert(connection, records, clock.now());
        let (committed, tail) = (Arc::clone(&self.0.committed), Arc::clone(&self.0.tail));
        let after = move |put: &Put| {
            locked(&tail).push(put);
            committed.notify_waiters();
        };
        match self.0.database.write(bytes, work, after).await {
            Ok(put) => Ok((put.first..).take(count).map(PutOutcome::Committed).collect()),
            Err(DatabaseError::Full) => Ok(vec![PutOutcome::Throttled; count]),
            Err(error) => Err(SinkError { records: count, source: error.into() }),
        }
    }
}

impl RecordSource for Stream {
    /// Costs little for a consumer of this process that follows closely, and for others least
    /// with limits of [`StreamRecord::PUT_RECORDS_MAX`] or more: puts are read whole then.
    async fn read(
        &self,
        after: Sequence,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, SourceError> {
        let until = Instant::now() + wait;
        loop {
            // Enabled before looking: what is committed after the look is not missed.
            let mut committed = std::pin::pin!(self.0.committed.notified());
            committed.as_mut().enable();
            let mut found = locked(&self.0.tail).read(after, limit);
            if found.is_empty() {
                let select = move |connection: &Connection| select(connection, after, limit);
                let read = self.0.database.read(select).await;
                found = read.map_err(|error| SourceError { after, source: error.into() })?;
            }
            let now = Instant::now();
            if !found.is_empty() || now >= until {
                return Ok(found);
            }
            let mut pause = until - now;
            if self.0.database.is_shared() {
                pause = pause.min(POLL_EVERY);
            }
            let _ = tokio::time::timeout(pause, committed).await;
        }
    }

    async fn tip(&self) -> Result<Sequence, SourceError> {
        let tip = self.0.database.read(|connection| Ok(unsigned(last(connection)?))).await;
        tip.map_err(|error| SourceError { after: 0, source: error.into() })
    }
}

impl Checkpoints for Stream {
    async fn checkpoint(&self, consumer: &str) -> Result<Sequence, StoreError> {
        let consumer = consumer.to_owned();
        let read = move |connection: &Connection| {
            let sequence = connection
                .prepare_cached("SELECT sequence FROM checkpoints WHERE consumer = ?1")?
                .query_row([consumer], |row| row.get(0))
                .optional()?;
            Ok(sequence.map_or(0, unsigned))
        };
        let read = self.0.database.read(read).await;
        read.map_err(|error| StoreError::unavailable("read a checkpoint", error))
    }

    async fn save_checkpoint(&self, consumer: &str, sequence: Sequence) -> Result<(), StoreError> {
        let consumer = consumer.to_owned();
        let save = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO checkpoints (consumer, sequence) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)",
                )?
                .execute(params![consumer, signed(sequence)])
        };
        let saved = self.0.database.write(0, save, |_| {}).await;
        saved.map(drop).map_err(|error| StoreError::unavailable("save a checkpoint", error))
    }
}

/// Returns about how many bytes a put holds, if that is not too much.
fn bytes_within_limits(records: &[StreamRecord]) -> Result<usize, SinkError> {
    let refused = |what: &str| SinkError { records: records.len(), source: what.into() };
    if records.len() > StreamRecord::PUT_RECORDS_MAX {
        return Err(refused("more records than one put may have"));
    }
    if records.iter().any(|record| record.data.len() > StreamRecord::DATA_BYTES_MAX) {
        return Err(refused("more bytes than one record may have"));
    }
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    if bytes > StreamRecord::PUT_BYTES_MAX {
        return Err(refused("more bytes than one put may have"));
    }
    Ok(bytes + row::heads_bytes(records.len()))
}

fn locked(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a put behind the newest one.
fn insert(
    connection: &Connection,
    records: Vec<StreamRecord>,
    committed_at: Timestamp,
) -> rusqlite::Result<Put> {
    let first = last(connection)? + 1;
    let (heads, data) = row::encode(&records);
    connection
        .prepare_cached(
            "INSERT INTO puts (first, last, committed_at, heads, data)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            first,
            first + signed(records.len() as u64) - 1,
            committed_at.as_micros(),
            heads,
            data
        ])?;
    Ok(Put { first: unsigned(first), committed_at, records: records.into() })
}

fn last(connection: &Connection) -> rusqlite::Result<i64> {
    let last = connection
        .prepare_cached("SELECT last FROM puts ORDER BY first DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

fn select(
    connection: &Connection,
    after: Sequence,
    limit: usize,
) -> rusqlite::Result<Vec<Delivered>> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut statement = connection.prepare_cached(
        "SELECT first, last, committed_at, heads, data FROM puts
         WHERE first >= coalesce((SELECT max(first) FROM puts WHERE first <= ?1), 0)
         ORDER BY first",
    )?;
    let mut rows = statement.query([signed(after.saturating_add(1))])?;
    while let Some(row) = rows.next()? {
        let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
        if unsigned(last) <= after {
            continue;
        }
        let heads = row.get_ref(3)?.as_blob()?;
        let room = limit - found.len();
        // A put is read in pieces only by a reader that never takes a whole one.
        if !found.is_empty() && (room < row::count(heads) || bytes >= READ_BYTES_MAX) {
            break;
        }
        let committed_at = Timestamp::from_micros(row.get(2)?);
        let data = row.get_ref(4)?.as_blob()?;
        bytes += data.len();
        let records = row::decode(heads, data).ok_or_else(|| damaged(first))?;
        let delivered = (unsigned(first)..).zip(records).filter(|(place, _)| *place > after);
        found.extend(delivered.take(room).map(|(sequence, record)| Delivered {
            sequence,
            committed_at,
            record,
        }));
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

fn damaged(first: i64) -> rusqlite::Error {
    let what = format!("the put that begins with record {first} is damaged");
    rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Blob, what.into())
}

/// Deletes some of the oldest puts; returns how many.
fn trim_some(connection: &Connection, older_than: Timestamp) -> rusqlite::Result<usize> {
    let mut statement = connection
        .prepare_cached("SELECT first, committed_at FROM puts ORDER BY first LIMIT ?1")?;
    // One more than is deleted, to know whether the last of them is the newest.
    let limit = TRIM_PUTS_MAX + 1;
    let oldest =
        statement.query_map([signed(limit as u64)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let oldest: Vec<(i64, i64)> = oldest.collect::<rusqlite::Result<_>>()?;
    let old = oldest.iter().take_while(|(_, at)| *at < older_than.as_micros()).count();
    let (old, newest_is_old) = if old == oldest.len() && old < limit {
        (old.saturating_sub(1), old > 0)
    } else {
        (old.min(TRIM_PUTS_MAX), false)
    };
    if newest_is_old {
        connection
            .prepare_cached("UPDATE puts SET heads = x'', data = x'' WHERE first = ?1")?
            .execute([oldest[old].0])?;
    }
    if old > 0 {
        connection
            .prepare_cached("DELETE FROM puts WHERE first <= ?1")?
            .execute([oldest[old - 1].0])?;
    }
    Ok(old)
}

#[cfg(test)]
mod tests;

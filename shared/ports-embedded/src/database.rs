//! One database and whoever works on it: a thread that writes and a thread that reads, or the
//! caller's own thread for a database in memory.
//!
//! Writes that queue while a commit runs are committed together, in one transaction; none is
//! answered before its transaction is committed, and all of one fail together.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::{DatabaseError, OpenError};
use crate::schema::{Place, Schema};

/// How many writes, and how many reads, may wait: more than every session of a full process
/// has at once.
const QUEUE_JOBS_MAX: usize = 4_096;
/// How many bytes may wait to be written: over half a second of 3,000 sessions' audio.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often whoever waits looks for what other processes wrote. Real time.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(250);
/// How many writes are committed together; more would make the first of them wait.
const GROUP_JOBS_MAX: usize = 256;

/// A database that is open.
#[derive(Debug)]
pub(crate) struct Database {
    writer: Option<Lane>,
    reader: Option<Lane>,
    waiting_bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Lane {
    /// Work is done where it is asked for.
    Here(Mutex<Connection>),
    /// Work is done by a thread, which ends once the sender is dropped and the queue is empty.
    Thread(mpsc::Sender<Box<dyn Job>>, JoinHandle<()>),
}

impl Database {
    /// Opens it for writing and reading, creating it if need be.
    pub(crate) fn open(place: Place<'_>, schema: &Schema) -> Result<Self, OpenError> {
        let connection = schema.open(place)?;
        match place {
            Place::Memory => Ok(Self::new(Some(Lane::Here(Mutex::new(connection))), None)),
            Place::File(path) => {
                let reader = schema.open_to_read(path)?;
                let writer = Lane::spawn(path, schema.name, "write", connection, commit_all)?;
                let reader = Lane::spawn(path, schema.name, "read", reader, read_all)?;
                Ok(Self::new(Some(writer), Some(reader)))
            }
        }
    }

    /// Opens one that exists, for reading.
    pub(crate) fn open_to_read(path: &Path, schema: &Schema) -> Result<Self, OpenError> {
        let reader = schema.open_to_read(path)?;
        let reader = Lane::spawn(path, schema.name, "read", reader, read_all)?;
        Ok(Self::new(None, Some(reader)))
    }

    fn new(writer: Option<Lane>, reader: Option<Lane>) -> Self {
        Self { writer, reader, waiting_bytes: Arc::default() }
    }

    /// Returns whether other processes may work on it too.
    pub(crate) const fn is_shared(&self) -> bool {
        self.reader.is_some()
    }

    /// Does some work in a transaction and answers once that is committed.
    ///
    /// `bytes` is about what the work holds in memory while it waits. `after` runs after the
    /// commit, even if nobody waits for the answer any more.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let writer = self.writer.as_ref().ok_or(DatabaseError::ReadOnly)?;
        let room = Room::reserve(&self.waiting_bytes, bytes).ok_or(DatabaseError::Full)?;
        let work = move |connection: &Connection| {
            let _room = room;
            work(connection)
        };
        writer.run(work, after, commit_together).await
    }

    /// Reads something; sees everything whose write was answered before.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let reader = self.reader.as_ref().or(self.writer.as_ref()).ok_or(DatabaseError::Ended)?;
        reader.run(work, |_| {}, read_each).await
    }
}

impl Drop for Database {
    /// Waits until the file is closed: a process that exits earlier leaves commits in the log
    /// alone. The reader closes first, because only the last connection empties the log.
    fn drop(&mut self) {
        for lane in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            lane.close();
        }
    }
}

impl Lane {
    fn close(self) {
        let Self::Thread(sender, thread) = self else { return };
        drop(sender);
        // A job may own the last clone of its own database.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("database thread panicked");
        }
    }

    fn spawn(
        path: &Path,
        name: &str,
        verb: &str,
        connection: Connection,
        run: fn(Connection, mpsc::Receiver<Box<dyn Job>>),
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel(QUEUE_JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name(format!("{name}-{verb}"))
            .spawn(move || run(connection, receiver))
            .map_err(|source| OpenError::File { path: path.into(), source })?;
        Ok(Self::Thread(sender, thread))
    }

    /// Hands the work over at once; what is returned only waits for the answer.
    fn run<T, W, A>(
        &self,
        work: W,
        after: A,
        here: fn(&Connection, &mut Vec<Box<dyn Job>>),
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send + use<T, W, A>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(Task { work: Some(work), value: None, after, answer: sender });
        let handed_over = match self {
            Self::Here(connection) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                here(&connection, &mut vec![job]);
                Ok(())
            }
            Self::Thread(queue, _) => queue.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => DatabaseError::Full,
                mpsc::error::TrySendError::Closed(_) => DatabaseError::Ended,
            }),
        };
        async move {
            handed_over?;
            receiver.await.map_err(|_| DatabaseError::Ended)?
        }
    }
}

/// Bytes that wait; given back when dropped.
struct Room {
    waiting_bytes: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    fn reserve(waiting_bytes: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        waiting_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
                let sum = waiting.checked_add(bytes)?;
                // What is larger than the whole queue still goes when it goes alone.
                (waiting == 0 || sum <= QUEUE_BYTES_MAX).then_some(sum)
            })
            .ok()?;
        Some(Self { waiting_bytes: Arc::clone(waiting_bytes), bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// SQLite's integers are signed; no counter of ours comes near the end of them.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The way back: what was written is never negative.
pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

type Outcome = Result<(), Arc<rusqlite::Error>>;

/// Work that waits, with whoever waits for it.
trait Job: Send {
    /// Does the work, once.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Tells what became of it, and of everything in its transaction.
    fn answer(self: Box<Self>, outcome: Outcome);
}

struct Task<T, W, A> {
    work: Option<W>,
    value: Option<T>,
    after: A,
    answer: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<T, W, A> Job for Task<T, W, A>
where
    T: Send,
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    A: FnOnce(&T) + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let work = self.work.take().expect("a job runs once");
        self.value = Some(work(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Outcome) {
        let answer = match outcome {
            Ok(()) => {
                let value = self.value.expect("a job that is committed ran");
                (self.after)(&value);
                Ok(value)
            }
            Err(error) => Err(DatabaseError::Sqlite(error)),
        };
        // Whoever asked may have gone.
        let _ = self.answer.send(answer);
    }
}

fn commit_all(connection: Connection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::new();
    while queue.blocking_recv_many(&mut group, GROUP_JOBS_MAX) > 0 {
        commit_together(&connection, &mut group);
    }
    // Also where another process keeps the file open: what was committed until now is in the file.
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    if let Err(error) = connection.query_row(checkpoint, [], |_| Ok(())) {
        tracing::warn!(%error, "database log not checkpointed, keep it with the database");
    }
}

fn read_all(connection: Connection, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut jobs = Vec::new();
    while queue.blocking_recv_many(&mut jobs, GROUP_JOBS_MAX) > 0 {
        read_each(&connection, &mut jobs);
    }
}

fn commit_together(connection: &Connection, group: &mut Vec<Box<dyn Job>>) {
    let outcome = in_transaction(connection, group).map_err(Arc::new);
    if outcome.is_err() && !connection.is_autocommit() {
        // A rollback that fails leaves the transaction open, and the next BEGIN says so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for job in group.drain(..) {
        job.answer(outcome.clone());
    }
}

fn in_transaction(connection: &Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for job in group {
        job.run(connection)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn read_each(connection: &Connection, jobs: &mut Vec<Box<dyn Job>>) {
    for mut job in jobs.drain(..) {
        let outcome = job.run(connection).map_err(Arc::new);
        job.answer(outcome);
    }
}

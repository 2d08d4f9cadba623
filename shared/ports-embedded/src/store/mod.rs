//! The store: calls, connections, leases, organizations, owners, mailboxes, nonces and users in one
//! SQLite file.

mod calls;
mod connections;
mod leases;
mod mailbox;
mod nonces;
mod organizations;
mod owners;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use sidetone_model::{ConversationId, ConversationKey, OrganizationId, OwnerId, Timestamp};
use sidetone_ports::StoreError;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::database::Database;
use crate::error::OpenError;
use crate::probe::Probed;
use crate::schema::{Place, Schema};

const SCHEMA: Schema = Schema {
    name: "store",
    migrations: &[
        include_str!("schema_1.sql"),
        include_str!("schema_2.sql"),
        include_str!("schema_3.sql"),
        include_str!("schema_4.sql"),
        include_str!("schema_5.sql"),
        include_str!("schema_6.sql"),
    ],
    page_bytes: 4 * 1024,
    // What is lost with the power are calls of a process that died with it.
    survives_power_loss: false,
    cache_bytes: 8 * 1024 * 1024,
    log_bytes: 4 * 1024 * 1024,
};

/// How often what has expired is deleted; reads leave it out at any time.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// How many rows of a table one purge deletes, so that it never holds up a write for long.
const PURGE_ROWS_MAX: u32 = 2_000;
/// How long a letter waits for an owner that does not come; sessions are shorter.
const LETTER_LIFE: Duration = Duration::from_secs(24 * 3600);
/// About what a write holds in memory besides its bytes.
const WRITE_BYTES: usize = 512;

/// Calls, connections, leases, owners, mailboxes, nonces and users.
///
/// Several processes may have the same file open. Cheap to clone; the file is closed with the
/// last clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    probed: Probed,
    posted: Arc<Notify>,
    pockets: Arc<Pockets>,
    /// The latest moment that any caller named; what expired before it may be replaced.
    latest: AtomicI64,
    purged_at: AtomicI64,
}

/// Letters that were taken from the database and not yet handed out, so that a taker which is
/// dropped in between loses nothing.
type Pockets = Mutex<BTreeMap<OwnerId, BTreeSet<ConversationKey>>>;

impl Store {
    /// Opens the store in a file, creating it if need be.
    ///
    /// Errors: [`OpenError`] if a newer version wrote it or the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self::over(Some(path), Database::open(Place::File(path), &SCHEMA)?))
    }

    /// Opens an empty store in memory.
    ///
    /// Errors: [`OpenError`] if SQLite has no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        Ok(Self::over(None, Database::open(Place::Memory, &SCHEMA)?))
    }

    fn over(path: Option<&Path>, database: Database) -> Self {
        Self(Arc::new(Shared {
            database,
            probed: Probed::new(path.map(Path::to_path_buf), &SCHEMA),
            posted: Arc::default(),
            pockets: Arc::default(),
            latest: AtomicI64::new(i64::MIN),
            purged_at: AtomicI64::new(i64::MIN),
        }))
    }

    /// Writes to the database and reads it, as a check of readiness.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.0.probed.probe(&self.0.database).await
    }

    async fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        bytes: usize,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0
            .database
            .write(WRITE_BYTES + bytes, work, |_| {})
            .await
            .map_err(|error| StoreError::unavailable(action, error))
    }

    async fn read<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.database.read(work).await.map_err(|error| StoreError::unavailable(action, error))
    }

    /// Notes what moment a caller named.
    fn told(&self, now: Timestamp) {
        self.0.latest.fetch_max(now.as_micros(), Ordering::AcqRel);
    }

    /// Returns `now` if what has expired should be deleted by the next write.
    fn purge_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.told(now);
        let next = (now - PURGE_EVERY).as_micros();
        let mine = self.0.purged_at.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| {
            (last <= next).then_some(now.as_micros())
        });
        mine.ok().map(|_| now)
    }
}

/// Deletes some of what has expired.
fn purge(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let expired = params![now.as_micros(), PURGE_ROWS_MAX];
    for statement in [
        "DELETE FROM items WHERE (organization, conversation, name) IN (
             SELECT organization, conversation, name FROM items WHERE expires_at <= ?1 LIMIT ?2)",
        "DELETE FROM nonces WHERE (key_id, nonce) IN (
             SELECT key_id, nonce FROM nonces WHERE until <= ?1 LIMIT ?2)",
        "DELETE FROM connections WHERE connection IN (
             SELECT connection FROM connections WHERE expires_at <= ?1 LIMIT ?2)",
    ] {
        connection.prepare_cached(statement)?.execute(expired)?;
    }
    connection
        .prepare_cached("DELETE FROM letters WHERE posted_at <= ?1")?
        .execute([(now - LETTER_LIFE).as_micros()])?;
    Ok(())
}

/// Reads the two columns of a conversation's key.
fn key_at(row: &Row<'_>, organization: usize) -> rusqlite::Result<ConversationKey> {
    Ok(ConversationKey {
        organization: OrganizationId::new(uuid_at(row, organization)?),
        conversation: ConversationId::new(uuid_at(row, organization + 1)?),
    })
}

fn uuid_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

#[cfg(test)]
mod tests;

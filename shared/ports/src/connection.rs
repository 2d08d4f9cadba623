//! Connections that no process holds: their state lies in a store, and what is said to them
//! goes through somebody else's hands.

use std::future::Future;

use sidetone_model::{ConnectionId, Timestamp};

use crate::error::StoreError;
use crate::store::Revision;

/// The state of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionItem {
    /// What its writer put there. At most [`ConnectionItem::BYTES_MAX`].
    pub bytes: Vec<u8>,
    /// Its version, from 1.
    pub revision: Revision,
}

impl ConnectionItem {
    /// The largest state: DynamoDB takes 400 KB with names and keys.
    pub const BYTES_MAX: usize = 400 * 1024 - 2 * 1024;
}

/// States of connections, and when each is to be looked at.
pub trait ConnectionStore: Clone + Send + Sync + 'static {
    /// Writes a connection's state if its revision still is `expected`; 0 for one that must not
    /// exist yet. With `due` it is found by [`ConnectionStore::due_connections`] from then on.
    ///
    /// Errors: [`StoreError::Conflict`] if another writer was first; [`StoreError::Unavailable`]
    /// for a state over the limit.
    fn put_connection(
        &self,
        connection: &ConnectionId,
        item: ConnectionItem,
        due: Option<Timestamp>,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Reads a connection's state, consistently.
    fn connection(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<ConnectionItem>, StoreError>> + Send;

    /// Returns connections that are due by `now`, the longest overdue first; a little late, so
    /// that one that was just put off may still be among them.
    fn due_connections(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ConnectionId>, StoreError>> + Send;

    /// Forgets a connection.
    fn remove_connection(
        &self,
        connection: &ConnectionId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Whether what was said has a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It was taken.
    Taken,
    /// The connection is over.
    Gone,
}

/// What was said may or may not have been taken.
#[derive(Debug, thiserror::Error)]
#[error("the connection could not be reached")]
pub struct LineError {
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The way back to a client that is connected to somebody else.
pub trait ClientLine: Clone + Send + Sync + 'static {
    /// Sends a text message.
    fn say(
        &self,
        connection: &ConnectionId,
        text: &str,
    ) -> impl Future<Output = Result<Said, LineError>> + Send;

    /// Closes the connection.
    fn hang_up(
        &self,
        connection: &ConnectionId,
    ) -> impl Future<Output = Result<Said, LineError>> + Send;
}

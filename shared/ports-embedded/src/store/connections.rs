//! States of connections that no process holds, and when each is to be looked at.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, params};
use sidetone_model::{ConnectionId, Timestamp};
use sidetone_ports::{ConnectionItem, ConnectionStore, Revision, StoreError};

use super::{Store, purge};
use crate::database::{signed, unsigned};

const PUT: &str = "put a connection's state";

impl ConnectionStore for Store {
    async fn put_connection(
        &self,
        connection: &ConnectionId,
        item: ConnectionItem,
        due: Option<Timestamp>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        let (name, expected, bytes) = (connection.clone(), item.revision, item.bytes.len());
        if bytes > ConnectionItem::BYTES_MAX {
            let limit = ConnectionItem::BYTES_MAX;
            let reason = format!("a state of {bytes} bytes is over the limit of {limit}");
            return Err(StoreError::unavailable(PUT, reason));
        }
        let latest = self.0.latest.load(Ordering::Acquire);
        let put = move |connection: &Connection| {
            replace(connection, &name, &item, due, expires_at, latest)
        };
        self.write(PUT, bytes, put).await?.ok_or_else(|| StoreError::Conflict {
            partition: connection.to_string(),
            item: "state".into(),
            expected,
        })
    }

    async fn connection(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<ConnectionItem>, StoreError> {
        self.told(now);
        let name = connection.clone();
        self.read("read a connection's state", move |connection| {
            connection
                .prepare_cached(
                    "SELECT bytes, revision FROM connections
                     WHERE connection = ?1 AND expires_at > ?2",
                )?
                .query_row(params![name.as_str(), now.as_micros()], |row| {
                    Ok(ConnectionItem { bytes: row.get(0)?, revision: unsigned(row.get(1)?) })
                })
                .optional()
        })
        .await
    }

    /// Also deletes from time to time what has expired.
    async fn due_connections(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        if let Some(now) = self.purge_due(now) {
            self.write("delete what has expired", 0, move |connection| purge(connection, now))
                .await?;
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("read which connections are due", move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT connection FROM connections
                 WHERE due <= ?1 AND expires_at > ?1 ORDER BY due, connection LIMIT ?2",
            )?;
            let rows = statement.query_map(params![now.as_micros(), limit], |row| {
                Ok(ConnectionId::new(row.get::<_, String>(0)?))
            })?;
            rows.collect()
        })
        .await
    }

    async fn remove_connection(&self, connection: &ConnectionId) -> Result<(), StoreError> {
        let name = connection.clone();
        self.write("remove a connection", 0, move |connection| {
            connection
                .prepare_cached("DELETE FROM connections WHERE connection = ?1")?
                .execute([name.as_str()])
        })
        .await?;
        Ok(())
    }
}

/// Writes the state if its revision is as expected, and returns the new one.
fn replace(
    connection: &Connection,
    name: &ConnectionId,
    item: &ConnectionItem,
    due: Option<Timestamp>,
    expires_at: Timestamp,
    latest: i64,
) -> rusqlite::Result<Option<Revision>> {
    let due = due.map(Timestamp::as_micros);
    let next: Option<i64> = if item.revision == 0 {
        // What expired is seen by nobody, and may be replaced; its revision goes on, so that
        // whoever still holds the old one is refused.
        connection
            .prepare_cached(
                "INSERT INTO connections (connection, bytes, revision, due, expires_at)
                 VALUES (?1, ?2, 1, ?3, ?4)
                 ON CONFLICT DO UPDATE SET bytes = excluded.bytes, revision = revision + 1,
                     due = excluded.due, expires_at = excluded.expires_at
                 WHERE expires_at <= ?5
                 RETURNING revision",
            )?
            .query_row(
                params![name.as_str(), item.bytes, due, expires_at.as_micros(), latest],
                |row| row.get(0),
            )
            .optional()?
    } else {
        connection
            .prepare_cached(
                "UPDATE connections SET bytes = ?2, revision = revision + 1, due = ?3,
                     expires_at = ?4
                 WHERE connection = ?1 AND revision = ?5
                 RETURNING revision",
            )?
            .query_row(
                params![
                    name.as_str(),
                    item.bytes,
                    due,
                    expires_at.as_micros(),
                    signed(item.revision)
                ],
                |row| row.get(0),
            )
            .optional()?
    };
    Ok(next.map(unsigned))
}

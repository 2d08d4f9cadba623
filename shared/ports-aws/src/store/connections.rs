//! States of connections that no process holds, and when each is to be looked at.

use sidetone_model::{ConnectionId, Timestamp};
use sidetone_ports::{ConnectionItem, ConnectionStore, Revision, StoreError};

use super::DynamoStore;
use super::revision::Revised;
use super::value::{malformed, moment, moment_of, number_of, take_bytes, text, text_of};
use crate::failure::AwsFailure;

/// The index of connections that are to be looked at.
const BY_DUE: &str = "by-due";
/// The one partition of that index: some hundred connections a second at most.
const DUE: &str = "due";
/// The item of a connection's partition.
const STATE: &str = "state";
/// What stands before a connection's id.
const PREFIX: &str = "connection#";
/// How many rows of the index are read at once.
const PAGE_ROWS_MAX: usize = 200;

const PUT: &str = "put a connection's state";
const READ: &str = "read a connection's state";
const LIST: &str = "read which connections are due";

impl ConnectionStore for DynamoStore {
    async fn put_connection(
        &self,
        connection: &ConnectionId,
        item: ConnectionItem,
        due: Option<Timestamp>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        let (bytes, limit) = (item.bytes.len(), ConnectionItem::BYTES_MAX);
        if bytes > limit {
            let reason = format!("a state of {bytes} bytes is over the limit of {limit}");
            return Err(StoreError::unavailable(PUT, reason));
        }
        let row = Revised {
            action: PUT,
            pk: partition(connection),
            sk: STATE.to_owned(),
            bytes: item.bytes,
            expected: item.revision,
            expires_at,
            besides: vec![("due", due.map(|_| text(DUE))), ("due_at", due.map(moment))],
        };
        self.write_revised(row).await?.ok_or_else(|| StoreError::Conflict {
            partition: connection.to_string(),
            item: STATE.to_owned(),
            expected: item.revision,
        })
    }

    async fn connection(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<ConnectionItem>, StoreError> {
        let answer = self
            .client()
            .get_item()
            .table_name(&self.tables().calls)
            .key("pk", text(partition(connection)))
            .key("sk", text(STATE))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| {
                StoreError::unavailable(READ, AwsFailure::new("dynamodb:GetItem", &error))
            })?;
        let Some(mut row) = answer.item else { return Ok(None) };
        if moment_of(&row, "expires_ms")? <= now {
            return Ok(None);
        }
        let bytes = take_bytes(&mut row, "bytes")?;
        Ok(Some(ConnectionItem { bytes, revision: number_of(&row, "rev")? }))
    }

    /// Reads through an index, which may be some milliseconds late.
    async fn due_connections(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        let page_rows = i32::try_from(limit.clamp(1, PAGE_ROWS_MAX)).unwrap_or(i32::MAX);
        let mut pages = self
            .client()
            .query()
            .table_name(&self.tables().calls)
            .index_name(BY_DUE)
            .key_condition_expression("#due = :due AND due_at <= :now")
            // An index that does not hold the expiry tells what has expired as well.
            .filter_expression("attribute_not_exists(expires_ms) OR expires_ms > :now")
            .expression_attribute_names("#due", DUE)
            .expression_attribute_values(":due", text(DUE))
            .expression_attribute_values(":now", moment(now))
            .limit(page_rows)
            .into_paginator()
            .send();
        let mut connections = Vec::new();
        while connections.len() < limit {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| {
                StoreError::unavailable(LIST, AwsFailure::new("dynamodb:Query", &error))
            })?;
            for row in page.items.unwrap_or_default() {
                let id = text_of(&row, "pk")?.strip_prefix(PREFIX);
                connections.push(ConnectionId::new(id.ok_or_else(|| malformed(&row, "pk"))?));
            }
        }
        connections.truncate(limit);
        Ok(connections)
    }

    async fn remove_connection(&self, connection: &ConnectionId) -> Result<(), StoreError> {
        let delete = self
            .client()
            .delete_item()
            .table_name(&self.tables().calls)
            .key("pk", text(partition(connection)))
            .key("sk", text(STATE));
        delete.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:DeleteItem", &error);
            StoreError::unavailable("remove a connection", failure)
        })
    }
}

fn partition(connection: &ConnectionId) -> String {
    format!("{PREFIX}{connection}")
}

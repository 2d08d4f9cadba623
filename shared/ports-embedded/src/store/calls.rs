//! The calls table: conditional writes within a transaction, reads by partition and by owner.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, params};
use sidetone_model::{ConversationKey, OwnerId, Timestamp};
use sidetone_ports::{CallStore, Item, OwnedItem, Revision, StoreError};

use super::{Store, key_at};
use crate::database::{signed, unsigned};

impl Store {
    /// Returns every conversation that has an item, by the table's own order.
    ///
    /// Errors: [`StoreError::Unavailable`].
    pub async fn conversations(&self, now: Timestamp) -> Result<Vec<ConversationKey>, StoreError> {
        self.told(now);
        self.read("list conversations", move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT organization, conversation FROM items WHERE expires_at > ?1
                 ORDER BY organization, conversation",
            )?;
            let rows = statement.query_map(params![now.as_micros()], |row| key_at(row, 0))?;
            rows.collect()
        })
        .await
    }
}

impl CallStore for Store {
    async fn put(
        &self,
        key: ConversationKey,
        item: Item,
        owner: Option<OwnerId>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        let (name, expected) = (item.name.clone(), item.revision);
        let latest = self.0.latest.load(Ordering::Acquire);
        let bytes = item.bytes.len();
        let put = move |connection: &Connection| {
            replace(connection, key, &item, owner.as_ref(), expires_at, latest)
        };
        self.write("put an item", bytes, put).await?.ok_or_else(|| StoreError::Conflict {
            partition: key.to_string(),
            item: name,
            expected,
        })
    }

    async fn query(&self, key: ConversationKey, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        self.told(now);
        self.read("query a conversation", move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, bytes, revision FROM items
                 WHERE organization = ?1 AND conversation = ?2 AND expires_at > ?3
                 ORDER BY name",
            )?;
            let rows = statement.query_map(
                params![
                    key.organization.uuid().as_bytes(),
                    key.conversation.uuid().as_bytes(),
                    now.as_micros()
                ],
                |row| {
                    Ok(Item {
                        name: row.get(0)?,
                        bytes: row.get(1)?,
                        revision: unsigned(row.get(2)?),
                    })
                },
            )?;
            rows.collect()
        })
        .await
    }

    async fn owned_by(
        &self,
        owner: &OwnerId,
        now: Timestamp,
    ) -> Result<Vec<OwnedItem>, StoreError> {
        self.told(now);
        let owner = owner.clone();
        self.read("read what an owner holds", move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT organization, conversation, name, bytes, revision FROM items
                 WHERE owner = ?1 AND expires_at > ?2
                 ORDER BY organization, conversation, name",
            )?;
            let rows = statement.query_map(params![owner.as_str(), now.as_micros()], |row| {
                Ok(OwnedItem {
                    key: key_at(row, 0)?,
                    item: Item {
                        name: row.get(2)?,
                        bytes: row.get(3)?,
                        revision: unsigned(row.get(4)?),
                    },
                })
            })?;
            rows.collect()
        })
        .await
    }
}

/// Writes the item if its revision is as expected, and returns the new one.
fn replace(
    connection: &Connection,
    key: ConversationKey,
    item: &Item,
    owner: Option<&OwnerId>,
    expires_at: Timestamp,
    latest: i64,
) -> rusqlite::Result<Option<Revision>> {
    let (organization, conversation) = (key.organization.uuid(), key.conversation.uuid());
    let found: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT revision, expires_at FROM items
             WHERE organization = ?1 AND conversation = ?2 AND name = ?3",
        )?
        .query_row(params![organization.as_bytes(), conversation.as_bytes(), item.name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let next = match found {
        None if item.revision == 0 => 1,
        // No reader sees it any more, so a writer that read nothing may replace it; its
        // revision goes on, so that whoever still holds the old one is refused.
        Some((revision, until)) if item.revision == 0 && until <= latest => revision + 1,
        Some((revision, _)) if item.revision != 0 && revision == signed(item.revision) => {
            revision + 1
        }
        None | Some(_) => return Ok(None),
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO items
             (organization, conversation, name, bytes, revision, owner, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            organization.as_bytes(),
            conversation.as_bytes(),
            item.name,
            item.bytes,
            next,
            owner.map(OwnerId::as_str),
            expires_at.as_micros()
        ])?;
    Ok(Some(unsigned(next)))
}

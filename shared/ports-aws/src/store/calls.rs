//! The calls table: one partition a conversation, found by owner through an index.

use sidetone_model::{ConversationKey, OwnerId, Timestamp};
use sidetone_ports::{CallStore, Item, OwnedItem, Revision, StoreError};

use super::revision::Revised;
use super::value::{Row, malformed, moment, number_of, take_bytes, text, text_of};
use super::{DynamoStore, all_pages};

/// The index of items that have an owner.
const BY_OWNER: &str = "by-owner";

impl CallStore for DynamoStore {
    async fn put(
        &self,
        key: ConversationKey,
        item: Item,
        owner: Option<OwnerId>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        let row = Revised {
            action: "put an item",
            pk: key.to_string(),
            sk: item.name.clone(),
            bytes: item.bytes,
            expected: item.revision,
            expires_at,
            besides: vec![("owner", owner.map(|owner| text(owner.as_str())))],
        };
        self.write_revised(row).await?.ok_or_else(|| StoreError::Conflict {
            partition: key.to_string(),
            item: item.name,
            expected: item.revision,
        })
    }

    async fn query(&self, key: ConversationKey, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().calls)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .filter_expression("expires_ms > :now")
            .expression_attribute_values(":pk", text(key.to_string()))
            .expression_attribute_values(":now", moment(now));
        let rows = all_pages("query a conversation", query).await?;
        rows.into_iter().map(item).collect()
    }

    /// Reads through an index, which may be some milliseconds late.
    async fn owned_by(
        &self,
        owner: &OwnerId,
        now: Timestamp,
    ) -> Result<Vec<OwnedItem>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().calls)
            .index_name(BY_OWNER)
            .key_condition_expression("#owner = :owner")
            .filter_expression("expires_ms > :now")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner.as_str()))
            .expression_attribute_values(":now", moment(now));
        let rows = all_pages("read what an owner holds", query).await?;
        let owned = rows
            .into_iter()
            .map(|row| Ok(OwnedItem { key: key_of(&row, "pk")?, item: item(row)? }));
        owned.collect()
    }
}

fn item(mut row: Row) -> Result<Item, StoreError> {
    let bytes = take_bytes(&mut row, "bytes")?;
    Ok(Item { name: text_of(&row, "sk")?.to_owned(), bytes, revision: number_of(&row, "rev")? })
}

/// Reads a conversation's key from an attribute.
pub(super) fn key_of(row: &Row, name: &'static str) -> Result<ConversationKey, StoreError> {
    let text = text_of(row, name)?;
    let key = text.split_once('#').and_then(|(organization, conversation)| {
        Some(ConversationKey {
            organization: organization.parse().ok()?,
            conversation: conversation.parse().ok()?,
        })
    });
    key.ok_or_else(|| malformed(row, name))
}

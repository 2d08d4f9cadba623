//! Signs of life of owners: one row an owner, all in one partition.

use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use sidetone_model::OwnerId;
use sidetone_ports::{OwnerBeat, OwnerStore, StoreError};

use super::value::{Row, beat_of, life_of, milliseconds, number, text, text_of, ttl, wall_now};
use super::{DynamoStore, all_pages};
use crate::failure::AwsFailure;

/// The partition of all owners: as many as there are processes.
const OWNERS: &str = "owners";
/// How long the row of an owner that died is kept; what it held has expired long before.
const ROW_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The life of an owner whose row an earlier version wrote.
const EARLIER_LIFE: Duration = Duration::from_secs(15);

impl OwnerStore for DynamoStore {
    async fn beat(&self, beat: &OwnerBeat) -> Result<bool, StoreError> {
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().calls)
            .item("pk", text(OWNERS))
            .item("sk", text(beat.owner.as_str()))
            .item("beat", number(beat.beat))
            .item("life_ms", milliseconds(beat.life))
            .item("ttl", ttl(wall_now() + ROW_LIFE))
            .return_values(ReturnValue::AllOld);
        let before = put.send().await.map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("write an owner's beat", failure)
        })?;
        Ok(before.attributes.is_some_and(|row| !row.is_empty()))
    }

    async fn owners(&self) -> Result<Vec<OwnerBeat>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().calls)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(OWNERS));
        let rows = all_pages("read the owners", query).await?;
        rows.iter().map(owner_beat).collect()
    }

    /// Leaves the owner's letters to their expiry: it will not take them.
    async fn remove_owner(&self, owner: &OwnerId, silent: Option<u64>) -> Result<(), StoreError> {
        let mut delete = self
            .client()
            .delete_item()
            .table_name(&self.tables().calls)
            .key("pk", text(OWNERS))
            .key("sk", text(owner.as_str()));
        if let Some(beat) = silent {
            delete = delete
                .condition_expression(
                    "beat = :beat OR (attribute_not_exists(beat) AND until_ms = :beat)",
                )
                .expression_attribute_values(":beat", number(beat));
        }
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                Some(_) | None => Err(StoreError::unavailable(
                    "remove an owner",
                    AwsFailure::new("dynamodb:DeleteItem", &error),
                )),
            },
        }
    }
}

fn owner_beat(row: &Row) -> Result<OwnerBeat, StoreError> {
    Ok(OwnerBeat {
        owner: OwnerId::new(text_of(row, "sk")?),
        beat: beat_of(row)?,
        life: life_of(row)?.unwrap_or(EARLIER_LIFE),
    })
}

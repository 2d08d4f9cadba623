//! Letters: one row a letter, deleted only as it was read.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use futures_util::{StreamExt, stream};
use sidetone_model::{ConversationKey, OwnerId, Timestamp};
use sidetone_ports::{Mailbox, StoreError};
use uuid::Uuid;

use super::calls::key_of;
use super::value::{Row, moment, text, text_of, ttl, wall_now};
use super::{DynamoStore, Pockets, all_pages};
use crate::failure::AwsFailure;

/// How long a letter waits for an owner that does not come; sessions are shorter.
const LETTER_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How many letters are deleted at once.
const DELETES_MAX: usize = 16;

impl Mailbox for DynamoStore {
    async fn post(
        &self,
        to: &OwnerId,
        key: ConversationKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().calls)
            .item("pk", text(partition(to)))
            .item("sk", text(key.to_string()))
            // A letter that is posted again while the old one is taken is another one.
            .item("write_mark", text(Uuid::new_v4().to_string()))
            .item("expires_ms", moment(now + LETTER_LIFE))
            .item("ttl", ttl(now + LETTER_LIFE));
        put.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("post a letter", failure)
        })
    }

    /// Looks at once, and if there is nothing, a second time at the end of the wait. Dropping
    /// this future loses no letter: what it deleted is handed to the next taker.
    async fn take(
        &self,
        owner: &OwnerId,
        wait: Duration,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.collect(owner).await?;
        let letters = self.empty_pocket(owner);
        if !letters.is_empty() || wait.is_zero() {
            return Ok(letters);
        }
        tokio::time::sleep(wait).await;
        self.collect(owner).await?;
        Ok(self.empty_pocket(owner))
    }
}

impl DynamoStore {
    /// Moves an owner's letters from the table into its pocket.
    async fn collect(&self, owner: &OwnerId) -> Result<(), StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().calls)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .filter_expression("expires_ms > :now")
            .expression_attribute_values(":pk", text(partition(owner)))
            .expression_attribute_values(":now", moment(wall_now()));
        let rows = all_pages("take letters", query).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let keys =
            rows.iter().map(|row| key_of(row, "sk")).collect::<Result<Vec<_>, StoreError>>()?;
        self.pockets().entry(owner.clone()).or_default().extend(keys);
        // What cannot be deleted is taken again, which does no harm; what was deleted must be
        // handed out, so that no failure from here on may end the take.
        let failures: Vec<StoreError> = stream::iter(rows)
            .map(|row| async move { self.delete_as_read(&row).await })
            .buffer_unordered(DELETES_MAX)
            .filter_map(|deleted| std::future::ready(deleted.err()))
            .collect()
            .await;
        if let Some(first) = failures.first() {
            tracing::warn!(
                letters = failures.len(),
                error = %sidetone_ports::chain(first),
                "letters that were taken are not deleted"
            );
        }
        Ok(())
    }

    /// Deletes a letter, unless it was posted again since it was read.
    async fn delete_as_read(&self, row: &Row) -> Result<(), StoreError> {
        let delete = self
            .client()
            .delete_item()
            .table_name(&self.tables().calls)
            .key("pk", text(text_of(row, "pk")?))
            .key("sk", text(text_of(row, "sk")?))
            .condition_expression("write_mark = :mark")
            .expression_attribute_values(":mark", text(text_of(row, "write_mark")?));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                Some(_) | None => Err(StoreError::unavailable(
                    "delete a letter",
                    AwsFailure::new("dynamodb:DeleteItem", &error),
                )),
            },
        }
    }

    fn empty_pocket(&self, owner: &OwnerId) -> Vec<ConversationKey> {
        self.pockets().remove(owner).map(Vec::from_iter).unwrap_or_default()
    }

    fn pockets(&self) -> MutexGuard<'_, Pockets> {
        self.0.pockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn partition(owner: &OwnerId) -> String {
    format!("mailbox#{owner}")
}

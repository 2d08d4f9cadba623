//! Commits users: in one transaction if they fit, by way of a staged batch if not.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use sidetone_model::{OrganizationId, User};
use sidetone_ports::StoreError;
use std::time::Duration;

use super::super::DynamoStore;
use super::super::value::{text, wall_now};
use super::head::{Batch, Head, pause};
use crate::failure::AwsFailure;

/// How many users a transaction takes: DynamoDB's hundred items, one of them the head.
const TOGETHER_MAX: usize = 99;
/// How many bytes of users a transaction takes: DynamoDB's 4 MB with room for keys.
const TOGETHER_BYTES_MAX: usize = 3 * 1024 * 1024;
/// How many bytes of users a chunk takes: DynamoDB's 400 KB for a row, with ample room.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// How often a writer starts over because another was first.
const TRIES_MAX: u32 = 60;
/// How long staging may take; after twice that time others delete what they find staged.
const STAGING_MAX: Duration = Duration::from_secs(30 * 60);
/// The age at which a batch that is not committed was left behind.
pub(super) const ABANDONED_AFTER: Duration = Duration::from_secs(2 * 30 * 60);

const PUT: &str = "put users";

/// One user, as it is written.
#[derive(Debug)]
struct Written<'a> {
    agent: &'a str,
    json: String,
}

impl DynamoStore {
    /// Adds or replaces users, all or none of them; no agent twice, in order of agent id.
    pub(super) async fn commit_users(
        &self,
        organization: OrganizationId,
        users: &[&User],
    ) -> Result<(), StoreError> {
        let mut written = Vec::with_capacity(users.len());
        for user in users {
            let json = serde_json::to_string(user)
                .map_err(|error| StoreError::unavailable("write a user as JSON", error))?;
            written.push(Written { agent: user.agent.as_str(), json });
        }
        let bytes: usize = written.iter().map(|user| user.agent.len() + user.json.len()).sum();
        if written.is_empty() {
            Ok(())
        } else if written.len() <= TOGETHER_MAX && bytes <= TOGETHER_BYTES_MAX {
            self.commit_together(organization, &written).await
        } else {
            self.commit_staged(organization, &written).await
        }
    }

    async fn commit_together(
        &self,
        organization: OrganizationId,
        users: &[Written<'_>],
    ) -> Result<(), StoreError> {
        for repetition in 1..=TRIES_MAX {
            let head = self.settled_head(organization).await?;
            let moved = self.head_moved(organization, &head)?;
            let mut items = vec![TransactWriteItem::builder().update(moved).build()];
            for user in users {
                let put = self.row_put(organization, user.agent, &user.json, head.revision + 1)?;
                items.push(TransactWriteItem::builder().put(put).build());
            }
            let write = self.client().transact_write_items().set_transact_items(Some(items));
            match write.send().await {
                Ok(_) => return Ok(()),
                Err(error) if error.as_service_error().is_some_and(another_was_first) => {
                    pause(repetition).await;
                }
                Err(error) => {
                    // A transaction is allowed by the permissions of its parts.
                    let failure = AwsFailure::new("dynamodb:TransactWriteItems", &error);
                    return Err(StoreError::unavailable(PUT, failure));
                }
            }
        }
        Err(crowded())
    }

    async fn commit_staged(
        &self,
        organization: OrganizationId,
        users: &[Written<'_>],
    ) -> Result<(), StoreError> {
        let batch = Batch::fresh();
        let begun = self.begin_batch(organization, &batch).await?;
        let partition = batch.partition(organization);
        for chunk in chunks(users) {
            self.stage_chunk(&partition, chunk).await?;
        }
        for repetition in 1..=TRIES_MAX {
            let head = self.settled_head(organization).await?;
            if wall_now().since(begun) > STAGING_MAX {
                return Err(StoreError::unavailable(PUT, "staging them took too long"));
            }
            if self.commit_batch(organization, &head, &batch).await? {
                self.finish(organization, head.revision + 1, &batch).await;
                return Ok(());
            }
            pause(repetition).await;
        }
        Err(crowded())
    }

    /// Copies what has just been committed. A failure undoes nothing: everybody reads it, and
    /// the next writer goes on with the copying.
    async fn finish(&self, organization: OrganizationId, revision: u64, batch: &Batch) {
        let finished = async {
            self.copy_batch(organization, revision, batch).await?;
            self.delete_abandoned(organization).await
        };
        if let Err(error) = finished.await {
            tracing::warn!(
                %organization,
                error = %sidetone_ports::chain(&error),
                "users are committed; the next import finishes copying them"
            );
        }
    }

    async fn stage_chunk(&self, partition: &str, chunk: &[Written<'_>]) -> Result<(), StoreError> {
        let Some(first) = chunk.first() else { return Ok(()) };
        let users: Vec<&str> = chunk.iter().map(|user| user.json.as_str()).collect();
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().users)
            .item("pk", text(partition))
            .item("sk", text(first.agent))
            .item("json", text(format!("[{}]", users.join(","))));
        put.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("stage users", failure)
        })
    }

    /// Reads the head; if a batch is pending, copies it first.
    async fn settled_head(&self, organization: OrganizationId) -> Result<Head, StoreError> {
        let head = self.head(organization).await?;
        let Some(batch) = &head.pending else { return Ok(head) };
        self.copy_batch(organization, head.revision, batch).await?;
        // Should another batch have come meanwhile, the commit fails and this begins again.
        Ok(Head { pending: None, ..head })
    }
}

/// Cuts users, which are in order, into pieces that fit a row each.
fn chunks<'a, 'b>(users: &'b [Written<'a>]) -> Vec<&'b [Written<'a>]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (place, user) in users.iter().enumerate() {
        let more = user.json.len() + 1;
        if bytes + more > CHUNK_BYTES_MAX && place > start {
            chunks.push(&users[start..place]);
            (start, bytes) = (place, 0);
        }
        bytes += more;
    }
    chunks.push(&users[start..]);
    chunks
}

/// Returns whether a transaction was not done because of others, and may simply be repeated.
fn another_was_first(error: &TransactWriteItemsError) -> bool {
    if let TransactWriteItemsError::TransactionCanceledException(cancelled) = error {
        let mut codes = cancelled.cancellation_reasons().iter().filter_map(|one| one.code());
        return codes.all(|code| {
            matches!(
                code,
                "None"
                    | "ConditionalCheckFailed"
                    | "TransactionConflict"
                    | "ThrottlingError"
                    | "ProvisionedThroughputExceeded"
            )
        });
    }
    error.is_transaction_in_progress_exception()
}

fn crowded() -> StoreError {
    StoreError::unavailable(PUT, format!("another writer was first {TRIES_MAX} times"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_every_user_once_and_fit_a_row() {
        for sizes in [vec![1; 3], vec![100_000; 7], vec![CHUNK_BYTES_MAX * 2; 2], vec![300; 5_000]]
        {
            let users: Vec<_> = sizes
                .iter()
                .map(|size| Written { agent: "agent", json: "x".repeat(*size) })
                .collect();
            let chunks = chunks(&users);
            let count: usize = chunks.iter().map(|chunk| chunk.len()).sum();
            assert_eq!(count, users.len());
            for chunk in chunks {
                let bytes: usize = chunk.iter().map(|user| user.json.len() + 1).sum();
                assert!(chunk.len() == 1 || bytes <= CHUNK_BYTES_MAX, "{bytes}");
                assert!(!chunk.is_empty());
            }
        }
    }
}

//! Copies a committed batch to the users' rows and the history, and deletes what is no longer
//! needed.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{TryStreamExt, stream};
use sidetone_model::OrganizationId;
use sidetone_ports::{StoreError, UserChange};

use super::super::origin::OriginRow;
use super::super::transaction::pause;
use super::super::value::{Row, malformed, moment_of, number, text, text_of, wall_now};
use super::super::{DynamoStore, all_pages};
use super::commit::{ABANDONED_AFTER, Commit};
use super::head::{BATCH, Batch};
use super::history::{chunk_of_history, entry_of_history};
use super::{read_chunk, user_json, user_row};
use crate::failure::AwsFailure;

/// How many rows are written at once.
const WRITES_MAX: usize = 16;
/// How many rows of history are written by one request: DynamoDB's limit.
const TOGETHER_MAX: usize = 25;
/// How often one row is tried where DynamoDB asks for patience: an organization is one
/// partition, which takes a thousand rows a second.
const TRIES_MAX: u32 = 60;

const COPY: &str = "copy committed users";
const TIDY: &str = "delete staged users";

impl DynamoStore {
    /// Copies a batch that was committed under `revision`, and forgets it. Any number may do
    /// so at once.
    pub(super) async fn copy_batch(
        &self,
        organization: OrganizationId,
        revision: u64,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let partition = batch.partition(organization);
        let mut chunks = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(&partition))
            .into_paginator()
            .send();
        while let Some(page) = chunks.next().await {
            let page = page.map_err(|error| {
                StoreError::unavailable(COPY, AwsFailure::new("dynamodb:Query", &error))
            })?;
            for row in page.items.unwrap_or_default() {
                self.copy_chunk(organization, revision, &row).await?;
            }
        }
        self.batch_copied(organization, batch).await?;
        self.delete_batch(organization, batch).await
    }

    /// Copies a chunk: its history first, so that nobody sees a change without it.
    async fn copy_chunk(
        &self,
        organization: OrganizationId,
        revision: u64,
        row: &Row,
    ) -> Result<(), StoreError> {
        let changes = read_chunk(organization, row)?;
        let Some(first) = changes.first() else { return Ok(()) };
        let expected = revision.saturating_sub(1);
        let commit = Commit { organization, expected, origin: OriginRow::read(row)? };
        let mut past = vec![chunk_of_history(&commit, first.agent.as_str(), text_of(row, "json")?)];
        for change in &changes {
            let json = serde_json::to_string(change)
                .map_err(|error| StoreError::unavailable("write a change as JSON", error))?;
            past.push(entry_of_history(&commit, change.agent.as_str(), &json));
        }
        // The chunk is large; alone it takes as long as many small ones.
        let (whole, each) = past.split_at(1);
        self.put_history(whole).await?;
        stream::iter(each.chunks(TOGETHER_MAX).map(Ok))
            .try_for_each_concurrent(WRITES_MAX, |some| self.put_history(some))
            .await?;
        stream::iter(changes.iter().map(Ok))
            .try_for_each_concurrent(WRITES_MAX, |change| {
                self.copy_user(organization, revision, change)
            })
            .await
    }

    /// Writes rows of history. They never change, so whoever does it again does no harm.
    async fn put_history(&self, rows: &[Row]) -> Result<(), StoreError> {
        let failed = |cause| StoreError::unavailable(COPY, cause);
        let requests = rows.iter().map(|row| {
            let put = PutRequest::builder().set_item(Some(row.clone())).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
        });
        let mut left = requests
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::unavailable(COPY, error))?;
        let table = &self.tables().users;
        for repetition in 1..=TRIES_MAX {
            let write = self.client().batch_write_item().request_items(table, left.clone());
            match write.send().await {
                Ok(answer) => {
                    let mut unprocessed = answer.unprocessed_items.unwrap_or_default();
                    left = unprocessed.remove(table).unwrap_or_default();
                    if left.is_empty() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    let patience = error.as_service_error().is_some_and(|error| {
                        error.is_provisioned_throughput_exceeded_exception()
                            || error.is_request_limit_exceeded()
                            || error.is_throttling_exception()
                    });
                    if !patience {
                        return Err(failed(AwsFailure::new("dynamodb:BatchWriteItem", &error)));
                    }
                }
            }
            pause(repetition).await;
        }
        Err(StoreError::unavailable(COPY, format!("the table was busy {TRIES_MAX} times")))
    }

    /// Writes one row, unless something later stands there.
    async fn copy_user(
        &self,
        organization: OrganizationId,
        revision: u64,
        change: &UserChange,
    ) -> Result<(), StoreError> {
        let after = change.after.as_deref().map(user_json).transpose()?;
        let row = user_row(organization, change.agent.as_str(), after.as_deref(), revision);
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().users)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(rev) OR rev < :rev")
            .expression_attribute_values(":rev", number(revision));
        let mut repetition = 1;
        loop {
            let Err(error) = put.clone().send().await else { return Ok(()) };
            match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => return Ok(()),
                Some(
                    PutItemError::ProvisionedThroughputExceededException(_)
                    | PutItemError::RequestLimitExceeded(_)
                    | PutItemError::ThrottlingException(_)
                    | PutItemError::TransactionConflictException(_),
                ) if repetition < TRIES_MAX => {
                    pause(repetition).await;
                    repetition += 1;
                }
                Some(_) | None => {
                    let failure = AwsFailure::new("dynamodb:PutItem", &error);
                    return Err(StoreError::unavailable(COPY, failure));
                }
            }
        }
    }

    /// Deletes what writers that died before their commit have left.
    pub(super) async fn delete_abandoned(
        &self,
        organization: OrganizationId,
    ) -> Result<(), StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :batch)")
            .expression_attribute_values(":pk", text(organization.to_string()))
            .expression_attribute_values(":batch", text(BATCH));
        let mut old = Vec::new();
        for row in all_pages(TIDY, query).await? {
            if moment_of(&row, "begun_ms")? <= wall_now() - ABANDONED_AFTER {
                let sk = text_of(&row, "sk")?;
                old.push(Batch::of_row(sk).ok_or_else(|| malformed(&row, "sk"))?);
            }
        }
        if old.is_empty() {
            return Ok(());
        }
        // Nobody commits a batch of that age any more, so the head tells for good.
        let pending = self.head(organization).await?.pending;
        for batch in old.iter().filter(|batch| pending.as_ref() != Some(*batch)) {
            self.delete_batch(organization, batch).await?;
        }
        Ok(())
    }

    /// Deletes a batch that is copied or abandoned.
    pub(super) async fn delete_batch(
        &self,
        organization: OrganizationId,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let partition = batch.partition(organization);
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .projection_expression("pk, sk")
            .expression_attribute_values(":pk", text(&partition));
        let rows = all_pages(TIDY, query).await?;
        let keys = rows
            .iter()
            .map(|row| Ok((partition.clone(), text_of(row, "sk")?.to_owned())))
            .collect::<Result<Vec<_>, StoreError>>()?;
        stream::iter(keys.into_iter().map(Ok))
            .try_for_each_concurrent(WRITES_MAX, |(pk, sk)| self.delete_row(pk, sk))
            .await?;
        // Last, so that whoever dies here leaves a trace of what remains.
        self.delete_row(organization.to_string(), batch.sk()).await
    }

    async fn delete_row(&self, pk: String, sk: String) -> Result<(), StoreError> {
        let delete = self
            .client()
            .delete_item()
            .table_name(&self.tables().users)
            .key("pk", text(pk))
            .key("sk", text(sk));
        delete.send().await.map(drop).map_err(|error| {
            StoreError::unavailable(TIDY, AwsFailure::new("dynamodb:DeleteItem", &error))
        })
    }
}

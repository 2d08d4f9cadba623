//! Copies a committed batch to the users' rows, and deletes what is no longer needed.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures_util::{TryStreamExt, stream};
use sidetone_model::{OrganizationId, User};
use sidetone_ports::StoreError;

use super::super::value::{malformed, moment_of, number, text, text_of, wall_now};
use super::super::{DynamoStore, all_pages};
use super::commit::ABANDONED_AFTER;
use super::head::{BATCH, Batch, pause};
use super::{AGENT, read_chunk};
use crate::failure::AwsFailure;

/// How many rows are written at once.
const WRITES_MAX: usize = 16;
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
                let users = read_chunk(organization, &row)?;
                stream::iter(users.iter().map(Ok))
                    .try_for_each_concurrent(WRITES_MAX, |user| {
                        self.copy_user(organization, revision, user)
                    })
                    .await?;
            }
        }
        self.batch_copied(organization, batch).await?;
        self.delete_batch(organization, batch).await
    }

    /// Writes one row, unless something later stands there.
    async fn copy_user(
        &self,
        organization: OrganizationId,
        revision: u64,
        user: &User,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_string(user)
            .map_err(|error| StoreError::unavailable("write a user as JSON", error))?;
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().users)
            .item("pk", text(organization.to_string()))
            .item("sk", text(format!("{AGENT}{}", user.agent)))
            .item("json", text(json))
            .item("rev", number(revision))
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
    async fn delete_batch(
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

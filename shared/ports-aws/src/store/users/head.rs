//! The head of an organization's users: how many commits there were, and which one is still
//! being copied.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use aws_sdk_dynamodb::types::Update;
use sidetone_model::{OrganizationId, Timestamp};
use sidetone_ports::StoreError;
use uuid::Uuid;

use super::super::DynamoStore;
use super::super::value::{moment, number, number_of, text, text_of, wall_now};
use crate::failure::AwsFailure;

/// The head's place in the organization's partition.
const HEAD: &str = "head";
/// What stands before a batch that somebody began to stage.
pub(super) const BATCH: &str = "batch#";
/// The head as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// How many commits there were.
    pub(super) revision: u64,
    /// The batch of the last commit, while it is not copied.
    pub(super) pending: Option<Batch>,
}

/// A file that is staged, by a name that nobody else uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch(String);

impl Batch {
    pub(super) fn fresh() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// Reads the batch that a row of the organization's partition stands for.
    pub(super) fn of_row(sk: &str) -> Option<Self> {
        sk.strip_prefix(BATCH).map(|name| Self(name.to_owned()))
    }

    /// Returns the partition of the batch's chunks.
    pub(super) fn partition(&self, organization: OrganizationId) -> String {
        format!("{organization}#{}", self.0)
    }

    /// Returns the place of the batch in the organization's partition.
    pub(super) fn sk(&self) -> String {
        format!("{BATCH}{}", self.0)
    }
}

impl DynamoStore {
    pub(super) async fn head(&self, organization: OrganizationId) -> Result<Head, StoreError> {
        let get = self
            .client()
            .get_item()
            .table_name(&self.tables().users)
            .key("pk", text(organization.to_string()))
            .key("sk", text(HEAD))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| {
            let failure = AwsFailure::new("dynamodb:GetItem", &error);
            StoreError::unavailable("read the head of the users", failure)
        })?;
        let Some(row) = answer.item else { return Ok(Head::default()) };
        let pending = match row.get("pending") {
            Some(_) => Some(Batch(text_of(&row, "pending")?.to_owned())),
            None => None,
        };
        Ok(Head { revision: number_of(&row, "rev")?, pending })
    }

    /// Makes the part of a transaction that moves the head on.
    ///
    /// Errors: [`StoreError`] if the SDK finds it incomplete.
    pub(super) fn head_moved(
        &self,
        organization: OrganizationId,
        head: &Head,
    ) -> Result<Update, StoreError> {
        let update = Update::builder()
            .table_name(&self.tables().users)
            .key("pk", text(organization.to_string()))
            .key("sk", text(HEAD))
            .condition_expression(condition(head))
            .update_expression("SET rev = :next")
            .expression_attribute_values(":next", number(head.revision + 1));
        let update = if head.revision == 0 {
            update
        } else {
            update.expression_attribute_values(":rev", number(head.revision))
        };
        update.build().map_err(|error| StoreError::unavailable("change users", error))
    }

    /// Commits a batch that is staged whole: moves the head on and names the batch in it.
    ///
    /// Returns whether the head was as it had been read.
    pub(super) async fn commit_batch(
        &self,
        organization: OrganizationId,
        head: &Head,
        batch: &Batch,
    ) -> Result<bool, StoreError> {
        let update = self
            .client()
            .update_item()
            .table_name(&self.tables().users)
            .key("pk", text(organization.to_string()))
            .key("sk", text(HEAD))
            .condition_expression(condition(head))
            .update_expression("SET rev = :next, pending = :batch")
            .expression_attribute_values(":next", number(head.revision + 1))
            .expression_attribute_values(":batch", text(&batch.0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if head.revision == 0 {
            update
        } else {
            update.expression_attribute_values(":rev", number(head.revision))
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // The first try, whose answer was lost, may have been ours.
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(refused.item().and_then(|found| found.get("pending"))
                        == Some(&text(&batch.0)))
                }
                Some(UpdateItemError::TransactionConflictException(_)) => Ok(false),
                Some(_) | None => Err(StoreError::unavailable(
                    "commit users",
                    AwsFailure::new("dynamodb:UpdateItem", &error),
                )),
            },
        }
    }

    /// Forgets a batch that is copied. Nothing happens if another did so already.
    pub(super) async fn batch_copied(
        &self,
        organization: OrganizationId,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let update = self
            .client()
            .update_item()
            .table_name(&self.tables().users)
            .key("pk", text(organization.to_string()))
            .key("sk", text(HEAD))
            .condition_expression("pending = :batch")
            .update_expression("REMOVE pending")
            .expression_attribute_values(":batch", text(&batch.0));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                Some(_) | None => Err(StoreError::unavailable(
                    "finish a commit of users",
                    AwsFailure::new("dynamodb:UpdateItem", &error),
                )),
            },
        }
    }

    /// Notes that somebody begins to stage a batch, so that its chunks can be found should
    /// that somebody die; returns when.
    pub(super) async fn begin_batch(
        &self,
        organization: OrganizationId,
        batch: &Batch,
    ) -> Result<Timestamp, StoreError> {
        let now = wall_now();
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().users)
            .item("pk", text(organization.to_string()))
            .item("sk", text(batch.sk()))
            .item("begun_ms", moment(now));
        put.send().await.map(|_| now).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("stage users", failure)
        })
    }
}

/// The condition under which the head is as it was read, with nothing left to copy.
fn condition(head: &Head) -> &'static str {
    if head.revision == 0 {
        "attribute_not_exists(rev)"
    } else {
        "rev = :rev AND attribute_not_exists(pending)"
    }
}

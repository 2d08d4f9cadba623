//! Leases: one conditional write decides who holds one.
//!
//! A row keeps its fence when the lease is given back. Should DynamoDB delete the row of a
//! lease that nobody held for a month, the next fence begins at the milliseconds of that day,
//! which is more than any that came before.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use sidetone_ports::{Claim, Fence, LeaseBeat, LeaseStore, Renewal, StoreError};

use super::DynamoStore;
use super::value::{Row, beat_of, life_of, milliseconds, number, number_of, text, ttl, wall_now};
use crate::failure::AwsFailure;

/// How long the row of a lease is kept after its last renewal.
const ROW_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The life of a lease whose row an earlier version wrote.
const EARLIER_LIFE: Duration = Duration::from_secs(30);
/// The condition under which a lease is the holder's.
const IS_MINE: &str = "holder = :holder AND fence = :fence";
/// The condition under which a lease is to be had.
const IS_FREE: &str = "attribute_not_exists(holder) OR holder = :holder OR offered = :yes";
/// The condition under which it has not moved since the caller saw it.
const IS_SILENT: &str = "(fence = :silent_fence AND (beat = :silent_beat \
     OR (attribute_not_exists(beat) AND until_ms = :silent_beat)))";

impl LeaseStore for DynamoStore {
    /// A holder that asks again gets the lease anew, under a greater fence: the answer to its
    /// first question may have been lost.
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        life: Duration,
        silent: Option<LeaseBeat>,
    ) -> Result<Claim, StoreError> {
        let floor = u64::try_from(wall_now().as_millis()).unwrap_or_default();
        let mut update = self
            .lease(name)
            // The former holder reads from the copy whether it had offered the lease.
            .update_expression(
                "SET fence = if_not_exists(fence, :floor) + :one, holder = :holder, \
                 beat = :zero, life_ms = :life, was_offered = if_not_exists(offered, :no), \
                 offered = :no, #ttl = :ttl REMOVE until_ms",
            )
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":life", milliseconds(life))
            .expression_attribute_values(":ttl", ttl(wall_now() + ROW_LIFE))
            .expression_attribute_values(":floor", number(floor))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        update = match silent {
            Some(LeaseBeat { fence, beat, .. }) => update
                .condition_expression(format!("{IS_FREE} OR {IS_SILENT}"))
                .expression_attribute_values(":silent_fence", number(fence))
                .expression_attribute_values(":silent_beat", number(beat)),
            None => update.condition_expression(IS_FREE),
        };
        match update.send().await {
            Ok(written) => {
                let fence = number_of(&written.attributes.unwrap_or_default(), "fence")?;
                Ok(Claim::Granted(fence))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    held(refused.item().unwrap_or(&Row::new())).map(Claim::Held)
                }
                Some(_) | None => Err(StoreError::unavailable(
                    "acquire a lease",
                    AwsFailure::new("dynamodb:UpdateItem", &error),
                )),
            },
        }
    }

    async fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        life: Duration,
        offered: bool,
    ) -> Result<Renewal, StoreError> {
        let update = self
            .lease(name)
            .condition_expression(IS_MINE)
            .update_expression(
                "SET beat = if_not_exists(beat, :zero) + :one, life_ms = :life, \
                 offered = :offered, #ttl = :ttl",
            )
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":fence", number(fence))
            .expression_attribute_values(":life", milliseconds(life))
            .expression_attribute_values(":ttl", ttl(wall_now() + ROW_LIFE))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":offered", AttributeValue::Bool(offered))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(Renewal::Held),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let next = number(fence.saturating_add(1));
                    let handed_over = refused.item().is_some_and(|found| {
                        found.get("fence") == Some(&next)
                            && found.get("was_offered") == Some(&AttributeValue::Bool(true))
                    });
                    Ok(if handed_over { Renewal::HandedOver } else { Renewal::Lost })
                }
                Some(_) | None => Err(StoreError::unavailable(
                    "renew a lease",
                    AwsFailure::new("dynamodb:UpdateItem", &error),
                )),
            },
        }
    }

    async fn release(&self, name: &str, holder: &str, fence: Fence) -> Result<(), StoreError> {
        let update = self
            .lease(name)
            .condition_expression(IS_MINE)
            .update_expression("REMOVE holder, beat, until_ms, offered")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":fence", number(fence));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                Some(_) | None => Err(StoreError::unavailable(
                    "release a lease",
                    AwsFailure::new("dynamodb:UpdateItem", &error),
                )),
            },
        }
    }
}

/// Reads a lease that another holds.
fn held(row: &Row) -> Result<LeaseBeat, StoreError> {
    let fence = number_of(row, "fence")?;
    Ok(LeaseBeat { fence, beat: beat_of(row)?, life: life_of(row)?.unwrap_or(EARLIER_LIFE) })
}

impl DynamoStore {
    fn lease(&self, name: &str) -> UpdateItemFluentBuilder {
        self.client()
            .update_item()
            .table_name(&self.tables().tracker)
            .key("pk", text(format!("lease#{name}")))
            .key("sk", text("lease"))
    }
}

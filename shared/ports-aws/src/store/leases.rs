//! Leases: one conditional write decides who holds one.
//!
//! A row keeps its fence when the lease is given back. Should DynamoDB delete the row of a
//! lease that nobody held for a month, the next fence begins at the milliseconds of that day,
//! which is more than any that came before.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use sidetone_model::Timestamp;
use sidetone_ports::{Fence, LeaseStore, Renewal, StoreError};

use super::DynamoStore;
use super::value::{moment, number, number_of, text, ttl};
use crate::failure::AwsFailure;

/// How long the row of a lease outlives it.
const ROW_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// The condition under which a lease is the holder's.
const IS_MINE: &str = "holder = :holder AND fence = :fence";

impl LeaseStore for DynamoStore {
    /// A holder that asks again gets the lease anew, under a greater fence: the answer to its
    /// first question may have been lost.
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Fence>, StoreError> {
        let floor = u64::try_from(now.as_millis()).unwrap_or_default();
        let update = self
            .lease(name)
            .condition_expression(
                "attribute_not_exists(holder) OR holder = :holder OR until_ms <= :now \
                 OR offered = :yes",
            )
            // The former holder reads from the copy whether it had offered the lease.
            .update_expression(
                "SET fence = if_not_exists(fence, :floor) + :one, holder = :holder, \
                 until_ms = :until, was_offered = if_not_exists(offered, :no), offered = :no, \
                 #ttl = :ttl",
            )
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":until", moment(until))
            .expression_attribute_values(":ttl", ttl(until + ROW_LIFE))
            .expression_attribute_values(":now", moment(now))
            .expression_attribute_values(":floor", number(floor))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .return_values(ReturnValue::UpdatedNew);
        match update.send().await {
            Ok(written) => number_of(&written.attributes.unwrap_or_default(), "fence").map(Some),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                Some(_) | None => Err(StoreError::unavailable(
                    "acquire a lease",
                    AwsFailure::new("dynamodb:UpdateItem", &error),
                )),
            },
        }
    }

    /// A lease that has run out and that nobody took goes on.
    async fn renew(
        &self,
        name: &str,
        holder: &str,
        fence: Fence,
        until: Timestamp,
        offered: bool,
    ) -> Result<Renewal, StoreError> {
        let update = self
            .lease(name)
            .condition_expression(IS_MINE)
            .update_expression("SET until_ms = :until, offered = :offered, #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":fence", number(fence))
            .expression_attribute_values(":until", moment(until))
            .expression_attribute_values(":ttl", ttl(until + ROW_LIFE))
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
            .update_expression("REMOVE holder, until_ms, offered")
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

impl DynamoStore {
    fn lease(&self, name: &str) -> UpdateItemFluentBuilder {
        self.client()
            .update_item()
            .table_name(&self.tables().tracker)
            .key("pk", text(format!("lease#{name}")))
            .key("sk", text("lease"))
    }
}

//! Transactions, and the patience with others that whoever writes the same has.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use sidetone_ports::StoreError;
use uuid::Uuid;

use super::DynamoStore;
use crate::failure::AwsFailure;

/// The pause before the first repetition; longer with each, up to twenty times.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits before a repetition, a little differently each time, so that two who met part.
pub(super) async fn pause(repetition: u32) {
    let spread = f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0 + 0.5;
    tokio::time::sleep((PAUSE * repetition.min(20)).mul_f64(spread)).await;
}

impl DynamoStore {
    /// Writes all of the items or none; returns whether they were written, and not hindered by
    /// others.
    pub(super) async fn transact(
        &self,
        action: &'static str,
        items: Vec<TransactWriteItem>,
    ) -> Result<bool, StoreError> {
        let write = self.client().transact_write_items().set_transact_items(Some(items));
        match write.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(another_was_first) => Ok(false),
            Err(error) => {
                // A transaction is allowed by the permissions of its parts.
                let failure = AwsFailure::new("dynamodb:TransactWriteItems", &error);
                Err(StoreError::unavailable(action, failure))
            }
        }
    }
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

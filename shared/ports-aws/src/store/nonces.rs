//! Nonces: one conditional write decides who was first.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use sidetone_model::Timestamp;
use sidetone_ports::{Freshness, NonceStore, StoreError};
use uuid::Uuid;

use super::DynamoStore;
use super::value::{moment, text, ttl};
use crate::failure::AwsFailure;

impl NonceStore for DynamoStore {
    async fn remember(
        &self,
        key_id: &str,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Freshness, StoreError> {
        // A try whose answer was lost must not make a replay of the next one.
        let mark = text(Uuid::new_v4().to_string());
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().tracker)
            .item("pk", text(partition(key_id, nonce)))
            .item("sk", text("nonce"))
            .item("until_ms", moment(until))
            .item("ttl", ttl(until))
            .item("write_mark", mark.clone())
            .condition_expression("attribute_not_exists(pk) OR until_ms <= :now")
            .expression_attribute_values(":now", moment(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(Freshness::Fresh),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    let found: Option<&AttributeValue> =
                        refused.item().and_then(|found| found.get("write_mark"));
                    Ok(if found == Some(&mark) { Freshness::Fresh } else { Freshness::Seen })
                }
                Some(_) | None => Err(StoreError::unavailable(
                    "remember a nonce",
                    AwsFailure::new("dynamodb:PutItem", &error),
                )),
            },
        }
    }
}

/// A `#` in a key's id is written otherwise, so that no two pairs share a partition.
fn partition(key_id: &str, nonce: &str) -> String {
    format!("nonce#{}#{nonce}", key_id.replace('%', "%25").replace('#', "%23"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_pairs_share_a_partition() {
        assert_eq!(partition("key", "n#1"), "nonce#key#n#1");
        assert_ne!(partition("a#b", "c"), partition("a", "b#c"));
        assert_ne!(partition("a%23b", "c"), partition("a#b", "c"));
    }
}

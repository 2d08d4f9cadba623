//! Conditional writes against a revision, for calls and connections alike.
//!
//! Each write carries a mark of its own. When the answer to a write is lost, the SDK tries
//! again and finds the condition broken by the first try; the mark tells that from another
//! writer, so that nobody waits for a turn that it took itself.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use sidetone_model::Timestamp;
use sidetone_ports::{Revision, StoreError};
use uuid::Uuid;

use super::DynamoStore;
use super::value::{blob, moment, number, number_of, text, ttl, wall_now};
use crate::failure::AwsFailure;

/// One row to be written if its revision still is the expected one.
pub(super) struct Revised {
    pub(super) action: &'static str,
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) bytes: Vec<u8>,
    pub(super) expected: Revision,
    pub(super) expires_at: Timestamp,
    /// Attributes besides; those without a value are removed.
    pub(super) besides: Vec<(&'static str, Option<AttributeValue>)>,
}

impl DynamoStore {
    /// Writes a row of the calls table; nothing if it is at another revision.
    pub(super) async fn write_revised(&self, row: Revised) -> Result<Option<Revision>, StoreError> {
        let (action, expected) = (row.action, row.expected);
        let mark = Uuid::new_v4().to_string();
        let mut update = self
            .client()
            .update_item()
            .table_name(&self.tables().calls)
            .key("pk", text(row.pk))
            .key("sk", text(row.sk))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1));
        update = if expected == 0 {
            // What expired is seen by nobody, and may be replaced; its revision goes on, so
            // that whoever still holds the old one is refused.
            update
                .condition_expression("attribute_not_exists(pk) OR expires_ms <= :now")
                .expression_attribute_values(":now", moment(wall_now()))
                .return_values(ReturnValue::UpdatedOld)
        } else {
            update
                .condition_expression("rev = :expected")
                .expression_attribute_values(":expected", number(expected))
        };
        let mut attributes = vec![
            ("bytes", Some(blob(row.bytes))),
            ("expires_ms", Some(moment(row.expires_at))),
            ("ttl", Some(ttl(row.expires_at))),
            ("write_mark", Some(text(mark.clone()))),
        ];
        attributes.extend(row.besides);
        let mut set = "SET rev = if_not_exists(rev, :zero) + :one".to_owned();
        let mut remove = String::new();
        for (name, value) in attributes {
            // Some of the names are words of DynamoDB's own, so each goes by an alias.
            update = update.expression_attribute_names(format!("#{name}"), name);
            if let Some(value) = value {
                update = update.expression_attribute_values(format!(":{name}"), value);
                set.push_str(&format!(", #{name} = :{name}"));
            } else {
                let before = if remove.is_empty() { " REMOVE" } else { "," };
                remove.push_str(&format!("{before} #{name}"));
            }
        }
        match update.update_expression(set + &remove).send().await {
            Ok(_) if expected != 0 => Ok(Some(expected + 1)),
            Ok(written) => match written.attributes {
                Some(old) if old.contains_key("rev") => Ok(Some(number_of(&old, "rev")? + 1)),
                Some(_) | None => Ok(Some(1)),
            },
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let Some(found) = refused.item() else { return Ok(None) };
                    let is_ours = found.get("write_mark") == Some(&AttributeValue::S(mark));
                    if is_ours { number_of(found, "rev").map(Some) } else { Ok(None) }
                }
                Some(_) | None => {
                    let failure = AwsFailure::new("dynamodb:UpdateItem", &error);
                    Err(StoreError::unavailable(action, failure))
                }
            },
        }
    }
}

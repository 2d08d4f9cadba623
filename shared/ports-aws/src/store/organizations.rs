//! Organizations: one row each, all in one partition of the users table.

use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{OrganizationStore, StoreError};

use aws_sdk_dynamodb::types::ReturnValue;

use super::value::{Row, text, text_of};
use super::{DynamoStore, all_pages};
use crate::failure::AwsFailure;

/// The partition of all organizations: as many as are served by one deployment.
const ORGANIZATIONS: &str = "organizations";

impl OrganizationStore for DynamoStore {
    async fn put_organization(&self, organization: &Organization) -> Result<(), StoreError> {
        let settings = serde_json::to_string(organization)
            .map_err(|error| StoreError::unavailable("write an organization as JSON", error))?;
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().users)
            .item("pk", text(ORGANIZATIONS))
            .item("sk", text(organization.id.to_string()))
            .item("settings", text(settings));
        put.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("put an organization", failure)
        })
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let get = self
            .client()
            .get_item()
            .table_name(&self.tables().users)
            .key("pk", text(ORGANIZATIONS))
            .key("sk", text(id.to_string()))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| {
            let failure = AwsFailure::new("dynamodb:GetItem", &error);
            StoreError::unavailable("find an organization", failure)
        })?;
        answer.item.as_ref().map(parse).transpose()
    }

    async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(ORGANIZATIONS));
        let rows = all_pages("list the organizations", query).await?;
        rows.iter().map(parse).collect()
    }

    async fn remove_organization(&self, id: OrganizationId) -> Result<bool, StoreError> {
        let delete = self
            .client()
            .delete_item()
            .table_name(&self.tables().users)
            .key("pk", text(ORGANIZATIONS))
            .key("sk", text(id.to_string()))
            .return_values(ReturnValue::AllOld);
        let answer = delete.send().await.map_err(|error| {
            let failure = AwsFailure::new("dynamodb:DeleteItem", &error);
            StoreError::unavailable("remove an organization", failure)
        })?;
        Ok(answer.attributes.is_some_and(|row| !row.is_empty()))
    }
}

fn parse(row: &Row) -> Result<Organization, StoreError> {
    serde_json::from_str(text_of(row, "settings")?).map_err(|source| StoreError::Unreadable {
        what: "an organization".to_owned(),
        source: source.into(),
    })
}

//! Who is alive: one row an owner, all in one partition.

use std::time::Duration;

use sidetone_model::{OwnerId, Timestamp};
use sidetone_ports::{Lease, OwnerStore, StoreError};

use super::value::{moment, moment_of, text, text_of, ttl};
use super::{DynamoStore, all_pages};
use crate::failure::AwsFailure;

/// The partition of all owners: as many as there are processes.
const OWNERS: &str = "owners";
/// How long an owner that died is told of; what it held has expired long before.
const ROW_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

impl OwnerStore for DynamoStore {
    async fn beat(&self, owner: &OwnerId, until: Timestamp) -> Result<(), StoreError> {
        let put = self
            .client()
            .put_item()
            .table_name(&self.tables().calls)
            .item("pk", text(OWNERS))
            .item("sk", text(owner.as_str()))
            .item("until_ms", moment(until))
            .item("ttl", ttl(until + ROW_LIFE));
        put.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("renew an owner's lease", failure)
        })
    }

    async fn owners(&self) -> Result<Vec<Lease>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().calls)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(OWNERS));
        let rows = all_pages("read the owners", query).await?;
        let leases = rows.iter().map(|row| {
            Ok(Lease {
                owner: OwnerId::new(text_of(row, "sk")?),
                until: moment_of(row, "until_ms")?,
            })
        });
        leases.collect()
    }

    /// Leaves the owner's letters to their expiry: nobody will take them.
    async fn remove_owner(&self, owner: &OwnerId) -> Result<(), StoreError> {
        let delete = self
            .client()
            .delete_item()
            .table_name(&self.tables().calls)
            .key("pk", text(OWNERS))
            .key("sk", text(owner.as_str()));
        delete.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:DeleteItem", &error);
            StoreError::unavailable("remove an owner", failure)
        })
    }
}

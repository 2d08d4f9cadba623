//! Organizations and their settings, as JSON under their id.

use rusqlite::{OptionalExtension, params};
use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{OrganizationStore, StoreError};

use super::Store;

impl OrganizationStore for Store {
    async fn put_organization(&self, organization: &Organization) -> Result<(), StoreError> {
        let id = organization.id.uuid();
        let text = serde_json::to_string(organization)
            .map_err(|error| StoreError::unavailable("write an organization as JSON", error))?;
        self.write("put an organization", text.len(), move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO organizations (organization, settings) VALUES (?1, ?2)",
                )?
                .execute(params![id.as_bytes(), text])?;
            Ok(())
        })
        .await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let text: Option<String> = self
            .read("find an organization", move |connection| {
                connection
                    .prepare_cached("SELECT settings FROM organizations WHERE organization = ?1")?
                    .query_row([id.uuid().as_bytes()], |row| row.get(0))
                    .optional()
            })
            .await?;
        text.map(|text| parse(&text)).transpose()
    }

    async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        let texts: Vec<String> = self
            .read("list the organizations", move |connection| {
                connection
                    .prepare_cached("SELECT settings FROM organizations ORDER BY organization")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await?;
        texts.iter().map(|text| parse(text)).collect()
    }

    async fn remove_organization(&self, id: OrganizationId) -> Result<bool, StoreError> {
        self.write("remove an organization", 0, move |connection| {
            let removed = connection
                .prepare_cached("DELETE FROM organizations WHERE organization = ?1")?
                .execute([id.uuid().as_bytes()])?;
            Ok(removed > 0)
        })
        .await
    }
}

fn parse(text: &str) -> Result<Organization, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Unreadable {
        what: "an organization".to_owned(),
        source: source.into(),
    })
}

//! Organizations and their settings, as JSON under their id, and their history.
//!
//! An organization's revision is that of its last change, so one that was stored before there was
//! a history is at 0.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{
    ChangeOrigin, OrganizationStore, Revision, SettingsChange, SettingsEntry, SettingsPage,
    SettingsQuery, StoreError,
};

use super::Store;
use crate::database::{signed, unsigned};

impl OrganizationStore for Store {
    async fn organization_revision(&self, id: OrganizationId) -> Result<Revision, StoreError> {
        self.read("read the revision of an organization", move |connection| {
            revision(connection, id)
        })
        .await
    }

    async fn change_organization(
        &self,
        id: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        change: &SettingsChange,
    ) -> Result<Revision, StoreError> {
        let next = expected + 1;
        let settings = change.after.as_ref().map(json).transpose()?;
        let (origin, change) = (json(origin)?, json(change)?);
        let bytes = settings.as_ref().map_or(0, String::len) + origin.len() + change.len();
        let written = self
            .write("change an organization", bytes, move |connection| {
                if revision(connection, id)? != expected {
                    return Ok(false);
                }
                put(connection, id, settings.as_deref())?;
                connection
                    .prepare_cached(
                        "INSERT INTO organization_history (organization, revision, origin, change)
                         VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![id.uuid().as_bytes(), signed(next), origin, change])?;
                Ok(true)
            })
            .await?;
        if written {
            return Ok(next);
        }
        let (partition, item) = ("the organizations".to_owned(), id.to_string());
        Err(StoreError::Conflict { partition, item, expected })
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
        text.map(|text| parse("an organization", &text)).transpose()
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
        texts.iter().map(|text| parse("an organization", text)).collect()
    }

    async fn organization_history(
        &self,
        id: OrganizationId,
        query: &SettingsQuery,
    ) -> Result<SettingsPage, StoreError> {
        let SettingsQuery { before, limit } = *query;
        let (before, limit) = (before.unwrap_or(Revision::MAX), limit.max(1));
        let rows: Vec<(i64, String, String)> = self
            .read("read the history of an organization", move |connection| {
                connection
                    .prepare_cached(
                        "SELECT revision, origin, change FROM organization_history
                         WHERE organization = ?1 AND revision < ?2
                         ORDER BY revision DESC LIMIT ?3",
                    )?
                    .query_map(
                        // One more tells whether there are more.
                        params![id.uuid().as_bytes(), signed(before), signed(limit as u64 + 1)],
                        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                    )?
                    .collect()
            })
            .await?;
        let more = rows.len() > limit;
        let entry = |(revision, origin, change): (i64, String, String)| {
            let origin = parse("a change of an organization", &origin)?;
            let change = parse("a change of an organization", &change)?;
            Ok(SettingsEntry { revision: unsigned(revision), origin, change })
        };
        let entries = rows.into_iter().take(limit).map(entry);
        let entries = entries.collect::<Result<Vec<_>, StoreError>>()?;
        let next = entries.last().filter(|_| more).map(|entry| entry.revision);
        Ok(SettingsPage { entries, next })
    }
}

fn revision(connection: &Connection, id: OrganizationId) -> rusqlite::Result<Revision> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(revision) FROM organization_history WHERE organization = ?1")?
        .query_row([id.uuid().as_bytes()], |row| row.get(0))?;
    Ok(last.map_or(0, unsigned))
}

fn put(
    connection: &Connection,
    id: OrganizationId,
    settings: Option<&str>,
) -> rusqlite::Result<usize> {
    let id = id.uuid();
    match settings {
        Some(settings) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO organizations (organization, settings) VALUES (?1, ?2)",
            )?
            .execute(params![id.as_bytes(), settings]),
        None => connection
            .prepare_cached("DELETE FROM organizations WHERE organization = ?1")?
            .execute([id.as_bytes()]),
    }
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::unavailable("write an organization as JSON", error))
}

fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|source| StoreError::Unreadable { what: what.to_owned(), source: source.into() })
}

//! Organizations: one row each, all in one partition of the users table, and their history in
//! another.
//!
//! A change is one transaction: the settings, if they are those that were read, and the next row
//! of the organization's history, if nobody has written it. An organization's revision is that of
//! its last row there; it is at 0 if it was stored before there was a history.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use sidetone_model::{Organization, OrganizationId};
use sidetone_ports::{
    ChangeOrigin, OrganizationStore, Revision, SettingsChange, SettingsEntry, SettingsPage,
    SettingsQuery, StoreError,
};

use super::origin::OriginRow;
use super::transaction::pause;
use super::value::{Row, number, number_of, padded, text, text_of};
use super::{DynamoStore, all_pages};
use crate::failure::AwsFailure;

/// The partition of all organizations: as many as are served by one deployment.
const ORGANIZATIONS: &str = "organizations";
/// The partition of what was changed of them, apart so that listing them reads none of it.
const HISTORY: &str = "organizations-history";
/// How often a change is tried while the table asks for patience, or others change the same.
const TRIES_MAX: u32 = 20;

const CHANGE: &str = "change an organization";
const READ_HISTORY: &str = "read the history of an organization";

impl OrganizationStore for DynamoStore {
    async fn organization_revision(&self, id: OrganizationId) -> Result<Revision, StoreError> {
        let (rows, _) = self.settings_rows(id, Revision::MAX, 1, None).await?;
        rows.first().map_or(Ok(0), |row| number_of(row, "rev"))
    }

    async fn change_organization(
        &self,
        id: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        change: &SettingsChange,
    ) -> Result<Revision, StoreError> {
        for repetition in 1..=TRIES_MAX {
            let found = self.settings_row(id).await?;
            let stands = found.as_ref().map(parse).transpose()?;
            // An older version writes settings without a history, so both are looked at.
            let is_as_read = stands == change.before;
            if !is_as_read || self.organization_revision(id).await? != expected {
                let (partition, item) = (ORGANIZATIONS.to_owned(), id.to_string());
                return Err(StoreError::Conflict { partition, item, expected });
            }
            let found = found.as_ref().map(|row| text_of(row, "settings")).transpose()?;
            let written = self.settings_written(id, found, change.after.as_ref())?;
            let past = self.history_of_settings(id, expected + 1, origin, change)?;
            if self.transact(CHANGE, vec![written, past]).await? {
                return Ok(expected + 1);
            }
            pause(repetition).await;
        }
        Err(StoreError::unavailable(CHANGE, format!("the table was busy {TRIES_MAX} times")))
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.settings_row(id).await?.as_ref().map(parse).transpose()
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

    async fn organization_history(
        &self,
        id: OrganizationId,
        query: &SettingsQuery,
    ) -> Result<SettingsPage, StoreError> {
        let limit = query.limit.max(1);
        let last = query.before.map_or(Revision::MAX, |before| before.saturating_sub(1));
        let (mut entries, mut start) = (Vec::new(), None);
        // One more tells whether there are more.
        while entries.len() <= limit {
            let (rows, next) = self.settings_rows(id, last, limit.saturating_add(1), start).await?;
            for row in &rows {
                entries.push(entry(row)?);
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|entry: &SettingsEntry| entry.revision);
        Ok(SettingsPage { entries, next })
    }
}

impl DynamoStore {
    async fn settings_row(&self, id: OrganizationId) -> Result<Option<Row>, StoreError> {
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
        Ok(answer.item)
    }

    /// Reads rows of an organization's history from a revision backwards, and where the next
    /// ones begin.
    async fn settings_rows(
        &self,
        id: OrganizationId,
        last: Revision,
        limit: usize,
        start: Option<Row>,
    ) -> Result<(Vec<Row>, Option<Row>), StoreError> {
        let rows = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(HISTORY))
            .expression_attribute_values(":first", text(place(id, 0)))
            .expression_attribute_values(":last", text(place(id, last)))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = rows.send().await.map_err(|error| {
            StoreError::unavailable(READ_HISTORY, AwsFailure::new("dynamodb:Query", &error))
        })?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// Makes the part of a transaction that puts settings in the place of those that were found,
    /// or deletes them.
    fn settings_written(
        &self,
        id: OrganizationId,
        found: Option<&str>,
        after: Option<&Organization>,
    ) -> Result<TransactWriteItem, StoreError> {
        let (condition, values) = match found {
            Some(found) => {
                ("settings = :found", Some(Row::from([(":found".to_owned(), text(found))])))
            }
            None => ("attribute_not_exists(pk)", None),
        };
        let incomplete = |error| StoreError::unavailable(CHANGE, error);
        let item = TransactWriteItem::builder();
        let Some(settings) = after else {
            let delete = Delete::builder()
                .table_name(&self.tables().users)
                .key("pk", text(ORGANIZATIONS))
                .key("sk", text(id.to_string()))
                .condition_expression(condition)
                .set_expression_attribute_values(values);
            return Ok(item.delete(delete.build().map_err(incomplete)?).build());
        };
        let put = Put::builder()
            .table_name(&self.tables().users)
            .item("pk", text(ORGANIZATIONS))
            .item("sk", text(id.to_string()))
            .item("settings", text(json(settings)?))
            .condition_expression(condition)
            .set_expression_attribute_values(values);
        Ok(item.put(put.build().map_err(incomplete)?).build())
    }

    /// Makes the part of a transaction that writes a row of history which nobody has written.
    fn history_of_settings(
        &self,
        id: OrganizationId,
        revision: Revision,
        origin: &ChangeOrigin,
        change: &SettingsChange,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut row = OriginRow::new(origin).row();
        row.insert("pk".to_owned(), text(HISTORY));
        row.insert("sk".to_owned(), text(place(id, revision)));
        row.insert("rev".to_owned(), number(revision));
        row.insert("json".to_owned(), text(json(change)?));
        let put = Put::builder()
            .table_name(&self.tables().users)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)");
        let put = put.build().map_err(|error| StoreError::unavailable(CHANGE, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// Returns where a change of an organization stands in the history.
fn place(id: OrganizationId, revision: Revision) -> String {
    format!("{id}#{}", padded(revision))
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::unavailable("write an organization as JSON", error))
}

fn parse(row: &Row) -> Result<Organization, StoreError> {
    serde_json::from_str(text_of(row, "settings")?).map_err(|source| unreadable(source, "settings"))
}

fn entry(row: &Row) -> Result<SettingsEntry, StoreError> {
    let change = serde_json::from_str(text_of(row, "json")?)
        .map_err(|source| unreadable(source, "history"))?;
    let (revision, origin) = (number_of(row, "rev")?, OriginRow::read(row)?.0);
    Ok(SettingsEntry { revision, origin, change })
}

fn unreadable(source: serde_json::Error, which: &str) -> StoreError {
    StoreError::Unreadable { what: format!("{which} of an organization"), source: source.into() }
}

//! The history of users: one row a chunk of a commit, for the organization, and one row a
//! change, for the user. Neither is ever changed.

use std::collections::VecDeque;

use aws_sdk_dynamodb::types::Put;
use sidetone_model::OrganizationId;
use sidetone_ports::{HistoryEntry, HistoryPage, HistoryQuery, Revision, StoreError, UserChange};

use super::super::DynamoStore;
use super::super::origin::OriginRow;
use super::super::value::{Row, number, number_of, padded, text};
use super::commit::Commit;
use super::read_chunk;
use crate::failure::AwsFailure;

const HISTORY: &str = "read the history of the users";

fn partition(organization: OrganizationId) -> String {
    format!("{organization}#history")
}

fn partition_of(organization: OrganizationId, agent: &str) -> String {
    format!("{organization}#past#{agent}")
}

/// Makes the row of some changes of a commit, for the history of the organization.
pub(super) fn chunk_of_history(commit: &Commit, first: &str, json: &str) -> Row {
    let sk = format!("{}#{first}", padded(commit.revision()));
    row(commit, partition(commit.organization), sk, json)
}

/// Makes the row of one change, for the history of its user.
pub(super) fn entry_of_history(commit: &Commit, agent: &str, json: &str) -> Row {
    let pk = partition_of(commit.organization, agent);
    row(commit, pk, padded(commit.revision()), &format!("[{json}]"))
}

fn row(commit: &Commit, pk: String, sk: String, json: &str) -> Row {
    let mut row = commit.origin.row();
    row.insert("pk".to_owned(), text(pk));
    row.insert("sk".to_owned(), text(sk));
    row.insert("rev".to_owned(), number(commit.revision()));
    row.insert("json".to_owned(), text(json));
    row
}

/// Reads the entries of a row, the last agent first.
fn entries(organization: OrganizationId, row: &Row) -> Result<Vec<HistoryEntry>, StoreError> {
    let (revision, origin) = (number_of(row, "rev")?, OriginRow::read(row)?.0);
    let changes: Vec<UserChange> = read_chunk(organization, row)?;
    let entry = |change| HistoryEntry { revision, origin: origin.clone(), change };
    Ok(changes.into_iter().rev().map(entry).collect())
}

impl DynamoStore {
    /// Makes the part of a transaction that writes a row of history.
    ///
    /// Errors: [`StoreError`] if the SDK finds it incomplete.
    pub(super) fn history_put(&self, row: Row) -> Result<Put, StoreError> {
        let put = Put::builder().table_name(&self.tables().users).set_item(Some(row));
        put.build().map_err(|error| StoreError::unavailable("change users", error))
    }

    pub(super) async fn history(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        // What is committed and not copied has no history yet.
        self.settled_head(organization).await?;
        let limit = query.limit.max(1);
        let mut found: VecDeque<HistoryEntry> = VecDeque::new();
        let mut start = None;
        // One more tells whether there are more.
        while found.len() <= limit {
            let (rows, next) = self.history_rows(organization, query, start).await?;
            for row in &rows {
                let before = |entry: &HistoryEntry| {
                    query.before.as_ref().is_none_or(|place| entry.place() < *place)
                };
                found.extend(entries(organization, row)?.into_iter().filter(before));
                if found.len() > limit {
                    break;
                }
            }
            match next {
                Some(next) => start = Some(next),
                None => break,
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.back().filter(|_| more).map(HistoryEntry::place);
        Ok(HistoryPage { entries: found.into(), next })
    }

    /// Reads a page of rows, newest first, and where the next one begins.
    async fn history_rows(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
        start: Option<Row>,
    ) -> Result<(Vec<Row>, Option<Row>), StoreError> {
        let pk = match &query.agent {
            Some(agent) => partition_of(organization, agent.as_str()),
            None => partition(organization),
        };
        // The chunk in which a place lies begins at that place or before it.
        let last = query.before.as_ref().map_or_else(
            || padded(Revision::MAX),
            |place| match &query.agent {
                Some(_) => padded(place.revision),
                None => format!("{}#{}", padded(place.revision), place.agent),
            },
        );
        let rows = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk <= :last")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":last", text(last))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            .limit(i32::try_from(query.limit.saturating_add(1)).unwrap_or(i32::MAX));
        let answer = rows.send().await.map_err(|error| {
            StoreError::unavailable(HISTORY, AwsFailure::new("dynamodb:Query", &error))
        })?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}

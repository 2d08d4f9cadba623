//! Provisioned users: all of a commit or none, whatever its size, with its history.
//!
//! An organization is one partition. Besides a row for each user it has a head, whose revision
//! counts commits:
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | organization | `agent#<agent id>` | a user, and the revision it was committed under |
//! | organization | `head` | `rev`, and while a file is being copied, `pending`: its batch |
//! | organization | `batch#<batch>` | when somebody began to stage a file |
//! | `<organization>#<batch>` | first agent id | changes of that file, from that agent on |
//! | `<organization>#history` | revision, first agent id | changes of a commit, from that one on |
//! | `<organization>#past#<agent id>` | revision | one change of that user |
//!
//! What fits one transaction is written by one, head included. A larger commit is staged first,
//! in chunks that nobody reads; one conditional write of the head, which names the batch,
//! commits it; then its changes are copied to their rows, the head forgets the batch, and the
//! chunks are deleted. Whoever dies before the commit has changed nothing that is read. Whoever
//! dies after it has committed: readers take the batch's changes before the rows, and the next
//! writer, or reader of the history, finishes the copying before anything else. A copy never
//! replaces what was committed later, as rows carry their revision; therefore a user who is
//! removed leaves a row without a user, longer than any copy takes.
//!
//! A reader of all users reads the head before and after; if that moved, it reads again.

mod commit;
mod copy;
mod head;
mod history;
mod page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::Put;
use sidetone_model::{AgentId, OrganizationId, User};
use sidetone_ports::{
    ChangeOrigin, HistoryPage, HistoryQuery, Revision, StoreError, UserChange, UserPage, UserQuery,
    UserStore,
};

use super::transaction::pause;
use super::value::{Row, number, text, text_of, ttl, wall_now};
use super::{DynamoStore, all_pages};
use crate::failure::AwsFailure;
use commit::Written;
use head::Batch;

/// What stands before an agent's id.
const AGENT: &str = "agent#";
/// What stands behind every agent's row: the character that follows the stroke.
const AGENT_END: &str = "agent$";
/// How often a reader starts over because a writer came in between; each of its reads takes
/// milliseconds, and writers are people.
const READS_MAX: u32 = 40;

/// How long the row of a removed user stays; copies of a batch take minutes.
const GONE_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

const LIST: &str = "list the users";
const FIND: &str = "find a user";

impl UserStore for DynamoStore {
    async fn user_revision(&self, organization: OrganizationId) -> Result<Revision, StoreError> {
        Ok(self.head(organization).await?.revision)
    }

    async fn change_users(
        &self,
        organization: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        changes: &[UserChange],
    ) -> Result<Revision, StoreError> {
        self.commit_changes(organization, expected, origin, changes).await
    }

    async fn user_history(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        self.history(organization, query).await
    }

    async fn user(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
    ) -> Result<Option<User>, StoreError> {
        // The row may be older than the head; then it is what stood there when this began.
        let (head, row) =
            tokio::try_join!(self.head(organization), self.user_row(organization, agent))?;
        if let Some(batch) = head.pending
            && let Some(change) = self.staged_change(organization, &batch, agent).await?
        {
            return Ok(change.after.map(Arc::unwrap_or_clone));
        }
        row.map_or(Ok(None), |row| read_user(organization, &row))
    }

    async fn user_page(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<UserPage, StoreError> {
        self.page(organization, query).await
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        let mut before = self.head(organization).await?;
        for read in 1..=READS_MAX {
            let rows = self.user_rows(organization).await?;
            let staged = match &before.pending {
                Some(batch) => self.staged_changes(organization, batch).await?,
                None => Vec::new(),
            };
            let after = self.head(organization).await?;
            if after == before {
                let rows = rows.iter().map(|row| read_user(organization, row));
                let mut users = rows
                    .filter_map(Result::transpose)
                    .map(|user| user.map(|user| (user.agent.clone(), user)))
                    .collect::<Result<BTreeMap<_, _>, StoreError>>()?;
                for UserChange { agent, after, .. } in staged {
                    match after {
                        Some(user) => drop(users.insert(agent, Arc::unwrap_or_clone(user))),
                        None => drop(users.remove(&agent)),
                    }
                }
                return Ok(users.into_values().collect());
            }
            before = after;
            pause(read).await;
        }
        Err(StoreError::unavailable(LIST, "they changed each time they were read"))
    }
}

impl DynamoStore {
    async fn user_row(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
    ) -> Result<Option<Row>, StoreError> {
        let get = self
            .client()
            .get_item()
            .table_name(&self.tables().users)
            .key("pk", text(organization.to_string()))
            .key("sk", text(format!("{AGENT}{agent}")))
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| {
            StoreError::unavailable(FIND, AwsFailure::new("dynamodb:GetItem", &error))
        })?;
        Ok(answer.item)
    }

    async fn user_rows(&self, organization: OrganizationId) -> Result<Vec<Row>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :agent)")
            .expression_attribute_values(":pk", text(organization.to_string()))
            .expression_attribute_values(":agent", text(AGENT));
        all_pages(LIST, query).await
    }

    /// Reads all changes of a batch; none if it is over and deleted.
    async fn staged_changes(
        &self,
        organization: OrganizationId,
        batch: &Batch,
    ) -> Result<Vec<UserChange>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(batch.partition(organization)));
        let mut changes = Vec::new();
        for row in all_pages(LIST, query).await? {
            changes.append(&mut read_chunk(organization, &row)?);
        }
        Ok(changes)
    }

    /// Reads one change of a batch, from the one chunk that may hold it.
    async fn staged_change(
        &self,
        organization: OrganizationId,
        batch: &Batch,
        agent: &AgentId,
    ) -> Result<Option<UserChange>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk <= :agent")
            .expression_attribute_values(":pk", text(batch.partition(organization)))
            .expression_attribute_values(":agent", text(agent.as_str()))
            .scan_index_forward(false)
            .limit(1);
        let answer = query.send().await.map_err(|error| {
            StoreError::unavailable(FIND, AwsFailure::new("dynamodb:Query", &error))
        })?;
        let Some(row) = answer.items.unwrap_or_default().pop() else { return Ok(None) };
        let chunk = read_chunk(organization, &row)?;
        Ok(chunk.into_iter().find(|change| change.agent == *agent))
    }

    /// Makes the part of a transaction that writes one user.
    ///
    /// Errors: [`StoreError`] if the SDK finds it incomplete.
    fn user_put(
        &self,
        organization: OrganizationId,
        change: &Written<'_>,
        revision: Revision,
    ) -> Result<Put, StoreError> {
        let row = user_row(organization, change.agent, change.after.as_deref(), revision);
        let put = Put::builder().table_name(&self.tables().users).set_item(Some(row));
        put.build().map_err(|error| StoreError::unavailable("change users", error))
    }
}

/// Makes the row of a user, or that of one who is removed.
fn user_row(
    organization: OrganizationId,
    agent: &str,
    json: Option<&str>,
    revision: Revision,
) -> Row {
    let (name, value) = match json {
        Some(json) => ("json", text(json)),
        None => ("ttl", ttl(wall_now() + GONE_FOR)),
    };
    Row::from([
        ("pk".to_owned(), text(organization.to_string())),
        ("sk".to_owned(), text(format!("{AGENT}{agent}"))),
        ("rev".to_owned(), number(revision)),
        (name.to_owned(), value),
    ])
}

fn user_json(user: &User) -> Result<String, StoreError> {
    serde_json::to_string(user)
        .map_err(|error| StoreError::unavailable("write a user as JSON", error))
}

/// Reads a user's row; nothing if the user is removed.
fn read_user(organization: OrganizationId, row: &Row) -> Result<Option<User>, StoreError> {
    if row.contains_key("ttl") {
        return Ok(None);
    }
    let parsed = serde_json::from_str(text_of(row, "json")?);
    parsed.map(Some).map_err(|error| unreadable(organization, &error))
}

fn read_chunk(organization: OrganizationId, row: &Row) -> Result<Vec<UserChange>, StoreError> {
    let parsed = serde_json::from_str(text_of(row, "json")?);
    parsed.map_err(|error| unreadable(organization, &error))
}

fn unreadable(organization: OrganizationId, error: &serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        what: format!("a user of {organization}"),
        // The parser's own words may quote the person.
        source: format!("line {}, column {}", error.line(), error.column()).into(),
    }
}

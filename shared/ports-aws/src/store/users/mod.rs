//! Provisioned users: all of a file or none, whatever its size.
//!
//! An organization is one partition. Besides a row for each user it has a head, whose revision
//! counts commits:
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | organization | `agent#<agent id>` | a user, and the revision it was committed under |
//! | organization | `head` | `rev`, and while a file is being copied, `pending`: its batch |
//! | organization | `batch#<batch>` | when somebody began to stage a file |
//! | `<organization>#<batch>` | first agent id | users of that file, from that agent on |
//!
//! What fits one transaction is written by one, head included. A larger file is staged first,
//! in chunks that nobody reads; one conditional write of the head, which names the batch,
//! commits it; then its users are copied to their rows, the head forgets the batch, and the
//! chunks are deleted. Whoever dies before the commit has changed nothing that is read. Whoever
//! dies after it has committed: readers take the batch's users before the rows, and the next
//! writer finishes the copying before it commits anything of its own. A copy never replaces
//! what was committed later, as rows carry their revision.
//!
//! A reader of all users reads the head before and after; if that moved, it reads again.

mod commit;
mod copy;
mod head;

use std::collections::BTreeMap;

use sidetone_model::{AgentId, OrganizationId, User};
use sidetone_ports::{StoreError, UserStore};

use super::value::{Row, text, text_of};
use super::{DynamoStore, all_pages};
use crate::failure::AwsFailure;
use head::{Batch, pause};

/// What stands before an agent's id.
const AGENT: &str = "agent#";
/// How often a reader starts over because a writer came in between; each of its reads takes
/// milliseconds, and writers are people.
const READS_MAX: u32 = 40;

const LIST: &str = "list the users";
const FIND: &str = "find a user";

impl UserStore for DynamoStore {
    async fn put_users(
        &self,
        organization: OrganizationId,
        users: &[User],
    ) -> Result<(), StoreError> {
        // Of two entries of one agent the later counts, as it would one by one.
        let users: BTreeMap<&AgentId, &User> =
            users.iter().map(|user| (&user.agent, user)).collect();
        let users: Vec<&User> = users.into_values().collect();
        self.commit_users(organization, &users).await
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
            && let Some(user) = self.staged_user(organization, &batch, agent).await?
        {
            return Ok(Some(user));
        }
        row.map(|row| read_user(organization, &row)).transpose()
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        let mut before = self.head(organization).await?;
        for read in 1..=READS_MAX {
            let rows = self.user_rows(organization).await?;
            let staged = match &before.pending {
                Some(batch) => self.staged_users(organization, batch).await?,
                None => Vec::new(),
            };
            let after = self.head(organization).await?;
            if after == before {
                let rows = rows.iter().map(|row| read_user(organization, row));
                let mut users = rows
                    .map(|user| user.map(|user| (user.agent.clone(), user)))
                    .collect::<Result<BTreeMap<_, _>, StoreError>>()?;
                users.extend(staged.into_iter().map(|user| (user.agent.clone(), user)));
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

    /// Reads all users of a batch; none if it is over and deleted.
    async fn staged_users(
        &self,
        organization: OrganizationId,
        batch: &Batch,
    ) -> Result<Vec<User>, StoreError> {
        let query = self
            .client()
            .query()
            .table_name(&self.tables().users)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(batch.partition(organization)));
        let mut users = Vec::new();
        for row in all_pages(LIST, query).await? {
            users.append(&mut read_chunk(organization, &row)?);
        }
        Ok(users)
    }

    /// Reads one user of a batch, from the one chunk that may hold it.
    async fn staged_user(
        &self,
        organization: OrganizationId,
        batch: &Batch,
        agent: &AgentId,
    ) -> Result<Option<User>, StoreError> {
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
        Ok(chunk.into_iter().find(|user| user.agent == *agent))
    }
}

fn read_user(organization: OrganizationId, row: &Row) -> Result<User, StoreError> {
    let parsed = serde_json::from_str(text_of(row, "json")?);
    parsed.map_err(|error| unreadable(organization, &error))
}

fn read_chunk(organization: OrganizationId, row: &Row) -> Result<Vec<User>, StoreError> {
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

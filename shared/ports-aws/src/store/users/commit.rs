//! Commits changes: in one transaction if they fit, by way of a staged batch if not.

use aws_sdk_dynamodb::types::TransactWriteItem;
use sidetone_model::OrganizationId;
use sidetone_ports::{ChangeOrigin, Revision, StoreError, UserChange};
use std::time::Duration;

use super::super::DynamoStore;
use super::super::origin::OriginRow;
use super::super::transaction::pause;
use super::super::value::{text, wall_now};
use super::head::{Batch, Head};
use super::history::{chunk_of_history, entry_of_history};
use super::user_json;
use crate::failure::AwsFailure;

/// How many items a transaction takes: DynamoDB's limit.
const ITEMS_MAX: usize = 100;
/// How many bytes a transaction takes: DynamoDB's 4 MB with room for keys.
const TOGETHER_BYTES_MAX: usize = 3 * 1024 * 1024;
/// How many bytes of changes a chunk takes: DynamoDB's 400 KB for a row, with ample room.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// How often a writer starts over because the table asked for patience.
const TRIES_MAX: u32 = 60;
/// How long staging may take; after twice that time others delete what they find staged.
const STAGING_MAX: Duration = Duration::from_secs(30 * 60);
/// The age at which a batch that is not committed was left behind.
pub(super) const ABANDONED_AFTER: Duration = Duration::from_secs(2 * 30 * 60);

const CHANGE: &str = "change users";

/// One change, as it is written.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) agent: &'a str,
    /// The whole change.
    pub(super) json: String,
    /// The user as it will stand; absent if it is removed.
    pub(super) after: Option<String>,
}

impl<'a> Written<'a> {
    fn new(change: &'a UserChange) -> Result<Self, StoreError> {
        let json = serde_json::to_string(change)
            .map_err(|error| StoreError::unavailable("write a change as JSON", error))?;
        let after = change.after.as_deref().map(user_json).transpose()?;
        Ok(Self { agent: change.agent.as_str(), json, after })
    }
}

impl DynamoStore {
    /// Commits changes, all or none of them.
    ///
    /// Errors: [`StoreError::Conflict`] if the head is no longer at `expected`.
    pub(super) async fn commit_changes(
        &self,
        organization: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        changes: &[UserChange],
    ) -> Result<Revision, StoreError> {
        let written = changes.iter().map(Written::new);
        let mut written = written.collect::<Result<Vec<_>, StoreError>>()?;
        if written.is_empty() {
            return Ok(expected);
        }
        written.sort_unstable_by_key(|change| change.agent);
        let commit = Commit { organization, expected, origin: OriginRow::new(origin) };
        // Each byte of a change stands in two rows of history, what becomes of it in a third.
        let bytes: usize = written
            .iter()
            .map(|one| one.json.len() * 2 + one.after.as_ref().map_or(0, String::len))
            .sum();
        let items = 1 + 2 * written.len() + chunks(&written).len();
        if items <= ITEMS_MAX && bytes <= TOGETHER_BYTES_MAX {
            self.commit_together(&commit, &written).await?;
        } else {
            self.commit_staged(&commit, &written).await?;
        }
        Ok(commit.revision())
    }

    async fn commit_together(
        &self,
        commit: &Commit,
        changes: &[Written<'_>],
    ) -> Result<(), StoreError> {
        let (organization, revision) = (commit.organization, commit.revision());
        for repetition in 1..=TRIES_MAX {
            let head = self.expected_head(commit).await?;
            let moved = self.head_moved(organization, &head)?;
            let mut items = vec![TransactWriteItem::builder().update(moved).build()];
            for change in changes {
                let row = self.user_put(organization, change, revision)?;
                let past = entry_of_history(commit, change.agent, &change.json);
                let past = self.history_put(past)?;
                items.extend([row, past].map(|put| TransactWriteItem::builder().put(put).build()));
            }
            for chunk in chunks(changes) {
                let past = chunk_of_history(commit, chunk[0].agent, &array(chunk));
                let past = self.history_put(past)?;
                items.push(TransactWriteItem::builder().put(past).build());
            }
            if self.transact(CHANGE, items).await? {
                return Ok(());
            }
            pause(repetition).await;
        }
        Err(crowded())
    }

    async fn commit_staged(
        &self,
        commit: &Commit,
        changes: &[Written<'_>],
    ) -> Result<(), StoreError> {
        let organization = commit.organization;
        let batch = Batch::fresh();
        let begun = self.begin_batch(organization, &batch).await?;
        let partition = batch.partition(organization);
        for chunk in chunks(changes) {
            self.stage_chunk(commit, &partition, chunk).await?;
        }
        for repetition in 1..=TRIES_MAX {
            let head = match self.expected_head(commit).await {
                Ok(head) => head,
                Err(error) => {
                    if error.is_conflict() {
                        self.forget(organization, &batch).await;
                    }
                    return Err(error);
                }
            };
            if wall_now().since(begun) > STAGING_MAX {
                return Err(StoreError::unavailable(CHANGE, "staging them took too long"));
            }
            if self.commit_batch(organization, &head, &batch).await? {
                self.finish(organization, commit.revision(), &batch).await;
                return Ok(());
            }
            pause(repetition).await;
        }
        Err(crowded())
    }

    /// Reads the head, settled and at the revision that the commit builds upon.
    async fn expected_head(&self, commit: &Commit) -> Result<Head, StoreError> {
        let head = self.settled_head(commit.organization).await?;
        if head.revision == commit.expected {
            return Ok(head);
        }
        Err(StoreError::Conflict {
            partition: commit.organization.to_string(),
            item: "the users".to_owned(),
            expected: commit.expected,
        })
    }

    /// Deletes what was staged for a commit that cannot be; what remains is found in time.
    async fn forget(&self, organization: OrganizationId, batch: &Batch) {
        if let Err(error) = self.delete_batch(organization, batch).await {
            let error = sidetone_ports::chain(&error);
            tracing::warn!(%organization, error, "staged users are deleted by a later import");
        }
    }

    /// Copies what has just been committed. A failure undoes nothing: everybody reads it, and
    /// the next writer goes on with the copying.
    async fn finish(&self, organization: OrganizationId, revision: u64, batch: &Batch) {
        let finished = async {
            self.copy_batch(organization, revision, batch).await?;
            self.delete_abandoned(organization).await
        };
        if let Err(error) = finished.await {
            tracing::warn!(
                %organization,
                error = %sidetone_ports::chain(&error),
                "users are committed; the next import finishes copying them"
            );
        }
    }

    async fn stage_chunk(
        &self,
        commit: &Commit,
        partition: &str,
        chunk: &[Written<'_>],
    ) -> Result<(), StoreError> {
        let Some(first) = chunk.first() else { return Ok(()) };
        let mut row = commit.origin.row();
        row.insert("pk".to_owned(), text(partition));
        row.insert("sk".to_owned(), text(first.agent));
        row.insert("json".to_owned(), text(array(chunk)));
        let put = self.client().put_item().table_name(&self.tables().users).set_item(Some(row));
        put.send().await.map(drop).map_err(|error| {
            let failure = AwsFailure::new("dynamodb:PutItem", &error);
            StoreError::unavailable("stage users", failure)
        })
    }

    /// Reads the head; if a batch is pending, copies it first.
    pub(super) async fn settled_head(
        &self,
        organization: OrganizationId,
    ) -> Result<Head, StoreError> {
        let head = self.head(organization).await?;
        let Some(batch) = &head.pending else { return Ok(head) };
        self.copy_batch(organization, head.revision, batch).await?;
        // Should another batch have come meanwhile, the commit fails and this begins again.
        Ok(Head { pending: None, ..head })
    }
}

/// What is committed, upon what, by whom.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) organization: OrganizationId,
    pub(super) expected: Revision,
    pub(super) origin: OriginRow,
}

impl Commit {
    pub(super) const fn revision(&self) -> Revision {
        self.expected + 1
    }
}

/// Writes a chunk as one JSON array.
fn array(chunk: &[Written<'_>]) -> String {
    let changes: Vec<&str> = chunk.iter().map(|change| change.json.as_str()).collect();
    format!("[{}]", changes.join(","))
}

/// Cuts changes, which are in order, into pieces that fit a row each.
fn chunks<'a, 'b>(users: &'b [Written<'a>]) -> Vec<&'b [Written<'a>]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (place, user) in users.iter().enumerate() {
        let more = user.json.len() + 1;
        if bytes + more > CHUNK_BYTES_MAX && place > start {
            chunks.push(&users[start..place]);
            (start, bytes) = (place, 0);
        }
        bytes += more;
    }
    chunks.push(&users[start..]);
    chunks
}

fn crowded() -> StoreError {
    StoreError::unavailable(CHANGE, format!("the table was busy {TRIES_MAX} times"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_every_user_once_and_fit_a_row() {
        for sizes in [vec![1; 3], vec![100_000; 7], vec![CHUNK_BYTES_MAX * 2; 2], vec![300; 5_000]]
        {
            let users: Vec<_> = sizes
                .iter()
                .map(|size| Written { agent: "agent", json: "x".repeat(*size), after: None })
                .collect();
            let chunks = chunks(&users);
            let count: usize = chunks.iter().map(|chunk| chunk.len()).sum();
            assert_eq!(count, users.len());
            for chunk in chunks {
                let bytes: usize = chunk.iter().map(|user| user.json.len() + 1).sum();
                assert!(chunk.len() == 1 || bytes <= CHUNK_BYTES_MAX, "{bytes}");
                assert!(!chunk.is_empty());
            }
        }
    }
}

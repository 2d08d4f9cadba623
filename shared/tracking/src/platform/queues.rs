//! Queues, groups and divisions, and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sidetone_model::UserId;

use super::budget::Urgency;
use super::client::{PlatformClient, Request};
use super::error::PlatformError;
use super::users::Page;

/// Queues asked for in one page: what Genesys' own code uses.
const PAGE_QUEUES: usize = 500;

/// Members asked for in one page: Genesys gives no more.
const PAGE_MEMBERS: usize = 100;

/// Groups, their members, and divisions asked for in one page; Genesys does not say how many it
/// gives, and its own code asks for no more.
const PAGE_OTHERS: usize = 100;

/// The most pages of one listing; a listing that has no end is a fault.
const PAGES_MAX: usize = 1_000;

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GenesysQueue {
    /// Its id; a UUID, as Genesys writes it.
    pub id: String,
    /// Its name, which an administrator chose.
    pub name: String,
}

/// A group or a division.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Somebody in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueMember {
    /// The user.
    pub user: UserId,
    /// Whether the user has joined the queue; one who has not may at any time.
    pub joined: bool,
}

impl PlatformClient {
    /// Lists every queue that the OAuth client may see, once each, in order of name.
    pub async fn queues(&self) -> Result<Vec<GenesysQueue>, PlatformError> {
        let queues = self.named("list queues", "/api/v2/routing/queues", PAGE_QUEUES).await?;
        Ok(queues.into_iter().map(|Named { id, name }| GenesysQueue { id, name }).collect())
    }

    /// Lists every group that the OAuth client may see, once each, in order of name.
    pub(crate) async fn groups(&self) -> Result<Vec<Named>, PlatformError> {
        self.named("list groups", "/api/v2/groups", PAGE_OTHERS).await
    }

    /// Lists every division, once each, in order of name.
    pub(crate) async fn divisions(&self) -> Result<Vec<Named>, PlatformError> {
        self.named("list divisions", "/api/v2/authorization/divisions", PAGE_OTHERS).await
    }

    /// Lists who is in a group, whether they were put there or a rule of the group did.
    pub(crate) async fn group_members(
        &self,
        group: &Named,
    ) -> Result<BTreeSet<UserId>, PlatformError> {
        let path = format!("/api/v2/groups/{}/members", group.id);
        let entries = self.list("list a group's members", path, PAGE_OTHERS).await?;
        Ok(entries.iter().filter_map(|entry| entry.get("id")?.as_str()?.parse().ok()).collect())
    }

    async fn named(
        &self,
        action: &'static str,
        path: &str,
        size: usize,
    ) -> Result<Vec<Named>, PlatformError> {
        let entries = self.list(action, path.to_owned(), size).await?;
        let read = entries.iter().filter_map(|entry| {
            let text = |name: &str| entry.get(name).and_then(Value::as_str);
            let (id, name) = (text("id")?.to_owned(), text("name").unwrap_or_default().to_owned());
            Some((id.clone(), Named { id, name }))
        });
        let by_id: BTreeMap<String, Named> = read.collect();
        let mut named: Vec<Named> = by_id.into_values().collect();
        named.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        Ok(named)
    }

    /// Lists who is in a queue, joined or not, once each; nobody if the queue is gone meanwhile.
    pub async fn queue_members(
        &self,
        queue: &GenesysQueue,
    ) -> Result<Vec<QueueMember>, PlatformError> {
        const ACTION: &str = "list a queue's members";
        let path = format!("/api/v2/routing/queues/{}/members", queue.id);
        let entries = match self.list(ACTION, path, PAGE_MEMBERS).await {
            Err(error) if error.is_gone() => return Ok(Vec::new()),
            entries => entries?,
        };
        let read = entries.iter().filter_map(|entry| {
            // A member's id is the user's; the user stands in it a second time.
            let own = entry.get("id").and_then(Value::as_str);
            let user = own.or_else(|| entry.get("user")?.get("id")?.as_str())?.parse().ok()?;
            let joined = entry.get("joined").and_then(Value::as_bool).unwrap_or(true);
            Some((user, QueueMember { user, joined }))
        });
        let by_user: BTreeMap<UserId, QueueMember> = read.collect();
        Ok(by_user.into_values().collect())
    }

    /// Reads all pages of a list. It may wait: no call depends on it.
    async fn list(
        &self,
        action: &'static str,
        path: String,
        size: usize,
    ) -> Result<Vec<Value>, PlatformError> {
        let mut entries = Vec::new();
        for number in 1..=PAGES_MAX {
            let mut request = Request::get(action, path.clone());
            request.urgency = Urgency::Patient;
            request.query =
                vec![("pageSize", size.to_string()), ("pageNumber", number.to_string())];
            let page: Page = self.value(request).await?;
            let is_last = page.is_last(number);
            entries.extend(page.entities);
            if is_last {
                return Ok(entries);
            }
        }
        Err(PlatformError::Unexpected { action, what: "the list has no end" })
    }
}

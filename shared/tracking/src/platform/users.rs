//! Who the organization's users are: events name them by UUID, we by username.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use sidetone_model::{ConversationId, GenesysUser, Pii, UserId};

use super::client::{PlatformClient, Request};
use super::error::PlatformError;
use crate::people::{Step, Watch};

/// Users asked for in one page: what Genesys' own code uses.
const PAGE_USERS: usize = 500;

/// The most pages of one listing: 500,000 users, far beyond any organization; a listing that
/// has no end is a fault.
const PAGES_MAX: usize = 1_000;

/// How often a listing is read because it shifted while it was read.
const READINGS_MAX: usize = 3;

/// The most ids in one look-up: Genesys refuses more.
const IDS_MAX: usize = 100;

/// A user as a listing has them.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) user: GenesysUser,
    /// The division's id; empty if Genesys says none.
    pub(crate) division: String,
}

impl Listed {
    fn read(value: &Value) -> Option<Self> {
        let division = value.pointer("/division/id").and_then(Value::as_str).unwrap_or_default();
        Some(Self { user: read(value)?, division: division.to_owned() })
    }
}

fn read(value: &Value) -> Option<GenesysUser> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    let active = text("state").is_none_or(|state| state.eq_ignore_ascii_case("active"));
    // They are the same unless somebody changed one of them.
    let username = text("username").or_else(|| text("email")).unwrap_or_default();
    Some(GenesysUser {
        id: text("id")?.parse().ok()?,
        name: Pii::new(text("name").unwrap_or_default().to_owned()),
        username: Pii::new(username.to_owned()),
        active,
    })
}

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) entities: Vec<Value>,
    #[serde(default)]
    next_uri: Option<String>,
    #[serde(default)]
    page_count: Option<usize>,
    #[serde(default)]
    total: Option<usize>,
}

impl Page {
    /// Returns whether no page follows this one of that number.
    pub(super) fn is_last(&self, number: usize) -> bool {
        self.next_uri.is_none() || self.page_count.is_some_and(|count| number >= count)
    }
}

impl PlatformClient {
    /// Lists every active user once, in order of id, however the pages shift meanwhile.
    pub async fn users(&self) -> Result<Vec<GenesysUser>, PlatformError> {
        let mut users = BTreeMap::new();
        self.read_users(&mut users, &|_| {}).await?;
        Ok(users.into_values().map(|listed| listed.user).collect())
    }

    /// Lists every active user once, and again while pages shifted: somebody who leaves while
    /// they are read moves another one from a page that is yet to be read to one that was.
    /// Whoever stands in any of the readings counts.
    pub(crate) async fn every_user(
        &self,
        watch: &Watch<'_>,
    ) -> Result<BTreeMap<UserId, Listed>, PlatformError> {
        let mut users = BTreeMap::new();
        for _ in 0..READINGS_MAX {
            if self.read_users(&mut users, watch).await? {
                break;
            }
        }
        Ok(users)
    }

    /// Reads all pages once; returns whether nothing shifted, as far as it can be seen.
    async fn read_users(
        &self,
        users: &mut BTreeMap<UserId, Listed>,
        watch: &Watch<'_>,
    ) -> Result<bool, PlatformError> {
        const ACTION: &str = "list users";
        let (mut seen, mut entries, mut totals) = (BTreeSet::new(), 0, BTreeSet::new());
        for number in 1..=PAGES_MAX {
            let mut request = Request::get(ACTION, "/api/v2/users");
            request.query = vec![
                ("pageSize", PAGE_USERS.to_string()),
                ("pageNumber", number.to_string()),
                ("state", "active".to_owned()),
            ];
            let page: Page = self.value(request).await?;
            entries += page.entities.len();
            totals.extend(page.total);
            for listed in page.entities.iter().filter_map(Listed::read) {
                seen.insert(listed.user.id);
                users.insert(listed.user.id, listed);
            }
            watch(Step { what: "users", done: entries, of: page.total.unwrap_or(entries) });
            if page.is_last(number) {
                let whole = totals.iter().all(|total| *total == entries);
                return Ok(number == 1 || (whole && seen.len() == entries));
            }
        }
        Err(PlatformError::Unexpected { action: ACTION, what: "the list has no end" })
    }

    /// Looks users up, at most a hundred at a time; unknown ones are left out.
    pub async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<GenesysUser>, PlatformError> {
        let mut users = BTreeMap::new();
        for some in ids.chunks(IDS_MAX) {
            let list = some.iter().map(UserId::to_string).collect::<Vec<_>>().join(",");
            let mut request = Request::get("look users up", "/api/v2/users");
            request.query = vec![("pageSize", IDS_MAX.to_string()), ("id", list)];
            let page: Page = self.value(request).await?;
            let read = page.entities.iter().filter_map(read);
            users.extend(read.map(|user| (user.id, user)));
        }
        Ok(users.into_values().collect())
    }

    /// Returns a conversation as it is now; nothing if Genesys has none of that id, or no longer.
    pub(crate) async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Value>, PlatformError> {
        let request = Request::get("read a conversation", format!("/api/v2/conversations/{id}"));
        match self.value(request).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks one user up, deleted ones too; nothing if Genesys knows nobody of that id.
    pub async fn user(&self, id: UserId) -> Result<Option<GenesysUser>, PlatformError> {
        for state in [None, Some("deleted")] {
            let mut request = Request::get("look a user up", format!("/api/v2/users/{id}"));
            request.query.extend(state.map(|state| ("state", state.to_owned())));
            match self.value::<Value>(request).await {
                Ok(value) => return Ok(read(&value)),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

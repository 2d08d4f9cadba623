//! A store that fails as told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sidetone_model::{AgentId, ConversationKey, OrganizationId, OwnerId, Timestamp, User};
use sidetone_ports::{
    CallStore, ChangeOrigin, HistoryPage, HistoryQuery, Item, Mailbox, OwnedItem, Revision,
    StoreError, UserChange, UserPage, UserQuery, UserStore,
};
use sidetone_ports_embedded::Store;
use std::time::Duration;

/// Fails the next calls to write, then works.
#[derive(Debug, Clone)]
pub(super) struct Flaky {
    pub(super) inner: Store,
    pub(super) failures: Arc<AtomicUsize>,
}

impl Flaky {
    pub(super) fn new(inner: Store) -> Self {
        Self { inner, failures: Arc::default() }
    }

    fn fails(&self) -> Result<(), StoreError> {
        let less = |left: usize| left.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err(StoreError::unavailable("write", "it was told to fail")),
            Err(_) => Ok(()),
        }
    }
}

impl CallStore for Flaky {
    async fn put(
        &self,
        key: ConversationKey,
        item: Item,
        owner: Option<OwnerId>,
        expires_at: Timestamp,
    ) -> Result<Revision, StoreError> {
        self.fails()?;
        self.inner.put(key, item, owner, expires_at).await
    }

    async fn query(&self, key: ConversationKey, now: Timestamp) -> Result<Vec<Item>, StoreError> {
        self.inner.query(key, now).await
    }

    async fn owned_by(
        &self,
        owner: &OwnerId,
        now: Timestamp,
    ) -> Result<Vec<OwnedItem>, StoreError> {
        self.inner.owned_by(owner, now).await
    }
}

impl UserStore for Flaky {
    async fn user_revision(&self, organization: OrganizationId) -> Result<Revision, StoreError> {
        self.inner.user_revision(organization).await
    }

    async fn change_users(
        &self,
        organization: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        changes: &[UserChange],
    ) -> Result<Revision, StoreError> {
        self.inner.change_users(organization, expected, origin, changes).await
    }

    async fn user_history(
        &self,
        organization: OrganizationId,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, StoreError> {
        self.inner.user_history(organization, query).await
    }

    async fn user(
        &self,
        organization: OrganizationId,
        agent: &AgentId,
    ) -> Result<Option<User>, StoreError> {
        self.inner.user(organization, agent).await
    }

    async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        self.inner.users(organization).await
    }

    async fn user_page(
        &self,
        organization: OrganizationId,
        query: &UserQuery,
    ) -> Result<UserPage, StoreError> {
        self.inner.user_page(organization, query).await
    }
}

impl Mailbox for Flaky {
    async fn post(
        &self,
        to: &OwnerId,
        key: ConversationKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.fails()?;
        self.inner.post(to, key, now).await
    }

    async fn take(
        &self,
        owner: &OwnerId,
        wait: Duration,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.inner.take(owner, wait).await
    }
}

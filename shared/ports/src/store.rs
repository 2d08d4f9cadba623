//! Stores: calls, owners and their mailboxes, nonces, secrets.
//!
//! A store sees bytes, a revision and an expiry; what the bytes mean is its callers' affair.
//! Every read leaves out what has expired at `now`, whether or not it is still on disk.

use std::future::Future;
use std::time::Duration;

use sidetone_model::{ConversationKey, OrganizationId, OwnerId, Timestamp};

use crate::error::StoreError;

/// The version of an item; 0 means that there is none.
pub type Revision = u64;

/// One item of a conversation's partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Unique in its partition, such as `session#…` or `leg#…`.
    pub name: String,
    /// What its writer put there.
    pub bytes: Vec<u8>,
    /// Its version, from 1.
    pub revision: Revision,
}

/// An item with the partition it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedItem {
    /// The partition.
    pub key: ConversationKey,
    /// The item.
    pub item: Item,
}

/// The calls table: one partition a conversation, one item a session and one a leg.
pub trait CallStore: Clone + Send + Sync + 'static {
    /// Writes an item if its revision still is `expected`; 0 for one that must not exist yet.
    ///
    /// `owner` makes the item findable by [`CallStore::owned_by`]; absent removes that.
    /// Once this returns, every later [`CallStore::query`] sees the item.
    /// Errors: [`StoreError::Conflict`] if another writer was first.
    fn put(
        &self,
        key: ConversationKey,
        item: Item,
        owner: Option<OwnerId>,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Reads all of a partition, in order of name, consistently.
    fn query(
        &self,
        key: ConversationKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Item>, StoreError>> + Send;

    /// Reads every item that a given owner holds.
    fn owned_by(
        &self,
        owner: &OwnerId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<OwnedItem>, StoreError>> + Send;
}

/// An owner's sign of life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerBeat {
    /// The owner.
    pub owner: OwnerId,
    /// Another number with every sign of life.
    pub beat: u64,
    /// How long it may stay the same before the owner counts as dead.
    pub life: Duration,
}

/// Signs of life of every owner. Whether one is alive is observed ([`crate::Observed`]): no
/// moment is stored.
pub trait OwnerStore: Clone + Send + Sync + 'static {
    /// Writes an owner's sign of life; returns whether the owner was listed before. One that
    /// beat earlier and is not listed has been swept.
    fn beat(&self, beat: &OwnerBeat) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Returns the last beat of every owner that was not removed.
    fn owners(&self) -> impl Future<Output = Result<Vec<OwnerBeat>, StoreError>> + Send;

    /// Removes an owner that left in order, or whose sessions were swept; with `silent`, only
    /// if that still is its last beat.
    fn remove_owner(
        &self,
        owner: &OwnerId,
        silent: Option<u64>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Letters to whoever holds a session: "this conversation changed, look".
pub trait Mailbox: Clone + Send + Sync + 'static {
    /// Leaves a letter; two of the same key may become one.
    fn post(
        &self,
        to: &OwnerId,
        key: ConversationKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes every letter, waiting up to `wait` of real time for the first.
    ///
    /// A twin that can be told returns at once when something comes; one that cannot looks
    /// once at the end of the wait.
    fn take(
        &self,
        owner: &OwnerId,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<ConversationKey>, StoreError>> + Send;
}

/// Whether something was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Never before within its lifetime.
    Fresh,
    /// Already there: a replay.
    Seen,
}

/// A nonce that the memory of all doors is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonceCheck {
    /// The key it was used with.
    pub key_id: String,
    /// The nonce.
    pub nonce: String,
    /// Until when a repeat is a replay.
    pub until: Timestamp,
}

/// Nonces shared by every door.
pub trait NonceStore: Clone + Send + Sync + 'static {
    /// Remembers a nonce of a key until `until`; of two that come at once, one is fresh.
    fn remember(
        &self,
        key_id: &str,
        nonce: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Freshness, StoreError>> + Send;
}

/// An AudioHook key as it is stored; the door turns it into the protocol's key.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredKey {
    /// What `X-API-KEY` says.
    pub key_id: String,
    /// Up to two base64 client secrets that are both good; empty with `api_key_only`.
    pub secrets: Vec<String>,
    /// The organizations that may use this key; never empty.
    pub organizations: Vec<OrganizationId>,
    /// Accepts requests without signature. A risk; only where configured.
    #[serde(default)]
    pub api_key_only: bool,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey")
            .field("organizations", &self.organizations)
            .field("secrets", &self.secrets.len())
            .field("api_key_only", &self.api_key_only)
            .finish_non_exhaustive()
    }
}

/// Where AudioHook keys come from.
pub trait SecretSource: Clone + Send + Sync + 'static {
    /// Returns the key of that id, if there is one.
    fn key(
        &self,
        key_id: &str,
    ) -> impl Future<Output = Result<Option<StoredKey>, StoreError>> + Send;

    /// Returns the key past any memory of the source's own: what was known does not fit what
    /// a client said. A source may limit how often it really looks.
    fn fresh_key(
        &self,
        key_id: &str,
    ) -> impl Future<Output = Result<Option<StoredKey>, StoreError>> + Send {
        self.key(key_id)
    }
}

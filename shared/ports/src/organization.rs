//! Organizations that are served here with their settings, and the memory of everything that was
//! changed about them; never a secret.
//!
//! Settings change one organization at a time, with an entry in the history or not at all, and
//! only if nobody changed them since their writer read. Who plans changes is the crate
//! `organizations`.

use std::future::Future;

use serde::{Deserialize, Serialize};
use sidetone_model::{Organization, OrganizationId};

use crate::clock::Clock;
use crate::error::StoreError;
use crate::store::Revision;
use crate::user::{ChangeOrigin, ChangeWay};

/// What becomes of one organization. Before or after, or both, it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChange {
    /// The settings as they stood; absent if it was not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Organization>,
    /// The settings as they stand; absent if it is removed, and its secrets with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Organization>,
    /// Whether an AudioHook key was set, or another secret of one; which, nobody is told.
    #[serde(default)]
    pub key_set: bool,
    /// Whether secrets of OAuth clients were set.
    #[serde(default)]
    pub clients_set: bool,
}

impl SettingsChange {
    /// Returns whether all is as before, secrets too.
    pub fn is_nothing(&self) -> bool {
        self.before == self.after && !self.key_set && !self.clients_set
    }
}

/// One change of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsEntry {
    /// Its number among the organization's changes, from 1.
    pub revision: Revision,
    /// Who, when, by which way.
    pub origin: ChangeOrigin,
    /// Of what into what.
    pub change: SettingsChange,
}

/// What is asked of an organization's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingsQuery {
    /// What lies before this change, which is not itself returned.
    pub before: Option<Revision>,
    /// How many entries, at most and at least one.
    pub limit: usize,
}

/// A page of an organization's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsPage {
    /// Newest first.
    pub entries: Vec<SettingsEntry>,
    /// Before which change to go on, if there may be more.
    pub next: Option<Revision>,
}

/// How often [`OrganizationStore::put_organization`] begins again because others were first.
const PUTS_MAX: u32 = 20;

/// The organizations that are served here, with their settings; never a secret.
pub trait OrganizationStore: Clone + Send + Sync + 'static {
    /// Returns how many changes of an organization there were; whoever plans one reads this
    /// before the settings.
    ///
    /// It grows with every change, also of one that was removed meanwhile. It is 0 for settings
    /// that were stored before there was a history.
    fn organization_revision(
        &self,
        id: OrganizationId,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Changes an organization with an entry in its history, both or neither, if there was no
    /// change since `expected` was read; returns the new revision.
    ///
    /// Removing one leaves users, calls, recordings and the history.
    /// Errors: [`StoreError::Conflict`] if another writer was first.
    fn change_organization(
        &self,
        id: OrganizationId,
        expected: Revision,
        origin: &ChangeOrigin,
        change: &SettingsChange,
    ) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Finds one.
    fn organization(
        &self,
        id: OrganizationId,
    ) -> impl Future<Output = Result<Option<Organization>, StoreError>> + Send;

    /// Returns all, in order of their id.
    fn organizations(&self) -> impl Future<Output = Result<Vec<Organization>, StoreError>> + Send;

    /// Returns what was changed of one, newest first, whether or not it is still served.
    fn organization_history(
        &self,
        id: OrganizationId,
        query: &SettingsQuery,
    ) -> impl Future<Output = Result<SettingsPage, StoreError>> + Send;

    /// Adds an organization or replaces its settings, whoever was first.
    ///
    /// For who sets up a world of its own; what administrators do goes by the crate
    /// `organizations`.
    fn put_organization(
        &self,
        settings: &Organization,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        async move {
            let (at, by) = (Clock::system().now(), "setup".to_owned());
            let origin = ChangeOrigin { at, by, way: ChangeWay::Setup };
            let mut tried = 0;
            loop {
                let expected = self.organization_revision(settings.id).await?;
                let before = self.organization(settings.id).await?;
                let after = Some(settings.clone());
                let change = SettingsChange { before, after, key_set: false, clients_set: false };
                match self.change_organization(settings.id, expected, &origin, &change).await {
                    Err(error) if error.is_conflict() && tried < PUTS_MAX => tried += 1,
                    other => return other.map(drop),
                }
            }
        }
    }
}

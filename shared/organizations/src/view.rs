//! An organization and its history as people and programs are shown them: by the command and by the
//! API.
//!
//! **Shape**: `{"organization", "platform", "clients": [{"id", "has_secret"}], "keys":
//! [{"fingerprint", "live_secrets"}], "listen", "on_hold", "queues", "retention_days"}`; in the
//! history `{"change", "at", "by", "way", "kind", "before", "after", "key_set", "clients_set"}`,
//! before and after by the names under which settings are said: `{"region" or "hosts",
//! "client_ids", "listen", "on_hold", "queues", "retention_days"}`.

use serde::{Serialize, Serializer};
use sidetone_model::{Listen, OnHold, Organization, OrganizationId, PlatformPlace};
use sidetone_ports::{ChangeWay, Revision, SettingsChange, SettingsEntry, SettingsPage};

use crate::organizations::{KeyStanding, Standing};

#[derive(Serialize)]
struct View<'a> {
    organization: OrganizationId,
    platform: &'a str,
    clients: Vec<ClientView<'a>>,
    keys: &'a [KeyStanding],
    listen: Listen,
    on_hold: OnHold,
    queues: &'a [String],
    retention_days: Option<u16>,
}

#[derive(Serialize)]
struct ClientView<'a> {
    id: &'a str,
    has_secret: bool,
}

impl Standing {
    /// Returns its region, or the address of its login.
    pub fn platform(&self) -> &str {
        match &self.settings.platform {
            PlatformPlace::Region(region) => region,
            PlatformPlace::Hosts { login, .. } => login,
        }
    }
}

impl Serialize for Standing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Organization { id, client_ids, listen, on_hold, queues, retention_days, .. } =
            &self.settings;
        let client = |id: &'_ String| self.with_secret.contains(id);
        let clients = client_ids.iter().map(|id| ClientView { id, has_secret: client(id) });
        View {
            organization: *id,
            platform: self.platform(),
            clients: clients.collect(),
            keys: &self.keys,
            listen: *listen,
            on_hold: *on_hold,
            queues,
            retention_days: *retention_days,
        }
        .serialize(serializer)
    }
}

/// What became of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingsKind {
    /// It was not served before.
    Added,
    /// Its settings or secrets changed.
    Changed,
    /// It is no longer served.
    Removed,
}

impl SettingsKind {
    /// Returns what a change was.
    pub const fn of(change: &SettingsChange) -> Self {
        match (&change.before, &change.after) {
            (None, Some(_)) => Self::Added,
            (_, None) => Self::Removed,
            (Some(_), Some(_)) => Self::Changed,
        }
    }

    /// Returns the word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// A page of an organization's history, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryView {
    /// Which.
    pub organization: OrganizationId,
    /// Newest first.
    pub history: Vec<EntryView>,
    /// Before which change the next page begins, if there is one.
    pub next: Option<Revision>,
}

impl HistoryView {
    /// Shows a page.
    pub fn new(organization: OrganizationId, page: SettingsPage) -> Self {
        let history = page.entries.into_iter().map(EntryView::new).collect();
        Self { organization, history, next: page.next }
    }
}

/// One change of the past, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryView {
    change: Revision,
    at: String,
    by: String,
    way: ChangeWay,
    kind: SettingsKind,
    before: Option<SettingsView>,
    after: Option<SettingsView>,
    key_set: bool,
    clients_set: bool,
}

impl EntryView {
    fn new(entry: SettingsEntry) -> Self {
        let SettingsEntry { revision, origin, change } = entry;
        Self {
            change: revision,
            at: origin.at.to_string(),
            by: origin.by,
            way: origin.way,
            kind: SettingsKind::of(&change),
            before: change.before.map(SettingsView::new),
            after: change.after.map(SettingsView::new),
            key_set: change.key_set,
            clients_set: change.clients_set,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SettingsView {
    #[serde(flatten)]
    platform: PlatformPlace,
    client_ids: Vec<String>,
    listen: Listen,
    on_hold: OnHold,
    queues: Vec<String>,
    retention_days: Option<u16>,
}

impl SettingsView {
    fn new(settings: Organization) -> Self {
        Self {
            platform: settings.platform,
            client_ids: settings.client_ids,
            listen: settings.listen,
            on_hold: settings.on_hold,
            queues: settings.queues,
            retention_days: settings.retention_days,
        }
    }
}

//! An organization as people and programs are shown it: by the command and by the API.
//!
//! **Shape**: `{"organization", "platform", "clients": [{"id", "has_secret"}], "keys":
//! [{"fingerprint", "live_secrets"}], "listen", "on_hold", "queues", "retention_days"}`.

use serde::{Serialize, Serializer};
use sidetone_model::{Listen, OnHold, Organization, OrganizationId, PlatformPlace};

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

//! What is to be changed of an organization, checked before anything is written.

use std::collections::BTreeSet;
use std::fmt;

use sidetone_audiohook_proto::{ApiKey, KeyId, Secret, SignatureRule};
use sidetone_model::{Listen, OnHold, Organization, OrganizationId, PlatformPlace};
use sidetone_tracking::Hosts;

use crate::error::OrganizationsError;

/// As many OAuth clients as an organization may have: each follows 10,000 agents.
const CLIENTS_MAX: usize = 20;
/// The longest id or secret of an OAuth client that is believed; Genesys' have about 40.
const CLIENT_BYTES_MAX: usize = 512;
/// As many bytes as the OAuth clients of one organization may have together: all organizations
/// share one file, or one secret of 64 KiB on AWS, and none can fill it.
const CLIENTS_BYTES_MAX: usize = 6 * 1_024;
/// The shortest secret of an AudioHook key. Genesys sets no minimum; 128 bits cannot be guessed.
const KEY_SECRET_BYTES_MIN: usize = 16;
/// As many queues as may be named.
const QUEUES_MAX: usize = 1_000;
/// The longest name of a queue that is believed.
const QUEUE_BYTES_MAX: usize = 512;
/// As many bytes as the names of all queues may have: DynamoDB keeps 400 KB in a row, and a row of
/// history holds settings twice, in JSON, where a character may take two.
const QUEUES_BYTES_MAX: usize = 80 * 1024;

/// What is to be changed; what is absent stays, or is as usual.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Where the platform is.
    pub place: Option<PlatformPlace>,
    /// The OAuth clients, in the place of those that there were.
    pub clients: Option<Vec<NewClient>>,
    /// An AudioHook key, or another secret of one.
    pub key: Option<NewKey>,
    /// When sessions ask for audio.
    pub listen: Option<Listen>,
    /// What they do on hold.
    pub on_hold: Option<OnHold>,
    /// The queues whose members are to be covered; empty for all.
    pub queues: Option<Vec<String>>,
    /// For how many days recordings are kept; 0 for as many as the deployment says.
    pub retention_days: Option<u16>,
}

/// An OAuth client with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct NewClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// An AudioHook key with a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its id, which is what `X-API-KEY` says.
    pub id: String,
    /// The secret, in base64.
    pub secret: String,
}

impl fmt::Debug for NewClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewClient").finish_non_exhaustive()
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").finish_non_exhaustive()
    }
}

impl Change {
    /// Returns the names of what is changed, for the log.
    pub(crate) fn names(&self) -> String {
        let all = [
            ("place", self.place.is_some()),
            ("clients", self.clients.is_some()),
            ("key", self.key.is_some()),
            ("listen", self.listen.is_some()),
            ("on_hold", self.on_hold.is_some()),
            ("queues", self.queues.is_some()),
            ("retention_days", self.retention_days.is_some()),
        ];
        let named = all.into_iter().filter(|(_, named)| *named).map(|(name, _)| name);
        named.collect::<Vec<_>>().join(", ")
    }

    /// Returns whether it names secrets.
    pub(crate) const fn has_secrets(&self) -> bool {
        self.key.is_some() || self.clients.is_some()
    }

    /// Returns the settings as they are to be: what was said, else what was there, else the
    /// usual.
    ///
    /// Errors: [`OrganizationsError::Field`] for the first field that cannot be.
    pub(crate) fn over(
        &self,
        id: OrganizationId,
        before: Option<Organization>,
    ) -> Result<Organization, OrganizationsError> {
        self.check(id)?;
        let mut settings = match (before, &self.place) {
            (Some(before), _) => before,
            (None, Some(place)) => Organization {
                id,
                platform: place.clone(),
                client_ids: Vec::new(),
                listen: Listen::default(),
                on_hold: OnHold::default(),
                queues: Vec::new(),
                retention_days: None,
            },
            (None, None) => {
                return Err(OrganizationsError::field("region", "a new organization needs one"));
            }
        };
        if let Some(place) = &self.place {
            settings.platform = place.clone();
        }
        if let Some(clients) = &self.clients {
            settings.client_ids = clients.iter().map(|client| client.id.clone()).collect();
        }
        if let Some(queues) = &self.queues {
            settings.queues.clone_from(queues);
        }
        if let Some(days) = self.retention_days {
            settings.retention_days = (days > 0).then_some(days);
        }
        settings.listen = self.listen.unwrap_or(settings.listen);
        settings.on_hold = self.on_hold.unwrap_or(settings.on_hold);
        Ok(settings)
    }

    fn check(&self, id: OrganizationId) -> Result<(), OrganizationsError> {
        let field = |name, reason: &str| OrganizationsError::field(name, reason);
        if id.uuid().is_nil() {
            return Err(field("organization", "nobody has the nil id"));
        }
        if let Some(place) = &self.place {
            let name = match place {
                PlatformPlace::Region(_) => "region",
                PlatformPlace::Hosts { .. } => "hosts",
            };
            Hosts::at(place).map_err(|error| field(name, &error.to_string()))?;
        }
        if let Some(clients) = &self.clients {
            check_clients(clients)?;
        }
        if let Some(key) = &self.key {
            check_key(id, key)?;
        }
        if let Some(days) = self.retention_days
            && days > 0
            && !Organization::RETENTION_DAYS.contains(&days)
        {
            let known = Organization::RETENTION_DAYS.map(|days| days.to_string()).join(", ");
            let reason = format!("it is 0, for as the deployment says, or one of {known}");
            return Err(field("retention_days", &reason));
        }
        if let Some(queues) = &self.queues {
            if queues.len() > QUEUES_MAX {
                return Err(field("queues", &format!("there may be {QUEUES_MAX} at most")));
            }
            if queues.iter().map(String::len).sum::<usize>() > QUEUES_BYTES_MAX {
                let reason = format!("their names may have {QUEUES_BYTES_MAX} bytes at most");
                return Err(field("queues", &reason));
            }
            if queues.iter().any(|queue| !is_text(queue, QUEUE_BYTES_MAX)) {
                return Err(field("queues", "each is a name or an id"));
            }
        }
        Ok(())
    }
}

fn check_clients(clients: &[NewClient]) -> Result<(), OrganizationsError> {
    let field = |reason: &str| Err(OrganizationsError::field("clients", reason));
    if clients.len() > CLIENTS_MAX {
        return field(&format!("there may be {CLIENTS_MAX} at most"));
    }
    let ids: BTreeSet<&str> = clients.iter().map(|client| client.id.as_str()).collect();
    if ids.len() < clients.len() {
        return field("two have the same id");
    }
    if clients.iter().map(|client| client.id.len() + client.secret.len()).sum::<usize>()
        > CLIENTS_BYTES_MAX
    {
        let reason = format!("their ids and secrets may have {CLIENTS_BYTES_MAX} bytes together");
        return field(&reason);
    }
    if clients.iter().any(|client| !is_text(&client.id, CLIENT_BYTES_MAX)) {
        return field("each has an id, on one line");
    }
    if clients.iter().any(|client| !is_text(&client.secret, CLIENT_BYTES_MAX)) {
        return field("each has a secret, on one line");
    }
    Ok(())
}

/// Makes sure that a door will take what is about to be stored.
fn check_key(id: OrganizationId, key: &NewKey) -> Result<(), OrganizationsError> {
    let refused = |error: String| OrganizationsError::field("key", error);
    let secret = Secret::from_base64(&key.secret).map_err(|error| refused(error.to_string()))?;
    if secret.bytes() < KEY_SECRET_BYTES_MIN {
        return Err(refused(format!(
            "its secret has {} bytes, and with fewer than {KEY_SECRET_BYTES_MIN} it can be \
             guessed: generate another with `sidetone secrets new`",
            secret.bytes()
        )));
    }
    let key_id = KeyId::new(key.id.as_str());
    ApiKey::new(key_id, vec![secret], [id], SignatureRule::Required)
        .map(drop)
        .map_err(|error| refused(error.to_string()))
}

fn is_text(text: &str, bytes_max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

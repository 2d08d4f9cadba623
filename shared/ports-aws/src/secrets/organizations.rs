//! The secrets of all organizations in the two secrets of a stack, where they are changed.

use std::sync::Arc;

use aws_config::SdkConfig;
use serde_json::{Map, Value, json};
use sidetone_model::OrganizationId;
use sidetone_ports::{OrganizationSecrets, SecretsError, StoreError, StoredClient, StoredKey};

use super::change::{ChangingSecret, Versions};
use super::document::{self, Stage};
use super::genesys;
use super::keys::stage_of;

/// Where the clients of organizations stand in the secret with the OAuth clients.
const ORGANIZATIONS: &str = "organizations";

/// OAuth clients and AudioHook keys of all organizations in Secrets Manager. Cheap to clone.
///
/// A key that is changed leaves a version that says all of it, with what the version before
/// still held good for others: two steps of one organization's rotation may lie around a
/// change of another's.
#[derive(Debug, Clone)]
pub struct ManagedSecrets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    keys: ChangingSecret,
    clients: ChangingSecret,
}

impl ManagedSecrets {
    pub(crate) fn new(config: &SdkConfig, keys: String, clients: String) -> Self {
        Self(Arc::new(Shared {
            keys: ChangingSecret::new(config, keys, "the secret with the AudioHook keys"),
            clients: ChangingSecret::new(config, clients, "the secret with the OAuth clients"),
        }))
    }

    async fn change_keys<T>(
        &self,
        edit: impl Fn(&mut Vec<StoredKey>) -> Result<T, SecretsError>,
    ) -> Result<T, SecretsError> {
        let change = |versions: &Versions| {
            let (current, mut keys) = read_keys(versions)?;
            let before = keys.clone();
            let edited = edit(&mut keys)?;
            if keys == before {
                return Ok((edited, None));
            }
            keys.sort_by(|one, other| one.key_id.cmp(&other.key_id));
            let text = document::write(&keys, &current).map_err(unwritable)?;
            Ok((edited, Some(text)))
        };
        self.0.keys.change(change).await
    }
}

impl OrganizationSecrets for ManagedSecrets {
    async fn clients(&self) -> Result<Vec<StoredClient>, StoreError> {
        let clients = genesys::parse(&self.0.clients.read().await?.current)?;
        let in_order = |mut clients: Vec<StoredClient>| {
            clients.sort_by(|one, other| one.client_id.cmp(&other.client_id));
            clients
        };
        Ok(clients.organizations.into_values().flat_map(in_order).collect())
    }

    async fn replace_clients(
        &self,
        organization: OrganizationId,
        clients: Vec<StoredClient>,
    ) -> Result<(), SecretsError> {
        let change = |versions: &Versions| {
            // Whatever else is in it stays.
            let mut document: Map<String, Value> =
                serde_json::from_str(&versions.current).map_err(|error| unreadable(&error))?;
            let before = document.clone();
            replace(&mut document, organization, &clients).map_err(|why| {
                StoreError::Unreadable { what: CLIENTS.to_owned(), source: why.into() }
            })?;
            let text = if document == before {
                None
            } else {
                Some(serde_json::to_string(&document).map_err(unwritable)?)
            };
            Ok(((), text))
        };
        self.0.clients.change(change).await
    }

    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        Ok(read_keys(&self.0.keys.read().await?)?.1)
    }

    async fn add_key(
        &self,
        organization: OrganizationId,
        key_id: &str,
        secret: &str,
    ) -> Result<StoredKey, SecretsError> {
        self.change_keys(|keys| StoredKey::add_secret(keys, organization, key_id, secret)).await
    }

    async fn remove_keys(&self, organization: OrganizationId) -> Result<usize, SecretsError> {
        self.change_keys(|keys| Ok(StoredKey::take_from(keys, organization))).await
    }
}

const CLIENTS: &str = "the OAuth clients";

/// Returns the current version, and every key that is good by both.
fn read_keys(versions: &Versions) -> Result<(Stage, Vec<StoredKey>), StoreError> {
    let current = stage_of("AWSCURRENT", &versions.current)?;
    let previous = match &versions.previous {
        Some(text) if !current.complete => stage_of("AWSPREVIOUS", text)?,
        Some(_) | None => Stage::default(),
    };
    let keys = document::join(&current, &previous).into_values().collect();
    Ok((current, keys))
}

/// Puts clients of an organization in the place of those that it had.
fn replace(
    document: &mut Map<String, Value>,
    organization: OrganizationId,
    clients: &[StoredClient],
) -> Result<(), &'static str> {
    const NO_OBJECT: &str = "\"organizations\" is no object";
    let id = organization.to_string();
    if clients.is_empty() {
        if let Some(all) = document.get_mut(ORGANIZATIONS) {
            all.as_object_mut().ok_or(NO_OBJECT)?.remove(&id);
        }
        return Ok(());
    }
    let client = |client: &StoredClient| json!({ "client_id": client.client_id, "client_secret": client.client_secret });
    let clients: Vec<Value> = clients.iter().map(client).collect();
    let all = document.entry(ORGANIZATIONS).or_insert_with(|| json!({}));
    all.as_object_mut().ok_or(NO_OBJECT)?.insert(id, json!({ "clients": clients }));
    Ok(())
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    // The parser's own words may quote a secret.
    let (line, column) = (error.line(), error.column());
    let why = format!("it is no JSON object, at line {line}, column {column}");
    StoreError::Unreadable { what: CLIENTS.to_owned(), source: why.into() }
}

fn unwritable(error: serde_json::Error) -> SecretsError {
    StoreError::unavailable("write a secret as JSON", error).into()
}

#[cfg(test)]
mod tests;

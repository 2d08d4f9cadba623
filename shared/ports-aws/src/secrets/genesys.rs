//! The OAuth clients with which the platform is asked.
//!
//! **Shape**: `{"client_id": "…", "client_secret": "…"}`, and for more than 10,000 agents beside
//! them `"more_clients": [{"client_id": "…", "client_secret": "…"}, …]`: the clients of the one
//! organization whose region stands in the settings. Those of organizations that are set up by
//! themselves stand beside or instead of them, under `"organizations": {"<uuid>": {"clients":
//! [{"client_id": "…", "client_secret": "…"}]}}`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::value::RawValue;
use sidetone_model::OrganizationId;
use sidetone_ports::{
    ClientSource, ConfiguredClient, KnownClients, StoreError, StoredClient, chain,
};
use tokio::sync::Mutex;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Secret, SecretFault};

/// How long clients that were read are believed; who is refused asks for fresh ones.
const LIFE: Duration = Duration::from_secs(60);

/// The stage that holds; a client has no two secrets that are good at a time.
const STAGE: &str = "AWSCURRENT";

const ACTION: &str = "read the secret with the OAuth clients";

/// A secret, which never prints and leaves nothing behind.
#[derive(Clone, PartialEq, Eq, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Returns the secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// An OAuth client of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GenesysClient {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
    /// Further clients of the same organization; they have no further ones.
    #[serde(default)]
    pub more_clients: Vec<MoreGenesysClient>,
}

/// One more OAuth client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MoreGenesysClient {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
}

/// All OAuth clients of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenesysClients {
    /// The one of the settings' region, if one was entered.
    pub configured: Option<GenesysClient>,
    /// Those of organizations that are set up by themselves, in their order.
    pub organizations: BTreeMap<OrganizationId, Vec<StoredClient>>,
}

/// Where the OAuth clients are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GenesysSecret(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    secret: Secret,
    /// Held by the one who reads; those who come meanwhile take what was read.
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    clients: GenesysClients,
    /// By the wall clock: a monotonic one stands still while a Lambda is frozen.
    read_at: SystemTime,
}

impl GenesysSecret {
    pub(crate) fn new(config: &SdkConfig, id: String) -> Self {
        let secret = Secret::new(config, id);
        Self(Arc::new(Shared { secret, known: Mutex::default() }))
    }

    /// Returns the clients as they were read a minute ago at most; while the service is down, as
    /// they were read last.
    ///
    /// Errors: [`StoreError::Unavailable`] if they cannot be read, [`StoreError::Unreadable`] if
    /// the secret is something else.
    pub async fn clients(&self) -> Result<GenesysClients, StoreError> {
        let mut known = self.0.known.lock().await;
        if let Some(known) = known.as_ref()
            && known.read_at.elapsed().is_ok_and(|age| age < LIFE)
        {
            return Ok(known.clients.clone());
        }
        match self.read(&mut known).await {
            Err(error @ StoreError::Unavailable { .. }) => {
                let Some(last) = known.as_ref() else { return Err(error) };
                tracing::warn!(error = chain(&error), "no OAuth clients are read; the last hold");
                Ok(last.clients.clone())
            }
            read => read,
        }
    }

    async fn read(&self, known: &mut Option<Known>) -> Result<GenesysClients, StoreError> {
        let read_at = SystemTime::now();
        let text = self.0.secret.text(STAGE).await.map_err(|fault| {
            // That is an answer, and not that the service is down.
            if matches!(fault, SecretFault::Absent { .. } | SecretFault::Binary) {
                *known = None;
            }
            StoreError::unavailable(ACTION, fault)
        })?;
        let clients = parse(&Zeroizing::new(text))?;
        *known = Some(Known { clients: clients.clone(), read_at });
        Ok(clients)
    }
}

impl ClientSource for GenesysSecret {
    async fn known_clients(&self, afresh: bool) -> Result<KnownClients, StoreError> {
        let known = if afresh {
            self.read(&mut *self.0.known.lock().await).await?
        } else {
            self.clients().await?
        };
        let GenesysClients { configured, organizations } = known;
        let client = |client_id, secret: &SecretText| {
            let client_secret = secret.reveal().to_owned();
            ConfiguredClient { client_id, client_secret }
        };
        let configured = configured.into_iter().flat_map(|first| {
            let more = first.more_clients.into_iter();
            let more = more.map(|more| client(more.client_id, &more.client_secret));
            std::iter::once(client(first.client_id, &first.client_secret)).chain(more)
        });
        let organizations = organizations.into_values().flatten().collect();
        Ok(KnownClients { configured: configured.collect(), organizations })
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    #[serde(default)]
    more_clients: Vec<MoreGenesysClient>,
    #[serde(borrow, default)]
    organizations: BTreeMap<OrganizationId, &'a RawValue>,
}

#[derive(Deserialize)]
struct OrganizationEntry {
    clients: Vec<MoreGenesysClient>,
}

pub(super) fn parse(text: &str) -> Result<GenesysClients, StoreError> {
    // The parser's own words may quote a secret; where it stopped is enough.
    let unreadable = |expected: &str, line: usize, column: usize| StoreError::Unreadable {
        what: "the OAuth clients".into(),
        source: format!("it is not {expected} at line {line}, column {column}").into(),
    };
    let document: Document<'_> = serde_json::from_str(text)
        .map_err(|error| unreadable(SHAPE, error.line(), error.column()))?;
    let configured = match (document.client_id, document.client_secret) {
        (Some(client_id), Some(client_secret)) => {
            Some(GenesysClient { client_id, client_secret, more_clients: document.more_clients })
        }
        (None, None) if !document.organizations.is_empty() => None,
        (_, _) => return Err(unreadable(SHAPE, 1, 1)),
    };
    // As the template makes it, for somebody to fill in.
    let configured = configured.filter(|client| !client.client_id.is_empty());
    let mut organizations = BTreeMap::new();
    for (id, entry) in document.organizations {
        // One organization's bad entry is no other's affair.
        match serde_json::from_str::<OrganizationEntry>(entry.get()) {
            Ok(entry) => drop(organizations.insert(id, stored(id, &entry.clients))),
            Err(error) => {
                let error = unreadable("{\"clients\": […]}", error.line(), error.column());
                let problem = sidetone_ports::chain(&error);
                tracing::error!(organization = %id, problem, "its OAuth clients are left out");
            }
        }
    }
    Ok(GenesysClients { configured, organizations })
}

const SHAPE: &str = "{\"client_id\": \"…\", \"client_secret\": \"…\"} or {\"organizations\": {…}}";

fn stored(organization: OrganizationId, clients: &[MoreGenesysClient]) -> Vec<StoredClient> {
    let stored = |client: &MoreGenesysClient| StoredClient {
        organization,
        client_id: client.client_id.clone(),
        client_secret: client.client_secret.reveal().to_owned(),
    };
    clients.iter().map(stored).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Answer, Fake};

    const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000001";

    fn configured(text: &str) -> GenesysClient {
        parse(text).unwrap().configured.unwrap()
    }

    #[test]
    fn a_client_is_read_and_its_secret_never_printed() {
        let client = configured(r#"{"client_id": "id", "client_secret": "hush"}"#);
        assert_eq!((client.client_id.as_str(), client.client_secret.reveal()), ("id", "hush"));
        assert!(!format!("{client:?}").contains("hush"));
    }

    #[test]
    fn further_clients_may_stand_beside_the_first() {
        let text = r#"{"client_id": "id", "client_secret": "hush",
                       "more_clients": [{"client_id": "id2", "client_secret": "hush2"}]}"#;
        let client = configured(text);
        let [second] = &client.more_clients[..] else { panic!("one more") };
        assert_eq!((second.client_id.as_str(), second.client_secret.reveal()), ("id2", "hush2"));
        assert!(!format!("{client:?}").contains("hush"));
        let alone = configured(r#"{"client_id": "i", "client_secret": "h"}"#);
        assert_eq!(alone.more_clients, []);
    }

    #[test]
    fn organizations_have_their_own_beside_it_or_instead() {
        let entries = format!(
            r#""organizations": {{
                "{ORGANIZATION}": {{"clients": [{{"client_id": "a", "client_secret": "hush"}}]}},
                "00000000-0000-4000-8000-000000000002": {{"clients": "hush"}}
            }}"#
        );
        let both = format!(r#"{{"client_id": "id", "client_secret": "h", {entries}}}"#);
        let alone = format!("{{{entries}}}");
        let empty = format!(r#"{{"client_id": "", "client_secret": "", {entries}}}"#);
        for (text, is_configured) in [(both, true), (alone, false), (empty, false)] {
            let clients = parse(&text).unwrap();
            assert_eq!(clients.configured.is_some(), is_configured);
            let id: OrganizationId = ORGANIZATION.parse().unwrap();
            let ids: Vec<_> = clients.organizations.keys().collect();
            assert_eq!(ids, [&id], "a bad entry is left out, and alone");
            let [client] = &clients.organizations[&id][..] else { panic!("one") };
            assert_eq!((client.client_id.as_str(), client.client_secret.as_str()), ("a", "hush"));
            assert!(!format!("{clients:?}").contains("hush"));
        }
    }

    #[test]
    fn what_is_no_client_is_not_quoted() {
        for text in [
            "hush",
            r#"{"client_id": "id", "client_secret": ["hush"]}"#,
            r#"{"client_id": "hush"}"#,
            r#"{"hush": 1}"#,
            r#"{"organizations": {"hush": {}}}"#,
        ] {
            let error = parse(text).unwrap_err();
            let words = sidetone_ports::chain(&error);
            assert!(!format!("{words} {error:?}").contains("hush"), "{error:?}");
        }
    }

    /// A service that answers so in turn, and where the secret is read from it.
    async fn served(answers: &'static [fn() -> Answer]) -> (Fake, GenesysSecret) {
        let last = answers.len() - 1;
        let fake = Fake::start(move |_, before| answers[before.min(last)]()).await;
        let secret = GenesysSecret::new(&fake.config, "clients".into());
        (fake, secret)
    }

    fn entered() -> Answer {
        let text = r#"{"client_id": "id", "client_secret": "hush"}"#;
        Answer::Done(json!({"ARN": "arn", "Name": "clients", "SecretString": text}).to_string())
    }

    fn denied() -> Answer {
        Answer::Error(400, "AccessDeniedException")
    }

    fn deleted() -> Answer {
        Answer::Error(400, "ResourceNotFoundException")
    }

    /// Lets what is known grow old.
    async fn age(secret: &GenesysSecret) {
        secret.0.known.lock().await.as_mut().unwrap().read_at -= LIFE;
    }

    #[tokio::test]
    async fn what_was_read_is_believed_for_a_minute_and_read_afresh_on_demand() {
        let (fake, secret) = served(&[entered]).await;
        let (first, second) = tokio::join!(secret.clients(), secret.clients());
        assert_eq!(first.unwrap(), second.unwrap());
        assert_eq!(fake.asked().len(), 1);
        assert_eq!(secret.known_clients(true).await.unwrap().configured.len(), 1);
        assert_eq!(fake.asked().len(), 2);
        age(&secret).await;
        secret.clients().await.unwrap();
        assert_eq!(fake.asked().len(), 3);
    }

    #[tokio::test]
    async fn what_was_read_last_holds_while_it_cannot_be_read_but_not_once_it_is_gone() {
        let (_fake, secret) = served(&[entered, denied, denied, deleted, denied]).await;
        let known = secret.clients().await.unwrap();
        age(&secret).await;
        assert_eq!(secret.clients().await.unwrap(), known);
        assert!(secret.known_clients(true).await.is_err(), "whoever wants it fresh is told");
        assert!(secret.clients().await.is_err(), "there is no such secret");
        assert!(secret.clients().await.is_err(), "nor is it remembered");
    }
}

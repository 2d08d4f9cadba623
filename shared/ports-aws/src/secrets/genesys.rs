//! The OAuth client with which the platform is asked.
//!
//! **Shape**: `{"client_id": "…", "client_secret": "…"}`, and for more than 10,000 agents beside
//! them `"more_clients": [{"client_id": "…", "client_secret": "…"}, …]`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use serde::Deserialize;
use sidetone_ports::StoreError;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Fetch, Secret};

/// How long a client that was read is believed; who is refused asks for a fresh one.
const LIFE: Duration = Duration::from_secs(300);

/// The stage that holds; a client has no two secrets that are good at a time.
const STAGE: &str = "AWSCURRENT";

const ACTION: &str = "read the secret with the OAuth client";

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

/// Where the OAuth client is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GenesysSecret(Arc<Secret>);

impl GenesysSecret {
    pub(crate) fn new(config: &SdkConfig, id: String) -> Self {
        Self(Arc::new(Secret::new(config, id, LIFE)))
    }

    /// Returns the client as it was read a few minutes ago at most.
    ///
    /// Errors: [`StoreError::Unavailable`] if it cannot be read, [`StoreError::Unreadable`] if it
    /// is something else.
    pub async fn client(&self) -> Result<GenesysClient, StoreError> {
        self.read(Fetch::IfOld).await
    }

    /// Returns the client past any memory: the platform has refused the one that was known.
    ///
    /// Errors: as [`GenesysSecret::client`].
    pub async fn fresh_client(&self) -> Result<GenesysClient, StoreError> {
        self.read(Fetch::Always).await
    }

    async fn read(&self, fetch: Fetch) -> Result<GenesysClient, StoreError> {
        let mut text = self
            .0
            .text(STAGE, fetch)
            .await
            .map_err(|fault| StoreError::unavailable(ACTION, fault))?;
        let client = parse(&text);
        text.zeroize();
        client
    }
}

fn parse(text: &str) -> Result<GenesysClient, StoreError> {
    // The parser's own words may quote the secret; where it stopped is enough.
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable {
        what: "the OAuth client".into(),
        source: format!(
            "it is not {{\"client_id\": \"…\", \"client_secret\": \"…\"}} at line {}, column {}",
            error.line(),
            error.column()
        )
        .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_read_and_its_secret_never_printed() {
        let client = parse(r#"{"client_id": "id", "client_secret": "hush"}"#).unwrap();
        assert_eq!((client.client_id.as_str(), client.client_secret.reveal()), ("id", "hush"));
        assert!(!format!("{client:?}").contains("hush"));
    }

    #[test]
    fn further_clients_may_stand_beside_the_first() {
        let text = r#"{"client_id": "id", "client_secret": "hush",
                       "more_clients": [{"client_id": "id2", "client_secret": "hush2"}]}"#;
        let client = parse(text).unwrap();
        let [second] = &client.more_clients[..] else { panic!("one more") };
        assert_eq!((second.client_id.as_str(), second.client_secret.reveal()), ("id2", "hush2"));
        assert!(!format!("{client:?}").contains("hush"));
        assert_eq!(parse(r#"{"client_id": "i", "client_secret": "h"}"#).unwrap().more_clients, []);
    }

    #[test]
    fn what_is_no_client_is_not_quoted() {
        for text in ["hush", r#"{"client_id": "id", "client_secret": ["hush"]}"#, r#"{"hush": 1}"#]
        {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }
}

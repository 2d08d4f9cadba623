//! The configuration file, checked as a whole before anything starts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sidetone_model::{Listen, OnHold, OrganizationId};

use crate::limits::LimitsConfig;

/// Everything that can be set; every part has a default but [`GenesysConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port of the door.
    pub listen: SocketAddr,
    /// Where state, stream and recordings lie.
    pub data: PathBuf,
    /// The door and what it listens to.
    pub audiohook: AudioHookConfig,
    /// Where call events come from; without it nobody is matched.
    pub genesys: Option<GenesysConfig>,
    /// The embedded stream.
    pub stream: StreamConfig,
    /// The users API; without it there is none.
    pub api: Option<ApiConfig>,
    /// Limits of connections per source.
    pub limits: LimitsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("data"),
            audiohook: AudioHookConfig::default(),
            genesys: None,
            stream: StreamConfig::default(),
            api: None,
            limits: LimitsConfig::default(),
        }
    }
}

/// The door and what it listens to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioHookConfig {
    /// `matched`, `ready` or `always`.
    pub listen: Listen,
    /// `keep` or `pause`.
    pub on_hold: OnHold,
    /// How many sessions at once; one more is told to come back.
    pub sessions_max: usize,
    /// How long running calls may go on after the process was told to end. Seconds.
    pub drain_seconds: u64,
    /// Whether nonces are remembered beyond this process.
    pub shared_nonces: bool,
    /// The host, and port if it is not 443, that Genesys dials; needed where a proxy rewrites
    /// `Host`, as the signature covers it.
    pub public_authority: Option<String>,
    /// What a proxy takes off the front of the path that Genesys dials.
    pub public_path_prefix: Option<String>,
}

impl Default for AudioHookConfig {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            on_hold: OnHold::default(),
            sessions_max: 10_000,
            drain_seconds: 110,
            shared_nonces: true,
            public_authority: None,
            public_path_prefix: None,
        }
    }
}

/// A Genesys organization's platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesysConfig {
    /// The region as people write it: `usw2`, `us-west-2`, `mypurecloud.de`, …
    #[serde(default)]
    pub region: Option<String>,
    /// Explicit hosts instead of a region: for a simulated platform.
    #[serde(default)]
    pub hosts: Option<GenesysHosts>,
    /// The OAuth client's id.
    pub client_id: String,
    /// The OAuth client's secret; better kept in a file or in the environment.
    #[serde(default)]
    pub client_secret: Option<SecretText>,
    /// A file that holds the secret alone.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Further OAuth clients of the same organization, for more than 10,000 agents.
    #[serde(default)]
    pub more_clients: Vec<MoreClient>,
}

/// One more OAuth client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoreClient {
    /// Its id.
    pub client_id: String,
    /// Its secret; better kept in a file.
    #[serde(default)]
    pub client_secret: Option<SecretText>,
    /// A file that holds the secret alone.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
}

/// Where a platform answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesysHosts {
    /// The base of `/oauth/token`.
    pub login: String,
    /// The base of `/api/v2`.
    pub api: String,
}

/// The embedded stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// How long records are kept. Hours.
    pub retention_hours: u32,
}

impl Default for StreamConfig {
    fn default() -> Self {
        // As Kinesis by default.
        Self { retention_hours: 24 }
    }
}

/// The users API of `sidetone run`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Its address and port.
    pub listen: SocketAddr,
    /// Whose users callers on this machine see, where there are no tokens.
    pub organization: Option<OrganizationId>,
    /// Who is let in; without any, whoever is on this machine.
    pub tokens: Vec<ApiTokenConfig>,
    /// Names under which it is reached besides those of this machine, where there are no tokens.
    pub hosts: Vec<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            organization: None,
            tokens: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

/// A token of the users API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenConfig {
    /// The name under which its changes stand in the history.
    pub name: String,
    /// Whose users it reaches, and whose settings.
    pub organization: Option<OrganizationId>,
    /// Whether it reaches the settings of all organizations, and nobody's users.
    #[serde(default)]
    pub operator: bool,
    /// A file that holds the token alone.
    pub token_file: PathBuf,
}

impl ApiTokenConfig {
    /// Reads the token.
    ///
    /// Errors: [`ConfigError`] if the file cannot be read.
    pub fn secret(&self) -> Result<SecretText, ConfigError> {
        let text = std::fs::read_to_string(&self.token_file)
            .map_err(|source| ConfigError::Read { path: self.token_file.clone(), source })?;
        Ok(SecretText(text.trim().to_owned()))
    }
}

/// A secret, which never prints.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

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

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a configuration.
    #[error("{} is not a valid configuration", path.display())]
    Parse {
        /// Which one.
        path: PathBuf,
        /// Where, and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A field's value cannot be.
    #[error("{field}: {problem}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// The variable that may hold the OAuth client's secret.
const SECRET_VARIABLE: &str = "SIDETONE_GENESYS_CLIENT_SECRET";

impl Config {
    /// Reads and checks a file.
    ///
    /// Errors: [`ConfigError`], which names the file, the line or the field.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config = Self::parse(&text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source })?;
        config.check()?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, Box<toml::de::Error>> {
        toml::from_str(text).map_err(Box::new)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |field, problem: &str| Err(ConfigError::Value { field, problem: problem.to_owned() });
        if self.audiohook.sessions_max == 0 {
            return wrong("audiohook.sessions_max", "must be at least 1");
        }
        if self.stream.retention_hours == 0 {
            return wrong("stream.retention_hours", "must be at least 1");
        }
        if let Some(genesys) = &self.genesys {
            match (&genesys.region, &genesys.hosts) {
                (None, None) => return wrong("genesys.region", "is missing, such as \"usw2\""),
                (Some(_), Some(_)) => {
                    return wrong("genesys.hosts", "cannot stand beside genesys.region");
                }
                (Some(_), None) | (None, Some(_)) => {}
            }
            let mut ids = BTreeSet::from([genesys.client_id.as_str()]);
            if !genesys.more_clients.iter().all(|client| ids.insert(client.client_id.as_str())) {
                return wrong("genesys.more_clients.client_id", "is there twice");
            }
        }
        Ok(())
    }
}

impl GenesysConfig {
    /// Returns the client's secret: from the environment, else from the file, else as it
    /// stands in the configuration.
    ///
    /// Errors: [`ConfigError`] if there is none, or the file cannot be read.
    pub fn secret(&self) -> Result<SecretText, ConfigError> {
        if let Ok(text) = std::env::var(SECRET_VARIABLE) {
            return Ok(SecretText(text));
        }
        written(self.client_secret_file.as_deref(), self.client_secret.as_ref())?.ok_or_else(|| {
            ConfigError::Value {
                field: "genesys.client_secret_file",
                problem: format!("is missing; name a file, or set {SECRET_VARIABLE}"),
            }
        })
    }
}

impl MoreClient {
    /// Returns the client's secret: from the file, else as it stands in the configuration.
    ///
    /// Errors: [`ConfigError`] if there is none, or the file cannot be read.
    pub fn secret(&self) -> Result<SecretText, ConfigError> {
        let found = written(self.client_secret_file.as_deref(), self.client_secret.as_ref())?;
        found.ok_or_else(|| ConfigError::Value {
            field: "genesys.more_clients.client_secret_file",
            problem: format!("is missing for client {}; name a file", self.client_id),
        })
    }
}

fn written(
    file: Option<&Path>,
    text: Option<&SecretText>,
) -> Result<Option<SecretText>, ConfigError> {
    let Some(path) = file else { return Ok(text.cloned()) };
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Ok(Some(SecretText(text.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_whole_file_is_read() {
        let config = Config::parse(
            r#"
            listen = "0.0.0.0:9000"
            data = "/var/lib/sidetone"
            [audiohook]
            listen = "ready"
            on_hold = "pause"
            public_authority = "audio.example.net"
            [genesys]
            region = "usw2"
            client_id = "0f0e0d0c-0b0a-4908-8706-050403020100"
            client_secret = "very secret"
            [stream]
            retention_hours = 48
            [api]
            listen = "0.0.0.0:8090"
            [[api.tokens]]
            name = "portal"
            organization = "0f0e0d0c-0b0a-4908-8706-050403020100"
            token_file = "/etc/sidetone/portal-token"
            "#,
        )
        .unwrap();
        assert_eq!(config.audiohook.listen, Listen::Ready);
        assert_eq!(config.stream.retention_hours, 48);
        assert_eq!(config.api.as_ref().unwrap().tokens[0].name, "portal");
        assert!(!format!("{config:?}").contains("very secret"));
    }

    #[test]
    fn further_clients_have_secrets_and_names_of_their_own() {
        let text = "[genesys]\nregion = \"usw2\"\nclient_id = \"a\"\n";
        let more = |id: &str| {
            let text = format!("{text}[[genesys.more_clients]]\nclient_id = {id:?}\n");
            Config::parse(&text).unwrap()
        };
        let config = more("b");
        config.check().unwrap();
        let client = &config.genesys.unwrap().more_clients[0];
        let error = client.secret().unwrap_err().to_string();
        assert!(error.contains("more_clients.client_secret_file") && error.contains("client b"));
        let hush = MoreClient { client_secret: Some(SecretText::new("hush")), ..client.clone() };
        assert_eq!(hush.secret().unwrap().reveal(), "hush");
        assert!(!format!("{hush:?}").contains("hush"));
        assert!(more("a").check().unwrap_err().to_string().contains("is there twice"));
    }

    #[test]
    fn what_is_unknown_is_named() {
        let error = Config::parse("[audiohook]\nlissen = \"ready\"").unwrap_err().to_string();
        assert!(error.contains("lissen"), "{error}");
    }

    #[test]
    fn a_region_or_hosts_but_not_both() {
        for text in [
            "[genesys]\nclient_id = \"a\"",
            "[genesys]\nclient_id = \"a\"\nregion = \"usw2\"\nhosts = { login = \"a\", api = \"b\" }",
        ] {
            assert!(Config::parse(text).unwrap().check().is_err(), "{text}");
        }
    }
}

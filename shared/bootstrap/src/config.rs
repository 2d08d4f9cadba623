//! The configuration file, checked as a whole before anything starts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};
use sidetone_model::{Listen, OnHold, OrganizationId, public_authority};

use crate::limits::LimitsConfig;

/// Everything that can be set; every part has a default but [`GenesysConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address and port of the door.
    #[serde(deserialize_with = "address")]
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
    #[serde(deserialize_with = "address")]
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
        Ok(SecretText(read_secret(&self.token_file)?.trim().to_owned()))
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
    /// The file is not a configuration. Its text is left out: it may hold a secret.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
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
        let mut config = Self::parse(&text).map_err(|error| unreadable(path, &text, &error))?;
        if let Some(text) = &mut config.audiohook.public_authority {
            *text = public_authority(text).map_err(|error| ConfigError::Value {
                field: "audiohook.public_authority",
                problem: error.to_string(),
            })?;
        }
        if let Some(text) = config.audiohook.public_path_prefix.take() {
            config.audiohook.public_path_prefix = path_prefix(&text)?;
        }
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
            if genesys.client_id.trim().is_empty() {
                return wrong("genesys.client_id", "is empty");
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
        if let Some(text) = trimmed(std::env::var(SECRET_VARIABLE).ok()) {
            return Ok(text);
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

/// Returns the address and port that a process listens on; `localhost` is 127.0.0.1.
///
/// Errors: a text with the value and an example.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim();
    let numeric = match bare.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => bare.to_owned(),
    };
    numeric.parse().map_err(|_| {
        format!(
            "{text:?} is not an IP address and a port; expected for example 127.0.0.1:8080, or \
             0.0.0.0:8080 to listen on every interface"
        )
    })
}

fn address<'de, D: Deserializer<'de>>(input: D) -> Result<SocketAddr, D::Error> {
    listen_address(&String::deserialize(input)?).map_err(de::Error::custom)
}

/// Returns what a proxy removes from the front of a path; nothing if that is nothing.
fn path_prefix(text: &str) -> Result<Option<String>, ConfigError> {
    let bare = text.trim().trim_end_matches('/');
    let is_path = bare.starts_with('/') && !bare.starts_with("//");
    let is_plain = bare.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if bare.is_empty() || (is_path && is_plain) {
        return Ok((!bare.is_empty()).then(|| bare.to_owned()));
    }
    Err(ConfigError::Value {
        field: "audiohook.public_path_prefix",
        problem: format!("{text:?} is not the beginning of a path, such as \"/telephony\""),
    })
}

/// Reads a file that holds a secret alone, and logs a warning if others may read it.
fn read_secret(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let (path, mode) = (path.display(), format_args!("{mode:03o}"));
        tracing::warn!(%path, %mode, "secret file is readable by other users, run chmod 600 on it");
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn written(
    file: Option<&Path>,
    text: Option<&SecretText>,
) -> Result<Option<SecretText>, ConfigError> {
    let Some(path) = file else {
        return Ok(trimmed(text.map(|text| text.0.clone())));
    };
    Ok(trimmed(Some(read_secret(path)?)))
}

/// Returns a secret without the white space that editors and shells leave around it; nothing if
/// that is all there is.
fn trimmed(text: Option<String>) -> Option<SecretText> {
    let text = text?.trim().to_owned();
    (!text.is_empty()).then_some(SecretText(text))
}

/// Returns a message of the parser that names keys and types only; nothing if it is another one.
fn without_value(message: &str) -> Option<String> {
    if message.starts_with("unknown field `") || message.starts_with("missing field `") {
        return Some(message.to_owned());
    }
    let found = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))?;
    let (kind, _) = found.split_once([' ', ',']).unwrap_or((found, ""));
    let (_, expected) = found.rsplit_once(", expected ")?;
    Some(format!("found {kind}, expected {expected}"))
}

fn unreadable(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
    let message = error.message().trim_end();
    let is_secret = text.lines().nth(line - 1).is_some_and(|line| line.contains("secret"));
    let problem = match (without_value(message), is_secret) {
        (Some(shown), _) => shown,
        (None, true) => "is not valid TOML (the line is not shown, as it may hold a secret)".into(),
        (None, false) => message.to_owned(),
    };
    ConfigError::Parse { path: path.to_owned(), line, column, problem }
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
    fn a_broken_file_is_named_by_line_and_column_without_its_text() {
        let path = Path::new("sidetone.toml");
        for text in [
            "[genesys]\nclient_secret = \"hush hush\nregion = \"usw2\"",
            "[genesys]\nclient_secret = hush",
            "[genesys]\nclient_id = \"a\"\nclient_secret = [\"hush\"]",
            "[genesys]\nclient_id = \"a\"\nclient_secret = 4711 # hush",
            "genesys = \"hush\"",
            "genesys = \"hush, expected nothing\"",
            "[api]\ntokens = [\"hush\"]",
            "[api]\ntokens = [\n \"hush\"\n]",
        ] {
            let error = Config::parse(text).unwrap_err();
            let error = unreadable(path, text, &error).to_string();
            assert!(error.starts_with("sidetone.toml:"), "{error}");
            assert!(!error.contains("hush") && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn misspelt_key_of_a_secret_is_named() {
        let text = "[genesys]\nclientsecret = \"hush\"";
        let error = unreadable(Path::new("a"), text, &Config::parse(text).unwrap_err()).to_string();
        assert!(error.starts_with("a:2:1: unknown field `clientsecret`"), "{error}");
    }

    #[test]
    fn listen_address_is_localhost_or_numeric_or_refused_with_an_example() {
        let config = Config::parse("listen = \"localhost:8080\"\n[api]\nlisten = \"[::1]:1\"");
        let config = config.unwrap();
        assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert!(config.api.unwrap().listen.is_ipv6());
        for text in ["8080", ":8080", "127.0.0.1", "127.0.0.1:99999", "calls.example.net:80", ""] {
            let error = listen_address(text).unwrap_err();
            assert!(error.contains("example 127.0.0.1:8080"), "{error}");
            let error = Config::parse(&format!("listen = {text:?}")).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn path_prefix_is_the_beginning_of_a_path() {
        assert_eq!(path_prefix("/a/").unwrap().as_deref(), Some("/a"));
        assert_eq!((path_prefix("").unwrap(), path_prefix("/").unwrap()), (None, None));
        for text in ["calls", "https://calls.example.net/a", "//a", "/a?b", "/a b"] {
            let error = path_prefix(text).unwrap_err().to_string();
            assert!(error.contains("such as \"/telephony\""), "{error}");
        }
    }

    #[test]
    fn a_secret_is_trimmed_and_an_empty_one_is_none() {
        let reveal = |text: &str| trimmed(Some(text.to_owned())).map(|it| it.reveal().to_owned());
        assert_eq!(reveal(" hush\r\n").as_deref(), Some("hush"));
        assert_eq!((reveal(""), reveal("\n")), (None, None));
        assert_eq!(trimmed(None), None);
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

//! Settings from the environment: read once, each checked when it is asked for.
//!
//! An error names the variable and says what it should be; it quotes the value only where that
//! cannot be a secret.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};
use sidetone_model::{Listen, OnHold, PlatformPlace};

/// What every variable of ours begins with.
const PREFIX: &str = "SIDETONE_";
/// What Lambda calls the function.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// How long the tracker holds its sockets: a Lambda lives 15 minutes at most, and the last
/// minute belongs to the hand-over.
const HOLD: Duration = Duration::from_secs(840);
/// As much as the hold may be.
const HOLD_MAX: Duration = Duration::from_secs(870);
/// Sessions of one task; more are told to come back.
const SESSIONS_MAX: usize = 2_000;
/// Below the 120 s that Fargate leaves a task after SIGTERM.
const DRAIN: Duration = Duration::from_secs(110);
/// The port behind the load balancer.
const PORT: u16 = 8080;

/// The settings of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Environment(Arc<BTreeMap<String, String>>);

/// A setting that is missing, or is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// It is not set.
    #[error("{variable} is not set; it should be {expected}")]
    Missing {
        /// Which one.
        variable: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It is set to something else.
    #[error("{variable} is {got:?}; it should be {expected}")]
    Wrong {
        /// Which one.
        variable: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
}

/// Whether a long-lived process also tracks calls, in turn with whoever else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tracking {
    /// It does.
    Enabled,
    /// It does not: others do.
    #[default]
    Disabled,
}

/// Whether media is taken as base64 in text messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextMedia {
    /// It is.
    Enabled,
    /// A real call is accepted without audio.
    #[default]
    Disabled,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        // Not `vars`, which panics on what is no text.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let ours = name.starts_with(PREFIX) || name == FUNCTION_NAME;
            ours.then(|| (name, value.to_string_lossy().into_owned()))
        });
        Self(Arc::new(variables.collect()))
    }

    /// Takes the given variables instead, for tests and for other processes' settings.
    pub fn of<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(Arc::new(variables.collect()))
    }

    /// Returns what this process is called: `SIDETONE_NAME`, else the function's name.
    pub fn name(&self) -> Option<&str> {
        self.optional("SIDETONE_NAME").or_else(|| self.optional(FUNCTION_NAME))
    }

    /// Returns the log filter: `SIDETONE_LOG`, else `info`.
    pub fn log_filter(&self) -> &str {
        self.optional("SIDETONE_LOG").unwrap_or("info")
    }

    /// Returns the name of the table of calls.
    pub fn calls_table(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_CALLS_TABLE", "the name of the DynamoDB table of calls")
    }

    /// Returns the name of the table of users.
    pub fn users_table(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_USERS_TABLE", "the name of the DynamoDB table of users")
    }

    /// Returns the name of the table of nonces and leases.
    pub fn tracker_table(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_TRACKER_TABLE", "the name of the DynamoDB table of nonces and leases")
    }

    /// Returns the name of the stream.
    pub fn stream(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_STREAM", "the name of the Kinesis stream")
    }

    /// Returns the ARN of the secret that holds the AudioHook keys.
    pub fn keys_secret(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_KEYS_SECRET", "the ARN of the secret with the AudioHook keys")
    }

    /// Returns the ARN of the secret that holds the OAuth clients.
    pub fn genesys_secret(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_GENESYS_SECRET", "the ARN of the secret with the OAuth clients")
    }

    /// Returns the bucket of recordings.
    pub fn recordings_bucket(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_RECORDINGS_BUCKET", "the name of the S3 bucket of recordings")
    }

    /// Returns the bucket of files of users.
    pub fn user_files_bucket(&self) -> Result<&str, EnvironmentError> {
        self.text("SIDETONE_USERS_BUCKET", "the name of the S3 bucket of files of users")
    }

    /// Returns the claim of a token that names its organization.
    pub fn organization_claim(&self) -> Result<&str, EnvironmentError> {
        let expected = "the name of the claim that holds the organization's id";
        self.text("SIDETONE_ORGANIZATION_CLAIM", expected)
    }

    /// Returns where the Genesys platform answers: explicit hosts, else a region.
    pub fn genesys(&self) -> Result<PlatformPlace, EnvironmentError> {
        const HOST: &str = "the base URL of a platform (the other of SIDETONE_GENESYS_LOGIN and \
                            SIDETONE_GENESYS_API is set)";
        let login = self.optional("SIDETONE_GENESYS_LOGIN");
        let api = self.optional("SIDETONE_GENESYS_API");
        if login.is_none() && api.is_none() {
            let expected = "a Genesys Cloud region such as usw2 or mypurecloud.de";
            let region = self.text("SIDETONE_GENESYS_REGION", expected)?;
            return Ok(PlatformPlace::Region(region.to_owned()));
        }
        let host = |variable| self.checked(variable, HOST, is_http).map(str::to_owned);
        Ok(PlatformPlace::Hosts {
            login: host("SIDETONE_GENESYS_LOGIN")?,
            api: host("SIDETONE_GENESYS_API")?,
        })
    }

    /// Returns the URL that Genesys signs on the API Gateway door.
    pub fn public_url(&self) -> Result<&str, EnvironmentError> {
        let expected = "the URL that Genesys dials, such as wss://host/stage, without a query";
        self.checked("SIDETONE_PUBLIC_URL", expected, |text| {
            let socket = ["wss://", "ws://"].iter().any(|scheme| rest_of(text, scheme).is_some());
            socket && !text.contains(['?', '#'])
        })
    }

    /// Returns the host, and port if it is not 443, that Genesys dials on the long-lived door.
    ///
    /// Errors: [`EnvironmentError::Wrong`] if it is no host.
    pub fn public_authority(&self) -> Result<Option<String>, EnvironmentError> {
        let variable = "SIDETONE_PUBLIC_AUTHORITY";
        let expected = "the host that Genesys dials, such as calls.example.net";
        let Some(text) = self.optional(variable) else { return Ok(None) };
        let wrong = |_| EnvironmentError::Wrong { variable, expected, got: text.to_owned() };
        sidetone_model::public_authority(text).map(Some).map_err(wrong)
    }

    /// Returns the URL of `@connections`, stage included.
    pub fn management_endpoint(&self) -> Result<&str, EnvironmentError> {
        let expected = "the URL of @connections without that word, such as https://host/stage";
        self.checked("SIDETONE_MANAGEMENT_ENDPOINT", expected, is_http)
    }

    /// Returns when sessions ask for audio; `matched` by default.
    pub fn listen(&self) -> Result<Listen, EnvironmentError> {
        self.word("SIDETONE_LISTEN", "matched, ready or always")
    }

    /// Returns what becomes of audio on hold; `keep` by default.
    pub fn on_hold(&self) -> Result<OnHold, EnvironmentError> {
        self.word("SIDETONE_ON_HOLD", "keep or pause")
    }

    /// Returns whether media is taken in text; `disabled` by default.
    pub fn text_media(&self) -> Result<TextMedia, EnvironmentError> {
        self.word("SIDETONE_TEXT_MEDIA", "enabled or disabled")
    }

    /// Returns whether a long-lived process tracks calls; `disabled` by default.
    pub fn tracking(&self) -> Result<Tracking, EnvironmentError> {
        self.word("SIDETONE_TRACKING", "enabled or disabled")
    }

    /// Returns how long the tracker holds its sockets.
    pub fn hold(&self) -> Result<Duration, EnvironmentError> {
        let expected = "seconds from 30 to 870, as a Lambda lives 900 at most";
        let fits = |hold: &Duration| (Duration::from_secs(30)..=HOLD_MAX).contains(hold);
        self.seconds("SIDETONE_HOLD_SECONDS", expected, HOLD, fits)
    }

    /// Returns how many sessions one task takes.
    pub fn sessions_max(&self) -> Result<usize, EnvironmentError> {
        let expected = "a number of sessions, at least 1";
        self.number("SIDETONE_SESSIONS_MAX", expected, SESSIONS_MAX, |number| *number > 0)
    }

    /// Returns how long running calls may go on once the task was told to end.
    pub fn drain(&self) -> Result<Duration, EnvironmentError> {
        let expected = "seconds, below the 120 that Fargate leaves a task";
        let fits = |drain: &Duration| *drain < Duration::from_secs(120);
        self.seconds("SIDETONE_DRAIN_SECONDS", expected, DRAIN, fits)
    }

    /// Returns the networks of proxies that are trusted to name their clients; none by default.
    pub fn trusted_proxies(&self) -> Result<Vec<IpNet>, EnvironmentError> {
        let variable = "SIDETONE_TRUSTED_PROXIES";
        let expected = "networks with commas between them, such as 10.0.0.0/16";
        let texts = self.optional(variable).into_iter().flat_map(|text| text.split(','));
        let network = |text: &str| {
            let wrong = |_| EnvironmentError::Wrong { variable, expected, got: text.to_owned() };
            text.trim().parse().map_err(wrong)
        };
        texts.map(network).collect()
    }

    /// Returns the port to listen on.
    pub fn port(&self) -> Result<u16, EnvironmentError> {
        self.number("SIDETONE_PORT", "a port number", PORT, |_| true)
    }

    /// A template cannot leave a variable out, so an empty one counts as not set.
    fn optional(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn text(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<&str, EnvironmentError> {
        self.optional(variable).ok_or(EnvironmentError::Missing { variable, expected })
    }

    fn checked(
        &self,
        variable: &'static str,
        expected: &'static str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<&str, EnvironmentError> {
        let text = self.text(variable, expected)?;
        if fits(text) {
            return Ok(text);
        }
        Err(EnvironmentError::Wrong { variable, expected, got: text.to_owned() })
    }

    fn number<T: FromStr>(
        &self,
        variable: &'static str,
        expected: &'static str,
        default: T,
        fits: impl Fn(&T) -> bool,
    ) -> Result<T, EnvironmentError> {
        let Some(text) = self.optional(variable) else { return Ok(default) };
        let wrong = || EnvironmentError::Wrong { variable, expected, got: text.to_owned() };
        text.parse().ok().filter(fits).ok_or_else(wrong)
    }

    fn seconds(
        &self,
        variable: &'static str,
        expected: &'static str,
        default: Duration,
        fits: impl Fn(&Duration) -> bool,
    ) -> Result<Duration, EnvironmentError> {
        let fits = |seconds: &u64| fits(&Duration::from_secs(*seconds));
        self.number(variable, expected, default.as_secs(), fits).map(Duration::from_secs)
    }

    fn word<T: Default + for<'de> Deserialize<'de>>(
        &self,
        variable: &'static str,
        expected: &'static str,
    ) -> Result<T, EnvironmentError> {
        let Some(text) = self.optional(variable) else { return Ok(T::default()) };
        let word: StrDeserializer<'_, WordError> = text.into_deserializer();
        T::deserialize(word).map_err(|_| EnvironmentError::Wrong {
            variable,
            expected,
            got: text.to_owned(),
        })
    }
}

fn is_http(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| rest_of(text, scheme).is_some())
}

/// Returns what follows a scheme, if anything does.
fn rest_of<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    text.strip_prefix(scheme).filter(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variable: &str, value: &str) -> Environment {
        Environment::of([(variable, value)])
    }

    #[test]
    fn what_is_not_set_is_named() {
        let error = Environment::of([("", ""); 0]).stream().unwrap_err().to_string();
        assert_eq!(
            error,
            "SIDETONE_STREAM is not set; it should be the name of the Kinesis stream"
        );
        assert!(with("SIDETONE_STREAM", " ").stream().is_err(), "blank is not set");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let error = with("SIDETONE_LISTEN", "sometimes").listen().unwrap_err().to_string();
        assert_eq!(
            error,
            "SIDETONE_LISTEN is \"sometimes\"; it should be matched, ready or always"
        );
    }

    #[test]
    fn words_and_numbers_have_defaults() {
        let empty = Environment::of([("SIDETONE_LISTEN", "")]);
        assert_eq!(empty.listen(), Ok(Listen::Matched));
        assert_eq!(empty.on_hold(), Ok(OnHold::Keep));
        assert_eq!(empty.text_media(), Ok(TextMedia::Disabled));
        assert_eq!(empty.hold(), Ok(HOLD));
        assert_eq!(empty.drain(), Ok(DRAIN));
        assert_eq!((empty.port(), empty.sessions_max()), (Ok(8080), Ok(SESSIONS_MAX)));
        assert_eq!((empty.log_filter(), empty.name()), ("info", None));
    }

    #[test]
    fn words_and_numbers_are_read() {
        assert_eq!(with("SIDETONE_LISTEN", "ready").listen(), Ok(Listen::Ready));
        assert_eq!(with("SIDETONE_TRACKING", "enabled").tracking(), Ok(Tracking::Enabled));
        assert_eq!(with("SIDETONE_LOG", "info").tracking(), Ok(Tracking::Disabled));
        assert_eq!(with("SIDETONE_TEXT_MEDIA", "enabled").text_media(), Ok(TextMedia::Enabled));
        assert_eq!(with("SIDETONE_HOLD_SECONDS", "90").hold(), Ok(Duration::from_secs(90)));
        for hold in ["0", "900", "-1", "1m"] {
            assert!(with("SIDETONE_HOLD_SECONDS", hold).hold().is_err(), "{hold}");
        }
        assert!(with("SIDETONE_SESSIONS_MAX", "0").sessions_max().is_err());
        assert!(with("SIDETONE_DRAIN_SECONDS", "120").drain().is_err());
        assert!(with("SIDETONE_PORT", "70000").port().is_err());
    }

    #[test]
    fn hosts_come_before_the_region_and_both_are_needed() {
        let region = with("SIDETONE_GENESYS_REGION", "usw2").genesys();
        assert_eq!(region, Ok(PlatformPlace::Region("usw2".into())));
        let (login, api) = ("http://127.0.0.1:1", "http://127.0.0.1:2");
        let half = with("SIDETONE_GENESYS_LOGIN", login).genesys();
        assert!(matches!(
            half,
            Err(EnvironmentError::Missing { variable: "SIDETONE_GENESYS_API", .. })
        ));
        let hosts = Environment::of([
            ("SIDETONE_GENESYS_REGION", "usw2"),
            ("SIDETONE_GENESYS_LOGIN", login),
            ("SIDETONE_GENESYS_API", api),
        ]);
        let expected = PlatformPlace::Hosts { login: login.into(), api: api.into() };
        assert_eq!(hosts.genesys(), Ok(expected));
    }

    #[test]
    fn the_public_url_has_no_query() {
        let url = "wss://abc.execute-api.us-east-1.amazonaws.com/prod";
        assert_eq!(with("SIDETONE_PUBLIC_URL", url).public_url(), Ok(url));
        for url in ["https://host/prod", "wss://", "wss:///prod", "wss://host/prod?a=1", "host"] {
            assert!(with("SIDETONE_PUBLIC_URL", url).public_url().is_err(), "{url}");
        }
    }
}

//! The access token: asked for once, used for most of its life, renewed by one caller only.

use serde::Deserialize;
use sidetone_model::{Outside, Timestamp};
use sidetone_notification_proto::renew_at;
use sidetone_ports::Clock;
use std::time::Duration;
use tokio::sync::Mutex;

use super::answer::Answer;
use super::client::REQUEST_TIME_MAX;
use super::error::PlatformError;
use super::hosts::Hosts;
use super::reference::note_date;
use crate::secret::Secret;

/// How long refused credentials rest before they are tried again: a person must act first.
pub(super) const REFUSED_CREDENTIALS_REST: Duration = Duration::from_secs(120);

/// Where no `expires_in` is given: the shortest life an OAuth client can be set to.
const LIFE_DEFAULT_SECS: u64 = 300;

const ACTION: &str = "sign in";

/// One token, and until when it is good.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) bearer: Secret,
    pub(super) number: u64,
    pub(super) renew_at: Timestamp,
    expires_at: Timestamp,
}

/// The tokens of one OAuth client.
#[derive(Debug)]
pub(super) struct Tokens {
    http: reqwest::Client,
    login: String,
    client_id: String,
    client_secret: Secret,
    clock: Clock,
    /// Held while a token is asked for, so that one caller asks and the others wait for it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    issued: u64,
    refused: Option<Refused>,
}

#[derive(Debug, Clone)]
struct Refused {
    until: Timestamp,
    status: u16,
    error: String,
    description: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Granted {
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// The login service's own failure body; not the envelope of the platform API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Denied {
    error: Option<String>,
    description: Option<String>,
    error_description: Option<String>,
}

impl Tokens {
    pub(super) fn new(
        http: reqwest::Client,
        hosts: &Hosts,
        client_id: String,
        client_secret: Secret,
        clock: Clock,
    ) -> Self {
        let login = hosts.login().to_owned();
        Self { http, login, client_id, client_secret, clock, state: Mutex::default() }
    }

    /// Returns a token that is good for a while.
    pub(super) async fn current(&self) -> Result<Token, PlatformError> {
        let mut state = self.state.lock().await;
        let now = self.clock.steady();
        match &state.token {
            Some(token) if now < token.renew_at => return Ok(token.clone()),
            Some(_) | None => {}
        }
        match self.ask(&mut state).await {
            Ok(token) => Ok(token),
            // The old one is still good: a failed renewal costs nothing yet.
            Err(error) => match state.token.clone().filter(|token| now < token.expires_at) {
                Some(token) => {
                    tracing::warn!(%error, "token not renewed, the old one is used on");
                    Ok(token)
                }
                None => Err(error),
            },
        }
    }

    /// Returns another token than the one of that number, which Genesys refused.
    pub(super) async fn after(&self, number: u64) -> Result<Token, PlatformError> {
        let mut state = self.state.lock().await;
        match &state.token {
            Some(token) if token.number != number => Ok(token.clone()),
            Some(_) | None => {
                state.token = None;
                self.ask(&mut state).await
            }
        }
    }

    async fn ask(&self, state: &mut State) -> Result<Token, PlatformError> {
        let asked_at = self.clock.steady();
        if let Some(refused) = state.refused.clone().filter(|refused| asked_at < refused.until) {
            let Refused { status, error, description, .. } = refused;
            return Err(PlatformError::Credentials {
                host: Hosts::name_of(&self.login),
                status,
                error,
                description,
            });
        }
        let answer = self.request().await?;
        if !answer.status.is_success() {
            return Err(self.denied(state, answer));
        }
        let granted: Granted = answer.into_value(ACTION)?;
        let Some(text) = granted.access_token.filter(|text| !text.is_empty()) else {
            return Err(PlatformError::Unexpected { action: ACTION, what: "there is no token" });
        };
        let life = Duration::from_secs(granted.expires_in.unwrap_or(LIFE_DEFAULT_SECS));
        let expires_at = asked_at + life;
        state.issued += 1;
        state.refused = None;
        let token = Token {
            bearer: Secret::new(text),
            number: state.issued,
            renew_at: renew_at(asked_at, expires_at),
            expires_at,
        };
        state.token = Some(token.clone());
        metrics::counter!("sidetone_platform_tokens_total").increment(1);
        Ok(token)
    }

    async fn request(&self) -> Result<Answer, PlatformError> {
        let request = self
            .http
            .post(format!("{}/oauth/token", self.login))
            .basic_auth(&self.client_id, Some(self.client_secret.reveal()))
            .form(&[("grant_type", "client_credentials")]);
        let asked_at = self.clock.steady();
        let exchange = async {
            let response = request.send().await.map_err(|source| PlatformError::Unreachable {
                host: Hosts::name_of(&self.login),
                action: ACTION,
                source: source.without_url(),
            })?;
            note_date(&self.clock, asked_at, response.headers());
            Answer::read(ACTION, &self.login, response).await
        };
        let timed_out =
            PlatformError::TimedOut { host: Hosts::name_of(&self.login), action: ACTION };
        self.clock.timeout(REQUEST_TIME_MAX, exchange).await.unwrap_or(Err(timed_out))
    }

    fn denied(&self, state: &mut State, answer: Answer) -> PlatformError {
        if answer.status.is_server_error() {
            return answer.into_unavailable(ACTION);
        }
        if answer.status == http::StatusCode::TOO_MANY_REQUESTS {
            let retry_after = answer.retry_after().unwrap_or(Duration::from_secs(3));
            return PlatformError::Throttled { action: ACTION, retry_after };
        }
        let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(error) = denied.error else { return answer.into_refusal(ACTION) };
        let refused = Refused {
            until: self.clock.steady() + REFUSED_CREDENTIALS_REST,
            status: answer.status.as_u16(),
            error: Outside::code(&error),
            description: denied
                .description
                .or(denied.error_description)
                .map_or_else(String::new, |text| Outside::phrase(&text)),
        };
        state.refused = Some(refused.clone());
        let Refused { status, error, description, .. } = refused;
        PlatformError::Credentials { host: Hosts::name_of(&self.login), status, error, description }
    }
}

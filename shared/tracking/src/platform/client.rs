//! One request to the platform API: token, waits, repeats.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sidetone_model::{OrganizationId, Timestamp};
use sidetone_ports::Clock;

use super::answer::Answer;
use super::budget::{Budget, Urgency};
use super::channels::NotificationChannel;
use super::error::PlatformError;
use super::hosts::Hosts;
use super::reference::note_date;
use super::token::{Token, Tokens};
use crate::secret::Secret;

/// How long one exchange may take.
pub(super) const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// How often a request is sent before its failure is reported: waits of 3, 9 and 27 s lie
/// between, as Genesys' own pattern has it.
const TRIES_MAX: u32 = 4;

/// The first wait after a failure without `Retry-After`; each further one is three times as
/// long.
const WAIT_FIRST: Duration = Duration::from_secs(3);

/// The longest `Retry-After` that is waited for: Genesys counts by the minute. Longer ones are
/// for the caller to know.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Added to `Retry-After`, which is cut to whole seconds.
const RETRY_AFTER_MARGIN: Duration = Duration::from_secs(1);

/// Talks to the platform API of one region as one OAuth client.
///
/// Cheap to clone; clones share the token and the rest that Genesys asked for.
#[derive(Debug, Clone)]
pub struct PlatformClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    hosts: Hosts,
    tokens: Tokens,
    clock: Clock,
    /// No request is sent before this moment.
    resting_until: Mutex<Timestamp>,
    budget: Mutex<Budget>,
}

/// What to ask for.
pub(super) struct Request {
    pub(super) action: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) urgency: Urgency,
    /// Whether sending it twice is the same as sending it once.
    pub(super) is_idempotent: bool,
}

impl Request {
    pub(super) fn get(action: &'static str, path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            action,
            method: Method::GET,
            path,
            query: Vec::new(),
            body: None,
            urgency: Urgency::Now,
            is_idempotent: true,
        }
    }
}

/// The answer of `GET /api/v2/tokens/me`.
#[derive(Deserialize)]
struct TokenOwner {
    organization: Organization,
}

#[derive(Deserialize)]
struct Organization {
    id: OrganizationId,
}

impl PlatformClient {
    /// Prepares a client; asks nothing.
    ///
    /// Installs ring as the process's TLS provider if none is installed.
    /// Errors: [`PlatformError::Unreachable`] if TLS cannot be set up on this machine.
    pub fn new(
        hosts: Hosts,
        client_id: impl Into<String>,
        client_secret: Secret,
        clock: Clock,
    ) -> Result<Self, PlatformError> {
        let http = http_client(&hosts)?;
        let tokens = Tokens::new(http.clone(), &hosts, client_id.into(), client_secret, clock);
        let (resting_until, budget) = (Mutex::default(), Mutex::default());
        let shared = Shared { http, hosts, tokens, clock, resting_until, budget };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Asks which organization the OAuth client belongs to; signs in if need be.
    pub async fn organization(&self) -> Result<OrganizationId, PlatformError> {
        const ACTION: &str = "name the organization";
        let owner: TokenOwner = self.value(Request::get(ACTION, "/api/v2/tokens/me")).await?;
        Ok(owner.organization.id)
    }

    /// Makes sure that the OAuth client is that organization's, so that nothing of one reaches
    /// another.
    ///
    /// Errors: [`PlatformError::OtherOrganization`] if it is not.
    pub async fn must_belong_to(&self, expected: OrganizationId) -> Result<(), PlatformError> {
        let found = self.organization().await?;
        if found == expected {
            Ok(())
        } else {
            Err(PlatformError::OtherOrganization { found, expected })
        }
    }

    /// Gets another token in the place of the one that made a channel, unless somebody did.
    pub(crate) async fn renew_token(
        &self,
        channel: &NotificationChannel,
    ) -> Result<(), PlatformError> {
        self.shared.tokens.after(channel.token_number).await.map(|_| ())
    }

    pub(super) async fn token(&self) -> Result<Token, PlatformError> {
        self.shared.tokens.current().await
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.shared.hosts
    }

    pub(super) async fn value<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, PlatformError> {
        let action = request.action;
        self.answer(request).await?.into_value(action)
    }

    /// Sends a request until it is answered for good.
    pub(super) async fn answer(&self, request: Request) -> Result<Answer, PlatformError> {
        let action = request.action;
        let mut token = self.shared.tokens.current().await?;
        let mut renewed = false;
        let mut tries = 0;
        loop {
            self.rest(&token, request.urgency).await;
            let outcome = self.exchange(&request, &token).await;
            tries += 1;
            let last = tries >= TRIES_MAX;
            let wait = WAIT_FIRST * 3_u32.pow(tries - 1);
            match outcome {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    // An address that is not allowed stays so with any token.
                    if renewed || answer.code() == "ip.not.authorized" {
                        return Err(answer.into_refusal(action));
                    }
                    renewed = true;
                    token = self.shared.tokens.after(token.number).await?;
                }
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    metrics::counter!("sidetone_platform_throttled_total").increment(1);
                    let retry_after = answer.retry_after();
                    let wait = retry_after.map_or(WAIT_FIRST, |it| it + RETRY_AFTER_MARGIN);
                    if last || retry_after.is_some_and(|it| it > RETRY_AFTER_MAX) {
                        let retry_after = retry_after.unwrap_or(wait);
                        return Err(PlatformError::Throttled { action, retry_after });
                    }
                    self.rest_for(wait);
                }
                Ok(answer) if is_passing(answer.status) => {
                    if last {
                        return Err(answer.into_unavailable(action));
                    }
                    self.shared.clock.sleep(wait).await;
                }
                Ok(answer) => return Err(answer.into_refusal(action)),
                Err(error) => {
                    if last || !request.is_idempotent {
                        return Err(error);
                    }
                    self.shared.clock.sleep(wait).await;
                }
            }
        }
    }

    async fn exchange(&self, request: &Request, token: &Token) -> Result<Answer, PlatformError> {
        let action = request.action;
        metrics::counter!("sidetone_platform_requests_total").increment(1);
        let mut builder = self
            .shared
            .http
            .request(request.method.clone(), format!("{}{}", self.hosts().api(), request.path))
            .bearer_auth(token.bearer.reveal())
            .query(&request.query);
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let clock = self.shared.clock;
        let asked_at = clock.steady();
        let exchange = async {
            let response = builder.send().await.map_err(|source| PlatformError::Unreachable {
                host: Hosts::name_of(self.hosts().api()),
                action,
                source: source.without_url(),
            })?;
            note_date(&clock, asked_at, response.headers());
            self.budget().learn(token.number, clock.steady(), response.headers());
            Answer::read(action, self.hosts().api(), response).await
        };
        let timed_out =
            PlatformError::TimedOut { host: Hosts::name_of(self.hosts().api()), action };
        self.shared.clock.timeout(REQUEST_TIME_MAX, exchange).await.unwrap_or(Err(timed_out))
    }

    /// Waits until Genesys wants to be asked again, whoever was told so, and until the rate
    /// limit has room; counts the request that follows.
    async fn rest(&self, token: &Token, urgency: Urgency) {
        loop {
            let now = self.shared.clock.steady();
            let resting_until = *self.resting_until();
            let until = if resting_until > now {
                resting_until
            } else {
                let mut budget = self.budget();
                budget.turn_to(token.number);
                let Some(until) = budget.wait_until(now, urgency) else {
                    budget.spend(now);
                    return;
                };
                until
            };
            self.shared.clock.sleep_until(until).await;
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest_for(&self, wait: Duration) {
        let until = self.shared.clock.steady() + wait;
        let mut resting_until = self.resting_until();
        *resting_until = until.max(*resting_until);
    }

    fn resting_until(&self) -> MutexGuard<'_, Timestamp> {
        self.shared.resting_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prepares HTTP to a region's hosts; ring is the process's TLS provider if there was none.
pub(super) fn http_client(hosts: &Hosts) -> Result<reqwest::Client, PlatformError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another caller was first, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    // A redirect would carry the secret or the token to a host that is not checked.
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("sidetone/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none());
    builder = if hosts.is_local() { builder.no_proxy() } else { builder.https_only(true) };
    builder.build().map_err(|source| PlatformError::Unreachable {
        host: Hosts::name_of(hosts.login()),
        action: "set up TLS",
        source: source.without_url(),
    })
}

/// Returns whether a failure may pass by itself.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

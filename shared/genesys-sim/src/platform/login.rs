//! The login host: client credentials for a token, and what the token is worth.
//!
//! Source: genesys-cloud.md, sections 2.1 to 2.3 and 2.7.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode, header};
use serde_json::json;
use sidetone_model::Timestamp;
use uuid::Uuid;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::quota::{MINUTE, Quota, Recent, Window};
use super::violation::Breach;
use super::world::World;

/// How long refused credentials must rest; the description says minutes.
const REFUSED_CREDENTIALS_REST: Duration = Duration::from_secs(30);

/// How long requests with a refused token may still be on their way.
const REFUSED_TOKEN_GRACE: Duration = Duration::from_secs(5);

/// Tokens per minute above which the login host throttles.
const THROTTLED_ABOVE: usize = 60;

/// One access token.
#[derive(Debug, Clone)]
struct Token {
    number: usize,
    client: String,
    expires_at: Timestamp,
    revoked: bool,
    window: Window,
    refused_at: Option<Timestamp>,
    reported: bool,
}

/// Every token that was given out, and how often.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    by_text: BTreeMap<String, Token>,
    /// By client.
    lately: BTreeMap<String, Recent>,
    credentials_refused_at: BTreeMap<String, Timestamp>,
}

/// A token that is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// For how long it was used on after its first refusal; reported once per token.
    pub(crate) reused_for: Option<Duration>,
}

impl Tokens {
    fn issue(&mut self, now: Timestamp, client: &str, validity: Duration) -> String {
        let text = format!("sim-{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let token = Token {
            number: self.by_text.len() + 1,
            client: client.to_owned(),
            expires_at: now + validity,
            revoked: false,
            window: Window::default(),
            refused_at: None,
            reported: false,
        };
        self.by_text.insert(text.clone(), token);
        text
    }

    /// Counts one request made with a token.
    pub(crate) fn spend(
        &mut self,
        text: &str,
        now: Timestamp,
        allowed: u32,
    ) -> Result<Quota, Refused> {
        let Some(token) = self.by_text.get_mut(text) else {
            return Err(Refused { reused_for: None });
        };
        if !token.revoked && now < token.expires_at {
            return Ok(token.window.take(now, allowed));
        }
        let since = now.since(*token.refused_at.get_or_insert(now));
        let reused_for = (since > REFUSED_TOKEN_GRACE && !token.reported).then_some(since);
        token.reported |= reused_for.is_some();
        Err(Refused { reused_for })
    }

    /// Returns whether a token is worth anything.
    pub(crate) fn is_good(&self, text: &str, now: Timestamp) -> bool {
        self.by_text.get(text).is_some_and(|token| !token.revoked && now < token.expires_at)
    }

    /// Returns the OAuth client of a token.
    pub(crate) fn client_of(&self, text: &str) -> String {
        self.by_text.get(text).map(|token| token.client.clone()).unwrap_or_default()
    }

    /// Makes one token worthless.
    pub(crate) fn revoke(&mut self, text: &str) {
        if let Some(token) = self.by_text.get_mut(text) {
            token.revoked = true;
        }
    }

    /// Makes every token worthless.
    pub(crate) fn revoke_all(&mut self) {
        self.by_text.values_mut().for_each(|token| token.revoked = true);
    }

    /// Names a token for people, without saying it.
    pub(crate) fn subject(&self, text: &str) -> String {
        let number = self.by_text.get(text).map_or(0, |token| token.number);
        format!("requests with token {number}")
    }
}

impl World {
    /// Answers `POST /oauth/token`.
    pub(super) fn login(&mut self, now: Timestamp, call: &Call, correlation: Uuid) -> Answer {
        if call.method == Method::HEAD && call.segments().is_empty() {
            // Any web server says what time it is.
            return Answer::empty(StatusCode::OK);
        }
        if call.method != Method::POST {
            self.blame_unknown(now, call);
            return Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        if let Err(answer) = self.check_form(now, call) {
            return answer;
        }
        let client = match self.check_credentials(now, call) {
            Ok(client) => client,
            Err(answer) => return answer,
        };
        let in_minute = self.tokens.lately.entry(client.clone()).or_default().note(now, MINUTE);
        if in_minute > self.config.limits.tokens_per_minute {
            self.blame(now, Breach::TokenPerCall { in_minute });
        }
        if in_minute > THROTTLED_ABOVE {
            self.waits.owe(call.subject(), now, MINUTE);
            return ApiError::throttled(MINUTE.as_secs()).answer(correlation);
        }
        self.stats.tokens_issued += 1;
        let token = self.tokens.issue(now, &client, self.config.token_validity);
        Answer::ok(&json!({
            "access_token": token,
            "token_type": "bearer",
            // A second less than the client's setting, as the platform says it.
            "expires_in": self.config.token_validity.as_secs().saturating_sub(1),
        }))
    }

    fn check_form(&mut self, now: Timestamp, call: &Call) -> Result<(), Answer> {
        if !call.is_of_type("application/x-www-form-urlencoded") {
            let got = call.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
            self.blame(now, Breach::WrongContentType { path: call.path(), got });
            return Err(refusal(400, "invalid_request", "malformed request"));
        }
        let fields = call.form().unwrap_or_default();
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, it)| it);
        if field("client_secret").is_some() || field("client_id").is_some() {
            self.blame(now, Breach::SecretInForm);
        }
        if field("scope").is_some() {
            self.blame(now, Breach::ScopeRequested);
        }
        match field("grant_type").map(String::as_str) {
            Some("client_credentials") => Ok(()),
            other => {
                let got = other.unwrap_or_default().to_owned();
                self.blame(now, Breach::WrongGrantType { got });
                Err(match other {
                    Some(_) => refusal(400, "unsupported_grant_type", "unsupported grant type"),
                    None => refusal(400, "invalid_request", "grant_type missing"),
                })
            }
        }
    }

    /// Returns the OAuth client that asks.
    fn check_credentials(&mut self, now: Timestamp, call: &Call) -> Result<String, Answer> {
        let credentials = call.header(header::AUTHORIZATION).and_then(|text| {
            let (scheme, encoded) = text.split_once(' ')?;
            let bytes = STANDARD.decode(encoded.trim()).ok()?;
            let pair = String::from_utf8(bytes).ok()?;
            let (id, secret) = pair.split_once(':')?;
            scheme.eq_ignore_ascii_case("basic").then(|| (id.to_owned(), secret.to_owned()))
        });
        let Some((id, secret)) = credentials else {
            self.blame(now, Breach::MissingAuthorization { path: call.path() });
            return Err(refusal(400, "invalid_request", "client authentication missing"));
        };
        let answer = match self.config.client(&id) {
            None => refusal(400, "invalid_client", "client not found"),
            Some(client) if client.secret != secret => {
                refusal(401, "invalid_client", "authentication failed")
            }
            Some(client) => {
                self.tokens.credentials_refused_at.remove(&id);
                return Ok(client.id);
            }
        };
        if let Some(before) = self.tokens.credentials_refused_at.insert(id, now) {
            let waited = now.since(before);
            if waited < REFUSED_CREDENTIALS_REST {
                self.blame(now, Breach::RefusedCredentialsRetried { waited });
            }
        }
        Err(answer)
    }

    /// Answers `GET /api/v2/tokens/me`.
    pub(super) fn token_description(&self, token: &str) -> Answer {
        let client = self.tokens.client_of(token);
        let organization = self.config.client(&client).map(|client| client.organization);
        let organization = json!({ "id": organization, "name": "Customer Example Ltd" });
        Answer::ok(&json!({
            "organization": organization,
            "homeOrganization": organization,
            "authorizedScope": [],
            "OAuthClient": {
                "id": client,
                "name": self.tokens.subject(token),
                "authorizedGrantType": "CLIENT-CREDENTIALS",
                "scope": [],
                "roleDivisions": [],
                "state": "active",
                "organization": organization,
            },
        }))
    }

    /// Answers `GET /api/v2/organizations/me`.
    pub(super) fn organization(&self) -> Answer {
        Answer::ok(&json!({
            "id": self.config.organization,
            "name": "Customer Example Ltd",
            "thirdPartyOrgName": "customer-example",
            "domain": "customer.example",
            "state": "active",
            "features": {},
        }))
    }
}

/// Refuses as the login host does, which is not the platform's envelope.
fn refusal(status: u16, error: &str, description: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let body =
        json!({ "error": error, "description": description, "error_description": description });
    Answer::json(status, &body)
}

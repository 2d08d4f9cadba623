//! Where a client connects, and as whom.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Uri};
use sidetone_audiohook_proto::{
    ClientConfig, KeyId, SIGNATURE_LIFETIME, Secret, SigningRequest, sign,
};
use sidetone_model::{OrganizationId, Timestamp};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use uuid::Uuid;

use super::relay::Relay;

/// How the production client calls itself.
const USER_AGENT: &str = "GenesysCloud-AudioHook-Client";

/// Random bytes of a nonce, as the reference client has them.
const NONCE_BYTES: usize = 18;

/// An AudioHook server and the credentials for it.
#[derive(Debug, Clone)]
pub struct Target {
    uri: Uri,
    authority: String,
    path: String,
    organization: OrganizationId,
    key: KeyId,
    secret: Option<Secret>,
    relay: Option<Relay>,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No URL.
    #[error("not a URL")]
    Url(#[source] http::uri::InvalidUri),
    /// A URL of another kind.
    #[error("expected wss://HOST/PATH, or ws:// for a server on this machine")]
    Scheme,
    /// The API key cannot be a header's value.
    #[error("the API key has characters that no header may have")]
    Key,
}

impl Target {
    /// Names a server; without a secret requests are not signed.
    ///
    /// Errors: [`TargetError`] if it is no `ws` or `wss` URL, or the key is no header's value.
    pub fn new(
        url: &str,
        organization: OrganizationId,
        key: KeyId,
        secret: Option<Secret>,
    ) -> Result<Self, TargetError> {
        let uri: Uri = url.parse().map_err(TargetError::Url)?;
        let authority = match (uri.scheme_str(), uri.authority()) {
            (Some("ws" | "wss"), Some(authority)) => authority.as_str().to_owned(),
            _ => return Err(TargetError::Scheme),
        };
        if HeaderValue::from_str(key.reveal()).is_err() {
            return Err(TargetError::Key);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { uri, authority, path, organization, key, secret, relay: None })
    }

    /// Returns the tenant for which the client speaks.
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Returns the same target as the client of another tenant would use it.
    #[must_use]
    pub fn speaking_for(mut self, organization: OrganizationId) -> Self {
        self.organization = organization;
        self
    }

    /// Returns the same target behind a relay that carries media as text.
    #[must_use]
    pub fn behind(mut self, relay: Relay) -> Self {
        self.relay = Some(relay);
        self
    }

    pub(super) fn relay(&self) -> Option<Relay> {
        self.relay.clone()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("wss")
    }

    /// Returns host and port for the connection.
    pub(super) fn address(&self) -> String {
        let port = self.uri.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 });
        // IPv6 addresses keep their brackets.
        format!("{}:{port}", self.uri.host().unwrap_or_default())
    }

    /// Writes the upgrade request; every attempt has its own nonce.
    pub(super) fn request(
        &self,
        now: Timestamp,
        config: &ClientConfig,
        attempt: u32,
    ) -> Option<Request> {
        let organization = self.organization.to_string();
        let session = config.session.as_str().to_owned();
        // The same over all attempts of a session, so that logs can be joined.
        let correlation = config.session.session_id().uuid();
        let correlation = Uuid::new_v5(&correlation, b"correlation").hyphenated().to_string();
        let mut headers = vec![
            ("user-agent", USER_AGENT.to_owned()),
            ("audiohook-organization-id", organization.clone()),
            ("audiohook-session-id", session.clone()),
            ("audiohook-correlation-id", correlation.clone()),
            ("audiohook-retry-attempt", attempt.to_string()),
            ("x-api-key", self.key.reveal().to_owned()),
        ];
        if let Some(secret) = &self.secret {
            let request = SigningRequest {
                target: &self.path,
                authority: &self.authority,
                organization_id: &organization,
                session_id: &session,
                correlation_id: &correlation,
                key_id: &self.key,
                nonce: &STANDARD.encode(rand::random::<[u8; NONCE_BYTES]>()),
                created: now,
                lifetime: SIGNATURE_LIFETIME,
            };
            let signed = sign(&request, secret).ok()?;
            headers.push(("signature-input", signed.signature_input));
            headers.push(("signature", signed.signature));
        }
        let mut request = self.uri.clone().into_client_request().ok()?;
        for (name, value) in headers {
            let value = HeaderValue::try_from(value).ok()?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        Some(request)
    }
}

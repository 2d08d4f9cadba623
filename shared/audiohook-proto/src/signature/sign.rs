//! The client's half: the two headers that the real client adds to its upgrade.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, InnerList, Item, Key, Parameters};
use sidetone_model::Timestamp;

use super::base::{mac, normal_authority, signature_base};
use super::key::{KeyId, Secret};
use super::params;
use super::refusal::CoveredName;

/// How long the reference client's signatures say that they live.
pub const SIGNATURE_LIFETIME: Duration = Duration::from_secs(30);

/// What the client signs, as it will send it.
#[derive(Debug, Clone, Copy)]
pub struct SigningRequest<'a> {
    /// Path and query exactly as in the request line.
    pub target: &'a str,
    /// Host, and port unless it is the default one.
    pub authority: &'a str,
    /// Value of `Audiohook-Organization-Id`.
    pub organization_id: &'a str,
    /// Value of `Audiohook-Session-Id`.
    pub session_id: &'a str,
    /// Value of `Audiohook-Correlation-Id`.
    pub correlation_id: &'a str,
    /// Value of `X-API-KEY`.
    pub key_id: &'a KeyId,
    /// Unique text of at least 22 characters; the real client sends 18 random bytes as base64.
    pub nonce: &'a str,
    /// When; whole seconds are signed.
    pub created: Timestamp,
    /// How long until `expires`.
    pub lifetime: Duration,
}

/// The headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// Value of `Signature-Input`.
    pub signature_input: String,
    /// Value of `Signature`.
    pub signature: String,
}

/// A request that cannot be signed: its key or nonce is not printable ASCII, or its time lies
/// outside of what a structured field can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("key id, nonce or time cannot be written as a structured field")]
pub struct SignError;

/// Signs a request as the real client does: label `sig1`, the six components and five
/// parameters in its order.
///
/// Errors: [`SignError`] if a value cannot be written.
pub fn sign(request: &SigningRequest<'_>, secret: &Secret) -> Result<SignatureHeaders, SignError> {
    let authority = normal_authority(request.authority);
    let components = CoveredName::ALL.map(|name| {
        let value = match name {
            CoveredName::RequestTarget => request.target,
            CoveredName::Authority => &authority,
            CoveredName::OrganizationId => request.organization_id,
            CoveredName::SessionId => request.session_id,
            CoveredName::CorrelationId => request.correlation_id,
            CoveredName::ApiKey => request.key_id.reveal(),
        };
        (name.as_str(), value.as_bytes())
    });
    let member = params::spell(&inner_list(request)?).map_err(|_| SignError)?;
    let base = signature_base(components, &member);
    let mac = STANDARD.encode(mac(secret.expose(), &base));
    Ok(SignatureHeaders {
        signature_input: format!("sig1={member}"),
        signature: format!("sig1=:{mac}:"),
    })
}

fn inner_list(request: &SigningRequest<'_>) -> Result<InnerList, SignError> {
    let items = CoveredName::ALL
        .iter()
        .map(|name| text(name.as_str()).map(Item::new))
        .collect::<Result<Vec<_>, _>>()?;
    let expires = request.created + request.lifetime;
    let mut parameters = Parameters::new();
    for (name, value) in [
        ("keyid", text(request.key_id.reveal())?),
        ("nonce", text(request.nonce)?),
        ("alg", text("hmac-sha256")?),
        ("created", seconds(request.created)?),
        ("expires", seconds(expires)?),
    ] {
        parameters.insert(Key::from_string(name.to_owned()).map_err(|_| SignError)?, value);
    }
    Ok(InnerList::with_params(items, parameters))
}

fn text(value: &str) -> Result<BareItem, SignError> {
    sfv::String::from_string(value.to_owned()).map(BareItem::String).map_err(|_| SignError)
}

fn seconds(moment: Timestamp) -> Result<BareItem, SignError> {
    sfv::Integer::try_from(moment.as_secs()).map(BareItem::Integer).map_err(|_| SignError)
}

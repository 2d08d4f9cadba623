//! What a request claims to be, read without any secret.

use std::fmt;

use sidetone_model::{OrganizationId, SessionId, Timestamp};

use super::base::{normal_authority, signature_base};
use super::headers::{Headers, TARGET_BYTES_MAX};
use super::key::KeyId;
use super::params;
use super::refusal::Refusal;

/// The parts of an upgrade request that are no header.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// Path and query exactly as in the request line, nothing decoded.
    pub target: &'a str,
    /// The host as the client addressed it: the `Host` field, or, behind a proxy that rewrites
    /// it, the public name from configuration.
    pub authority: &'a str,
    /// When the request arrived; its age is judged by this and not by when we came to it.
    pub arrived_at: Timestamp,
}

/// The claims of one request: who it says it is, and the signature that is to prove it.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(super) key_id: KeyId,
    pub(super) organization: OrganizationId,
    pub(super) session: SessionId,
    pub(super) correlation: Option<Box<str>>,
    pub(super) retry_attempt: Option<u32>,
    pub(super) arrived_at: Timestamp,
    pub(super) proof: Option<Proof>,
}

/// A signature and all it takes to check it, but for the secret.
#[derive(Clone)]
pub(super) struct Proof {
    pub(super) base: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) nonce: Box<str>,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) algorithm_known: bool,
}

impl Credentials {
    /// Reads a request: its headers by name and value as received, duplicates included.
    ///
    /// Errors: whatever can be refused without knowing the key.
    pub fn parse<'h>(
        request: &SignedRequest<'_>,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, Refusal> {
        let headers = Headers::collect(headers)?;
        let key_id = required(&headers, "x-api-key")?;
        let proof = match (headers.text("signature-input")?, headers.text("signature")?) {
            (Some(input), Some(signature)) => {
                Some(read_proof(request, &headers, key_id, input, signature)?)
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(Refusal::HalfSigned),
        };
        Ok(Self {
            key_id: KeyId::new(key_id),
            organization: uuid(&headers, "audiohook-organization-id")?,
            session: uuid(&headers, "audiohook-session-id")?,
            correlation: headers.text("audiohook-correlation-id")?.map(Box::from),
            retry_attempt: headers
                .text("audiohook-retry-attempt")?
                .and_then(|text| text.parse().ok()),
            arrived_at: request.arrived_at,
            proof,
        })
    }

    /// Returns the API key to look up.
    pub const fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Returns the organization the request claims to speak for.
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Returns the session the request announces.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the id by which Genesys' support finds the session in its logs.
    pub fn correlation(&self) -> Option<&str> {
        self.correlation.as_deref()
    }

    /// Returns whether a signature is there, right or wrong.
    pub const fn is_signed(&self) -> bool {
        self.proof.is_some()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The base holds the API key, so it is not shown.
        f.debug_struct("Proof")
            .field("created", &self.created)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

fn required<'h>(headers: &Headers<'h>, name: &'static str) -> Result<&'h str, Refusal> {
    match headers.text(name)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(Refusal::MissingHeader { name }),
    }
}

fn uuid<Id: std::str::FromStr>(headers: &Headers<'_>, name: &'static str) -> Result<Id, Refusal> {
    required(headers, name)?.parse().map_err(|_| Refusal::Malformed { name })
}

fn read_proof(
    request: &SignedRequest<'_>,
    headers: &Headers<'_>,
    key_id: &str,
    input: &str,
    signature: &str,
) -> Result<Proof, Refusal> {
    let target = request.target.as_bytes();
    if target.len() > TARGET_BYTES_MAX {
        return Err(Refusal::TooLarge { name: "request target" });
    }
    if target.first() != Some(&b'/') || !is_plain(target) {
        return Err(Refusal::Malformed { name: "request target" });
    }
    let authority = normal_authority(request.authority);
    if authority.is_empty() || !is_plain(authority.as_bytes()) {
        return Err(Refusal::Malformed { name: "authority" });
    }
    let (input, signature) = params::read(input, signature)?;
    let mut values = Vec::with_capacity(input.components.len());
    for name in &input.components {
        values.push(match name.as_str() {
            "@request-target" => target.to_vec(),
            "@authority" => authority.clone().into_bytes(),
            header => headers.covered(header)?,
        });
    }
    // Nothing secret: both texts come from the same request.
    if input.key_id != key_id {
        return Err(Refusal::KeyIdDiffers);
    }
    let lines = input.components.iter().map(String::as_str);
    Ok(Proof {
        base: signature_base(lines.zip(values.iter().map(Vec::as_slice)), &input.member),
        signature,
        nonce: input.nonce.into(),
        created: input.created,
        expires: input.expires,
        algorithm_known: input.algorithm_known,
    })
}

/// Without blanks and control characters, which could forge a line of the signature base.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

//! Who may come in: the claims of a request, the key, the signature, the nonce.
//!
//! Source: docs/wire/audiohook.md, "Authentication".

use std::sync::{Mutex, PoisonError};

use http::Request;
use http::header::{HOST, HeaderMap};
use sidetone_audiohook_proto::{
    Credentials, Handshake, KeyId, NonceMemory, Refusal, Remembered, SessionIdText, SignatureRule,
    SignedRequest, Verified,
};
use sidetone_driver::NonceCheck;
use sidetone_model::Timestamp;
use sidetone_ports::SecretSource;
use uuid::Uuid;

use crate::config::{DoorConfig, Replays};
use crate::keys::{Found, Keys};

const ORGANIZATION: &str = "audiohook-organization-id";
const SESSION: &str = "audiohook-session-id";

/// What is decided on a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It may come in.
    Admitted(Admitted),
    /// It may not: 401.
    Refused(Refusal),
    /// Its key is enough to come in, but it does not say for what: 400.
    Malformed(Refusal),
    /// It cannot be found out; the client should try again.
    Undecided(Handshake),
}

/// A request that may come in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// What the session begins with.
    pub(crate) handshake: Handshake,
    /// What the shared memory is to be asked.
    pub(crate) nonce: Option<NonceCheck>,
    /// For finding the session in Genesys' logs.
    pub(crate) correlation: Option<Box<str>>,
    /// Which attempt at connecting this is, where the client says so.
    pub(crate) attempt: Option<u32>,
}

/// Decides who may come in.
pub(crate) struct Authenticator<K> {
    keys: Keys<K>,
    nonces: Mutex<NonceMemory>,
    /// Stands in for the secret of an unknown key.
    decoy: [u8; 32],
}

impl<K: SecretSource> Authenticator<K> {
    pub(crate) fn new(keys: Keys<K>) -> Self {
        let mut decoy = [0; 32];
        decoy[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        decoy[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self { keys, nonces: Mutex::default(), decoy }
    }

    /// Decides on a request that arrived at a given moment.
    pub(crate) async fn judge<B: Sync>(
        &self,
        config: &DoorConfig,
        request: &Request<B>,
        arrived_at: Timestamp,
    ) -> Verdict {
        let credentials = match parse(config, request, arrived_at) {
            Ok(credentials) => credentials,
            Err(refusal) => return self.judge_malformed(request.headers(), refusal).await,
        };
        let id = credentials.key_id();
        let found = self.keys.find(id).await;
        let mut verified = credentials.verify(found.key(), &self.decoy, &config.signatures);
        if verified.as_ref().is_err_and(|refusal| may_be_outdated(*refusal))
            && let Some(found) = self.keys.find_again(id).await
        {
            verified = credentials.verify(found.key(), &self.decoy, &config.signatures);
        }
        if let (Err(Refusal::UnknownKey), Found::Unavailable) = (&verified, &found) {
            return Verdict::Undecided(handshake(
                request.headers(),
                credentials.organization(),
                credentials.session(),
            ));
        }
        match verified.and_then(|verified| self.remember(config, arrived_at, verified)) {
            Ok((verified, nonce)) => Verdict::Admitted(Admitted {
                handshake: handshake(request.headers(), verified.organization, verified.session),
                nonce,
                correlation: verified.correlation,
                attempt: verified.retry_attempt,
            }),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// Remembers the nonce here, and says what the shared memory is to be asked.
    fn remember(
        &self,
        config: &DoorConfig,
        arrived_at: Timestamp,
        verified: Verified,
    ) -> Result<(Verified, Option<NonceCheck>), Refusal> {
        let Some(signed) = &verified.signed else { return Ok((verified, None)) };
        if config.replays == Replays::Allowed {
            return Ok((verified, None));
        }
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered =
            nonces.remember(arrived_at, &verified.key_id, &signed.nonce, signed.accepted_until);
        drop(nonces);
        match remembered {
            Remembered::Fresh => {}
            Remembered::Repeated => return Err(Refusal::NonceRepeated),
            Remembered::Full => {
                metrics::counter!("sidetone_nonces_not_kept_total").increment(1);
            }
        }
        let check = (config.replays == Replays::Shared).then(|| NonceCheck {
            key_id: verified.key_id.reveal().to_owned(),
            nonce: signed.nonce.to_string(),
            until: signed.accepted_until,
        });
        Ok((verified, check))
    }

    /// A missing or malformed id is a failure of authentication, unless the key alone lets in.
    async fn judge_malformed(&self, headers: &HeaderMap, refusal: Refusal) -> Verdict {
        let about_ids = matches!(
            refusal,
            Refusal::MissingHeader { name } | Refusal::Malformed { name }
                if name == ORGANIZATION || name == SESSION
        );
        let signed = headers.contains_key("signature") || headers.contains_key("signature-input");
        if !about_ids || signed {
            return Verdict::Refused(refusal);
        }
        // The refusal is about the ids, so the key stands there once and is text.
        let Some(text) = headers.get("x-api-key").and_then(|value| value.to_str().ok()) else {
            return Verdict::Refused(refusal);
        };
        let found = self.keys.find(&KeyId::new(text.trim())).await;
        match found.key().map(|key| key.rule()) {
            Some(SignatureRule::ApiKeyOnly) => Verdict::Malformed(refusal),
            Some(SignatureRule::Required) | None => Verdict::Refused(refusal),
        }
    }
}

/// Whether a key that was just changed would explain it.
const fn may_be_outdated(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::SignatureMismatch
            | Refusal::SignatureRequired
            | Refusal::SignatureUnexpected
            | Refusal::OrganizationNotBound
    )
}

fn parse<B>(
    config: &DoorConfig,
    request: &Request<B>,
    arrived_at: Timestamp,
) -> Result<Credentials, Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    if hosts.next().is_some() {
        return Err(Refusal::DuplicateHeader { name: "host" });
    }
    let received = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let public;
    let target = match &config.public_path_prefix {
        Some(prefix) => {
            public = format!("{}{received}", prefix.trim_end_matches('/'));
            &public
        }
        None => received,
    };
    let authority = config.public_authority.as_deref().unwrap_or(host);
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Credentials::parse(&SignedRequest { target, authority, arrived_at }, headers)
}

/// Keeps the session's id in the letters it came in.
fn handshake(
    headers: &HeaderMap,
    organization: sidetone_model::OrganizationId,
    session: sidetone_model::SessionId,
) -> Handshake {
    let spelt = headers
        .get(SESSION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<SessionIdText>().ok());
    Handshake { organization, session_id: spelt.unwrap_or_else(|| session.into()) }
}

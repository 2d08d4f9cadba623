//! Who may come in: the claims of a request, the key, the signature, the nonce.
//!
//! Source: docs/wire/audiohook.md, "Authentication".

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HOST, HeaderMap};
use sidetone_audiohook_proto::{
    ApiKey, Credentials, Handshake, KeyId, NonceMemory, Refusal, Remembered, SessionIdText,
    SignatureRule, SignedRequest, Verified,
};
use sidetone_model::{OrganizationId, SessionId, Timestamp};
use sidetone_ports::{Clock, NonceCheck, SecretSource};
use uuid::Uuid;

use crate::config::{AdmissionConfig, Replays};
use crate::keys::{Found, Keys};

pub(crate) const ORGANIZATION: &str = "audiohook-organization-id";
const API_KEY: &str = "x-api-key";
const SESSION: &str = "audiohook-session-id";

/// What is decided on a request.
#[derive(Debug)]
pub enum Verdict {
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
pub struct Admitted {
    /// What the session begins with.
    pub handshake: Handshake,
    /// What the shared memory is to be asked.
    pub nonce: Option<NonceCheck>,
    /// For finding the session in Genesys' logs.
    pub correlation: Option<Box<str>>,
    /// Which attempt at connecting this is, where the client says so.
    pub attempt: Option<u32>,
}

/// A request as it arrived, without what only its server understands.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Path and query exactly as received, nothing decoded.
    pub target: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// When it arrived; a signature's age is judged by this.
    pub at: Timestamp,
}

/// Decides who may come in.
#[derive(Debug)]
pub struct Authenticator<K> {
    config: AdmissionConfig,
    keys: Keys<K>,
    nonces: Mutex<NonceMemory>,
    /// Stands in for the secret of an unknown key.
    decoy: [u8; 32],
}

impl<K: SecretSource> Authenticator<K> {
    /// Makes one whose keys come from a given source.
    pub fn new(config: AdmissionConfig, source: K) -> Self {
        let mut decoy = [0; 32];
        decoy[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        decoy[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        let keys = Keys::new(source, &config);
        Self { config, keys, nonces: Mutex::default(), decoy }
    }

    /// Decides on a request, in the time of a clock that may be another one each time: where
    /// the process is frozen between two requests, a clock that was started before stands still.
    pub async fn judge(&self, clock: &Clock, arrival: Arrival<'_>) -> Verdict {
        let credentials = match self.parse(arrival) {
            Ok(credentials) => credentials,
            Err(refusal) => return self.judge_malformed(clock, arrival.headers, refusal).await,
        };
        let id = credentials.key_id();
        let asked_at = clock.steady();
        let found = self.keys.find(clock, id).await;
        let policy = &self.config.signatures;
        let mut verified = credentials.verify(found.key(), &self.decoy, policy);
        if verified.as_ref().is_err_and(|refusal| may_be_outdated(*refusal))
            && let Some(found) = self.keys.find_again(clock, id, asked_at).await
        {
            verified = credentials.verify(found.key(), &self.decoy, policy);
        }
        if let (Err(Refusal::UnknownKey), Found::Unavailable) = (&verified, &found) {
            return Verdict::Undecided(handshake(
                arrival.headers,
                credentials.organization(),
                credentials.session(),
            ));
        }
        match verified.and_then(|verified| self.remember(arrival.at, verified)) {
            Ok((verified, nonce)) => Verdict::Admitted(Admitted {
                handshake: handshake(arrival.headers, verified.organization, verified.session),
                nonce,
                correlation: verified.correlation,
                attempt: verified.retry_attempt,
            }),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// Returns the key that a request names, if it was looked up before.
    pub(crate) fn key_of(&self, headers: &HeaderMap) -> Option<Arc<ApiKey>> {
        let text = headers.get(API_KEY)?.to_str().ok()?;
        self.keys.known(&KeyId::new(text.trim()))
    }

    fn parse(&self, arrival: Arrival<'_>) -> Result<Credentials, Refusal> {
        let mut hosts = arrival.headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        if hosts.next().is_some() {
            return Err(Refusal::DuplicateHeader { name: "host" });
        }
        let public;
        let target = match &self.config.public_path_prefix {
            Some(prefix) => {
                public = format!("{}{}", prefix.trim_end_matches('/'), arrival.target);
                &public
            }
            None => arrival.target,
        };
        let authority = self.config.public_authority.as_deref().unwrap_or(host);
        let request = SignedRequest { target, authority, arrived_at: arrival.at };
        let headers = arrival.headers.iter();
        Credentials::parse(&request, headers.map(|(name, value)| (name.as_str(), value.as_bytes())))
    }

    /// Remembers the nonce here, and says what the shared memory is to be asked.
    fn remember(
        &self,
        arrived_at: Timestamp,
        verified: Verified,
    ) -> Result<(Verified, Option<NonceCheck>), Refusal> {
        let Some(signed) = &verified.signed else { return Ok((verified, None)) };
        if self.config.replays == Replays::Allowed {
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
        let check = (self.config.replays == Replays::Shared).then(|| NonceCheck {
            key_id: verified.key_id.reveal().to_owned(),
            nonce: signed.nonce.to_string(),
            until: signed.accepted_until,
        });
        Ok((verified, check))
    }

    /// A missing or malformed id is a failure of authentication, unless the key alone lets in.
    async fn judge_malformed(
        &self,
        clock: &Clock,
        headers: &HeaderMap,
        refusal: Refusal,
    ) -> Verdict {
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
        let Some(text) = headers.get(API_KEY).and_then(|value| value.to_str().ok()) else {
            return Verdict::Refused(refusal);
        };
        let found = self.keys.find(clock, &KeyId::new(text.trim())).await;
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

/// Keeps the session's id in the letters it came in.
fn handshake(headers: &HeaderMap, organization: OrganizationId, session: SessionId) -> Handshake {
    let spelt = headers
        .get(SESSION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<SessionIdText>().ok());
    Handshake { organization, session_id: spelt.unwrap_or_else(|| session.into()) }
}

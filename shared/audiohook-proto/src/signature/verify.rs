//! The decision: do these credentials come from whoever holds the key's secret, and now.

use std::time::Duration;

use sidetone_model::{OrganizationId, SessionId, Timestamp};
use subtle::{Choice, ConstantTimeEq};

use super::base::{MAC_BYTES, mac};
use super::credentials::{Credentials, Proof};
use super::key::{ApiKey, KeyId, SECRETS_MAX, Secret, SignatureRule};
use super::refusal::Refusal;

/// How old a signature may be and how far the clocks may differ.
///
/// A signature holds from `created` − skew to the earlier of `expires` and `created` + age,
/// + skew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignaturePolicy {
    /// Difference between Genesys' clock and ours that is forgiven, at both ends.
    pub skew: Duration,
    /// Oldest signature, however late it says that it expires.
    pub age_max: Duration,
}

impl Default for SignaturePolicy {
    fn default() -> Self {
        Self { skew: Duration::from_secs(3), age_max: Duration::from_secs(10) }
    }
}

/// A request that may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The key that let it in.
    pub key_id: KeyId,
    /// The tenant; `open` must name the same.
    pub organization: OrganizationId,
    /// The session; every message must name the same.
    pub session: SessionId,
    /// The id by which Genesys' support finds the session in its logs.
    pub correlation: Option<Box<str>>,
    /// Which attempt at connecting this is, where the client says so.
    pub retry_attempt: Option<u32>,
    /// The signature's life, unless the key goes without.
    pub signed: Option<Signed>,
}

/// What of a verified signature matters afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What makes it unique; to be remembered until [`Signed::accepted_until`].
    pub nonce: Box<str>,
    /// When it was made.
    pub created: Timestamp,
    /// When it says that it ends.
    pub expires_at: Timestamp,
    /// The last moment at which it would be accepted again if nobody remembered the nonce.
    pub accepted_until: Timestamp,
}

impl Credentials {
    /// Decides on a request.
    ///
    /// `key` is what was found under [`Credentials::key_id`]. `decoy` is 32 random bytes that
    /// stand in for the secret of an unknown key, so that its answer takes as long.
    ///
    /// Errors: the first check that failed; all take a MAC's time once a signature is there.
    pub fn verify(
        &self,
        key: Option<&ApiKey>,
        decoy: &[u8; 32],
        policy: &SignaturePolicy,
    ) -> Result<Verified, Refusal> {
        let key = key.filter(|key| key.id().same_as(&self.key_id));
        let signed = match &self.proof {
            Some(proof) => Some(self.check_signature(proof, key, decoy, policy)?),
            None => {
                match key.map(ApiKey::rule) {
                    Some(SignatureRule::ApiKeyOnly) => {}
                    Some(SignatureRule::Required) => return Err(Refusal::SignatureRequired),
                    None => return Err(Refusal::UnknownKey),
                }
                None
            }
        };
        if !key.is_some_and(|key| key.is_bound_to(self.organization)) {
            return Err(Refusal::OrganizationNotBound);
        }
        Ok(Verified {
            key_id: self.key_id.clone(),
            organization: self.organization,
            session: self.session,
            correlation: self.correlation.clone(),
            retry_attempt: self.retry_attempt,
            signed,
        })
    }

    fn check_signature(
        &self,
        proof: &Proof,
        key: Option<&ApiKey>,
        decoy: &[u8; 32],
        policy: &SignaturePolicy,
    ) -> Result<Signed, Refusal> {
        let secrets = key.map_or(&[][..], ApiKey::secrets);
        // Computed before anything is decided, so that no refusal is quicker than another.
        let fits = fits_any(proof, secrets, decoy);
        let accepted_until = check_time(proof, self.arrived_at, policy)?;
        match key.map(ApiKey::rule) {
            Some(SignatureRule::Required) => {}
            Some(SignatureRule::ApiKeyOnly) => return Err(Refusal::SignatureUnexpected),
            None => return Err(Refusal::UnknownKey),
        }
        if !proof.algorithm_known {
            return Err(Refusal::WrongAlgorithm);
        }
        if proof.signature.len() != MAC_BYTES {
            return Err(Refusal::SignatureLength);
        }
        if !fits {
            return Err(Refusal::SignatureMismatch);
        }
        Ok(Signed {
            nonce: proof.nonce.clone(),
            created: proof.created,
            expires_at: proof.expires,
            accepted_until,
        })
    }
}

/// Tries every secret slot, filled or not, and compares without early exit.
fn fits_any(proof: &Proof, secrets: &[Secret], decoy: &[u8; 32]) -> bool {
    let mut received = [0; MAC_BYTES];
    let length_fits = proof.signature.len() == MAC_BYTES;
    if length_fits {
        received.copy_from_slice(&proof.signature);
    }
    let mut fits = Choice::from(0);
    for slot in 0..SECRETS_MAX {
        let secret = secrets.get(slot);
        let expected = mac(secret.map_or(&decoy[..], Secret::expose), &proof.base);
        fits |= expected.ct_eq(&received) & Choice::from(u8::from(secret.is_some()));
    }
    (fits & Choice::from(u8::from(length_fits))).into()
}

/// Returns the last moment at which the signature holds.
fn check_time(
    proof: &Proof,
    now: Timestamp,
    policy: &SignaturePolicy,
) -> Result<Timestamp, Refusal> {
    if now < proof.created - policy.skew {
        return Err(Refusal::CreatedInFuture);
    }
    if now > proof.expires + policy.skew {
        return Err(Refusal::Expired);
    }
    let too_old = proof.created + policy.age_max;
    if now > too_old + policy.skew {
        return Err(Refusal::TooOld);
    }
    Ok(proof.expires.min(too_old) + policy.skew)
}

//! What may be set of an admission.

use std::time::Duration;

use sidetone_audiohook_proto::SignaturePolicy;

/// How it is decided who may come in.
///
/// Units: the clock's time.
#[derive(Debug, Clone)]
pub struct AdmissionConfig {
    /// The authority that clients address, where a proxy in between rewrites `Host`.
    pub public_authority: Option<String>,
    /// What a proxy in between takes off the front of the path.
    pub public_path_prefix: Option<String>,
    /// Where used nonces are remembered.
    pub replays: Replays,
    /// How old a signature may be.
    pub signatures: SignaturePolicy,
    /// For one look-up of a key.
    pub key_within: Duration,
    /// How long a key that was read is believed.
    pub key_life: Duration,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            public_authority: None,
            public_path_prefix: None,
            replays: Replays::default(),
            signatures: SignaturePolicy::default(),
            key_within: Duration::from_secs(2),
            key_life: Duration::from_secs(60),
        }
    }
}

/// Where used nonces are remembered, so that a recorded request cannot be played again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replays {
    /// In this process, and beside it in the memory that all doors share.
    #[default]
    Shared,
    /// In this process alone.
    Local,
    /// Nowhere: a client that reuses its nonces is let in.
    Allowed,
}

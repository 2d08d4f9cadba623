//! Who is at the other end of an upgrade: HTTP message signatures as Genesys uses them.
//!
//! One path: [`Credentials::parse`] reads the request without any secret, the caller looks the
//! key up, [`Credentials::verify`] decides, [`NonceMemory`] refuses repeats. [`sign()`] is the
//! same thing from the client's side.
//! Refuses: sockets, clocks, randomness, waiting. The door waits out [`REFUSAL_DELAY`].
//! Source: docs/wire/audiohook.md, "Authentication"; RFC 9421; RFC 8941.

mod base;
mod credentials;
mod headers;
mod key;
mod nonce;
mod params;
mod refusal;
mod sign;
mod verify;

#[cfg(test)]
mod checklist;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod vectors;

use std::time::Duration;

pub use credentials::{Credentials, SignedRequest};
pub use headers::{
    COVERED_BYTES_MAX, HEADERS_MAX, SIGNATURE_BYTES_MAX, SIGNATURE_INPUT_BYTES_MAX,
    TARGET_BYTES_MAX,
};
pub use key::{
    ApiKey, ApiKeyError, KEY_ID_BYTES_MAX, KeyId, KeyRing, SECRETS_MAX, Secret, SecretError,
    SignatureRule,
};
pub use nonce::{NONCES_MAX, NonceMemory, Remembered};
pub use params::{COMPONENTS_MAX, NONCE_CHARS_MAX, NONCE_CHARS_MIN};
pub use refusal::{CoveredName, Refusal};
pub use sign::{SIGNATURE_LIFETIME, SignError, SignatureHeaders, SigningRequest, sign};
pub use verify::{SignaturePolicy, Signed, Verified};

/// The time that every refusal takes at least, counted from the request's arrival.
///
/// One delay for all, so that timing tells no cause from another.
pub const REFUSAL_DELAY: Duration = Duration::from_millis(500);

/// The body of every refusal, with status 401, whatever the cause.
pub const REFUSAL_BODY: &str = "unauthorized\n";

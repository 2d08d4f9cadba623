//! What both directions' envelopes share.
//!
//! Source: docs/wire/audiohook.md, "Envelope".

use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use super::optional;

/// The only protocol version there is, of all AudioHook products.
pub const PROTOCOL_VERSION: &str = "2";

/// Why a text is not a message.
///
/// Nothing of the text is quoted: it may hold phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The text is not JSON at all.
    #[error("text is not JSON")]
    NotJson,
    /// It is JSON, but no AudioHook envelope.
    #[error("envelope is not well formed")]
    Envelope,
    /// The envelope is good, the parameters are not what the type asks for.
    #[error("parameters are missing or invalid")]
    Parameters,
}

impl WireError {
    pub(super) fn of_envelope(error: &serde_json::Error) -> Self {
        if error.is_data() { Self::Envelope } else { Self::NotJson }
    }
}

/// `parameters: {}`, which is never left out.
#[derive(Serialize)]
pub(super) struct Empty {}

/// Reads parameters that are known to be an object.
///
/// What cannot be read is read once more with its lone surrogates replaced, which may be in
/// names of fields that are not needed.
pub(super) fn read<T: DeserializeOwned>(parameters: &RawValue) -> Result<T, WireError> {
    let text = parameters.get();
    let read = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&optional::without_lone_surrogates(text)));
    read.map_err(|_| WireError::Parameters)
}

/// Errors unless the version is ours and the parameters are an object.
pub(super) fn check(version: &str, parameters: &RawValue) -> Result<(), WireError> {
    if version == PROTOCOL_VERSION && parameters.get().starts_with('{') {
        Ok(())
    } else {
        Err(WireError::Envelope)
    }
}

/// Writes one message; its parts are strings, integers and raw JSON, so it cannot fail.
pub(super) fn write(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("keys are strings and no part fails to serialise")
}

/// Reads an id by its own parser, which is stricter than the UUID library's.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

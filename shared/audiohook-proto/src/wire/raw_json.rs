//! JSON that is carried and never looked into.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The longest text, as long as the longest message.
const BYTES_MAX: usize = 65_536;

/// How deep objects and arrays may be nested; what parses it later need not follow further.
const DEPTH_MAX: usize = 64;

/// A JSON value as text, unparsed; whoever wants it parses it.
///
/// Debug shows its length alone: the administrator may have put anything into it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Box<RawValue>", into = "Box<RawValue>")]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Takes a text that must be one JSON value.
    ///
    /// Errors: what the JSON parser says, or that it is too long or too deep.
    pub fn new(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        let value = RawValue::from_string(text.into())?;
        Self::try_from(value).map_err(serde::de::Error::custom)
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

/// JSON that is too large to be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("JSON of more than {BYTES_MAX} bytes or {DEPTH_MAX} levels")]
pub struct TooLarge;

impl TryFrom<Box<RawValue>> for RawJson {
    type Error = TooLarge;

    fn try_from(value: Box<RawValue>) -> Result<Self, TooLarge> {
        let text = value.get();
        if text.len() > BYTES_MAX || depth(text) > DEPTH_MAX {
            return Err(TooLarge);
        }
        Ok(Self(value))
    }
}

impl From<RawJson> for Box<RawValue> {
    fn from(json: RawJson) -> Self {
        json.0
    }
}

/// Returns how deep a valid JSON text is nested.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({} bytes)", self.as_str().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let json = RawJson::new(r#"{"pin": 1234}"#).expect("valid");
        assert_eq!(format!("{json:?}"), "RawJson(13 bytes)");
    }

    #[test]
    fn json_deeper_than_64_levels_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(RawJson::new(nested(64)).is_ok());
        assert!(RawJson::new(nested(65)).is_err());
        let quoted = format!("[\"{}\\\"{{\"]", "[".repeat(100));
        assert!(RawJson::new(quoted).is_ok(), "brackets in a text are no levels");
        assert!(RawJson::new(format!("\"{}\"", "a".repeat(65_536))).is_err());
    }

    #[test]
    fn must_be_json() {
        assert!(RawJson::new("{").is_err());
    }
}

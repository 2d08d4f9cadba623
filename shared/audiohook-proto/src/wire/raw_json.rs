//! JSON that is carried and never looked into.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value as text, unparsed; whoever wants it parses it.
///
/// Debug shows its length alone: the administrator may have put anything into it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Takes a text that must be one JSON value.
    ///
    /// Errors: what the JSON parser says.
    pub fn new(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.into()).map(Self)
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
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
    fn must_be_json() {
        assert!(RawJson::new("{").is_err());
    }
}

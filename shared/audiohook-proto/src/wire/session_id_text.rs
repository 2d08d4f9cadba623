//! The session id in the letters it came in.
//!
//! Source: docs/wire/audiohook.md, "Session ids".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sidetone_model::SessionId;

/// A session id as received, kept byte for byte; `session_id` is what to compare by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionIdText([u8; 36]);

/// A text that is not a session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id: expected 8-4-4-4-12 hexadecimal digits")]
pub struct SessionIdTextError;

impl SessionIdText {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only hexadecimal digits and hyphens are let in")
    }

    /// Returns the id by value, whatever the case of its letters.
    pub fn session_id(&self) -> SessionId {
        self.as_str().parse().expect("the form was checked on the way in")
    }

    /// Returns whether both name the same session.
    pub fn is_same_session(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl FromStr for SessionIdText {
    type Err = SessionIdTextError;

    fn from_str(text: &str) -> Result<Self, SessionIdTextError> {
        let bytes: [u8; 36] = text.as_bytes().try_into().map_err(|_| SessionIdTextError)?;
        let well_formed = bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if well_formed { Ok(Self(bytes)) } else { Err(SessionIdTextError) }
    }
}

impl From<SessionId> for SessionIdText {
    /// Writes the id in lower case.
    fn from(id: SessionId) -> Self {
        let mut bytes = [0; 36];
        id.uuid().hyphenated().encode_lower(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for SessionIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionIdText({self})")
    }
}

impl Serialize for SessionIdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionIdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = SessionIdText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("8-4-4-4-12 hexadecimal digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SessionIdText, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c40_keeps_the_letters_and_compares_by_value() {
        let mixed: SessionIdText = "5a1B7C30-9f42-4d0e-8b6a-2c3d4e5f6071".parse().expect("valid");
        let lower: SessionIdText = "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f6071".parse().expect("valid");
        assert_eq!(mixed.as_str(), "5a1B7C30-9f42-4d0e-8b6a-2c3d4e5f6071");
        assert_ne!(mixed, lower);
        assert!(mixed.is_same_session(&lower));
        assert_eq!(mixed.session_id(), lower.session_id());
        assert_eq!(SessionIdText::from(mixed.session_id()), lower);
    }

    #[test]
    fn any_version_and_the_null_id_pass_other_forms_do_not() {
        for text in ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
        {
            assert!(text.parse::<SessionIdText>().is_ok(), "{text}");
        }
        for text in [
            "",
            "5a1b7c309f424d0e8b6a2c3d4e5f6071",
            "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f607g",
            "5a1b7c30-9f42-4d0e-8b6a-2c3d4e5f60711",
            "5a1b7c3009f42-4d0e-8b6a-2c3d4e5f6071",
            "５a1b7c30-9f42-4d0e-8b6a-2c3d4e5f60",
        ] {
            assert!(text.parse::<SessionIdText>().is_err(), "{text}");
        }
    }
}

//! Text from outside in logs: its size and a short hash, never its words.

use std::fmt;

/// The longest code or phrase that is shown as it is.
const SHOWN_BYTES_MAX: usize = 80;

/// Prints a text from outside as its size and a hash of 16 bits.
///
/// Equal texts can be recognized; a text cannot be found from its hash, as each hash has
/// thousands of phone numbers. What is printed is always part of one line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Outside<'a>(&'a str);

impl<'a> Outside<'a> {
    /// Wraps a text that a client, Genesys or a file wrote.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns a machine's code such as `missing.permissions` as it is, and anything else as
    /// its size and hash.
    pub fn code(text: &str) -> String {
        Self::shown_if(text, |byte| byte.is_ascii_lowercase() || b"._-".contains(&byte))
    }

    /// Returns a phrase of lower-case words such as `client not found` as it is, and anything
    /// else as its size and hash.
    pub fn phrase(text: &str) -> String {
        Self::shown_if(text, |byte| byte.is_ascii_lowercase() || b" ._-,:'".contains(&byte))
    }

    /// Returns a UUID as it is, and anything else as its size and hash.
    pub fn id(text: &str) -> String {
        match uuid::Uuid::try_parse(text) {
            Ok(_) if text.len() <= SHOWN_BYTES_MAX => text.to_owned(),
            Ok(_) | Err(_) => Outside(text).to_string(),
        }
    }

    fn shown_if(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
        if text.len() <= SHOWN_BYTES_MAX && text.bytes().all(is_plain) {
            return text.to_owned();
        }
        Outside(text).to_string()
    }

    /// Returns 16 bits of the text's FNV-1a hash.
    fn hash(self) -> u32 {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = self.0.bytes().fold(0x811c_9dc5, step);
        (hash >> 16) ^ (hash & 0xffff)
    }
}

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes, hash {:04x}>", self.0.len(), self.hash())
    }
}

impl fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_text_is_printed_as_size_and_hash() {
        for text in ["R. Example", "+13175550101", "x\nERROR forged", "Zoë\u{2028}line"] {
            let shown = [
                Outside::new(text).to_string(),
                format!("{:?}", Outside::new(text)),
                Outside::code(text),
                Outside::phrase(text),
                Outside::id(text),
            ];
            for shown in shown {
                assert!(shown.starts_with(&format!("<{} bytes, hash ", text.len())), "{shown}");
            }
        }
        assert_eq!(Outside::new("a").to_string(), Outside::new("a").to_string());
        assert_ne!(Outside::new("a").to_string(), Outside::new("b").to_string());
    }

    #[test]
    fn codes_phrases_and_ids_stay_readable() {
        assert_eq!(Outside::code("missing.permissions"), "missing.permissions");
        assert_eq!(Outside::phrase("client not found"), "client not found");
        let id = "e160e428-53e2-487c-977d-96989bf5c99d";
        assert_eq!(Outside::id(id), id);
        assert!(Outside::code(&"a".repeat(81)).starts_with("<81 bytes"));
    }
}

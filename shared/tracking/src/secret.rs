//! Texts that open doors and must not reach a log.

use std::fmt;

/// Holds a client secret, a token, a notification channel's id or address, and prints as
/// `<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text; the caller answers for where it goes.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s07_never_prints_what_it_holds() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }
}

//! The URL that clients are given: what they sign, where no event says what they requested.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// A WebSocket URL without a query, in the two parts that a signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    authority: String,
    path: String,
}

/// A text that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// It is no URL at all.
    #[error("not a URL")]
    Malformed,
    /// It does not begin with `wss://`, or `ws://` for tests.
    #[error("a URL of another scheme than wss")]
    Scheme,
    /// It has a query, whose order and escapes get lost on their way here.
    #[error("a URL with a query string or a fragment")]
    Query,
    /// It names a user, whom no client sends.
    #[error("a URL with a user's name")]
    User,
}

impl PublicUrl {
    /// Returns the host, with its port where that is not the usual one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path as clients request it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['?', '#']) {
            return Err(PublicUrlError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| PublicUrlError::Malformed)?;
        match uri.scheme_str() {
            Some("wss" | "ws") => {}
            Some(_) => return Err(PublicUrlError::Scheme),
            None => return Err(PublicUrlError::Malformed),
        }
        let authority = uri.authority().ok_or(PublicUrlError::Malformed)?.as_str();
        if authority.contains('@') {
            return Err(PublicUrlError::User);
        }
        Ok(Self { authority: authority.to_owned(), path: uri.path().to_owned() })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wss://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_what_is_signed() {
        for (text, authority, path) in [
            (
                "wss://abc123.execute-api.eu-central-1.amazonaws.com/prod",
                "abc123.execute-api.eu-central-1.amazonaws.com",
                "/prod",
            ),
            ("wss://Calls.Example.net", "Calls.Example.net", "/"),
            ("wss://calls.example.net/", "calls.example.net", "/"),
            (
                "ws://127.0.0.1:4566/_aws/execute-api/abc/prod",
                "127.0.0.1:4566",
                "/_aws/execute-api/abc/prod",
            ),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.authority(), url.path()), (authority, path));
        }
    }

    #[test]
    fn anything_else_is_named_for_what_it_is() {
        use PublicUrlError::{Malformed, Query, Scheme, User};
        for (text, expected) in [
            ("", Malformed),
            ("calls.example.net/prod", Malformed),
            ("/prod", Malformed),
            ("wss:///prod", Malformed),
            ("https://calls.example.net/prod", Scheme),
            ("wss://calls.example.net/prod?tenant=acme", Query),
            ("wss://calls.example.net/prod#top", Query),
            ("wss://user@calls.example.net/prod", User),
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(expected), "{text}");
        }
    }
}

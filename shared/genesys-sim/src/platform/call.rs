//! One HTTP request as the core sees it: whole, and without a socket.

use axum::extract::Query;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};

/// Which of Genesys' hosts was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Login,
    Api,
    Streaming,
}

impl Host {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Api => "API",
            Self::Streaming => "streaming",
        }
    }
}

/// A request with its body read.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) host: Host,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// Absent if it was larger than any endpoint reads.
    pub(crate) body: Option<Bytes>,
}

impl Call {
    /// Returns a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the query in order; nothing of one that cannot be read.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        Query::<Vec<(String, String)>>::try_from_uri(&self.uri)
            .map_or_else(|_| Vec::new(), |Query(pairs)| pairs)
    }

    /// Returns the fields of a form body, if it is one.
    pub(crate) fn form(&self) -> Option<Vec<(String, String)>> {
        let body = std::str::from_utf8(self.body.as_deref()?).ok()?;
        // A form body is by definition what may stand behind the question mark of an address.
        let uri: Uri = format!("/?{body}").parse().ok()?;
        Query::try_from_uri(&uri).ok().map(|Query(pairs)| pairs)
    }

    /// Returns a header's text; nothing if it is absent or not text.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns whether the body calls itself this type, whatever its parameters.
    pub(crate) fn is_of_type(&self, expected: &str) -> bool {
        self.header(header::CONTENT_TYPE)
            .and_then(|text| text.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected))
    }

    /// Returns the path's parts.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.uri.path().split('/').filter(|part| !part.is_empty()).collect()
    }

    /// Returns the path for people, without channel ids, which are secrets.
    pub(crate) fn path(&self) -> String {
        let mut shown = String::new();
        let mut before = "";
        for part in self.segments() {
            shown.push('/');
            shown.push_str(if before == "channels" { "{id}" } else { part });
            before = part;
        }
        shown
    }

    /// Returns what makes a repeat of this request the same request.
    pub(crate) fn subject(&self) -> String {
        let query = self.uri.query().map_or_else(String::new, |query| format!("?{query}"));
        format!("{} {}{query}", self.method, self.path())
    }
}

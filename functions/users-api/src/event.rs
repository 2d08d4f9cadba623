//! A request as an HTTP API hands it over, payload format 2.0.
//!
//! Source: "Create AWS Lambda proxy integrations for HTTP APIs" in the developer guide of API
//! Gateway.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What of the event is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpEvent {
    /// The path with its escapes undone, but for that of the percent sign.
    pub(crate) raw_path: String,
    /// The query as it was sent.
    #[serde(default)]
    pub(crate) raw_query_string: String,
    /// By names in lower case; several of one name stand behind each other, with commas.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) is_base64_encoded: bool,
    pub(crate) request_context: RequestContext,
}

/// What API Gateway knows of the request.
#[derive(Debug, Deserialize)]
pub(crate) struct RequestContext {
    pub(crate) http: Http,
    /// Absent if no authorizer has looked at the request.
    #[serde(default)]
    authorizer: Option<Authorizer>,
}

/// The request's first line.
#[derive(Debug, Deserialize)]
pub(crate) struct Http {
    pub(crate) method: String,
}

#[derive(Debug, Deserialize)]
struct Authorizer {
    #[serde(default)]
    jwt: Option<Jwt>,
}

#[derive(Debug, Deserialize)]
struct Jwt {
    #[serde(default)]
    claims: Option<BTreeMap<String, Value>>,
}

impl HttpEvent {
    /// Returns a claim of the token that the authorizer has verified, if it is a text.
    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        let jwt = self.request_context.authorizer.as_ref()?.jwt.as_ref()?;
        let claim = jwt.claims.as_ref()?.get(name)?.as_str()?.trim();
        (!claim.is_empty()).then_some(claim)
    }

    /// Returns a header; its name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_aws_is_read() {
        let event: HttpEvent = serde_json::from_str(include_str!("../events/list.json")).unwrap();
        assert_eq!((&*event.raw_path, &*event.raw_query_string), ("/v1/users", "limit=2&find=ada"));
        assert_eq!(event.request_context.http.method, "GET");
        assert_eq!(event.claim("sub"), Some("00u1grace"));
        assert_eq!(event.claim("nothing"), None);
        assert_eq!((event.body.as_deref(), event.is_base64_encoded), (None, false));
    }

    #[test]
    fn without_an_authorizer_nobody_claims_anything() {
        let bare = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
        let event: HttpEvent = serde_json::from_str(bare).unwrap();
        assert_eq!(event.claim("sub"), None);
    }
}

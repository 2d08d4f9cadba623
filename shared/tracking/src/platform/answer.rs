//! Answers of the platform, taken apart defensively: gateways send HTML, or nothing.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sidetone_model::{Outside, Timestamp};

use super::error::PlatformError;
use super::hosts::Hosts;

/// The longest answer that is read: a page of 500 users takes about 1 MiB.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The error envelope; everything in it may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    code: Option<String>,
    message: Option<String>,
    #[serde(rename = "contextId")]
    context_id: Option<String>,
}

impl Answer {
    /// Reads a whole response.
    pub(super) async fn read(
        action: &'static str,
        base: &str,
        mut response: reqwest::Response,
    ) -> Result<Self, PlatformError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        let unreachable = |source: reqwest::Error| PlatformError::Unreachable {
            host: Hosts::name_of(base),
            action,
            source: source.without_url(),
        };
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(PlatformError::Unexpected { action, what: "the body has no end" });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, headers, body })
    }

    /// Returns what a success holds.
    pub(super) fn into_value<T: DeserializeOwned>(
        self,
        action: &'static str,
    ) -> Result<T, PlatformError> {
        serde_json::from_slice(&self.body).map_err(|_| PlatformError::Unexpected {
            action,
            what: "the body is not the JSON it should be",
        })
    }

    /// Returns how long Genesys wants to be left alone, if it says so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }

    /// Returns Genesys' code; the status in words where there is none.
    pub(super) fn code(&self) -> String {
        match self.envelope().code.filter(|code| !code.is_empty()) {
            Some(code) => Outside::code(&code),
            None => self.status.canonical_reason().unwrap_or("unknown").to_ascii_lowercase(),
        }
    }

    pub(super) fn correlation(&self) -> String {
        ["genesys-correlation-id", "inin-correlation-id"]
            .iter()
            .find_map(|name| self.headers.get(*name)?.to_str().ok().map(str::to_owned))
            .or(self.envelope().context_id)
            .map_or_else(|| "unknown".to_owned(), |id| Outside::id(&id))
    }

    pub(super) fn into_refusal(self, action: &'static str) -> PlatformError {
        PlatformError::Refused {
            action,
            status: self.status.as_u16(),
            code: self.code(),
            correlation: self.correlation(),
            message: self.envelope().message.unwrap_or_default(),
        }
    }

    pub(super) fn into_unavailable(self, action: &'static str) -> PlatformError {
        let (status, correlation) = (self.status.as_u16(), self.correlation());
        PlatformError::Unavailable { action, status, correlation }
    }

    fn envelope(&self) -> Envelope {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Reads a moment of the platform; nothing if it is none.
pub(super) fn moment(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: body.into(),
        }
    }

    #[test]
    fn s12_a_report_has_the_code_and_the_newer_correlation_id() {
        let body = r#"{"code":"missing.permissions","contextId":"e160e428-53e2-487c-977d-96989bf5c993","message":"secret words"}"#;
        let both = [
            ("genesys-correlation-id", "e160e428-53e2-487c-977d-96989bf5c991"),
            ("inin-correlation-id", "e160e428-53e2-487c-977d-96989bf5c992"),
        ];
        let report = answer(403, &both, body).into_refusal("list users").to_string();
        assert_eq!(
            report,
            "Genesys refused to list users with 403 missing.permissions, \
             correlation id e160e428-53e2-487c-977d-96989bf5c991"
        );
        assert_eq!(
            answer(403, &both[1..], body).correlation(),
            "e160e428-53e2-487c-977d-96989bf5c992"
        );
        assert_eq!(answer(403, &[], body).correlation(), "e160e428-53e2-487c-977d-96989bf5c993");
    }

    #[test]
    fn text_in_a_code_or_correlation_id_is_not_repeated() {
        let forged = "R. Example\n2026-01-01 ERROR forged";
        let body = serde_json::json!({ "code": forged, "contextId": forged }).to_string();
        let report = answer(403, &[], &body).into_refusal("list users").to_string();
        assert!(!report.contains("Example") && !report.contains('\n'), "{report}");
    }

    #[test]
    fn s13_html_and_empty_bodies_are_answers_too() {
        for body in ["", "<html>Bad Gateway</html>", "[]", "{\"code\":", "{\"code\":5}"] {
            let answer = answer(502, &[], body);
            assert_eq!(answer.code(), "bad gateway");
            assert_eq!(answer.correlation(), "unknown");
            let read: Result<serde_json::Map<String, serde_json::Value>, _> =
                answer.into_value("list users");
            assert!(read.is_err() || body == "{\"code\":5}", "{body}");
        }
    }
}

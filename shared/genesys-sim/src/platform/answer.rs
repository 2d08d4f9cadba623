//! What the core answers, and the error envelope of the platform API.
//!
//! Source: genesys-cloud.md, section 2.5 and 2.6.

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// A response before it becomes HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: String,
}

impl Answer {
    /// Answers without a body.
    pub(crate) const fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// Answers with JSON.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("answers are plain values with text keys");
        Self::text(status, "application/json", body)
    }

    /// Answers with JSON and 200.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// Answers with any text.
    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let content_type = HeaderValue::from_static(content_type);
        Self { status, headers: vec![(header::CONTENT_TYPE, content_type)], body }
    }

    /// Adds a header with a number in it.
    pub(crate) fn with(mut self, name: &'static str, value: u64) -> Self {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from(value)));
        self
    }
}

/// A refusal in the platform's envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "The requested resource was not found")
    }

    /// Refuses because of a rate; `seconds` until it may be tried again.
    pub(crate) fn throttled(seconds: u64) -> Self {
        let message =
            format!("Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds");
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too.many.requests.retry.after", message)
        }
    }

    /// Writes the envelope; `contextId` is the correlation id.
    pub(crate) fn answer(&self, correlation: Uuid) -> Answer {
        let answer = Answer::json(
            self.status,
            &json!({
                "message": self.message,
                "code": self.code,
                "status": self.status.as_u16(),
                "messageWithParams": self.message,
                "messageParams": {},
                "contextId": correlation,
                "details": [],
                "errors": [],
            }),
        );
        match self.retry_after {
            Some(seconds) => answer.with("retry-after", seconds),
            None => answer,
        }
    }
}

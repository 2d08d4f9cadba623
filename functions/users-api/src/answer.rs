//! An answer, as an HTTP API passes it on.
//!
//! A function's answer may have 6 MiB, escapes and all. Large ones are compressed, unless the
//! caller refuses that; what then is still too large is replaced by a problem that says so.

use std::collections::BTreeMap;
use std::io::Write;

use axum::body::to_bytes;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sidetone_users_api::Problem;

/// The largest body that is sent as it is: whatever needs escaping in it, it fits.
const PLAIN_BYTES_MAX: usize = 1024 * 1024;
/// The largest body as it is written into an answer: 6 MiB, less room for the rest.
const WRITTEN_BYTES_MAX: usize = 6 * 1024 * 1024 - 64 * 1024;

/// What API Gateway understands.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(crate) status_code: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) is_base64_encoded: bool,
}

/// What of a request decides how it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Whether something was to be done.
    changes: bool,
    /// Whether the caller refuses what is compressed.
    plain_only: bool,
}

impl Asked {
    /// Reads it off method and `Accept-Encoding`. Whoever says nothing takes everything.
    pub(crate) fn new(method: &str, accept_encoding: Option<&str>) -> Self {
        let changes = ![Method::GET.as_str(), Method::HEAD.as_str()].contains(&method);
        Self { changes, plain_only: !accept_encoding.is_none_or(takes_gzip) }
    }
}

/// Reads a list such as `gzip;q=0.8, br`.
fn takes_gzip(accept: &str) -> bool {
    let weight = |wanted: &str| {
        accept.split(',').find_map(|one| {
            let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
            let named = coding.trim().eq_ignore_ascii_case(wanted);
            let weight = weight.trim().trim_start_matches("q=").trim();
            named.then(|| weight.is_empty() || weight.parse().is_ok_and(|weight: f32| weight > 0.0))
        })
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(false)
}

impl Answer {
    /// Writes an answer down.
    pub(crate) async fn of(response: Response, asked: &Asked) -> Self {
        let (parts, body) = response.into_parts();
        // The router's bodies are in memory; reading one does not fail.
        let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
        let (status, mut headers) = (parts.status, parts.headers);
        headers.remove(CONTENT_LENGTH);
        if bytes.len() > PLAIN_BYTES_MAX && !asked.plain_only {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
            let written = STANDARD.encode(gzip(&bytes));
            return if written.len() > WRITTEN_BYTES_MAX {
                Self::too_large(asked)
            } else {
                Self::written(status, &headers, written, true)
            };
        }
        match String::from_utf8(bytes) {
            Ok(text) if escaped_bytes(&text) > WRITTEN_BYTES_MAX => Self::too_large(asked),
            Ok(text) => Self::written(status, &headers, text, false),
            Err(error) => Self::written(status, &headers, STANDARD.encode(error.as_bytes()), true),
        }
    }

    fn written(status: StatusCode, headers: &HeaderMap, body: String, base64: bool) -> Self {
        let header = |name: &axum::http::HeaderName| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            (name.to_string(), values.collect::<Vec<_>>().join(","))
        };
        let headers = headers.keys().map(header).collect();
        Self { status_code: status.as_u16(), headers, body, is_base64_encoded: base64 }
    }

    fn too_large(asked: &Asked) -> Self {
        let Asked { changes, plain_only } = asked;
        let title = "too large an answer";
        let mut detail =
            "the answer is larger than the 6 MiB that API Gateway passes on".to_owned();
        if *plain_only {
            detail += "; it may fit if you let it be compressed: Accept-Encoding: gzip";
        }
        let status = if *changes {
            detail += "; what was asked for is done, and stands in /v1/history";
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            detail += "; ask for pages, or use `sidetone --stack NAME users export`";
            if *plain_only { StatusCode::NOT_ACCEPTABLE } else { StatusCode::INTERNAL_SERVER_ERROR }
        };
        let problem = Problem::new(status, title, detail);
        let body = serde_json::to_string(&problem).unwrap_or_default();
        Self::written(status, problem.into_response().headers(), body, false)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Returns how many bytes a text has as a JSON string.
fn escaped_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::Body;
    use axum::http::header::CONTENT_TYPE;
    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;

    /// A file that is larger than an answer may be.
    fn file() -> String {
        "\"Ada\",\"ada@a.example\",\"genesys-cloud\"\r\n".repeat(200_000)
    }

    /// Bytes in which there is no pattern.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..length).map(next).collect()
    }

    async fn answer(body: impl Into<Body>, method: &str, accept: Option<&str>) -> Answer {
        let mut response = Response::new(body.into());
        let kind = HeaderValue::from_static("text/csv");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Answer::of(response, &Asked::new(method, accept)).await
    }

    fn detail(answer: &Answer) -> String {
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], answer.status_code);
        problem["detail"].to_string()
    }

    #[tokio::test]
    async fn a_small_answer_is_sent_as_it_is() {
        let text = answer("a \u{fc}", "GET", Some("gzip")).await;
        assert_eq!((&*text.body, text.is_base64_encoded), ("a \u{fc}", false));
        let bytes = answer(vec![0xff, 0xfe], "GET", None).await;
        assert_eq!((&*bytes.body, bytes.is_base64_encoded), ("//4=", true));
    }

    #[tokio::test]
    async fn a_large_answer_is_compressed_and_whole() {
        for accept in [None, Some("gzip, deflate"), Some("*"), Some("br, GZIP;q=0.5")] {
            let answer = answer(file(), "GET", accept).await;
            assert_eq!((answer.status_code, &*answer.headers["content-encoding"]), (200, "gzip"));
            assert_eq!(answer.headers["content-type"], "text/csv");
            assert!(serde_json::to_string(&answer).unwrap().len() < 6 * 1024 * 1024);
            let mut whole = String::new();
            let zipped = STANDARD.decode(&answer.body).unwrap();
            GzDecoder::new(&*zipped).read_to_string(&mut whole).unwrap();
            assert!(answer.is_base64_encoded && whole == file(), "{accept:?}");
        }
    }

    #[tokio::test]
    async fn whoever_refuses_that_gets_what_fits_and_else_is_told() {
        let two_mib = "x".repeat(2 * 1024 * 1024);
        let fits = answer(two_mib.clone(), "GET", Some("identity")).await;
        assert!(fits.status_code == 200 && fits.body == two_mib);
        for accept in ["", "identity", "gzip;q=0", "br", "*;q=0"] {
            let answer = answer(file(), "GET", Some(accept)).await;
            assert_eq!(answer.status_code, 406, "{accept}");
            let detail = detail(&answer);
            assert!(detail.contains("Accept-Encoding: gzip"), "{detail}");
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_even_so_says_whether_anything_was_done() {
        let noise = noise(5 * 1024 * 1024);
        let asked = answer(noise.clone(), "GET", None).await;
        assert_eq!(asked.status_code, 500);
        assert!(detail(&asked).contains("users export"), "{}", asked.body);
        let done = answer(noise, "POST", None).await;
        assert!(done.status_code == 500 && detail(&done).contains("is done"), "{}", done.body);
    }
}

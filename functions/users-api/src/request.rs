//! An event, made the request that it was.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sidetone_users_api::Problem;

use crate::event::HttpEvent;

/// The largest body: what reaches a function whichever way API Gateway writes it into an event,
/// which may have 6 MiB. In base64 it is a third larger.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Makes the request that somebody has sent.
///
/// Errors: a [`Problem`] if its body is too large, or if it cannot have been a request.
pub(crate) fn request(event: HttpEvent) -> Result<Request<Body>, Problem> {
    let body = match event.body {
        None => Vec::new(),
        Some(body) if !event.is_base64_encoded => body.into_bytes(),
        Some(body) => STANDARD.decode(body).map_err(|error| broken(&error))?,
    };
    if body.len() > BODY_BYTES_MAX {
        let detail = "API Gateway takes no more than 4 MiB; put the file into the bucket of output \
                      UsersBucketName, under import/<organization's id>/";
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail));
    }
    let mut uri = escaped(&event.raw_path);
    if !event.raw_query_string.is_empty() {
        uri.push('?');
        uri.push_str(&event.raw_query_string);
    }
    let method = Method::from_bytes(event.request_context.http.method.as_bytes());
    let mut request = Request::builder().uri(uri).body(Body::from(body)).map_err(|e| broken(&e))?;
    *request.method_mut() = method.map_err(|error| broken(&error))?;
    for (name, value) in event.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            // An error means more names than a map holds: far more than API Gateway lets through.
            let _ = request.headers_mut().try_append(name, value);
        }
    }
    Ok(request)
}

fn broken(error: &dyn std::error::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "a broken request", error.to_string())
}

/// Puts back the escapes that API Gateway has undone in a path; those that it left stay.
fn escaped(path: &str) -> String {
    let mut written = String::new();
    let bytes = path.as_bytes();
    for (place, byte) in bytes.iter().enumerate() {
        let is_escape = || {
            let digits = bytes.get(place + 1..place + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        if byte.is_ascii_alphanumeric()
            || b"/-._~!$&'()*+,;=:@".contains(byte)
            || (*byte == b'%' && is_escape())
        {
            written.push(char::from(*byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(mut event: Value, http: &Value) -> Result<Request<Body>, Problem> {
        event["requestContext"] = json!({ "http": http });
        request(serde_json::from_value(event).unwrap())
    }

    async fn bytes_of(request: Request<Body>) -> Vec<u8> {
        axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn a_body_is_the_same_as_text_and_in_base64() {
        let get = json!({ "method": "POST" });
        for (body, base64) in [("a\u{fc}", false), ("YcO8", true)] {
            let event = json!({ "rawPath": "/v1/import", "rawQueryString": "dry_run=true",
                                "headers": { "content-type": "text/csv", "x": "1,2" },
                                "body": body, "isBase64Encoded": base64 });
            let request = made(event, &get).unwrap();
            assert_eq!(request.method(), Method::POST);
            assert_eq!(request.uri(), "/v1/import?dry_run=true");
            assert_eq!(request.headers()["content-type"], "text/csv");
            assert_eq!(bytes_of(request).await, "a\u{fc}".as_bytes());
        }
    }

    #[test]
    fn a_path_is_what_it_was_before_api_gateway() {
        for (path, uri) in [
            ("/v1/users/ada", "/v1/users/ada"),
            ("/v1/users/j\u{fc}rg smith", "/v1/users/j%C3%BCrg%20smith"),
            ("/v1/users/a?b#c", "/v1/users/a%3Fb%23c"),
            ("/v1/users/50%25", "/v1/users/50%25"),
            ("/v1/users/%zz%", "/v1/users/%25zz%25"),
        ] {
            let request = made(json!({ "rawPath": path }), &json!({ "method": "GET" })).unwrap();
            assert_eq!(request.uri(), uri);
        }
    }

    #[test]
    fn a_body_over_the_limit_is_told_of_the_bucket() {
        let post = json!({ "method": "POST" });
        let event = |bytes| json!({ "rawPath": "/v1/import", "body": "x".repeat(bytes) });
        assert!(made(event(BODY_BYTES_MAX), &post).is_ok());
        let problem = made(event(BODY_BYTES_MAX + 1), &post).unwrap_err();
        assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(serde_json::to_string(&problem).unwrap().contains("UsersBucketName"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let event = json!({ "rawPath": "/", "body": "*", "isBase64Encoded": true });
        let problem = made(event, &json!({ "method": "POST" })).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        let problem = made(json!({ "rawPath": "/" }), &json!({ "method": "a b" })).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        let query = json!({ "rawPath": "/", "rawQueryString": "a b" });
        let problem = made(query, &json!({ "method": "GET" })).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
    }
}

//! The WebSocket side of an upgrade request: is it one, and what answers it.
//!
//! No subprotocol, no extension: what the client offers of them is passed over, which declines
//! it. Source: RFC 6455, section 4.2.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use sidetone_model::HandshakeFault;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The only version there is.
pub(crate) const WEBSOCKET_VERSION: &str = "13";

/// Base64 of 16 bytes.
const KEY_CHARS: usize = 24;

/// Checks a request; returns the value of `Sec-WebSocket-Accept`.
pub(crate) fn check<B>(request: &Request<B>) -> Result<HeaderValue, HandshakeFault> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(HandshakeFault::Method);
    }
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(HandshakeFault::Upgrade);
    }
    if request.version() != Version::HTTP_11 {
        return Err(HandshakeFault::Version);
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(HandshakeFault::Connection);
    }
    if has_body(headers) {
        return Err(HandshakeFault::Body);
    }
    let version = once(headers, &SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    if version != Some(WEBSOCKET_VERSION.as_bytes()) {
        return Err(HandshakeFault::WebSocketVersion);
    }
    let key = once(headers, &SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|key| is_key(key)).ok_or(HandshakeFault::WebSocketKey)?;
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| HandshakeFault::WebSocketKey)
}

/// Returns whether a request to another path was meant for the door: it has what a handshake has.
pub(crate) fn is_attempt(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
        || headers.contains_key(SEC_WEBSOCKET_KEY)
        || headers.contains_key("audiohook-session-id")
}

/// Makes the answer that turns the connection into a WebSocket.
pub(crate) fn switching<B: Default>(accept: HeaderValue) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// A request with a body would leave it behind on the socket, as if it were messages.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|value| value.as_bytes() != b"0")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
}

fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// 16 bytes in base64: 22 letters and two signs of padding.
fn is_key(key: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == KEY_CHARS && key.ends_with(b"==") && key[..KEY_CHARS - 2].iter().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(spoil: impl FnOnce(&mut Request<()>)) -> Result<HeaderValue, HandshakeFault> {
        let mut request = Request::get("/audiohook/ws")
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "WebSocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Protocol", "audiohook-v2")
            .header("Sec-WebSocket-Extensions", "permessage-deflate")
            .body(())
            .unwrap();
        spoil(&mut request);
        check(&request)
    }

    fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Request<()>) {
        move |request| {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }

    #[test]
    fn answers_the_example_of_the_rfc() {
        assert_eq!(request(|_| ()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_fault_is_named() {
        use HandshakeFault as Fault;
        type Spoil = Box<dyn FnOnce(&mut Request<()>)>;
        let cases: Vec<(Spoil, HandshakeFault)> = vec![
            (Box::new(|r| *r.method_mut() = Method::POST), Fault::Method),
            (Box::new(|r| *r.version_mut() = Version::HTTP_10), Fault::Version),
            (Box::new(|r| drop(r.headers_mut().remove(UPGRADE))), Fault::Upgrade),
            (Box::new(set("upgrade", "h2c")), Fault::Upgrade),
            (Box::new(set("sec-websocket-version", "8")), Fault::WebSocketVersion),
            (Box::new(set("connection", "keep-alive")), Fault::Connection),
            (Box::new(set("sec-websocket-key", "short")), Fault::WebSocketKey),
            (Box::new(set("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ--")), Fault::WebSocketKey),
            (Box::new(set("content-length", "5")), Fault::Body),
            (Box::new(set("transfer-encoding", "chunked")), Fault::Body),
            (Box::new(|r| drop(r.headers_mut().remove(SEC_WEBSOCKET_KEY))), Fault::WebSocketKey),
            (
                Box::new(|r| {
                    let twice = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
                    r.headers_mut().append(SEC_WEBSOCKET_KEY, twice);
                }),
                Fault::WebSocketKey,
            ),
        ];
        for (place, (spoil, expected)) in cases.into_iter().enumerate() {
            assert_eq!(request(spoil), Err(expected), "case {place}");
        }
    }

    #[test]
    fn an_empty_body_is_none() {
        assert!(request(set("content-length", "0")).is_ok());
    }
}

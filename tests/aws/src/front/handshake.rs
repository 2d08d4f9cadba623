//! The upgrade request as it came, with the client's own spelling of its headers.
//!
//! Read by hand, because the answer waits for somebody else's and because API Gateway shows
//! functions the header names as they were written.

use std::io;

use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The largest request head; API Gateway takes 10,240 bytes of headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// An upgrade request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upgrade {
    /// The request target.
    pub(super) target: String,
    /// Names as the client spelled them, and values.
    pub(super) headers: Vec<(String, String)>,
}

impl Upgrade {
    /// Reads the head of a request; nothing if it is none, or not one for an upgrade.
    pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        // One byte at a time: what follows the head belongs to the WebSocket.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == HEAD_BYTES_MAX || stream.read(&mut byte).await? == 0 {
                return Ok(None);
            }
            head.extend_from_slice(&byte);
        }
        Ok(std::str::from_utf8(&head).ok().and_then(Self::parse))
    }

    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut request = lines.next()?.split(' ');
        let (Some("GET"), Some(target), Some("HTTP/1.1")) =
            (request.next(), request.next(), request.next())
        else {
            return None;
        };
        let headers = lines
            .take_while(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<Vec<_>>>()?;
        let upgrade = Self { target: target.to_owned(), headers };
        upgrade.header("sec-websocket-key").is_some().then_some(upgrade)
    }

    /// Returns the last value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.headers.iter().rev().find(named).map(|(_, value)| value.as_str())
    }

    /// Returns the path without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// Writes the same request for another server; nothing if it cannot be written.
    pub(super) fn forwarded_to(&self, url: &str) -> Option<Request> {
        let query = self.target.split_once('?').map_or(String::new(), |(_, q)| format!("?{q}"));
        let mut request = format!("{url}{query}").into_client_request().ok()?;
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let hop = matches!(lower.as_str(), "connection" | "upgrade");
            // The client behind the front makes its own key and asks for no extensions.
            if hop || lower.starts_with("sec-websocket-") {
                continue;
            }
            let name = HeaderName::try_from(lower).ok()?;
            request.headers_mut().insert(name, HeaderValue::from_str(value).ok()?);
        }
        Some(request)
    }

    /// Tells the client that it is connected.
    pub(super) async fn accept(&self, stream: &mut TcpStream) -> io::Result<()> {
        let key = self.header("sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await
    }
}

/// Tells a client that it is not connected.
pub(super) async fn refuse(stream: &mut TcpStream, status: u16) -> io::Result<()> {
    let body = r#"{"message":"refused"}"#;
    let answer = format!(
        "HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET /sidetone?a=1 HTTP/1.1\r\nHost: door.example\r\nX-API-KEY: k\r\n\
                        Sec-WebSocket-Key: abc=\r\nConnection: Upgrade\r\n\r\n";

    #[test]
    fn keeps_the_spelling_of_header_names() {
        let upgrade = Upgrade::parse(HEAD).expect("an upgrade");
        assert_eq!(upgrade.path(), "/sidetone");
        assert_eq!(upgrade.headers[1], ("X-API-KEY".to_owned(), "k".to_owned()));
        assert_eq!(upgrade.header("x-api-key"), Some("k"));
    }

    #[test]
    fn forwards_the_host_but_not_the_key() {
        let upgrade = Upgrade::parse(HEAD).expect("an upgrade");
        let request = upgrade.forwarded_to("ws://127.0.0.1:1/there").expect("a request");
        assert_eq!(request.uri().to_string(), "ws://127.0.0.1:1/there?a=1");
        assert_eq!(request.headers()["host"], "door.example");
        assert_ne!(request.headers()["sec-websocket-key"], "abc=");
    }

    #[test]
    fn takes_nothing_but_an_upgrade() {
        assert_eq!(Upgrade::parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!(Upgrade::parse("POST / HTTP/1.1\r\nSec-WebSocket-Key: a\r\n\r\n"), None);
        assert_eq!(Upgrade::parse("GET / HTTP/1.1\r\nno colon\r\n\r\n"), None);
    }
}

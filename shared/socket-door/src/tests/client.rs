//! A client made of bytes: it can do everything wrong that there is.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sidetone_audiohook_proto::{KeyId, Secret, SigningRequest, sign};
use sidetone_model::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use super::stage::{KEY, ORGANIZATION, PATIENCE, SECRET, Stage};

pub(super) const OPCODE_CONTINUE: u8 = 0x0;
pub(super) const OPCODE_TEXT: u8 = 0x1;
pub(super) const OPCODE_BINARY: u8 = 0x2;

/// Writes the header of a masked frame; the mask is zero, so the payload stays as it is.
pub(super) fn header(is_final: bool, opcode: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![u8::from(is_final) << 7 | opcode];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes
}

/// Writes a masked frame.
pub(super) fn frame(is_final: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(is_final, opcode, payload.len() as u64);
    bytes.extend(payload);
    bytes
}

/// An upgrade request before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Upgrade {
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) session: String,
}

impl Upgrade {
    /// A request as Genesys makes it, signed at `now` for the host it is sent to.
    pub(super) fn signed(address: SocketAddr, now: Timestamp) -> Self {
        Self::signed_for("/audiohook/ws", &address.to_string(), now, SECRET)
    }

    /// A request for a certain session.
    pub(super) fn signed_in(address: SocketAddr, now: Timestamp, session: &str) -> Self {
        let mut request = Self::unsigned("/audiohook/ws", &address.to_string(), KEY)
            .with("Audiohook-Session-Id", session);
        session.clone_into(&mut request.session);
        request.sign("/audiohook/ws", &address.to_string(), now, SECRET)
    }

    pub(super) fn signed_for(target: &str, authority: &str, now: Timestamp, secret: &str) -> Self {
        Self::unsigned(target, authority, KEY).sign(target, authority, now, secret)
    }

    fn sign(self, target: &str, authority: &str, now: Timestamp, secret: &str) -> Self {
        let request = self;
        let nonce = Uuid::new_v4().to_string();
        let correlation = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
        let signing = SigningRequest {
            target,
            authority,
            organization_id: ORGANIZATION,
            session_id: &request.session,
            correlation_id: correlation,
            key_id: &KeyId::new(KEY),
            nonce: &nonce,
            created: now,
            lifetime: Duration::from_secs(30),
        };
        let signature = sign(&signing, &Secret::from_base64(secret).unwrap()).unwrap();
        request
            .with("signature-input", &signature.signature_input)
            .with("signature", &signature.signature)
    }

    pub(super) fn unsigned(target: &str, authority: &str, key: &str) -> Self {
        let session = Uuid::new_v4().to_string();
        let headers = [
            ("Host", authority),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("User-Agent", "GenesysCloud-AudioHook-Client"),
            ("Audiohook-Organization-Id", ORGANIZATION),
            ("Audiohook-Session-Id", &session),
            ("Audiohook-Correlation-Id", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
            ("X-API-KEY", key),
        ];
        let headers =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { target: target.to_owned(), headers, session }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn adding(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn head(&self) -> String {
        let mut head = format!("GET {} HTTP/1.1\r\n", self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    /// Sends the request and reads the answer.
    pub(super) async fn send(&self, address: SocketAddr) -> Answer {
        Answer::to(address, self.head().as_bytes()).await
    }

    /// Sends the request, which must be accepted.
    pub(super) async fn connect(&self, address: SocketAddr) -> Client {
        self.connect_over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(super) async fn connect_over(&self, stream: TcpStream) -> Client {
        self.connect_with(stream, &[]).await
    }

    /// Connects, and sends some bytes right behind the request.
    pub(super) async fn connect_with(&self, mut stream: TcpStream, early: &[u8]) -> Client {
        stream.set_nodelay(true).unwrap();
        let bytes = [self.head().as_bytes(), early].concat();
        stream.write_all(&bytes).await.unwrap();
        let answer = Answer::read(&mut stream, true).await;
        assert_eq!(answer.status, 101, "{}", answer.head);
        let early = answer.body;
        let socket = WebSocketStream::from_partially_read(stream, early, Role::Client, None).await;
        Client {
            socket,
            session: self.session.clone(),
            seq: 0,
            serverseq: 0,
            samples: 0,
            binary: 0,
        }
    }
}

/// What the door answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Sends bytes and reads the answer to its end; status 0 if there is none.
    pub(super) async fn to(address: SocketAddr, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The door may answer and close before all is sent.
        let _ = stream.write_all(request).await;
        Self::read(&mut stream, false).await
    }

    pub(super) async fn read(stream: &mut TcpStream, head_only: bool) -> Self {
        tokio::time::timeout(PATIENCE, Self::read_all(stream, head_only)).await.unwrap()
    }

    async fn read_all(stream: &mut TcpStream, head_only: bool) -> Self {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4_096];
        loop {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end
                && head_only
            {
                return Self::parse(&bytes, end);
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => {
                    return match end {
                        Some(end) => Self::parse(&bytes, end),
                        None => Self { status: 0, head: String::new(), body: bytes },
                    };
                }
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            }
        }
    }

    fn parse(bytes: &[u8], end: usize) -> Self {
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }
}

/// An AudioHook client after its upgrade.
pub(super) struct Client {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) session: String,
    pub(super) seq: u64,
    pub(super) serverseq: u64,
    /// Samples per channel that were sent, in stereo.
    pub(super) samples: u64,
    /// Binary messages that the server sent; a Monitor session has none.
    pub(super) binary: usize,
}

impl Client {
    /// Connects as Genesys does.
    pub(super) async fn connect<R>(stage: &Stage<R>) -> Self {
        Upgrade::signed(stage.address, stage.clock.now()).connect(stage.address).await
    }

    /// Connects and opens a session that is listened to.
    pub(super) async fn open<R>(stage: &Stage<R>) -> Self {
        let mut client = Self::connect(stage).await;
        client.say_open(&Uuid::new_v4().to_string()).await;
        let opened = client.hear().await;
        assert_eq!(opened["type"], "opened", "{opened}");
        client
    }

    pub(super) fn message(&mut self, kind: &str, parameters: Value) -> String {
        self.seq += 1;
        let micros = self.samples * 125;
        let position = format!("PT{}.{:06}S", micros / 1_000_000, micros % 1_000_000);
        text_of(&self.session, kind, self.seq, self.serverseq, &position, parameters)
    }

    pub(super) fn open_message(&mut self, conversation: &str, organization: &str) -> String {
        self.seq += 1;
        open_text(&self.session, self.seq, conversation, organization)
    }

    pub(super) async fn say_open(&mut self, conversation: &str) {
        let text = self.open_message(conversation, ORGANIZATION);
        self.send_text(text).await;
    }

    pub(super) async fn say(&mut self, kind: &str) {
        let text = self.message(kind, json!({}));
        self.send_text(text).await;
    }

    pub(super) async fn send_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn send_audio(&mut self, samples: impl Into<Bytes>) {
        let samples = samples.into();
        self.samples += samples.len() as u64 / 2;
        self.socket.send(Message::Binary(samples)).await.unwrap();
    }

    /// Returns the next message, which must be a text; nothing at the end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the server says something")? {
                Ok(Message::Text(text)) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(value["seq"], self.serverseq + 1, "{value}");
                    self.serverseq += 1;
                    return Some(value);
                }
                Ok(Message::Binary(_)) => self.binary += 1,
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            }
        }
    }

    pub(super) async fn hear(&mut self) -> Value {
        self.next().await.expect("the server is still there")
    }

    /// Pings and returns how long the pong took.
    pub(super) async fn ping(&mut self) -> Duration {
        let started = tokio::time::Instant::now();
        self.say("ping").await;
        let pong = self.hear().await;
        assert_eq!(pong["type"], "pong", "{pong}");
        assert_eq!(pong["clientseq"], self.seq, "{pong}");
        started.elapsed()
    }

    /// Ends the session in order.
    pub(super) async fn close(mut self) {
        let text = self.message("close", json!({ "reason": "end" }));
        self.send_text(text).await;
        let closed = self.hear().await;
        assert_eq!(closed["type"], "closed", "{closed}");
        assert_eq!(self.binary, 0);
        self.socket.close(None).await.unwrap();
        assert!(self.next().await.is_none());
    }

    /// Like [`Client::leave_when_told`], where the session may have been opened before.
    pub(super) async fn leave_when_told_after_opened(mut self) -> Value {
        let mut told = self.hear().await;
        if told["type"] == "opened" {
            told = self.hear().await;
        }
        assert_eq!(told["type"], "disconnect", "{told}");
        told
    }

    /// Returns the code of the close frame that comes next.
    pub(super) async fn close_code(&mut self) -> Option<CloseCode> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap();
        match next {
            Some(Ok(Message::Close(frame))) => frame.map(|frame| frame.code),
            other => panic!("expected a close frame, got {other:?}"),
        }
    }

    /// Expects to be told to go, goes, and returns what it was told.
    pub(super) async fn leave_when_told(mut self) -> Value {
        let disconnect = self.hear().await;
        assert_eq!(disconnect["type"], "disconnect", "{disconnect}");
        let text = self.message("close", json!({ "reason": "disconnect" }));
        self.send_text(text).await;
        assert_eq!(self.hear().await["type"], "closed");
        self.socket.close(None).await.unwrap();
        disconnect
    }
}

/// Writes an `open` that offers stereo.
pub(super) fn open_text(session: &str, seq: u64, conversation: &str, organization: &str) -> String {
    let parameters = json!({
        "organizationId": organization,
        "conversationId": conversation,
        "participant": {
            "id": "beefcafe-4321-4cba-9fed-ba9876543210",
            "ani": "+13175550101", "aniName": "R. Example", "dnis": "+18005550199",
        },
        "media": [{
            "type": "audio", "format": "PCMU",
            "channels": ["external", "internal"], "rate": 8000,
        }],
        "language": "en-US",
    });
    text_of(session, "open", seq, 0, "PT0S", parameters)
}

fn text_of(
    session: &str,
    kind: &str,
    seq: u64,
    serverseq: u64,
    position: &str,
    parameters: Value,
) -> String {
    json!({
        "version": "2", "id": session, "type": kind, "seq": seq,
        "serverseq": serverseq, "position": position, "parameters": parameters,
    })
    .to_string()
}

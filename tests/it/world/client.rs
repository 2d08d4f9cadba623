//! An AudioHook client made by hand, byte by byte, so that it can do everything wrong.
//!
//! Its media runs with the clock, as a call's does: what it does not send is not there later.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use serde_json::{Value, json};
use sidetone_audiohook_proto::{KeyId, Secret, SigningRequest, sign};
use sidetone_model::{ConversationId, OrganizationId, SessionId, Timestamp};
use sidetone_ports::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;

use super::PATIENCE;
use super::site::{Credentials, ORGANIZATION, Running, Site};
use super::sound::frame;

const TARGET: &str = "/audiohook/ws";

/// Samples per channel in one frame; 100 ms.
const FRAME_SAMPLES: u64 = 800;

/// Writes a masked WebSocket frame; the mask is zero, so the payload stays as it is.
fn websocket_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Writes a text message.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    websocket_frame(0x1, text.as_bytes())
}

/// Writes a binary message.
pub(crate) fn binary_frame(payload: &[u8]) -> Vec<u8> {
    websocket_frame(0x2, payload)
}

/// An upgrade request before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    address: SocketAddr,
    headers: Vec<(&'static str, String)>,
    pub(crate) session: SessionId,
    /// The nonce, if it is signed.
    pub(crate) nonce: String,
    pub(crate) signature: String,
}

impl Upgrade {
    /// A request as Genesys makes it.
    pub(crate) fn signed(site: &Site, running: &Running) -> Self {
        Self::signed_as(running, &site.credentials, site.clock.now())
    }

    /// A request with credentials of a test's choice.
    pub(crate) fn signed_as(running: &Running, as_whom: &Credentials, now: Timestamp) -> Self {
        let session = SessionId::new(Uuid::new_v4());
        let authority = running.address.to_string();
        let (organization, session_text) = (ORGANIZATION.to_string(), session.to_string());
        let correlation = Uuid::new_v4().to_string();
        let nonce =
            STANDARD.encode([*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat());
        let signing = SigningRequest {
            target: TARGET,
            authority: &authority,
            organization_id: &organization,
            session_id: &session_text,
            correlation_id: &correlation,
            key_id: &KeyId::new(as_whom.api_key.as_str()),
            nonce: &nonce,
            created: now,
            lifetime: Duration::from_secs(30),
        };
        let secret = Secret::from_base64(&as_whom.secret).expect("base64");
        let signed = sign(&signing, &secret).expect("signable");
        let headers = vec![
            ("host", authority),
            ("connection", "Upgrade".to_owned()),
            ("upgrade", "websocket".to_owned()),
            ("sec-websocket-version", "13".to_owned()),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
            ("user-agent", "GenesysCloud-AudioHook-Client".to_owned()),
            ("audiohook-organization-id", organization),
            ("audiohook-session-id", session_text),
            ("audiohook-correlation-id", correlation),
            ("x-api-key", as_whom.api_key.clone()),
            ("signature-input", signed.signature_input),
            ("signature", signed.signature.clone()),
        ];
        let (address, signature) = (running.address, signed.signature);
        Self { address, headers, session, nonce, signature }
    }

    /// The same request without one of its headers.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// The same request with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns a header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }

    fn head(&self) -> String {
        let lines: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {TARGET} HTTP/1.1\r\n{lines}\r\n")
    }

    /// Sends the request and reads the answer to its end, or to the end of its head if it is
    /// accepted.
    pub(crate) async fn send(&self) -> Answer {
        Answer::to(self.address, self.head().as_bytes()).await
    }

    /// Sends the request, which must be accepted.
    pub(crate) async fn connect(&self, clock: Clock) -> Client {
        let answer = self.send().await;
        assert_eq!(answer.status, 101, "{}", answer.head);
        let stream = answer.stream.expect("a connection that was upgraded");
        let early = answer.body;
        let socket = WebSocketStream::from_partially_read(stream, early, Role::Client, None).await;
        Client {
            socket,
            clock,
            session: self.session,
            begins: clock.now(),
            seq: 0,
            serverseq: 0,
            samples: 0,
            paused_from: None,
            sent: Vec::new(),
            heard: Vec::new(),
        }
    }
}

/// What the door answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0 if there was none.
    pub(crate) status: u16,
    pub(crate) head: String,
    /// What came behind the head.
    pub(crate) body: Vec<u8>,
    stream: Option<TcpStream>,
}

impl Answer {
    /// Sends bytes and reads the answer.
    pub(crate) async fn to(address: SocketAddr, request: &[u8]) -> Self {
        let answered = async {
            let mut stream = TcpStream::connect(address).await.expect("the door is open");
            stream.set_nodelay(true).expect("a socket");
            // The door may answer and close before all is sent.
            let _ = stream.write_all(request).await;
            Self::read(stream).await
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("the door answers")
    }

    /// Asks for a page.
    pub(crate) async fn get(address: SocketAddr, path: &str) -> Self {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        Self::to(address, request.as_bytes()).await
    }

    async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4_096];
        loop {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let upgraded = bytes.starts_with(b"HTTP/1.1 101");
            if let Some(end) = end
                && upgraded
            {
                return Self::parse(&bytes, end, Some(stream));
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => {
                    return match end {
                        Some(end) => Self::parse(&bytes, end, None),
                        None => Self { status: 0, head: String::new(), body: bytes, stream: None },
                    };
                }
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            }
        }
    }

    fn parse(bytes: &[u8], end: usize, stream: Option<TcpStream>) -> Self {
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text").to_ascii_lowercase();
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        Self { status, head, body: bytes[end + 4..].to_vec(), stream }
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An AudioHook client after its upgrade.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    clock: Clock,
    pub(crate) session: SessionId,
    /// When its media began.
    pub(crate) begins: Timestamp,
    pub(crate) seq: u64,
    serverseq: u64,
    /// How far its media has come.
    pub(crate) samples: u64,
    paused_from: Option<u64>,
    /// Where each frame that it sent began.
    pub(crate) sent: Vec<u64>,
    /// What it was told and nobody asked for yet.
    heard: Vec<Value>,
}

impl Client {
    /// Connects and opens a session; returns what `opened` said.
    pub(crate) async fn open(
        site: &Site,
        running: &Running,
        conversation: ConversationId,
    ) -> (Self, Value) {
        let mut client = Upgrade::signed(site, running).connect(site.clock).await;
        client.say_open(conversation, ORGANIZATION).await;
        let opened = client.hear("opened").await;
        (client, opened)
    }

    /// Says `open` for an organization.
    pub(crate) async fn say_open(
        &mut self,
        conversation: ConversationId,
        organization: OrganizationId,
    ) {
        let parameters = json!({
            "organizationId": organization.to_string(),
            "conversationId": conversation.to_string(),
            "participant": {
                "id": Uuid::new_v4().to_string(),
                "ani": "+15555550100", "aniName": "R. Example", "dnis": "+15555550199",
            },
            "media": [{
                "type": "audio", "format": "PCMU",
                "channels": ["external", "internal"], "rate": 8000,
            }],
            "language": "en-US",
        });
        self.say("open", parameters).await;
    }

    /// Writes the next message.
    pub(crate) fn message(&mut self, kind: &str, parameters: Value) -> String {
        self.seq += 1;
        json!({
            "version": "2", "id": self.session.to_string(), "type": kind, "seq": self.seq,
            "serverseq": self.serverseq, "position": duration(self.samples),
            "parameters": parameters,
        })
        .to_string()
    }

    /// Says something.
    pub(crate) async fn say(&mut self, kind: &str, parameters: Value) {
        let text = self.message(kind, parameters);
        self.send(&text_frame(&text)).await;
    }

    /// Sends bytes as they are, in one piece.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let stream = self.socket.get_mut();
        stream.write_all(bytes).await.expect("the door is there");
        stream.flush().await.expect("the door is there");
    }

    /// Sends bytes that the door may not want any more.
    pub(crate) async fn send_in_vain(&mut self, bytes: &[u8]) {
        let _ = self.socket.get_mut().write_all(bytes).await;
    }

    /// Returns the bytes of the next frame, once the media has come so far.
    pub(crate) async fn next_frame(&mut self) -> Vec<u8> {
        let position = self.samples;
        self.samples += FRAME_SAMPLES;
        self.clock.sleep_until(self.begins + duration_of(self.samples)).await;
        self.sent.push(position);
        binary_frame(&frame(position, FRAME_SAMPLES))
    }

    /// Streams some frames in real time.
    pub(crate) async fn talk(&mut self, frames: usize) {
        for _ in 0..frames {
            let bytes = self.next_frame().await;
            self.send(&bytes).await;
        }
    }

    /// Says that media ends here; returns the message, for whoever sends it together with more.
    pub(crate) fn paused_message(&mut self) -> String {
        self.paused_from.get_or_insert(self.samples);
        self.message("paused", json!({}))
    }

    /// Says that media ends here.
    pub(crate) async fn pause(&mut self) {
        let text = self.paused_message();
        self.send(&text_frame(&text)).await;
    }

    /// Goes on with media, at the place where the call is by now.
    pub(crate) async fn resume(&mut self) {
        let passed = self.clock.now().since(self.begins);
        let frames = passed.as_millis() as u64 * 8 / FRAME_SAMPLES;
        self.samples = self.samples.max(frames * FRAME_SAMPLES);
        let start = self.paused_from.take().unwrap_or(self.samples);
        let skipped = self.samples - start;
        let parameters = json!({ "start": duration(start), "discarded": duration(skipped) });
        self.say("resumed", parameters).await;
    }

    /// Waits for a message of a type; others are kept for later.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        if let Some(place) = self.heard.iter().position(|message| message["type"] == kind) {
            return self.heard.remove(place);
        }
        loop {
            let heard = self.heard.clone();
            let Some(message) = self.next().await else {
                panic!("the door left without {kind}; it had said {heard:#?}")
            };
            if message["type"] == kind {
                return message;
            }
            self.heard.push(message);
        }
    }

    /// Returns the next message; nothing once the door has closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the door says something")? {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(message["seq"], self.serverseq + 1, "{message}");
                    self.serverseq += 1;
                    return Some(message);
                }
                Ok(Message::Binary(_)) => panic!("a Monitor session gets no audio"),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            }
        }
    }

    /// Pings, and returns what else was said before the pong.
    pub(crate) async fn ping(&mut self) -> Vec<Value> {
        self.say("ping", json!({})).await;
        let pong = self.hear("pong").await;
        assert_eq!(pong["clientseq"], self.seq, "{pong}");
        std::mem::take(&mut self.heard)
    }

    /// Ends the session in order.
    pub(crate) async fn close(mut self) {
        self.say("close", json!({ "reason": "end" })).await;
        self.hear("closed").await;
        // It has said all it had to say.
        let _ = self.socket.close(None).await;
    }

    /// Expects to be told to go, goes, and returns why.
    pub(crate) async fn leave_when_told(mut self) -> Value {
        let told = self.hear("disconnect").await;
        // The door may be gone already.
        let text = self.message("close", json!({ "reason": "disconnect" }));
        self.send_in_vain(&text_frame(&text)).await;
        while self.next().await.is_some() {}
        told["parameters"].clone()
    }
}

fn duration_of(samples: u64) -> Duration {
    Duration::from_micros(samples * 125)
}

fn duration(samples: u64) -> String {
    let micros = samples * 125;
    format!("PT{}.{:06}S", micros / 1_000_000, micros % 1_000_000)
}

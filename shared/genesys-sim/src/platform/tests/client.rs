//! A client for tests: does what it is told, right or wrong.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sidetone_model::{ConversationKey, OrganizationId, Timestamp, UserId};
use sidetone_ports::Clock;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use super::super::{Breach, Platform, PlatformConfig, SimUser};
use crate::conversation::{Conversation, Customer, Queue};

pub(super) const CLIENT_ID: &str = "5f0b2c1e-0000-4000-8000-000000000c1d";
pub(super) const SECRET: &str = "invented+secret/of=tests";

/// How long a test waits for anything, in real time.
const LIMIT: Duration = Duration::from_secs(3_600);

pub(super) fn user(number: u128) -> SimUser {
    let id = UserId::new(Uuid::from_u128(0x6b1e_0c52_5a5e_4f0b_9a57_0d1f_3c2b_0000 + number));
    SimUser::new(id, format!("agent{number}@customer.example"), format!("Agent {number}"))
}

pub(super) fn config(users: u128, speed: f64) -> PlatformConfig {
    let organization = OrganizationId::new(Uuid::from_u128(7));
    let users = (1..=users).map(user).collect();
    PlatformConfig::new(Clock::scaled(speed), organization, CLIENT_ID, SECRET, users)
}

pub(super) async fn platform(users: u128) -> Platform {
    Platform::start(config(users, 1.0)).await.expect("a free port")
}

pub(super) fn call(user: &SimUser) -> Conversation {
    let key = ConversationKey {
        organization: OrganizationId::new(Uuid::from_u128(7)),
        conversation: sidetone_model::ConversationId::new(Uuid::from_u128(0xc0)),
    };
    let customer = Customer {
        name: "Springfield, XX".into(),
        ani: "+15555550100".into(),
        dnis: "+15555550199".into(),
    };
    let queue = Queue { id: Uuid::from_u128(0xe01), name: "Billing".into(), auto_answer: false };
    let started: Timestamp = "2026-08-15T09:00:00.152Z".parse().expect("valid");
    let mut call = Conversation::inbound(key, customer, queue, started);
    call.ring(user, started + Duration::from_secs(8));
    call
}

pub(super) fn topic(user: &SimUser) -> Value {
    json!({ "id": format!("v2.users.{}.conversations", user.id) })
}

/// A client with or without a token.
pub(super) struct Client {
    http: reqwest::Client,
    pub(super) login: String,
    pub(super) api: String,
    pub(super) token: Option<String>,
}

impl Client {
    pub(super) fn new(platform: &Platform) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (login, api) = platform.base_urls();
        let http = reqwest::Client::builder().no_proxy().build().expect("a plain client");
        Self { http, login, api, token: None }
    }

    pub(super) async fn signed_in(platform: &Platform) -> Self {
        let mut client = Self::new(platform);
        client.sign_in().await;
        client
    }

    pub(super) async fn sign_in(&mut self) {
        let answer = self.ask_token(CLIENT_ID, SECRET, "grant_type=client_credentials").await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.expect("JSON");
        self.token = Some(body["access_token"].as_str().expect("a token").to_owned());
    }

    pub(super) async fn ask_token(&self, id: &str, secret: &str, form: &str) -> Response {
        self.http
            .post(format!("{}/oauth/token", self.login))
            .basic_auth(id, Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned())
            .send()
            .await
            .expect("an answer")
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.api));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer")
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.send(Method::GET, path, None).await;
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.send(Method::POST, path, Some(body)).await;
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.send(Method::PUT, path, Some(body)).await;
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    pub(super) async fn head(&self, path: &str) -> u16 {
        self.send(Method::HEAD, path, None).await.status().as_u16()
    }

    /// Makes a channel and returns its id and address.
    pub(super) async fn channel(&self) -> (String, String) {
        let (status, body) = self.post("/api/v2/notifications/channels", json!({})).await;
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body[name].as_str().expect("text").to_owned();
        (text("id"), text("connectUri"))
    }

    /// Makes a channel with one user's topic and a socket on it.
    pub(super) async fn listen_to(&self, user: &SimUser) -> (String, String, Socket) {
        let (id, uri) = self.channel().await;
        let socket = Socket::open(&uri).await;
        let path = format!("/api/v2/notifications/channels/{id}/subscriptions");
        let (status, _) = self.put(&path, json!([topic(user)])).await;
        assert_eq!(status, 200);
        (id, uri, socket)
    }
}

/// The client's end of a notification socket.
pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn open(uri: &str) -> Self {
        Self(connect_async(uri).await.expect("let in").0)
    }

    pub(super) async fn say(&mut self, message: Message) {
        self.0.send(message).await.expect("an open socket");
    }

    /// Returns the next message; nothing at the socket's end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(LIMIT, self.0.next()).await.expect("in time");
            match next? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Returns whether nothing comes for a while of real time.
    pub(super) async fn is_silent_for(&mut self, span: Duration) -> bool {
        // A paused clock comes to the next heartbeat whenever nothing else is due.
        let is_heartbeat = |message: &Message| {
            message.to_text().is_ok_and(|text| text.contains("WebSocket Heartbeat"))
        };
        let speaks = async {
            while let Some(Ok(message)) = self.0.next().await {
                if !is_heartbeat(&message) {
                    break;
                }
            }
        };
        tokio::time::timeout(span, speaks).await.is_err()
    }
}

/// Waits until something is so.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "never became so");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns what was held against the client, without the times.
pub(super) fn breaches(platform: &Platform) -> Vec<Breach> {
    platform.violations().into_iter().map(|violation| violation.breach).collect()
}

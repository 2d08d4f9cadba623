//! One notification socket: heartbeats, pings, events, and how it ends.
//!
//! Source: genesys-cloud.md, section 3.4.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use sidetone_model::Timestamp;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use uuid::Uuid;

use super::call::{Call, Host};
use super::server::Shared;
use super::violation::Breach;
use super::world::World;

/// Messages that wait for one socket; a client that reads so slowly is cut off.
const QUEUE_MAX: usize = 8_192;

/// How long a write may take, in real time, before the client counts as dead.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// How long a client has to answer a close frame, in real time.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// How long a socket that is taken over may show that it was closing anyway, in real time.
const LAST_LOOK: Duration = Duration::from_millis(25);

/// What the rest of the platform tells a socket's task.
#[derive(Debug, Clone)]
pub(crate) enum ToSocket {
    /// Send this text.
    Text(Utf8Bytes),
    /// Another socket took the channel over: send this and close.
    TakenOver(Utf8Bytes),
    /// Send `socket_closing`; another socket is due by then.
    Closing { notice: Utf8Bytes, until: Timestamp },
    /// Close in order.
    Close(&'static str),
    /// Break the connection without a word.
    Break,
    /// Say nothing more, and hear nothing.
    Stall,
}

/// A socket as its channel knows it.
#[derive(Debug, Clone)]
pub(crate) struct SocketHandle {
    number: u64,
    sender: mpsc::Sender<ToSocket>,
    closing_since: Option<Timestamp>,
}

impl SocketHandle {
    /// Passes something on; returns whether the socket could take it.
    pub(crate) fn tell(&self, what: ToSocket) -> bool {
        self.sender.try_send(what).is_ok()
    }
}

/// A socket that was let in.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) channel: String,
    pub(crate) number: u64,
    pub(crate) receiver: mpsc::Receiver<ToSocket>,
}

/// A message of the client.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    message: String,
    #[serde(default)]
    topics: Vec<String>,
    correlation_id: Option<String>,
}

impl World {
    /// Decides about an upgrade; the older socket of the channel loses it.
    pub(crate) fn admit(&mut self, now: Timestamp, call: &Call) -> Result<Admission, StatusCode> {
        self.purge(now);
        let admitted = self.try_admit(now, call);
        match admitted {
            Ok(_) => self.stats.sockets_opened += 1,
            Err(_) => self.stats.upgrades_refused += 1,
        }
        admitted
    }

    fn try_admit(&mut self, now: Timestamp, call: &Call) -> Result<Admission, StatusCode> {
        if call.headers.contains_key(header::AUTHORIZATION) {
            self.blame(now, Breach::AuthorizationOnSocket);
        }
        if call.headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
            self.blame(now, Breach::SubprotocolOffered);
        }
        if call.uri.query().is_some() {
            self.blame(now, Breach::ConnectUriChanged);
        }
        let segments = call.segments();
        let ["channels", id] = segments[..] else {
            self.blame_unknown(now, call);
            return Err(StatusCode::NOT_FOUND);
        };
        if call.host != Host::Streaming {
            self.blame(now, Breach::WrongHost { host: call.host.as_str(), path: call.path() });
            return Err(StatusCode::NOT_FOUND);
        }
        if let Some(status) = self.refused_upgrades.pop_front() {
            return Err(status);
        }
        let notice = self.system_message(
            &format!("v2.system.no_longer_subscribed.{id}"),
            json!({
                "channelId": id,
                "systemTopicType": "no_longer_subscribed",
                "organizationId": self.config.organization,
                "oauthClientId": self.config.client_id,
                "reason": "another_channel_subscribed",
            }),
        );
        let Some(channel) = self.channels.get_mut(id) else {
            return Err(StatusCode::NOT_FOUND);
        };
        channel.touch(now);
        channel.sockets.retain(|socket| {
            if socket.closing_since.is_none() {
                socket.tell(ToSocket::TakenOver(notice.clone()));
            }
            socket.closing_since.is_some()
        });
        self.next_socket += 1;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let number = self.next_socket;
        channel.sockets.push(SocketHandle { number, sender, closing_since: None });
        Ok(Admission { channel: id.to_owned(), number, receiver })
    }

    /// Writes a message of the system, which nobody subscribes to.
    pub(super) fn system_message(&self, topic: &str, body: Value) -> Utf8Bytes {
        let message = json!({
            "topicName": topic,
            "version": "2",
            "eventBody": body,
            "metadata": { "CorrelationId": Uuid::new_v4() },
        });
        message.to_string().into()
    }

    /// Asks every client to open another socket soon.
    pub(crate) fn announce_closing(&mut self, now: Timestamp) {
        let notice = self.system_message("v2.system.socket_closing", json!({}));
        let until = now + self.config.limits.swap;
        for socket in self.channels.values_mut().flat_map(|channel| &mut channel.sockets) {
            socket.closing_since.get_or_insert(now);
            socket.tell(ToSocket::Closing { notice: notice.clone(), until });
        }
    }

    /// Tells every open socket the same.
    pub(crate) fn tell_sockets(&self, what: &ToSocket) {
        for socket in self.channels.values().flat_map(|channel| &channel.sockets) {
            socket.tell(what.clone());
        }
    }

    /// Makes every token worthless and says so on the sockets.
    pub(crate) fn revoke_tokens(&mut self, now: Timestamp) {
        for (id, channel) in &self.channels {
            let notice = self.system_message(
                &format!("v2.system.token_revoked.{id}"),
                json!({
                    "channelId": id,
                    "systemTopicType": "token_revoked",
                    "organizationId": self.config.organization,
                    "oauthClientId": self.config.client_id,
                    "reason": "user_tokens_revoked",
                }),
            );
            for socket in &channel.sockets {
                socket.tell(ToSocket::Text(notice.clone()));
            }
        }
        self.tokens.revoke_all();
        self.purge(now);
    }

    pub(super) fn forget_socket(&mut self, channel: &str, number: u64) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.sockets.retain(|socket| socket.number != number);
        }
    }

    /// Returns whether the client has another socket on the channel than this one.
    fn has_successor(&self, channel: &str, number: u64) -> bool {
        self.channels
            .get(channel)
            .is_some_and(|channel| channel.sockets.iter().any(|socket| socket.number > number))
    }
}

/// Returns whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A socket's task.
pub(crate) struct SocketTask {
    shared: Arc<Shared>,
    stream: WebSocketStream<TokioIo<Upgraded>>,
    channel: String,
    number: u64,
    swap_until: Option<Timestamp>,
    stalled: bool,
}

/// Whether a socket lives on.
enum Next {
    Stay,
    End,
}

impl SocketTask {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        stream: WebSocketStream<TokioIo<Upgraded>>,
        channel: String,
        number: u64,
    ) -> Self {
        Self { shared, stream, channel, number, swap_until: None, stalled: false }
    }

    /// Serves the socket to its end.
    pub(crate) async fn run(mut self, mut receiver: mpsc::Receiver<ToSocket>) {
        let (clock, heartbeat) = (self.shared.clock, self.shared.world().heartbeat());
        let mut next_heartbeat = clock.now() + heartbeat;
        loop {
            let wake = self.swap_until.map_or(next_heartbeat, |until| until.min(next_heartbeat));
            let next = tokio::select! {
                told = receiver.recv() => match told {
                    Some(told) => self.obey(told).await,
                    None => self.close("channel gone").await,
                },
                message = self.stream.next(), if !self.stalled => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(_)) | None => Next::End,
                },
                () = self.shared.stop.cancelled() => self.close("server stops").await,
                () = clock.sleep_until(wake) => {
                    let now = clock.now();
                    if now >= next_heartbeat {
                        // From the last one: a late wake must not make the beat drift.
                        next_heartbeat = (next_heartbeat + heartbeat).max(now);
                        self.beat(now).await
                    } else {
                        self.end_swap(now).await
                    }
                }
            };
            if let Next::End = next {
                break;
            }
        }
        self.shared.world().forget_socket(&self.channel, self.number);
    }

    async fn obey(&mut self, told: ToSocket) -> Next {
        match told {
            ToSocket::Text(text) => self.send(Message::Text(text)).await,
            ToSocket::Closing { notice, until } => {
                self.swap_until = Some(until);
                self.send(Message::Text(notice)).await
            }
            ToSocket::TakenOver(notice) => {
                if self.is_open_still().await {
                    let now = self.shared.clock.now();
                    self.shared.world().blame(now, Breach::SecondSocket);
                }
                self.stalled = false;
                match self.send(Message::Text(notice)).await {
                    Next::Stay => self.close("another socket connected").await,
                    Next::End => Next::End,
                }
            }
            ToSocket::Close(why) => self.close(why).await,
            ToSocket::Break => Next::End,
            ToSocket::Stall => {
                self.stalled = true;
                Next::Stay
            }
        }
    }

    /// Tells a client with two sockets from one whose old socket has just ended.
    async fn is_open_still(&mut self) -> bool {
        loop {
            match tokio::time::timeout(LAST_LOOK, self.stream.next()).await {
                Err(_) => return true,
                Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => return false,
                Ok(Some(Ok(_))) => {}
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Next {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return self.refuse_message("a binary message"),
            // Answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Next::Stay,
            // The library's answer leaves with the next read, which then ends the stream.
            Message::Close(_) => return Next::Stay,
        };
        let Ok(request) = serde_json::from_str::<Request>(&text) else {
            return self.refuse_message("text that is no request");
        };
        let answer = match request.message.as_str() {
            "ping" => {
                self.shared.world().stats.pings += 1;
                json!({ "topicName": "channel.metadata", "eventBody": { "message": "pong" } })
            }
            "subscribe" => self.subscribe(&request),
            _ => return self.refuse_message("an unknown request"),
        };
        self.send(Message::Text(answer.to_string().into())).await
    }

    fn subscribe(&self, request: &Request) -> Value {
        let now = self.shared.clock.now();
        let done = self.shared.world().subscribe(now, &self.channel, &request.topics, false, true);
        let correlation = request.correlation_id.as_deref();
        match done {
            Ok(_) => json!({
                "result": "200", "status": "subscribed", "correlationId": correlation,
            }),
            Err(refusal) => json!({
                "result": refusal.status.as_str(),
                "status": "failure",
                "message": refusal.message,
                "correlationId": correlation,
            }),
        }
    }

    fn refuse_message(&self, what: &'static str) -> Next {
        let now = self.shared.clock.now();
        self.shared.world().blame(now, Breach::UnexpectedSocketMessage { what });
        Next::Stay
    }

    async fn beat(&mut self, now: Timestamp) -> Next {
        if self.stalled {
            return Next::Stay;
        }
        {
            let mut world = self.shared.world();
            world.purge(now);
            world.stats.heartbeats += 1;
        }
        let beat =
            r#"{"topicName":"channel.metadata","eventBody":{"message":"WebSocket Heartbeat"}}"#;
        self.send(Message::Text(Utf8Bytes::from_static(beat))).await
    }

    async fn end_swap(&mut self, now: Timestamp) -> Next {
        {
            let mut world = self.shared.world();
            if !world.has_successor(&self.channel, self.number) {
                let allowed = world.swap();
                world.blame(now, Breach::StayedAfterSocketClosing { allowed });
            }
        }
        self.close("server maintenance").await
    }

    async fn send(&mut self, message: Message) -> Next {
        if self.stalled {
            return Next::Stay;
        }
        match tokio::time::timeout(WRITE_LIMIT, self.stream.send(message)).await {
            Ok(Ok(())) => Next::Stay,
            Ok(Err(_)) | Err(_) => Next::End,
        }
    }

    async fn close(&mut self, why: &'static str) -> Next {
        let frame = CloseFrame { code: CloseCode::Away, reason: Utf8Bytes::from_static(why) };
        let farewell = async {
            self.stream.close(Some(frame)).await?;
            // Read to the end: a connection dropped with unread bytes takes the frame with it.
            while let Some(message) = self.stream.next().await {
                message?;
            }
            Ok::<_, Error>(())
        };
        // Whether the client hears it is its own affair.
        let _ = tokio::time::timeout(FAREWELL_LIMIT, farewell).await;
        Next::End
    }
}

impl World {
    const fn heartbeat(&self) -> Duration {
        self.config.limits.heartbeat
    }

    const fn swap(&self) -> Duration {
        self.config.limits.swap
    }
}

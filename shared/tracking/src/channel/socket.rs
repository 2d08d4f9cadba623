//! One notification socket: frames in, read in this task, handed on without waiting.
//!
//! Refuses: knowing channels and topics, reconnecting.
//! Source: docs/wire/notification.md, "Socket".

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sidetone_model::Outside;
use sidetone_notification_proto::{
    Frame, FrameKind, ReadError, SystemEventKind, UserNews, Watch, Watchdog, ping_text,
};
use sidetone_ports::Clock;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::intake::Intake;
use crate::backlog::Sure;
use crate::secret::Secret;
use crate::status::StatusBoard;

/// How long TCP, TLS and the upgrade may take together.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long a frame of ours may take to leave.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// How late one may wake up at most before it is a standstill: of a laptop that slept, say.
pub(crate) const STALL: Duration = Duration::from_secs(10);

/// The longest message: a conversation of 25 participants with all their attributes takes a
/// tenth of it.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A library's default of 128 KiB is more than a thousand snapshots an hour need.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// The most news that wait for the holder; it needs the first only.
const NEWS_MAX: usize = 16;

/// Why a socket did not open. Says nothing of the address, which is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectError {
    /// The upgrade was refused.
    #[error("the upgrade was refused with {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// There was no connection.
    #[error("no connection: {kind}")]
    Unreachable {
        /// What kind of failure.
        kind: &'static str,
    },
    /// It took too long.
    #[error("no connection within {} s", CONNECT_WITHIN.as_secs())]
    TimedOut,
}

impl ConnectError {
    /// Returns whether the channel is gone, or the token that made it.
    pub(super) const fn is_channel_gone(self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403 | 404 })
    }
}

/// What the holder of a socket should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The server will close it within a minute.
    Closing,
    /// Another channel took the topics.
    Unsubscribed,
    /// The token is void.
    TokenRevoked,
    /// The channel does not exist for the server.
    ChannelGone,
    /// The socket is no more.
    Ended(Ended),
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The other side closed or lost it.
    Closed,
    /// It was silent too long.
    Silent,
    /// It broke the protocol, or sent something endless.
    Broken,
}

/// An open socket; dropping it closes it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) news: mpsc::Receiver<News>,
    _close: DropGuard,
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Socket {
    /// Opens a socket and begins to read it.
    pub(super) async fn open(
        address: &Secret,
        clock: Clock,
        intake: Intake,
        board: StatusBoard,
        sure: Sure,
    ) -> Result<Self, ConnectError> {
        let mut config = WebSocketConfig::default();
        config.read_buffer_size = READ_BUFFER_BYTES;
        config.max_message_size = Some(MESSAGE_BYTES_MAX);
        config.max_frame_size = Some(MESSAGE_BYTES_MAX);
        let connecting = connect_async_with_config(address.reveal(), Some(config), true);
        let (stream, _) = clock
            .timeout(CONNECT_WITHIN, connecting)
            .await
            .ok_or(ConnectError::TimedOut)?
            .map_err(connect_error)?;
        let (tell, news) = mpsc::channel(NEWS_MAX);
        let close = CancellationToken::new();
        let reader = Reader {
            stream,
            watchdog: Watchdog::new(clock.steady()),
            clock,
            intake,
            board,
            sure,
            tell,
            close: close.clone(),
        };
        tokio::spawn(reader.run());
        Ok(Self { news, _close: close.drop_guard() })
    }
}

struct Reader {
    stream: Stream,
    watchdog: Watchdog,
    clock: Clock,
    intake: Intake,
    board: StatusBoard,
    sure: Sure,
    tell: mpsc::Sender<News>,
    close: CancellationToken,
}

impl Reader {
    async fn run(mut self) {
        // When it looked last, and when it was to look again at the latest.
        let mut looked = (self.clock.steady(), self.clock.steady());
        let ended = loop {
            let now = self.clock.steady();
            if now.since(looked.1) >= STALL {
                // This machine stood still: events of that time may be missing.
                let since = self.clock.now() - now.since(looked.0);
                tracing::warn!(%since, "woke up late");
                self.intake.missed_since(since);
            }
            looked = (now, now);
            let until = match self.watchdog.check(now) {
                Watch::Wait(until) => until,
                Watch::Ping => {
                    let ping = self.stream.send(Message::text(ping_text()));
                    match self.clock.timeout(SEND_WITHIN, ping).await {
                        Some(Ok(())) => continue,
                        Some(Err(_)) | None => break Some(Ended::Closed),
                    }
                }
                Watch::Dead => break Some(Ended::Silent),
            };
            looked.1 = until.max(now);
            tokio::select! {
                () = self.close.cancelled() => break None,
                message = self.stream.next() => {
                    if let Some(ended) = self.take(message) {
                        break Some(ended);
                    }
                }
                () = self.clock.sleep_until(until) => {}
            }
        };
        if let Some(ended) = ended {
            self.say(News::Ended(ended));
        }
        // The other side may be gone; whether it hears the farewell does not matter.
        drop(self.clock.timeout(SEND_WITHIN, self.stream.close(None)).await);
    }

    fn take(&mut self, message: Option<Result<Message, Error>>) -> Option<Ended> {
        match message {
            Some(Ok(Message::Text(text))) => {
                self.read(text.as_str());
                None
            }
            Some(Ok(
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
            )) => {
                self.watchdog.heard(self.clock.steady());
                None
            }
            Some(Ok(Message::Close(_))) | None => Some(Ended::Closed),
            Some(Err(error)) => Some(match error {
                Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Tls(_) => {
                    Ended::Closed
                }
                Error::Capacity(_)
                | Error::Protocol(_)
                | Error::WriteBufferFull(_)
                | Error::Utf8(_)
                | Error::AttackAttempt
                | Error::Url(_)
                | Error::Http(_)
                | Error::HttpFormat(_) => Ended::Broken,
            }),
        }
    }

    fn read(&mut self, text: &str) {
        let (now, steady) = (self.clock.now(), self.clock.steady());
        self.watchdog.heard(steady);
        let frame = match Frame::read(text) {
            Ok(frame) => frame,
            Err(error) => {
                count(match error {
                    ReadError::OtherUser => "other-user",
                    ReadError::NotJson(_) | ReadError::Source | ReadError::Body { .. } => {
                        "unreadable"
                    }
                });
                tracing::debug!(error = sidetone_ports::chain(&error), "frame not read");
                return;
            }
        };
        match frame.kind {
            FrameKind::Conversation { snapshot, .. } => {
                count("conversation");
                self.board.heard(now);
                self.intake.is_sure(&self.sure, now);
                self.intake.hand(now, snapshot);
            }
            FrameKind::Heartbeat => count("heartbeat"),
            FrameKind::Pong => {
                count("pong");
                self.watchdog.heard_pong(steady);
            }
            FrameKind::System(event) => {
                count("system");
                match event.kind {
                    SystemEventKind::SocketClosing => self.say(News::Closing),
                    SystemEventKind::NoLongerSubscribed => self.say(News::Unsubscribed),
                    SystemEventKind::TokenRevoked => self.say(News::TokenRevoked),
                    // Our own subscriptions cause the first; the second has no meaning yet.
                    SystemEventKind::SubscriptionUpdated | SystemEventKind::Other => {}
                }
            }
            FrameKind::Control(answer) => {
                count("control");
                if answer.result.as_ref() == "404" {
                    self.say(News::ChannelGone);
                }
            }
            FrameKind::Metadata => count("metadata"),
            FrameKind::User { about, .. } => count(match about {
                UserNews::Presence => "presence",
                UserNews::RoutingStatus => "routing-status",
            }),
            FrameKind::Unknown { topic } => {
                count("unknown");
                let topic = Outside::new(&topic);
                tracing::debug!(%topic, "frame of no known topic");
            }
        }
    }

    fn say(&self, news: News) {
        if self.tell.try_send(news).is_err() {
            // A full queue holds news enough to act on; a closed one has nobody to tell.
            tracing::trace!(?news, "nobody waits for this news");
        }
    }
}

fn count(kind: &'static str) {
    metrics::counter!("sidetone_notifications_total", "kind" => kind).increment(1);
}

/// Keeps of an error what names no address.
fn connect_error(error: Error) -> ConnectError {
    let kind = match error {
        Error::Http(response) => {
            return ConnectError::Refused { status: response.status().as_u16() };
        }
        Error::Io(_) => "the network failed",
        Error::Tls(_) => "TLS failed",
        Error::Url(_) => "the host cannot be reached",
        Error::HttpFormat(_) => "the address is none",
        Error::Protocol(_)
        | Error::Capacity(_)
        | Error::WriteBufferFull(_)
        | Error::Utf8(_)
        | Error::AttackAttempt => "the answer is no WebSocket upgrade",
        Error::ConnectionClosed | Error::AlreadyClosed => "it was closed at once",
    };
    ConnectError::Unreachable { kind }
}

#[cfg(test)]
mod tests {
    use sidetone_notification_proto::Region;
    use tokio::net::TcpListener;

    use super::*;
    use crate::backlog::Backlog;
    use crate::platform::{Hosts, PlatformClient};
    use crate::repair::Gaps;

    #[tokio::test]
    async fn a_host_without_tls_is_an_error_that_names_no_address() {
        let clock = Clock::system();
        let hosts = Hosts::of_region(Region::resolve("usw2").unwrap());
        drop(PlatformClient::new(hosts, "id", Secret::new("x"), clock).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Secret::new(format!("wss://{}/channels/x", listener.local_addr().unwrap()));
        let (sender, _heard) = mpsc::channel(1);
        let intake = Intake::new(vec![sender], Backlog::default(), Gaps::new());
        let opening = Socket::open(&address, clock, intake, StatusBoard::new(), Sure::default());
        let hang_up = async { drop(listener.accept().await.unwrap()) };
        let (opened, ()) = tokio::join!(opening, hang_up);
        let error = opened.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
}

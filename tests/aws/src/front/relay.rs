//! One connection through the front: what passes, and what ends it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sidetone_model::Timestamp;
use sidetone_ports::Clock;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Error, error::CapacityError};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::limits::Limits;

pub(super) type Behind = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long a peer may take to read the reason why it was closed, in the world's time.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client said so, perhaps with a code.
    ClientLeft(Option<u16>),
    /// The client's network is gone.
    ClientLost,
    /// The API closed it.
    ApiLeft,
    /// API Gateway closes it, with this code.
    Refused(CloseCode, &'static str),
}

/// A client, the API behind the front, and what API Gateway allows between them.
pub(super) struct Relay {
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) client: WebSocketStream<TcpStream>,
    pub(super) api: Behind,
}

impl Relay {
    /// Passes text in both directions until one of them is over.
    pub(super) async fn run(mut self) {
        let begun_at = self.clock.now();
        let mut last = begun_at;
        let end = loop {
            match self.next(begun_at, last).await {
                Ok(()) => last = self.clock.now(),
                Err(end) => break end,
            }
        };
        match end {
            End::ClientLeft(code) => {
                let frame = code.map(|code| CloseFrame { code: code.into(), reason: "".into() });
                let _ = self.api.close(frame).await;
                let _ = tokio::time::timeout(CLOSE_LIMIT, self.api.next()).await;
                let _ = tokio::time::timeout(CLOSE_LIMIT, self.client.flush()).await;
            }
            // Without a close frame, as API Gateway finds out about it.
            End::ClientLost => drop(self.api),
            End::ApiLeft => self.close_client(CloseCode::Normal, "").await,
            End::Refused(code, reason) => {
                let frame = CloseFrame { code, reason: reason.into() };
                let _ = self.api.close(Some(frame)).await;
                self.close_client(code, reason).await;
            }
        }
    }

    /// Passes one message on; the error is why there will be no other.
    async fn next(&mut self, begun_at: Timestamp, last: Timestamp) -> Result<(), End> {
        loop {
            let idle_at = last + self.limits.idle;
            let over_at = begun_at + self.limits.life;
            tokio::select! {
                message = self.client.next() => {
                    let Some(text) = from_client(message)? else {
                        // The library has written a pong, which goes out with the next flush.
                        self.client.flush().await.map_err(|_| End::ClientLost)?;
                        continue;
                    };
                    return self.api.send(text).await.map_err(|_| End::ApiLeft);
                }
                message = self.api.next() => {
                    let Some(text) = from_api(message)? else { continue };
                    return self.client.send(text).await.map_err(|_| End::ClientLost);
                }
                () = self.clock.sleep_until(idle_at.min(over_at)) => {
                    // A wait may have been cut.
                    let now = self.clock.now();
                    if now >= over_at {
                        return Err(End::Refused(CloseCode::Away, "Connection duration exceeded"));
                    }
                    if now >= idle_at {
                        return Err(End::Refused(CloseCode::Away, "Going away"));
                    }
                }
            }
        }
    }

    /// Says why, and listens until the client has read it: what lies unread in a socket that is
    /// closed resets the connection, and takes the reason with it.
    async fn close_client(mut self, code: CloseCode, reason: &'static str) {
        let closing = async {
            let frame = CloseFrame { code, reason: reason.into() };
            if self.client.close(Some(frame)).await.is_err() {
                return;
            }
            let mut unread = [0; 4096];
            while let Ok(1..) = self.client.get_mut().read(&mut unread).await {}
        };
        let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
    }
}

/// Returns the text to pass on; nothing for what ends at the front.
fn from_client(message: Option<Result<Message, Error>>) -> Result<Option<Message>, End> {
    match message {
        Some(Ok(text @ Message::Text(_))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => {
            Err(End::Refused(CloseCode::Unsupported, "Binary is not supported"))
        }
        // Answered by the library: functions never see them.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(frame))) => {
            Err(End::ClientLeft(frame.map(|frame| u16::from(frame.code))))
        }
        Some(Err(Error::Capacity(
            CapacityError::MessageTooLong { .. } | CapacityError::TooManyHeaders,
        ))) => Err(End::Refused(CloseCode::Size, "Message too big")),
        Some(Err(Error::Utf8(_))) => Err(End::Refused(CloseCode::Invalid, "Not UTF-8")),
        Some(Err(_)) | None => Err(End::ClientLost),
    }
}

fn from_api(message: Option<Result<Message, Error>>) -> Result<Option<Message>, End> {
    match message {
        Some(Ok(text @ Message::Text(_))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            Ok(None)
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::ApiLeft),
    }
}

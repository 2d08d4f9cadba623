//! One WebSocket after its upgrade: messages in, texts out, both within limits.
//!
//! Reading takes whole messages as they are in the read buffer, without a copy. Writing puts
//! into a queue that the socket takes from when it can. After a message that cannot be read the
//! stream has no more message borders, so nothing is read from then on: the session says
//! `disconnect`, a close frame follows, and what still comes is thrown away until the client
//! leaves.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Sink, Stream};
use sidetone_audiohook_proto::Violation;
use sidetone_model::Timestamp;
use sidetone_ports::Clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::config::{MESSAGE_BYTES_MAX, READ_BUFFER_BYTES, WRITE_QUEUE_BYTES_MAX};

/// How long a client may take to leave after it was hung up on.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How long a message may take from its first byte to its last: at 64 KiB that is a twentieth
/// of a telephone line.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);

/// A connection that notes whether anything has arrived.
#[derive(Debug)]
struct Heeded {
    stream: TcpStream,
    arrived: bool,
}

impl AsyncRead for Heeded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.arrived |= buffer.filled().len() > before;
        polled
    }
}

impl AsyncWrite for Heeded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What came from the client.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Media(Bytes),
    /// Something that cannot be read; nothing readable will follow.
    Breach {
        /// What the session is told.
        violation: Violation,
        /// What the close frame says.
        code: CloseCode,
    },
    /// The end, by close frame or without.
    End,
}

/// Why a text could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    /// The client does not read.
    Full,
    /// The connection is gone.
    Lost,
}

/// A WebSocket.
#[derive(Debug)]
pub(crate) struct Line {
    socket: WebSocketStream<Heeded>,
    /// Whether something sent may still be in the queue.
    unflushed: bool,
    /// Whether the client has said that nothing follows.
    closed: bool,
    /// Since when something has arrived that is no whole message.
    unfinished_since: Option<Instant>,
    /// A large message that was handed out, kept until the next read: so the read buffer is
    /// made anew in its small size, and does not stay as large as that message.
    large: Option<Bytes>,
}

impl Line {
    /// Takes over a connection after its upgrade, with what was read of it too early.
    pub(crate) fn new(stream: TcpStream, early: &[u8]) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_QUEUE_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream = Heeded { stream, arrived: false };
        // Without a handshake there is nothing to wait for.
        let socket = match early {
            [] => {
                WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).now_or_never()
            }
            early => WebSocketStream::from_partially_read(
                stream,
                early.to_vec(),
                Role::Server,
                Some(config),
            )
            .now_or_never(),
        };
        let socket = socket.expect("a socket without a handshake is there at once");
        Self { socket, unflushed: false, closed: false, unfinished_since: None, large: None }
    }

    /// Returns the next thing that came; meanwhile goes on writing.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if self.unflushed {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Poll::Ready(Heard::End),
                Poll::Pending => {}
            }
        }
        let _large = self.large.take();
        loop {
            let message = match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(heard_of(&error)),
                Poll::Ready(None) => return Poll::Ready(Heard::End),
                // The answer to the close frame has been tried; more is not owed.
                Poll::Pending if self.closed => return Poll::Ready(Heard::End),
                Poll::Pending => {
                    if std::mem::take(&mut self.socket.get_mut().arrived) {
                        self.unfinished_since.get_or_insert_with(Instant::now);
                    }
                    return Poll::Pending;
                }
            };
            self.socket.get_mut().arrived = false;
            match message {
                Message::Binary(bytes) => {
                    self.unfinished_since = None;
                    if bytes.len() > READ_BUFFER_BYTES {
                        self.large = Some(bytes.clone());
                    }
                    return Poll::Ready(Heard::Media(bytes));
                }
                Message::Text(text) => {
                    self.unfinished_since = None;
                    if text.len() > READ_BUFFER_BYTES {
                        self.large = Some(Bytes::from(text.clone()));
                    }
                    return Poll::Ready(Heard::Text(text));
                }
                Message::Close(_) => self.closed = true,
                // The library has answered the first; the others mean nothing to us.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Returns by when a message that has begun to arrive must be whole, if there is one.
    pub(crate) fn whole_by(&self, clock: &Clock) -> Option<Timestamp> {
        let passed = self.unfinished_since?.elapsed().mul_f64(clock.speed());
        Some(clock.steady() + WHOLE_WITHIN.saturating_sub(passed))
    }

    /// Sends a text as far as the socket takes it; the rest waits in the queue.
    pub(crate) fn send(&mut self, text: String) -> Result<(), LineError> {
        self.unflushed = true;
        match Pin::new(&mut self.socket).start_send(Message::text(text)) {
            Ok(()) => Ok(()),
            Err(Error::WriteBufferFull(_)) => Err(LineError::Full),
            Err(_) => Err(LineError::Lost),
        }
    }

    /// Sends a close frame after whatever waits, as far as the socket takes it at once.
    pub(crate) async fn hang_up(&mut self, code: CloseCode) {
        let frame = CloseFrame { code, reason: Utf8Bytes::default() };
        // Whether it can be sent makes no difference to what follows.
        let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(frame)));
        poll_fn(|cx| {
            let _ = Pin::new(&mut self.socket).poll_flush(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Throws away what still comes until the client leaves. Closing at once would make the
    /// kernel reset the connection and take back what was just sent.
    pub(crate) async fn see_off(&mut self, clock: &Clock) {
        let stream = &mut self.socket.get_mut().stream;
        see_off(stream, clock, LEAVE_WITHIN).await;
    }
}

/// Says that nothing follows, and reads what still comes until the client leaves or the time
/// is over.
pub(crate) async fn see_off(stream: &mut TcpStream, clock: &Clock, within: Duration) {
    let leave = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut waste = vec![0; READ_BUFFER_BYTES];
        while let Ok(1..) = stream.read(&mut waste).await {}
    };
    clock.timeout(within, leave).await;
}

/// Every other error means that the connection is gone, whatever the reason.
fn heard_of(error: &Error) -> Heard {
    let (violation, code) = if let Error::Capacity(capacity) = error {
        let bytes = match capacity {
            CapacityError::MessageTooLong { size, .. } => *size,
            CapacityError::TooManyHeaders => 0,
        };
        (Violation::MessageTooLarge { bytes }, CloseCode::Size)
    } else if let Error::Utf8(_) = error {
        (Violation::NotWebSocket, CloseCode::Invalid)
    } else if let Error::Protocol(protocol) = error
        && *protocol != ProtocolError::ResetWithoutClosingHandshake
    {
        (Violation::NotWebSocket, CloseCode::Protocol)
    } else {
        return Heard::End;
    };
    Heard::Breach { violation, code }
}

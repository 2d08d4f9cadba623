//! One session: connects, opens, sends what it is told to, listens for pongs.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use sidetone_ports::Clock;
use socket2::SockRef;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::wire::{self, Hearing, Said};
use crate::Failure;

/// How long connection, upgrade and `open` may take together.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// What the kernel holds of what the server does not read: twenty frames.
const SEND_BUFFER_BYTES: usize = 64 * 1_024;
/// Replies are some hundred bytes.
const READ_BYTES: usize = 2_048;

/// Whom the session talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Sink,
    Door,
}

/// One session that is open.
#[derive(Debug)]
pub(super) struct Session {
    stream: TcpStream,
    peer: Peer,
    id: String,
    seq: Cell<u64>,
    texts_heard: Cell<u64>,
    frames: Cell<u64>,
    pinged_at: Cell<Option<Instant>>,
    /// The rest of what the socket did not take at once.
    held: RefCell<Vec<u8>>,
    closing: Cell<bool>,
    over: Cell<bool>,
}

/// What became of something that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// The socket takes no more.
    HeldBack,
    /// The session is over.
    Over,
}

impl Session {
    /// Connects and opens; returns the session, what it has heard beyond, and how long it took.
    pub(super) async fn open(
        peer: Peer,
        address: SocketAddr,
        clock: &Clock,
    ) -> Result<(Self, Hearing, Duration), Failure> {
        let (id, authority) = (Uuid::new_v4().to_string(), address.to_string());
        // Signing is the client's own affair, so it does not count.
        let (request, open) = match peer {
            Peer::Sink => (wire::plain_upgrade(&authority), None),
            Peer::Door => {
                (wire::signed_upgrade(&authority, &id, clock.now())?, Some(wire::open(&id)))
            }
        };
        let begun = Instant::now();
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES)?;
            write_all(&stream, &request).await?;
            let mut hearing = Hearing::default();
            while !hearing.upgraded(&read(&stream).await?)? {}
            let mut texts = 0;
            if let Some(open) = open {
                write_all(&stream, &open).await?;
                let (mut opened, mut over) = (false, false);
                while !opened {
                    hearing.hear(&read(&stream).await?, |said| match said {
                        Said::Opened => (opened, texts) = (true, texts + 1),
                        Said::End => over = true,
                        Said::Pong | Said::Other => texts += 1,
                    });
                    if over {
                        return Err("disconnected instead of opened".into());
                    }
                }
            }
            Ok::<_, Failure>((stream, hearing, texts))
        };
        let (stream, hearing, texts) = tokio::time::timeout(OPEN_WITHIN, opening).await??;
        let took = begun.elapsed();
        let session = Self {
            stream,
            peer,
            id,
            seq: Cell::new(1),
            texts_heard: Cell::new(texts),
            frames: Cell::new(0),
            pinged_at: Cell::new(None),
            held: RefCell::default(),
            closing: Cell::new(false),
            over: Cell::new(false),
        };
        Ok((session, hearing, took))
    }

    /// Listens until the server ends the session; tells of each pong how long it took.
    pub(super) async fn listen(&self, mut hearing: Hearing, mut tell: impl FnMut(Duration)) {
        let mut buffer = [0; READ_BYTES];
        while !self.over.get() && self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hearing.hear(&buffer[..count], |said| match said {
                    Said::Pong => {
                        self.texts_heard.set(self.texts_heard.get() + 1);
                        if let Some(pinged_at) = self.pinged_at.take() {
                            tell(pinged_at.elapsed());
                        }
                    }
                    Said::Opened | Said::Other => {
                        self.texts_heard.set(self.texts_heard.get() + 1);
                    }
                    Said::End => self.over.set(true),
                }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        if self.closing.get() {
            // The server may have closed already.
            _ = self.stream.try_write(&wire::websocket_close());
        }
        _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
        self.over.set(true);
    }

    /// Ends the session as the client does: what was held back goes first.
    pub(super) fn close(&self) {
        self.closing.set(true);
        let close = match self.peer {
            Peer::Sink => wire::websocket_close(),
            Peer::Door => {
                self.seq.set(self.seq.get() + 1);
                wire::close(&self.id, self.seq.get(), self.texts_heard.get(), self.frames.get())
            }
        };
        if self.send(&close) == Sent::HeldBack {
            self.held.borrow_mut().extend_from_slice(&close);
        }
    }

    /// Returns its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns how many frames it has sent.
    pub(super) fn frames(&self) -> u64 {
        self.frames.get()
    }

    /// Returns whether its client has ended it.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Sends a frame, unless an older one still waits.
    pub(super) fn send_frame(&self, frame: &[u8]) -> Sent {
        let sent = self.send(frame);
        if sent == Sent::Yes {
            self.frames.set(self.frames.get() + 1);
        }
        sent
    }

    /// Sends a ping; returns for how long the last one has been without an answer, if it is.
    pub(super) fn send_ping(&self) -> Option<Duration> {
        if let Some(pinged_at) = self.pinged_at.get() {
            return Some(pinged_at.elapsed());
        }
        self.pinged_at.set(Some(Instant::now()));
        let ping = match self.peer {
            Peer::Sink => wire::websocket_ping(),
            Peer::Door => {
                self.seq.set(self.seq.get() + 1);
                wire::ping(&self.id, self.seq.get(), self.texts_heard.get(), self.frames.get())
            }
        };
        if self.send(&ping) == Sent::HeldBack {
            // Counted, so it must go out.
            self.held.borrow_mut().extend_from_slice(&ping);
        }
        None
    }

    /// Returns for how long a ping has been without an answer.
    pub(super) fn waits_for_pong(&self) -> Option<Duration> {
        self.pinged_at.get().map(|pinged_at| pinged_at.elapsed())
    }

    /// Returns whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    fn send(&self, bytes: &[u8]) -> Sent {
        if self.over.get() {
            return Sent::Over;
        }
        let mut held = self.held.borrow_mut();
        if !held.is_empty() {
            let taken = self.write(&held);
            held.drain(..taken);
            if !held.is_empty() {
                return Sent::HeldBack;
            }
        }
        let taken = self.write(bytes);
        if taken == 0 {
            return Sent::HeldBack;
        }
        // A message that was begun has to be finished before the next.
        held.extend_from_slice(&bytes[taken..]);
        Sent::Yes
    }

    fn write(&self, bytes: &[u8]) -> usize {
        match self.stream.try_write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.over.set(true);
                0
            }
        }
    }
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(taken) => bytes = &bytes[taken..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut buffer = [0; READ_BYTES];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(buffer[..count].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

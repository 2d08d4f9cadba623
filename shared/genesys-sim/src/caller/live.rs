//! One attempt on a live socket: drives the session machine and carries out what it says.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sidetone_audiohook_proto::{
    ClientEvent, ClientInput, ClientOutput, ClientSession, EndCause, FrameFault,
};
use sidetone_model::{Media, Position, Timestamp};
use sidetone_ports::Clock;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::PAUSED_MARKER;
use super::account::Account;
use super::connect::Socket;
use super::plan::{CallerPlan, Deed};
use super::relay::{Crossing, Relay};
use crate::voice::Stretch;

/// How long a write may wait for a server that does not read.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// How long the client waits for the server to answer its WebSocket close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A frame that is larger than any server has to take.
const OVERSIZE_FRAME_BYTES: usize = 70_000;

/// Sleeps that are longer than any session.
const FOREVER: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct Live<'a> {
    clock: Clock,
    plan: &'a CallerPlan,
    session: ClientSession,
    account: &'a mut Account,
    /// Which cue is next.
    next_cue: usize,
    ending: bool,
    vanished: bool,
    /// The network takes and brings nothing before.
    stuck_until: Option<Timestamp>,
    /// What carries media as text, where the door takes no binary messages.
    crossing: Option<Crossing>,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        clock: Clock,
        plan: &'a CallerPlan,
        session: ClientSession,
        account: &'a mut Account,
        relay: Option<Relay>,
    ) -> Self {
        Self {
            clock,
            plan,
            session,
            account,
            next_cue: 0,
            ending: false,
            vanished: false,
            stuck_until: None,
            crossing: relay.map(Crossing::new),
        }
    }

    /// There is no socket.
    pub(super) fn refused(&mut self, input: ClientInput<'_>) {
        let now = self.clock.steady();
        self.session.handle(now, input);
        self.unsent(now);
        let lost = self.crossing.as_ref().map_or(&[][..], Crossing::lost);
        self.account.attempt_ends(now, &self.session, lost);
    }

    /// Plays the session on a socket until one of both is over.
    pub(super) async fn run(&mut self, mut socket: Socket, stop: &CancellationToken) {
        self.catch_up(self.clock.steady());
        let mut alive = !self.session.is_over();
        self.session.handle(self.clock.steady(), ClientInput::SocketOpened);
        while alive {
            alive = self.send(&mut socket).await && !self.session.is_over() && !self.vanished;
            if alive {
                self.wait(&mut socket, stop).await;
            }
        }
        if self.vanished {
            drop(socket);
            self.account.ended(EndCause::Abandoned);
        } else {
            self.close(socket).await;
        }
        let now = self.clock.steady();
        self.unsent(now);
        let lost = self.crossing.as_ref().map_or(&[][..], Crossing::lost);
        self.account.attempt_ends(now, &self.session, lost);
    }

    /// Sleeps until something is due, or something arrives.
    async fn wait(&mut self, socket: &mut Socket, stop: &CancellationToken) {
        if let Some(until) = self.stuck_until.take() {
            self.clock.sleep_until(until).await;
            return self.catch_up(self.clock.steady());
        }
        let cue = self.plan.cues.get(self.next_cue).map(|cue| cue.at);
        let end = (!self.ending).then_some(self.plan.ends);
        let carried = self.crossing.as_ref().and_then(Crossing::deadline);
        let due = [self.session.deadline(), cue, end, carried].into_iter().flatten().min();
        let due = due.unwrap_or_else(|| self.clock.steady() + FOREVER);
        tokio::select! {
            biased;
            () = stop.cancelled(), if !self.ending => self.end_early(),
            message = socket.next() => {
                let now = self.clock.steady();
                // What was due before the message came goes first.
                self.catch_up(now);
                self.take(now, message.and_then(Result::ok));
            }
            () = self.clock.sleep_until(due) => self.catch_up(self.clock.steady()),
        }
    }

    fn take(&mut self, now: Timestamp, message: Option<Message>) {
        match message {
            Some(Message::Text(text)) => {
                self.session.handle(now, ClientInput::Text(text.as_str()));
            }
            Some(Message::Binary(bytes)) => {
                self.session.handle(now, ClientInput::Binary(bytes.len()));
            }
            // Answered by the library; no part of the protocol.
            Some(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Some(Message::Close(_)) | None => {
                self.session.handle(now, ClientInput::SocketClosed);
            }
        }
    }

    /// Does everything that the plan wants done by now, each thing at its own moment.
    fn catch_up(&mut self, now: Timestamp) {
        while self.stuck_until.is_none_or(|until| until <= now) {
            let Some(cue) = self.plan.cues.get(self.next_cue).filter(|cue| cue.at <= now) else {
                break;
            };
            self.next_cue += 1;
            self.perform(cue.at, &cue.deed);
        }
        if self.stuck_until.is_some_and(|until| until > now) {
            return;
        }
        if !self.ending && self.plan.ends <= now {
            self.ending = true;
            self.session.handle(self.plan.ends, ClientInput::End);
        }
        if self.session.deadline().is_some_and(|at| at <= now) {
            self.session.handle(now, ClientInput::Timeout);
        }
    }

    fn perform(&mut self, at: Timestamp, deed: &Deed) {
        match deed {
            Deed::Pause => {
                // Whole frames only are sent before: the pause begins where they end.
                self.session.handle(at, ClientInput::Timeout);
                let streaming = self.session.is_streaming();
                let from = if streaming { self.session.position(at) } else { self.place(at) };
                self.account.own_pause_begins(from);
                self.session.handle(at, ClientInput::Pause);
            }
            Deed::Resume => {
                self.session.handle(at, ClientInput::Resume);
                self.account.own_pause_ends(self.place(at));
            }
            Deed::Discard { length, stuck } => {
                self.session.handle(at, ClientInput::Discard(*length));
                if self.session.is_streaming() {
                    self.stuck_until = Some(at + *length + *stuck);
                }
            }
            Deed::Update { language } => {
                self.session.handle(at, ClientInput::Update { language: language.clone() });
            }
            Deed::Vanish => self.vanished = true,
        }
    }

    fn end_early(&mut self) {
        self.ending = true;
        self.session.handle(self.clock.steady(), ClientInput::End);
    }

    /// Returns how far the media has come at a moment.
    fn place(&self, at: Timestamp) -> Position {
        Position::ZERO.plus(at.since(self.plan.begins))
    }

    /// Sends all that is waiting, in one piece, and returns whether the socket took it.
    async fn send(&mut self, socket: &mut Socket) -> bool {
        let writing = async {
            let mut written = false;
            while let Some(output) = self.session.poll_output() {
                let message = match output {
                    ClientOutput::Send(text) => match &mut self.crossing {
                        Some(crossing) => {
                            crossing.text(self.clock.steady(), text);
                            continue;
                        }
                        None => Message::text(text),
                    },
                    ClientOutput::SendAudio { media, from, to, fault } => {
                        let bytes = frame(self.plan, media, from, to, fault);
                        match &mut self.crossing {
                            Some(crossing) => {
                                crossing.frame(self.clock.steady(), Stretch::new(from, to), &bytes);
                                continue;
                            }
                            None => Message::Binary(bytes),
                        }
                    }
                    // Closed once everything before is out.
                    ClientOutput::CloseSocket => continue,
                    ClientOutput::Event(event) => {
                        note(self.account, self.clock.steady(), event);
                        continue;
                    }
                };
                written = true;
                socket.feed(message).await?;
            }
            let now = self.clock.steady();
            while let Some(text) = self.crossing.as_mut().and_then(|it| it.arrived(now)) {
                written = true;
                socket.feed(Message::text(text)).await?;
            }
            if written { socket.flush().await } else { Ok(()) }
        };
        let clock = self.clock;
        let sent = clock.timeout(WRITE_LIMIT, writing).await.is_some_and(|done| done.is_ok());
        if !sent {
            self.session.handle(self.clock.steady(), ClientInput::SocketClosed);
        }
        sent
    }

    /// Closes the WebSocket without a code, as the reference client does, and listens for what
    /// the server should not say any more.
    async fn close(&mut self, mut socket: Socket) {
        let clock = self.clock;
        let closing = async {
            if socket.close(None).await.is_err() {
                return;
            }
            while let Some(Ok(message)) = socket.next().await {
                if !message.is_close() {
                    self.take(clock.steady(), Some(message));
                }
            }
        };
        // A server that does not answer has had its time.
        let _ = clock.timeout(CLOSE_LIMIT, closing).await;
    }

    /// Notes the events that are left once nothing can be sent any more.
    fn unsent(&mut self, now: Timestamp) {
        while let Some(output) = self.session.poll_output() {
            match output {
                ClientOutput::Event(event) => note(self.account, now, event),
                ClientOutput::Send(_)
                | ClientOutput::SendAudio { .. }
                | ClientOutput::CloseSocket => {}
            }
        }
    }
}

fn note(account: &mut Account, now: Timestamp, event: ClientEvent) {
    if let ClientEvent::ServerFault(fault) = &event {
        tracing::warn!(%fault, "the server broke the protocol");
    }
    account.note(now, event);
}

/// Fetches the samples of a frame and spoils it if that is wanted.
fn frame(
    plan: &CallerPlan,
    media: Media,
    from: Position,
    to: Position,
    fault: Option<FrameFault>,
) -> Bytes {
    let samples = usize::try_from(to.samples_since(from)).unwrap_or(usize::MAX);
    let length = samples.saturating_mul(media.bytes_per_step());
    let mut bytes = Vec::with_capacity(length + 1);
    match fault {
        Some(FrameFault::AfterPaused) => {
            bytes.extend(PAUSED_MARKER.iter().cycle().take(length));
            return bytes.into();
        }
        Some(FrameFault::Oversize) => {
            bytes.resize(OVERSIZE_FRAME_BYTES, 0xFF);
            return bytes.into();
        }
        Some(FrameFault::Odd) | None => {}
    }
    let place = plan.sound_from.plus_samples(from.samples());
    plan.sound.encode(media, place, samples, &mut bytes);
    if fault == Some(FrameFault::Odd) {
        bytes.push(0xFF);
    }
    bytes.into()
}

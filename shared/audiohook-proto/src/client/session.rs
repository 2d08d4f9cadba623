//! The client machine: phases, timers, counters; the stream of media is beside it.

use std::collections::VecDeque;
use std::time::Duration;

use sidetone_model::{Media, Position, Timestamp};

use super::config::ClientConfig;
use super::event::{ClientEvent, ClientInput, ClientOutput, EndCause, ServerFault};
use super::media_line::MediaLine;
use crate::wire::{ClientBody, ClientFault, ClientMessage, CloseReason, MediaTime};

/// What the client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for the WebSocket.
    Connecting,
    /// Has sent `open`.
    Opening { since: Timestamp },
    /// Has got `opened`.
    Active,
    /// Has sent `close`.
    Closing { since: Timestamp, seq: u64, cause: EndCause },
    /// Has gone, after `closed` or without.
    Over { closed: bool },
}

/// A `ping` on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct PingSent {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
}

/// One AudioHook session from the client's side.
#[derive(Debug)]
pub struct ClientSession {
    pub(super) config: ClientConfig,
    pub(super) phase: Phase,
    pub(super) was_opened: bool,
    seq: u64,
    pub(super) server_seq: u64,
    pub(super) server_ack: u64,
    pub(super) seq_lost: bool,
    pub(super) rate_spent_until: Option<Timestamp>,
    pub(super) media: Option<Media>,
    pub(super) line: MediaLine,
    pub(super) frames_sent: u64,
    pub(super) server_paused: bool,
    pub(super) client_paused: bool,
    pub(super) pause_start: Position,
    /// The client's own pauses that began and ended before `opened`.
    pub(super) early_pauses: Vec<(Position, Position)>,
    pub(super) discarding_to: Option<Position>,
    pub(super) ping: Option<PingSent>,
    pings_sent: u64,
    pub(super) next_ping_at: Option<Timestamp>,
    round_trip: Option<Duration>,
    /// Updates without `updated` so far.
    pub(super) updates_pending: u32,
    pub(super) late_language: Option<String>,
    faults: Vec<ServerFault>,
    pub(super) outputs: VecDeque<ClientOutput>,
}

impl ClientSession {
    /// Makes a session whose media began at `started_at`; a retry begins where the first
    /// attempt began, so that its audio waits in the history.
    pub fn new(started_at: Timestamp, config: ClientConfig) -> Self {
        let line = MediaLine::new(started_at, config.frame, config.history);
        Self {
            config,
            phase: Phase::Connecting,
            was_opened: false,
            seq: 0,
            server_seq: 0,
            server_ack: 0,
            seq_lost: false,
            rate_spent_until: None,
            media: None,
            line,
            frames_sent: 0,
            server_paused: false,
            client_paused: false,
            pause_start: Position::ZERO,
            early_pauses: Vec::new(),
            discarding_to: None,
            ping: None,
            pings_sent: 0,
            next_ping_at: None,
            round_trip: None,
            updates_pending: 0,
            late_language: None,
            faults: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input; drain [`ClientSession::poll_output`] afterwards.
    pub fn handle(&mut self, now: Timestamp, input: ClientInput<'_>) {
        // Audio heard before the input goes out before whatever the input causes.
        self.send_due_audio(now);
        match input {
            ClientInput::SocketOpened => self.send_open(now),
            ClientInput::ConnectFailed(failure) => self.end(EndCause::ConnectFailed(failure)),
            ClientInput::SocketClosed => self.lose_socket(),
            ClientInput::Text(text) => self.receive(now, text),
            ClientInput::Binary(bytes) => self.receive_binary(now, bytes),
            ClientInput::Timeout => {}
            ClientInput::Pause => self.begin_own_pause(now),
            ClientInput::Resume => self.end_own_pause(now),
            ClientInput::Update { language } => self.update(now, language),
            ClientInput::Discard(length) => self.discard(now, length),
            ClientInput::End => self.finish(now, EndCause::Completed),
        }
        self.run_timers(now);
    }

    /// Returns the next thing for the shell to do.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// Returns when to come back with [`ClientInput::Timeout`], if nothing comes before.
    pub fn deadline(&self) -> Option<Timestamp> {
        let timers = &self.config.timers;
        match self.phase {
            Phase::Connecting | Phase::Over { .. } => None,
            Phase::Opening { since } => Some(since + timers.open),
            Phase::Closing { since, .. } => Some(since + timers.close),
            Phase::Active => {
                let audio = self.is_streaming().then(|| match self.discarding_to {
                    Some(position) => self.line.moment_of(position),
                    None => self.line.next_frame_at(),
                });
                let ping = match self.ping {
                    Some(ping) => Some(ping.at + timers.pong),
                    None => self.next_ping_at,
                };
                [audio, ping].into_iter().flatten().min()
            }
        }
    }

    /// Returns whether nothing more will happen.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Returns whether audio flows.
    pub fn is_streaming(&self) -> bool {
        self.phase == Phase::Active
            && self.media.is_some()
            && !self.is_paused()
            && !self.config.open.is_probe()
    }

    /// Returns how many binary messages with media were sent, misplaced ones not counted.
    pub const fn frames_sent(&self) -> u64 {
        self.frames_sent
    }

    /// Returns which media was sent, as stretches in order that do not touch.
    pub fn sent_ranges(&self) -> &[(Position, Position)] {
        self.line.sent()
    }

    /// Returns every deviation of the server so far.
    pub fn server_faults(&self) -> &[ServerFault] {
        &self.faults
    }

    /// Returns the position that a message sent at `now` carries.
    ///
    /// While paused the media goes on unheard, and positions with it.
    pub fn position(&self, now: Timestamp) -> Position {
        if self.phase == Phase::Active && self.media.is_some() && self.is_paused() {
            return self.line.clock(now).max(self.line.end());
        }
        self.line.end()
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.server_paused || self.client_paused
    }

    pub(super) fn emit(&mut self, event: ClientEvent) {
        self.outputs.push_back(ClientOutput::Event(event));
    }

    pub(super) fn note_fault(&mut self, fault: ServerFault) {
        self.faults.push(fault.clone());
        self.emit(ClientEvent::ServerFault(fault));
    }

    /// Returns the `seq` of the last message sent.
    pub(super) const fn own_seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn send(&mut self, now: Timestamp, body: ClientBody) {
        self.send_at(self.position(now), body);
    }

    pub(super) fn send_at(&mut self, position: Position, body: ClientBody) {
        self.seq += 1;
        if self.config.faults.wrong_seq_at == Some(self.seq) {
            self.seq += 1;
        }
        let message = ClientMessage {
            id: self.config.session,
            seq: self.seq,
            serverseq: self.server_seq,
            position: position.into(),
            body,
        };
        self.outputs.push_back(ClientOutput::Send(message.to_json()));
    }

    fn send_open(&mut self, now: Timestamp) {
        if self.phase != Phase::Connecting {
            return;
        }
        self.phase = Phase::Opening { since: now };
        let open = self.config.open.clone();
        self.send(now, ClientBody::Open(Box::new(open)));
    }

    /// Reports a fault without ending the session.
    pub(super) fn send_error(
        &mut self,
        now: Timestamp,
        code: u32,
        message: &str,
        retry_after: Option<Duration>,
    ) {
        let fault = ClientFault {
            code,
            message: Some(message.to_owned()),
            retry_after: retry_after.map(MediaTime::from),
        };
        self.send(now, ClientBody::Error(fault));
    }

    /// Reports a fault and closes, unless it is closing already.
    pub(super) fn fail(&mut self, now: Timestamp, code: u32, message: &str, cause: EndCause) {
        match self.phase {
            Phase::Opening { .. } | Phase::Active => {
                self.send_error(now, code, message, None);
                self.send_close(now, CloseReason::Error, cause);
            }
            Phase::Connecting | Phase::Closing { .. } | Phase::Over { .. } => {}
        }
    }

    pub(super) fn send_close(&mut self, now: Timestamp, reason: CloseReason, cause: EndCause) {
        self.send(now, ClientBody::Close { reason: Some(reason) });
        self.phase = Phase::Closing { since: now, seq: self.seq, cause };
        self.ping = None;
    }

    /// Ends the stream from the client's side.
    fn finish(&mut self, now: Timestamp, cause: EndCause) {
        match self.phase {
            Phase::Connecting => self.end(cause),
            Phase::Opening { .. } | Phase::Active if self.config.faults.never_closes => {
                self.end(EndCause::Abandoned);
            }
            Phase::Opening { .. } => self.send_close(now, CloseReason::End, cause),
            Phase::Active => {
                self.flush(now);
                self.send_close(now, CloseReason::End, cause);
            }
            Phase::Closing { .. } | Phase::Over { .. } => {}
        }
    }

    /// Goes: no message follows.
    pub(super) fn end(&mut self, cause: EndCause) {
        if self.is_over() {
            return;
        }
        self.phase = Phase::Over { closed: false };
        self.outputs.push_back(ClientOutput::CloseSocket);
        let retry = cause.is_retried(self.was_opened);
        self.emit(ClientEvent::Ended { cause, retry });
    }

    fn lose_socket(&mut self) {
        match self.phase {
            Phase::Connecting => self.end(EndCause::ConnectionLost),
            Phase::Opening { .. } | Phase::Active => {
                self.note_fault(ServerFault::ClosedSocketFirst);
                self.end(EndCause::ConnectionLost);
            }
            Phase::Closing { cause, .. } => {
                if !self.seq_lost {
                    self.note_fault(ServerFault::ClosedSocketFirst);
                }
                let completed = cause == EndCause::Completed;
                self.end(if completed { EndCause::ConnectionLost } else { cause });
            }
            Phase::Over { .. } => {}
        }
    }

    fn run_timers(&mut self, now: Timestamp) {
        let timers = self.config.timers;
        match self.phase {
            Phase::Connecting | Phase::Over { .. } => {}
            Phase::Opening { since } => {
                if now >= since + timers.open {
                    self.note_fault(ServerFault::OpenTimeout);
                    self.fail(now, 408, "Open transaction timeout", EndCause::OpenTimeout);
                }
            }
            Phase::Active => match self.ping {
                Some(ping) if now >= ping.at + timers.pong => {
                    self.note_fault(ServerFault::PongTimeout);
                    self.fail(now, 408, "Timeout waiting for pong", EndCause::PongTimeout);
                }
                Some(_) => {}
                None => {
                    if self.next_ping_at.is_some_and(|at| at <= now) {
                        self.send_ping(now);
                    }
                }
            },
            Phase::Closing { since, cause, .. } => {
                if now >= since + timers.close {
                    // A server that lost count has been reported; its `closed` was refused.
                    if !self.seq_lost {
                        self.note_fault(ServerFault::CloseTimeout);
                    }
                    self.send_error(now, 408, "Close transaction timeout", None);
                    let completed = cause == EndCause::Completed;
                    self.end(if completed { EndCause::CloseTimeout } else { cause });
                }
            }
        }
    }

    fn send_ping(&mut self, now: Timestamp) {
        let rtt = self.round_trip.map(MediaTime::from);
        self.send(now, ClientBody::Ping { rtt });
        self.ping = Some(PingSent { seq: self.seq, at: now });
        self.pings_sent += 1;
        self.next_ping_at = Some(now + self.config.timers.ping_interval);
    }

    pub(super) fn take_pong(&mut self, now: Timestamp, ping: PingSent) {
        let round_trip = now.since(ping.at);
        self.ping = None;
        self.round_trip = Some(round_trip);
        self.emit(ClientEvent::RoundTrip(round_trip));
        if self.pings_sent == 1 {
            self.send_ping(now);
        }
    }
}

//! What the client says: checks in the order the description has them, then effects.
//!
//! Source: docs/wire/audiohook.md, "Violations" and "Position".

use bytes::Bytes;
use sidetone_model::{Position, Timestamp};

use super::{Phase, ServerSession};
use crate::frame::Frame;
use crate::server::output::{ClosingReason, SessionEvent, Tolerated};
use crate::server::violation::Violation;
use crate::wire::{
    ClientBody, ClientEnvelope, ClientFault, MediaTime, Open, ServerBody, WireError,
};

/// The code of the client's error that asks for fewer messages.
const TOO_MANY_REQUESTS: u32 = 429;

impl ServerSession {
    pub(super) fn handle_text(&mut self, now: Timestamp, text: &str) {
        match self.phase {
            Phase::Connected | Phase::Opening | Phase::Active => {
                if let Err(violation) = self.receive(now, text) {
                    self.punish(now, violation);
                }
            }
            Phase::Disconnecting { opened } => self.receive_late(now, text, opened),
            Phase::Closed | Phase::Over => {}
        }
    }

    /// Checks a message and acts on it.
    fn receive(&mut self, now: Timestamp, text: &str) -> Result<(), Violation> {
        if text.len() > self.config.message_bytes_max as usize {
            return Err(Violation::TextTooLarge { bytes: text.len() });
        }
        let envelope = ClientEnvelope::parse(text).map_err(violation_of)?;
        let expected = self.client_seq.saturating_add(1);
        // Counted before anything else is checked: a faulty message has been processed too.
        self.client_seq = envelope.seq;
        if envelope.seq != expected {
            return Err(Violation::Sequence { expected, got: envelope.seq });
        }
        if envelope.serverseq > self.seq {
            return Err(Violation::ServerSequence { sent: self.seq, got: envelope.serverseq });
        }
        if !envelope.id.is_same_session(&self.id) {
            return Err(Violation::SessionId);
        }
        self.id = envelope.id;
        let field = |_| Violation::Parameters { field: envelope.faulty_field() };
        let body = envelope.body().map_err(field)?;
        let (serverseq, position) = (envelope.serverseq, envelope.position.position());
        self.dispatch(now, body, serverseq, position)
    }

    fn dispatch(
        &mut self,
        now: Timestamp,
        body: ClientBody,
        serverseq: u64,
        position: Position,
    ) -> Result<(), Violation> {
        let is_active = self.phase == Phase::Active;
        // Before the event of its position: nothing may stand between a ping and its answer.
        if is_active && matches!(body, ClientBody::Ping { .. }) {
            self.send(now, ServerBody::Pong);
            self.due = now + self.config.ping_within;
        }
        self.emit(SessionEvent::PositionObserved { position });
        // Those that move the position say so themselves.
        if !matches!(body, ClientBody::Resumed(_) | ClientBody::Discarded(_)) {
            self.believe(position);
        }
        match body {
            ClientBody::Open(open) => self.handle_open(now, open, position)?,
            ClientBody::Close { reason } => {
                self.close(now, Some(ClosingReason::Client(reason)));
            }
            ClientBody::Error(fault) => self.handle_error(now, fault),
            ClientBody::Unknown { .. } => self.tolerate(Tolerated::UnknownType),
            ClientBody::Dtmf { .. }
            | ClientBody::PlaybackStarted
            | ClientBody::PlaybackCompleted => self.tolerate(Tolerated::ConnectorOnly),
            ClientBody::Ping { .. }
            | ClientBody::Paused
            | ClientBody::Resumed(_)
            | ClientBody::Discarded(_)
            | ClientBody::Update { .. }
                if !is_active =>
            {
                self.tolerate(Tolerated::BeforeOpened);
            }
            // Answered above.
            ClientBody::Ping { .. } => {}
            ClientBody::Paused => {
                let cause = self.pauses.paused(serverseq);
                self.emit(SessionEvent::Paused { position: self.position, cause });
            }
            ClientBody::Resumed(skip) => {
                let start = self.skip_to(skip.start, skip.discarded, position);
                self.pauses.resumed();
                self.emit(SessionEvent::Resumed { start, position });
            }
            ClientBody::Discarded(skip) => {
                let start = self.skip_to(skip.start, skip.discarded, position);
                self.emit(SessionEvent::Discarded { start, to: position });
            }
            ClientBody::Update { language } => {
                self.updates_owed = self.updates_owed.saturating_add(1);
                let language = language.map(String::into_boxed_str);
                self.emit(SessionEvent::LanguageUpdated { position: self.position, language });
            }
        }
        Ok(())
    }

    /// Acts on a message that comes after our `disconnect`: nothing is checked any more, so
    /// that a client whose counting went wrong still gets its `closed`.
    fn receive_late(&mut self, now: Timestamp, text: &str, opened: bool) {
        if text.len() > self.config.message_bytes_max as usize {
            return;
        }
        let Ok(envelope) = ClientEnvelope::parse(text) else { return };
        self.client_seq = envelope.seq;
        match &*envelope.kind {
            "close" => self.close(now, None),
            "ping" if opened => self.send(now, ServerBody::Pong),
            _ => {}
        }
    }

    fn handle_open(
        &mut self,
        now: Timestamp,
        open: Box<Open>,
        position: Position,
    ) -> Result<(), Violation> {
        if self.phase != Phase::Connected {
            self.tolerate(Tolerated::SecondOpen);
            return Ok(());
        }
        if open.organization_id != self.organization {
            return Err(Violation::Organization);
        }
        self.phase = Phase::Opening;
        self.due = now + self.config.opened_within;
        self.position = position;
        self.offers.clone_from(&open.media);
        self.lists_languages = open.supported_languages == Some(true);
        self.continues = open.continued_sessions.as_ref().is_some_and(|list| !list.is_empty());
        self.emit(SessionEvent::OpenRequested { position, open });
        Ok(())
    }

    fn handle_error(&mut self, now: Timestamp, fault: ClientFault) {
        let retry_after = fault.retry_after.map(MediaTime::as_duration);
        if fault.code == TOO_MANY_REQUESTS {
            self.budget.hold_until(now + retry_after.unwrap_or(self.config.retry_after));
        }
        let message = fault
            .message
            .map(|text| text.chars().take(SessionEvent::CLIENT_TEXT_MAX).collect::<Box<str>>());
        self.emit(SessionEvent::ClientError { code: fault.code, retry_after, message });
    }

    /// The hot path: no copy, and one small allocation, for the queue.
    pub(super) fn handle_media(&mut self, now: Timestamp, bytes: Bytes) {
        // A probe sends one empty frame. There is nothing in it to be illegal.
        if bytes.is_empty() {
            return;
        }
        if let Err(violation) = self.receive_media(bytes) {
            self.punish(now, violation);
        }
    }

    fn receive_media(&mut self, bytes: Bytes) -> Result<(), Violation> {
        match self.phase {
            Phase::Connected | Phase::Opening => return Err(Violation::AudioBeforeOpened),
            Phase::Active => {}
            // Still on its way when we said `disconnect`.
            Phase::Disconnecting { .. } | Phase::Closed | Phase::Over => return Ok(()),
        }
        let got = bytes.len();
        if got > self.config.message_bytes_max as usize {
            return Err(Violation::FrameTooLarge { bytes: got });
        }
        let media = self.media.ok_or(Violation::AudioWithoutMedium)?;
        if self.pauses.in_force() {
            return Err(Violation::AudioWhilePaused);
        }
        let frame = Frame::new(bytes, media).map_err(|_| Violation::RaggedFrame { bytes: got })?;
        let position = self.position;
        self.position = position.plus_samples(frame.samples());
        self.emit(SessionEvent::Audio { position, frame });
        Ok(())
    }

    /// Moves on over media that never came. None is expected while paused.
    pub(super) fn handle_skipped(&mut self, to: Position) {
        let start = self.position;
        let expects = self.phase == Phase::Active && self.media.is_some();
        if expects && !self.pauses.in_force() && start < to {
            self.position = to;
            self.emit(SessionEvent::Undelivered { start, to });
        }
    }

    /// Takes a message's position for the truth, except during a pause: there the client's
    /// counts on, and `resumed` will say where audio belongs.
    fn believe(&mut self, stated: Position) {
        if self.phase != Phase::Active || self.pauses.in_force() {
            return;
        }
        // Without a medium there are no samples to count by.
        if self.media.is_some() && stated != self.position {
            self.emit(SessionEvent::Drifted { expected: self.position, stated });
        }
        self.position = stated;
    }

    /// Moves on over media left out, and returns where that begins. If the numbers disagree,
    /// the gap is what lies between the samples counted and the message's position.
    fn skip_to(&mut self, start: MediaTime, discarded: MediaTime, to: Position) -> Position {
        let counted = self.position;
        let agreed_end = start.plus(discarded).position();
        if self.media.is_some() && (start.position() != counted || agreed_end != to) {
            self.emit(SessionEvent::Drifted { expected: counted, stated: to });
        }
        self.position = to;
        counted.min(to)
    }
}

const fn violation_of(error: WireError) -> Violation {
    match error {
        WireError::NotJson => Violation::NotJson,
        WireError::Envelope => Violation::Envelope,
        WireError::Parameters => Violation::Parameters { field: None },
    }
}

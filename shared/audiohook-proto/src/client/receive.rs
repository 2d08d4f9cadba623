//! What the client makes of the server's messages, and of what it should not have sent.

use sidetone_model::Timestamp;

use super::config::CLIENT_MESSAGE_BYTES_MAX;
use super::event::{ClientEvent, EndCause, ServerFault};
use super::session::{ClientSession, Phase};
use crate::wire::{
    CloseReason, Disconnect, Opened, ServerBody, ServerEnvelope, ServerMessage, WireError,
};

impl ClientSession {
    pub(super) fn receive(&mut self, now: Timestamp, text: &str) {
        if let Phase::Over { closed } = self.phase {
            if closed {
                self.note_fault(unexpected("message", "closed"));
            }
            return;
        }
        if text.len() > CLIENT_MESSAGE_BYTES_MAX {
            let fault = ServerFault::TooLarge { bytes: text.len() };
            return self.refuse(now, 413, "Message too large", fault);
        }
        let envelope = match ServerEnvelope::parse(text) {
            Ok(envelope) => envelope,
            Err(WireError::NotJson) => {
                let message = "Message not well-formed JSON";
                return self.refuse(now, 400, message, ServerFault::NotJson);
            }
            Err(WireError::Envelope | WireError::Parameters) => {
                let message = "Message not an AudioHook server message";
                return self.refuse(now, 400, message, ServerFault::Envelope);
            }
        };
        if !self.accept_envelope(now, &envelope) {
            return;
        }
        let Ok(body) = envelope.body() else {
            let fault = ServerFault::Parameters { kind: envelope.kind.into_owned() };
            return self.refuse(now, 400, "Message is malformed", fault);
        };
        let ServerEnvelope { id, seq, clientseq, .. } = envelope;
        self.take(now, ServerMessage { id, seq, clientseq, body });
    }

    pub(super) fn receive_binary(&mut self, now: Timestamp, bytes: usize) {
        match self.phase {
            Phase::Connecting | Phase::Over { closed: false } => {}
            Phase::Opening { .. }
            | Phase::Active
            | Phase::Closing { .. }
            | Phase::Over { closed: true } => {
                let fault = ServerFault::Binary { bytes };
                self.refuse(now, 415, "Unexpected binary message", fault);
            }
        }
    }

    /// Notes a fault that ends the session.
    fn refuse(&mut self, now: Timestamp, code: u32, message: &str, fault: ServerFault) {
        self.note_fault(fault);
        self.fail(now, code, message, EndCause::Fault { code });
    }

    /// Checks numbers, id and rate; returns whether the body is worth reading.
    fn accept_envelope(&mut self, now: Timestamp, envelope: &ServerEnvelope<'_>) -> bool {
        let (expected, got) = (self.server_seq + 1, envelope.seq);
        if got != expected {
            // Its count is lost: everything after, `closed` included, is refused as well.
            if !std::mem::replace(&mut self.seq_lost, true) {
                let fault = ServerFault::Seq { expected, got };
                let message = fault.to_string();
                self.refuse(now, 500, &message, fault);
            }
            return false;
        }
        self.server_seq = got;
        if envelope.id.as_str() != self.config.session.as_str() {
            self.refuse(now, 400, "Session identifier mismatch", ServerFault::Id);
            return false;
        }
        let (ack, sent) = (envelope.clientseq, self.own_seq());
        if ack > sent {
            let fault = ServerFault::AckAhead { got: ack, sent };
            self.refuse(now, 400, "Invalid clientseq value", fault);
            return false;
        }
        if ack < self.server_ack {
            self.note_fault(ServerFault::AckWentBack { got: ack, before: self.server_ack });
        }
        self.server_ack = self.server_ack.max(ack);
        if let Some(early) =
            self.config.rate.and_then(|rate| rate.note(&mut self.rate_spent_until, now))
        {
            self.note_fault(ServerFault::TooManyMessages);
            self.send_error(now, 429, "Too many messages", Some(early));
        }
        true
    }

    fn take(&mut self, now: Timestamp, message: ServerMessage) {
        match self.phase {
            Phase::Opening { since } => self.take_opening(now, since, message),
            Phase::Active => self.take_active(now, message),
            Phase::Closing { seq, cause, .. } => self.take_closing(seq, cause, &message),
            Phase::Connecting | Phase::Over { .. } => {}
        }
    }

    fn take_opening(&mut self, now: Timestamp, since: Timestamp, message: ServerMessage) {
        match message.body {
            ServerBody::Opened(opened) => self.take_opened(now, since, &opened),
            ServerBody::Disconnect(disconnect) => self.take_disconnect(now, disconnect),
            ServerBody::Unknown { kind } => self.refuse_unknown(now, kind),
            body @ (ServerBody::Pong
            | ServerBody::Pause
            | ServerBody::Resume
            | ServerBody::Updated
            | ServerBody::Closed
            | ServerBody::Reconnect { .. }
            | ServerBody::Event { .. }) => self.refuse_unexpected(now, body.kind(), "opening"),
        }
    }

    fn take_active(&mut self, now: Timestamp, message: ServerMessage) {
        match message.body {
            ServerBody::Pong => self.match_pong(now, message.clientseq),
            ServerBody::Pause => self.take_pause(now),
            ServerBody::Resume => self.take_resume(now),
            ServerBody::Updated => match self.updates_pending.checked_sub(1) {
                Some(pending) => {
                    self.updates_pending = pending;
                    self.emit(ClientEvent::Updated);
                }
                None => self.note_fault(unexpected("updated", "without update")),
            },
            ServerBody::Disconnect(disconnect) => self.take_disconnect(now, disconnect),
            ServerBody::Reconnect { .. } => self.emit(ClientEvent::ReconnectAsked),
            ServerBody::Event { .. } => {
                self.note_fault(ServerFault::EventOnMonitor);
                self.send_error(now, 400, "event messages are not allowed", None);
            }
            ServerBody::Unknown { kind } => self.refuse_unknown(now, kind),
            body @ (ServerBody::Opened(_) | ServerBody::Closed) => {
                self.refuse_unexpected(now, body.kind(), "active");
            }
        }
    }

    /// `closed`, late events, and what crossed our `close` on its way.
    fn take_closing(&mut self, close_seq: u64, cause: EndCause, message: &ServerMessage) {
        let got = message.clientseq;
        match &message.body {
            ServerBody::Closed => {
                if got != close_seq {
                    self.note_fault(ServerFault::ClosedDiffers { expected: close_seq, got });
                }
                self.end(cause);
                self.phase = Phase::Over { closed: true };
            }
            ServerBody::Event { .. } => self.note_fault(ServerFault::EventOnMonitor),
            body @ (ServerBody::Opened(_)
            | ServerBody::Pong
            | ServerBody::Pause
            | ServerBody::Resume
            | ServerBody::Updated
            | ServerBody::Disconnect(_)
            | ServerBody::Reconnect { .. }
            | ServerBody::Unknown { .. }) => {
                if got >= close_seq {
                    self.note_fault(unexpected(body.kind(), "closing"));
                }
            }
        }
    }

    fn take_opened(&mut self, now: Timestamp, since: Timestamp, opened: &Opened) {
        let offers = &self.config.open.media;
        match opened.media.as_slice() {
            [] => {}
            [selected] if offers.contains(selected) => {}
            [_] => {
                let message = "Selected media not one of the offered";
                return self.refuse(now, 400, message, ServerFault::MediaNotOffered);
            }
            [_, _, ..] => {
                let message = "More than one media selected";
                return self.refuse(now, 400, message, ServerFault::MediaTwice);
            }
        }
        let asked = self.config.open.supported_languages == Some(true);
        if asked && opened.supported_languages.is_none() {
            self.note_fault(ServerFault::LanguagesMissing);
        }
        self.begin(now, since, opened);
    }

    fn take_disconnect(&mut self, now: Timestamp, disconnect: Disconnect) {
        let Disconnect { reason, info, .. } = disconnect;
        let info = info.map(std::borrow::Cow::into_owned);
        self.emit(ClientEvent::Disconnected { reason, info });
        self.send_close(now, CloseReason::Disconnect, EndCause::Disconnected(reason));
    }

    fn match_pong(&mut self, now: Timestamp, got: u64) {
        match self.ping {
            Some(ping) if ping.seq == got => self.take_pong(now, ping),
            Some(ping) => {
                self.note_fault(ServerFault::PongDiffers { expected: ping.seq, got });
                self.send_error(now, 400, "Invalid 'pong' clientseq", None);
            }
            None => {
                self.note_fault(ServerFault::PongUnasked);
                self.send_error(now, 409, "Unexpected 'pong' message", None);
            }
        }
    }

    fn refuse_unexpected(&mut self, now: Timestamp, kind: &str, state: &'static str) {
        let message = format!("Unexpected '{kind}' message in state {state}");
        self.refuse(now, 409, &message, unexpected(kind, state));
    }

    fn refuse_unknown(&mut self, now: Timestamp, kind: String) {
        let message = "Message type is not supported";
        self.refuse(now, 500, message, ServerFault::UnknownType { kind });
    }
}

fn unexpected(kind: &str, state: &'static str) -> ServerFault {
    ServerFault::Unexpected { kind: kind.to_owned(), state }
}

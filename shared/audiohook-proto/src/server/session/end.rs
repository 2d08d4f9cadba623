//! How a session ends: by `close`, by our `disconnect`, by patience, by loss.
//!
//! Source: docs/wire/audiohook.md, "Timers".

use std::borrow::Cow;

use sidetone_model::Timestamp;

use super::{Phase, ServerSession};
use crate::server::output::{ClosedBy, ClosingReason, ServerOutput, SessionEvent};
use crate::server::violation::Violation;
use crate::wire::{Disconnect, DisconnectReason, ServerBody};

impl ServerSession {
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if now < self.due {
            return;
        }
        match self.phase {
            Phase::Connected => self.punish(now, Violation::NoOpen),
            Phase::Opening => {
                let info = Some("no answer in time");
                self.disconnect(now, DisconnectReason::Error, info, ClosingReason::Unanswered);
            }
            Phase::Active => self.punish(now, Violation::NoPing),
            Phase::Disconnecting { .. } => {
                self.outputs.push_back(ServerOutput::DropSocket);
                self.finish(ClosedBy::Timeout);
            }
            Phase::Closed => {
                self.outputs.push_back(ServerOutput::DropSocket);
                self.phase = Phase::Over;
            }
            Phase::Over => {}
        }
    }

    pub(super) fn handle_gone(&mut self) {
        match self.phase {
            Phase::Connected | Phase::Opening | Phase::Active | Phase::Disconnecting { .. } => {
                self.finish(ClosedBy::Loss);
            }
            Phase::Closed => self.phase = Phase::Over,
            Phase::Over => {}
        }
    }

    pub(super) fn handle_breach(&mut self, now: Timestamp, violation: Violation) {
        match self.phase {
            Phase::Connected | Phase::Opening | Phase::Active => self.punish(now, violation),
            Phase::Disconnecting { .. } | Phase::Closed | Phase::Over => {}
        }
    }

    fn finish(&mut self, by: ClosedBy) {
        self.phase = Phase::Over;
        self.emit(SessionEvent::Closed { position: self.position, by });
    }

    /// Answers `close`. Its event comes first: nothing of a session follows its `closed`.
    pub(super) fn close(&mut self, now: Timestamp, reason: Option<ClosingReason>) {
        if let Some(reason) = reason {
            self.emit(SessionEvent::Closing { position: self.position, reason });
        }
        self.send(now, ServerBody::Closed);
        self.phase = Phase::Closed;
        self.due = now + self.config.gone_within;
        let by = ClosedBy::Agreement;
        self.emit(SessionEvent::Closed { position: self.position, by });
    }

    pub(super) fn punish(&mut self, now: Timestamp, violation: Violation) {
        self.emit(SessionEvent::Violation(violation));
        self.disconnect(
            now,
            violation.reason(),
            violation.public_text(),
            ClosingReason::Violation(violation),
        );
    }

    pub(super) fn disconnect(
        &mut self,
        now: Timestamp,
        reason: DisconnectReason,
        info: Option<&'static str>,
        because: ClosingReason,
    ) {
        let opened = match self.phase {
            Phase::Connected | Phase::Opening => false,
            Phase::Active => true,
            Phase::Disconnecting { .. } | Phase::Closed | Phase::Over => return,
        };
        let reason = match reason {
            // A client that reconnects nothing does not know the word.
            DisconnectReason::Rejected if !self.continues => DisconnectReason::Error,
            DisconnectReason::Rejected
            | DisconnectReason::Completed
            | DisconnectReason::Unauthorized
            | DisconnectReason::Error => reason,
        };
        let info = info.map(Cow::Borrowed);
        let disconnect = Disconnect { reason, info, output_variables: None };
        self.send(now, ServerBody::Disconnect(disconnect));
        self.phase = Phase::Disconnecting { opened };
        self.due = now + self.config.close_within;
        self.emit(SessionEvent::Closing { position: self.position, reason: because });
    }
}

//! Keeps the books of a session: what was sent, what was withheld, what went wrong.

use sidetone_audiohook_proto::{ClientEvent, ClientSession, EndCause};
use sidetone_model::{Position, Timestamp};

use super::plan::CallerPlan;
use super::report::{CallerReport, LOG_ENTRIES_MAX, LogEntry};
use crate::voice::Stretch;

/// The books, over all attempts.
#[derive(Debug)]
pub(super) struct Account {
    report: CallerReport,
    pub(super) wants_retry: bool,
    /// Since when the stream is paused by either side.
    pause: Option<Position>,
    /// Since when it is paused by the client itself.
    own_pause: Option<Position>,
    length_max: Position,
}

impl Account {
    pub(super) fn new(plan: &CallerPlan) -> Self {
        let report = CallerReport {
            session: plan.config.session.session_id(),
            conversation: plan.config.open.conversation_id,
            begins: plan.begins,
            attempts: 0,
            opened_at: None,
            opened_after: None,
            media: None,
            began_paused: false,
            frames_sent: 0,
            sent: Vec::new(),
            withheld: Vec::new(),
            lost: Vec::new(),
            paused: Vec::new(),
            length: Position::ZERO,
            faults: Vec::new(),
            end: EndCause::ConnectionLost,
            log: Vec::new(),
        };
        let length_max = Position::ZERO.plus(plan.ends.since(plan.begins));
        Self { report, wants_retry: false, pause: None, own_pause: None, length_max }
    }

    /// Forgets what an attempt withheld that came to nothing: the next begins from zero.
    pub(super) fn attempt_begins(&mut self) {
        self.report.attempts += 1;
        self.report.withheld.clear();
        self.report.paused.clear();
        self.wants_retry = false;
        self.pause = None;
        self.own_pause = None;
    }

    pub(super) fn ended(&mut self, cause: EndCause) {
        self.report.end = cause;
    }

    /// The client began its own pause; nothing is sent from that position on.
    pub(super) fn own_pause_begins(&mut self, position: Position) {
        self.own_pause.get_or_insert(position);
    }

    /// The client's own pause ended.
    pub(super) fn own_pause_ends(&mut self, position: Position) {
        if let Some(from) = self.own_pause.take() {
            self.report.withheld.push(Stretch::new(from, position));
        }
    }

    pub(super) fn note(&mut self, at: Timestamp, event: ClientEvent) {
        match &event {
            ClientEvent::Opened { media, paused, latency } => {
                self.report.opened_at = Some(at);
                self.report.opened_after = Some(*latency);
                self.report.media = *media;
                self.report.began_paused = *paused;
            }
            ClientEvent::Paused { position } => {
                self.pause.get_or_insert(*position);
            }
            ClientEvent::Resumed { position, .. } => {
                if let Some(from) = self.pause.take() {
                    Stretch::new(from, *position).append_to(&mut self.report.paused);
                }
            }
            ClientEvent::Discarded { start, position } => {
                self.report.withheld.push(Stretch::new(*start, *position));
            }
            ClientEvent::ServerFault(fault) => self.report.faults.push(fault.clone()),
            ClientEvent::Ended { cause, retry } => {
                self.report.end = *cause;
                self.wants_retry = *retry;
            }
            ClientEvent::RoundTrip(_)
            | ClientEvent::Updated
            | ClientEvent::ReconnectAsked
            | ClientEvent::Disconnected { .. } => {}
        }
        if self.report.log.len() < LOG_ENTRIES_MAX {
            self.report.log.push(LogEntry { at, event });
        }
    }

    /// An attempt is over: what it sent, and what of that was lost on its way, is final, unless
    /// another follows.
    pub(super) fn attempt_ends(
        &mut self,
        now: Timestamp,
        session: &ClientSession,
        lost: &[Stretch],
    ) {
        self.report.lost = lost.to_vec();
        let line = Position::ZERO.plus(now.since(self.report.begins));
        let length = line.min(self.length_max);
        self.report.length = length;
        self.report.frames_sent = session.frames_sent();
        let sent = session.sent_ranges().iter();
        self.report.sent = sent.map(|(from, to)| Stretch::new(*from, *to)).collect();
        if let Some(from) = self.pause.take() {
            Stretch::new(from, length).append_to(&mut self.report.paused);
        }
        self.own_pause_ends(length);
        self.report.withheld.retain(|stretch| !stretch.is_empty());
        self.report.withheld.sort_unstable();
    }

    pub(super) fn close(self) -> CallerReport {
        self.report
    }
}

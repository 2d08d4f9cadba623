//! The server session machine itself: phases, checks, answers.
//!
//! Refuses: choosing media, deciding when to listen, reading a clock. It never closes the
//! socket before the client, unless the client does not come back in time.
//! Source: docs/wire/audiohook.md, "States".

mod end;
mod receive;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sidetone_model::{Media, OrganizationId, Position, SessionId, Timestamp};

use super::config::ServerConfig;
use super::input::{Handshake, OpenAnswer, ServerCommand, ServerCommandError, ServerInput};
use super::output::{ClosingReason, ServerOutput, SessionEvent, Tolerated};
use super::pause::{Pauses, Switch};
use super::send_budget::SendBudget;
use crate::wire::{MediaTime, Opened, ServerBody, ServerMessage, SessionIdText};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Nothing has come yet.
    Connected,
    /// `open` waits for the engine.
    Opening,
    /// `opened` is sent; paused or not is told by the switches.
    Active,
    /// `disconnect` is sent.
    Disconnecting {
        /// Whether `opened` was sent before, so that pings have a right to an answer.
        opened: bool,
    },
    /// `closed` is sent.
    Closed,
    /// Nothing can follow.
    Over,
}

/// The server's half of one AudioHook session.
///
/// Small at rest, and audio passes through it without a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSession {
    config: ServerConfig,
    organization: OrganizationId,
    id: SessionIdText,
    phase: Phase,
    /// When the phase's patience ends.
    due: Timestamp,
    /// The last `seq` sent.
    seq: u64,
    /// The last `seq` received.
    client_seq: u64,
    /// The offers, while `open` waits.
    offers: Vec<Media>,
    /// Whether `open` asked for languages.
    lists_languages: bool,
    /// Whether `open` continues earlier sessions.
    continues: bool,
    media: Option<Media>,
    /// Where the next audio sample belongs.
    position: Position,
    pauses: Pauses,
    /// `updated` messages not sent yet.
    updates_owed: u32,
    budget: SendBudget,
    /// Empty at rest: drained before the next input.
    #[serde(skip)]
    outputs: VecDeque<ServerOutput>,
}

impl ServerSession {
    /// Begins with a connection that was just accepted.
    pub fn new(now: Timestamp, config: ServerConfig, handshake: Handshake) -> Self {
        Self {
            config,
            organization: handshake.organization,
            id: handshake.session_id,
            phase: Phase::Connected,
            due: now + config.open_within,
            seq: 0,
            client_seq: 0,
            offers: Vec::new(),
            lists_languages: false,
            continues: false,
            media: None,
            position: Position::ZERO,
            pauses: Pauses::NEW,
            updates_owed: 0,
            budget: SendBudget::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input; drain [`ServerSession::poll_output`] afterwards.
    pub fn handle(&mut self, now: Timestamp, input: ServerInput<'_>) {
        match input {
            ServerInput::Text(text) => self.handle_text(now, text),
            ServerInput::Media(bytes) => return self.handle_media(now, bytes),
            ServerInput::Skipped { to } => return self.handle_skipped(to),
            ServerInput::Timeout => self.handle_timeout(now),
            ServerInput::Breach(violation) => self.handle_breach(now, violation),
            ServerInput::Gone => self.handle_gone(),
        }
        self.send_what_waits(now);
    }

    /// Takes one wish of the engine; drain [`ServerSession::poll_output`] afterwards.
    ///
    /// Errors: [`ServerCommandError::NotOffered`], and nothing has changed.
    pub fn command(
        &mut self,
        now: Timestamp,
        command: ServerCommand,
    ) -> Result<(), ServerCommandError> {
        match command {
            ServerCommand::Open(answer) => self.answer_open(now, answer)?,
            ServerCommand::Pause => self.pauses.want(Switch::Paused),
            ServerCommand::Resume => self.pauses.want(Switch::Listening),
            ServerCommand::Disconnect { reason, info } => {
                self.disconnect(now, reason, info, ClosingReason::Requested(reason));
            }
            ServerCommand::Reconnect => {
                if self.config.reconnection && self.phase == Phase::Active {
                    self.send(now, ServerBody::Reconnect { info: None });
                }
            }
        }
        self.send_what_waits(now);
        Ok(())
    }

    /// Returns the next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<ServerOutput> {
        let output = self.outputs.pop_front();
        if output.is_none() {
            // Given back: the next session's outputs find it still in the processor's cache,
            // where a buffer of each session's own would be cold at every frame.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Returns when to come back with [`ServerInput::Timeout`]; nothing once all is over.
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.phase == Phase::Over {
            return None;
        }
        let waits = self.phase == Phase::Active && self.has_waiting();
        let ready_at = if waits { self.budget.ready_at(&self.config) } else { None };
        Some(ready_at.map_or(self.due, |ready_at| ready_at.min(self.due)))
    }

    /// Returns the session.
    pub fn session_id(&self) -> SessionId {
        self.id.session_id()
    }

    /// Returns the medium of the session, if it has one.
    pub const fn media(&self) -> Option<Media> {
        self.media
    }

    /// Returns where the next audio sample belongs.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Returns where the next audio sample belongs, if audio may come: no `paused` is in force.
    pub fn awaits_audio_at(&self) -> Option<Position> {
        let may_come =
            self.phase == Phase::Active && self.media.is_some() && !self.pauses.in_force();
        may_come.then_some(self.position)
    }

    /// Returns whether audio is wanted and may come: our switch is off and no `paused` is in
    /// force. On any doubt it does not listen.
    pub fn listens(&self) -> bool {
        self.phase == Phase::Active
            && self.media.is_some()
            && !self.pauses.by_us()
            && !self.pauses.in_force()
    }

    /// Returns whether the client's own pause is known to be on.
    pub const fn is_paused_by_client(&self) -> bool {
        self.pauses.by_client()
    }

    /// Returns whether the end has begun, from either side.
    pub const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Disconnecting { .. } | Phase::Closed | Phase::Over)
    }

    /// Returns whether nothing can follow.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn answer_open(
        &mut self,
        now: Timestamp,
        answer: OpenAnswer,
    ) -> Result<(), ServerCommandError> {
        if self.phase != Phase::Opening {
            return Ok(());
        }
        let OpenAnswer { media, start_paused, discard_to, supported_languages } = answer;
        if media.is_some_and(|media| !self.offers.contains(&media)) {
            return Err(ServerCommandError::NotOffered);
        }
        let opened = Opened {
            media: media.into_iter().collect(),
            start_paused: Some(start_paused),
            discard_to: discard_to.filter(|to| *to > self.position).map(MediaTime::from),
            supported_languages: self.lists_languages.then_some(supported_languages),
        };
        self.send(now, ServerBody::Opened(opened));
        self.pauses.opened(if start_paused { Switch::Paused } else { Switch::Listening }, self.seq);
        self.media = media;
        self.offers = Vec::new();
        self.phase = Phase::Active;
        self.due = now + self.config.ping_within;
        Ok(())
    }

    fn has_waiting(&self) -> bool {
        self.updates_owed > 0 || self.pauses.untold().is_some()
    }

    /// Sends what can wait for the client's patience: pauses first, they may protect somebody.
    fn send_what_waits(&mut self, now: Timestamp) {
        if self.phase != Phase::Active {
            return;
        }
        while self.has_waiting() && self.budget.is_ready(now, &self.config) {
            if let Some(switch) = self.pauses.untold() {
                let body = match switch {
                    Switch::Paused => ServerBody::Pause,
                    Switch::Listening => ServerBody::Resume,
                };
                self.send(now, body);
                self.pauses.tell(switch, self.seq);
            } else {
                self.send(now, ServerBody::Updated);
                self.updates_owed -= 1;
            }
        }
    }

    fn send(&mut self, now: Timestamp, body: ServerBody) {
        self.seq += 1;
        self.budget.spend(now, &self.config);
        let message =
            ServerMessage { id: self.id, seq: self.seq, clientseq: self.client_seq, body };
        self.outputs.push_back(ServerOutput::Send(message.to_json()));
    }

    fn tolerate(&mut self, tolerated: Tolerated) {
        self.emit(SessionEvent::Tolerated(tolerated));
    }

    fn emit(&mut self, event: SessionEvent) {
        self.outputs.push_back(ServerOutput::Event(event));
    }
}

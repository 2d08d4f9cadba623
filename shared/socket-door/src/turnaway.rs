//! A client that is told to try again: the door is full or about to close.
//!
//! Genesys does not try again after an upgrade that failed, but does after `disconnect` with
//! reason `error`; so the upgrade is accepted, and the protocol's own machine takes its leave.
//! Source: docs/wire/audiohook.md, "Retries".

use sidetone_audiohook_proto::{
    DisconnectReason, Handshake, ServerCommand, ServerConfig, ServerInput, ServerOutput,
    ServerSession,
};
use sidetone_driver::{Input, SocketOutput};
use sidetone_model::Timestamp;
use sidetone_ports::Clock;

use crate::talk::Talk;

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// All places are taken.
    Capacity,
    /// The door is about to close.
    Draining,
    /// The keys cannot be looked up.
    Keys,
    /// The session has a socket already.
    Duplicate,
}

impl Why {
    /// Returns the word for the client's log and for ours.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Capacity => "capacity",
            Self::Draining => "draining",
            Self::Keys => "unavailable",
            Self::Duplicate => "duplicate",
        }
    }
}

/// A session that only ever takes its leave.
#[derive(Debug)]
pub(crate) struct Turnaway {
    clock: Clock,
    session: ServerSession,
}

impl Turnaway {
    pub(crate) fn new(clock: Clock, handshake: Handshake, why: Why) -> Self {
        let mut session = ServerSession::new(clock.steady(), ServerConfig::DEFAULT, handshake);
        let (reason, info) = (DisconnectReason::Error, Some(why.label()));
        let command = ServerCommand::Disconnect { reason, info };
        if let Err(error) = session.command(clock.steady(), command) {
            // Only an answer to `open` can be refused.
            unreachable!("{error}");
        }
        Self { clock, session }
    }
}

impl Talk for Turnaway {
    fn handle(&mut self, input: Input<'_>) {
        let input = match input {
            Input::Text(text) => ServerInput::Text(text),
            Input::Timeout => ServerInput::Timeout,
            Input::Gone => ServerInput::Gone,
            // It is leaving anyway, and what it hears is nobody's.
            Input::Media(_)
            | Input::Skipped { .. }
            | Input::Breach(_)
            | Input::Conversation(_)
            | Input::WorldTime(_)
            | Input::Refuse
            | Input::Shutdown => return,
        };
        self.session.handle(self.clock.steady(), input);
    }

    fn poll_socket(&mut self) -> Option<SocketOutput> {
        loop {
            match self.session.poll_output()? {
                ServerOutput::Send(text) => return Some(SocketOutput::Text(text)),
                ServerOutput::DropSocket => return Some(SocketOutput::Drop),
                ServerOutput::Event(_) => {}
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.session.deadline()
    }

    async fn changed(&mut self) {
        std::future::pending().await
    }
}

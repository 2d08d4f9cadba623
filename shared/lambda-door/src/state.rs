//! All that is known of one connection between two events: one value, one item in the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rmp_serde::config::BytesMode;
use serde::{Deserialize, Serialize};
use sidetone_audiohook_proto::{Handshake, SessionEvent};
use sidetone_delivery_wire::{DecodeError, Heading};
use sidetone_driver::{EngineConfig, Outbox, OutboxSnapshot};
use sidetone_engine::{Engine, SnapshotError};
use sidetone_model::{ConnectionId, Listen, OnHold, OwnerId, SessionId, SessionItem, Timestamp};
use sidetone_ports::{ConnectionItem, Revision};

use crate::config::listening;
use crate::desk::{Desk, Duty, PerDuty};
use crate::inbox::Inbox;

/// The layout of the bytes; another one is not read.
const VERSION: u8 = 1;

/// Who holds all sessions of this door, whichever invocation steps them. It gives no signs of
/// life, so nobody takes it for dead.
pub(crate) const OWNER: &str = "api-gateway";

/// When a connection is over, whatever was heard of it: API Gateway cuts it after 2 h.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(2 * 3600 + 120);

/// How long the state of a connection that is over is kept, so that messages which are still
/// under way find out: longer than any invocation lasts.
const AFTERLIFE: Duration = Duration::from_secs(600);

/// How long after the socket's end messages may still be under way.
pub(crate) const GONE_GRACE: Duration = Duration::from_secs(2);

/// A message to the client that it has not been told, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// Its `seq`.
    pub(crate) seq: u64,
    /// All of it.
    pub(crate) text: String,
}

/// What of a step is for the log, once it is written.
#[derive(Debug, PartialEq)]
pub(crate) enum Note {
    /// The engine noted this.
    Session(SessionEvent),
    /// A message came twice.
    Doubled,
    /// A message came after its place was given up.
    Late,
    /// A message was waited for in vain.
    Missed,
    /// Frames were dropped unsent, and are declared.
    Dropped(u64),
    /// Another's turn had lapsed.
    TakenOver(Duty),
    /// The client could not be told so much that nothing more is kept for it.
    Unreachable,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    pub(crate) engine: Engine,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) rest: Rest,
    /// Never stored.
    pub(crate) notes: Vec<Note>,
}

/// What the door itself knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rest {
    pub(crate) connection: ConnectionId,
    pub(crate) created_at: Timestamp,
    /// How it listens, from its handshake to its end; as the door does, where an earlier version
    /// wrote the state.
    #[serde(default)]
    pub(crate) listens: Option<(Listen, OnHold)>,
    /// The latest moment the engine was told: machines' clocks differ, its time does not go back.
    pub(crate) latest: Timestamp,
    /// The client's next `seq`.
    pub(crate) expected: u64,
    /// The next frame's number, where no position tells it.
    pub(crate) next_frame: u64,
    /// The latest texts that were taken, each with its print.
    pub(crate) taken: VecDeque<(u64, u64)>,
    pub(crate) inbox: Inbox,
    pub(crate) replies: VecDeque<Reply>,
    /// The `seq` of the last reply that was made.
    pub(crate) reply_seq: u64,
    /// Whether the client is to be hung up on.
    pub(crate) hang_up: bool,
    /// Whether the client can be told nothing more.
    pub(crate) unreachable: bool,
    /// When the socket was said to be gone.
    pub(crate) gone_at: Option<Timestamp>,
    /// Whether the engine knows that it is.
    pub(crate) gone_told: bool,
    /// Whether `close` was taken.
    pub(crate) closed: bool,
    /// What was joined, as it is.
    pub(crate) own: Option<SessionItem>,
    /// What of it is not written yet.
    pub(crate) unsaved: Option<SessionItem>,
    /// The revision of what is.
    pub(crate) revision: Revision,
    /// When the conversation was read last, and whether it should be again.
    pub(crate) looked_at: Timestamp,
    pub(crate) look: bool,
    pub(crate) desks: PerDuty<Desk>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    engine: Vec<u8>,
    outbox: Option<OutboxSnapshot>,
    rest: Rest,
}

#[derive(Serialize)]
struct StoredRef<'a> {
    engine: Vec<u8>,
    outbox: Option<OutboxSnapshot>,
    rest: &'a Rest,
}

/// A state that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("a connection's state of version {0} cannot be read")]
    Version(u8),
    #[error("a connection's state cannot be read")]
    Unreadable(#[source] rmp_serde::decode::Error),
    #[error("a connection's unsent records cannot be read")]
    Records(#[source] DecodeError),
    #[error("a connection's session cannot be restored")]
    Engine(#[source] SnapshotError),
    #[error("a connection's state cannot be written")]
    Unwritable(#[source] rmp_serde::encode::Error),
    #[error("a connection's state of {0} bytes is too large, and nothing of it may be dropped")]
    TooLarge(usize),
}

impl ConnectionState {
    /// Begins with a client that was let in.
    pub(crate) fn new(
        now: Timestamp,
        config: Arc<EngineConfig>,
        connection: ConnectionId,
        handshake: Handshake,
    ) -> Self {
        let listens = Some((config.listen, config.on_hold));
        let engine = Engine::new(now, config, handshake, connection.clone(), OwnerId::new(OWNER));
        let rest = Rest {
            connection,
            created_at: now,
            listens,
            latest: now,
            expected: 1,
            next_frame: 1,
            taken: VecDeque::new(),
            inbox: Inbox::default(),
            replies: VecDeque::new(),
            reply_seq: 0,
            hang_up: false,
            unreachable: false,
            gone_at: None,
            gone_told: false,
            closed: false,
            own: None,
            unsaved: None,
            revision: 0,
            looked_at: now,
            look: false,
            desks: PerDuty::default(),
        };
        Self { engine, outbox: None, rest, notes: Vec::new() }
    }

    /// Reads what [`ConnectionState::encode`] wrote.
    pub(crate) fn decode(config: &Arc<EngineConfig>, bytes: &[u8]) -> Result<Self, StateError> {
        let (version, bytes) = bytes.split_first().unwrap_or((&0, &[]));
        if *version != VERSION {
            return Err(StateError::Version(*version));
        }
        let Stored { engine, outbox, rest } =
            rmp_serde::from_slice(bytes).map_err(StateError::Unreadable)?;
        let config = match rest.listens {
            Some((listen, on_hold)) => listening(config, listen, on_hold),
            None => Arc::clone(config),
        };
        let engine = Engine::restore(config, &engine).map_err(StateError::Engine)?;
        let outbox = match (outbox, &rest.own) {
            (Some(outbox), Some(own)) => {
                Some(Outbox::restore(heading(own), outbox).map_err(StateError::Records)?)
            }
            (_, _) => None,
        };
        Ok(Self { engine, outbox, rest, notes: Vec::new() })
    }

    /// Writes the state. Of one that outgrows the store, the oldest whole frames that were
    /// never sent are dropped and declared.
    pub(crate) fn encode(&mut self) -> Result<Vec<u8>, StateError> {
        loop {
            let bytes = self.encode_as_is()?;
            let excess = bytes.len().saturating_sub(ConnectionItem::BYTES_MAX);
            if excess == 0 {
                return Ok(bytes);
            }
            if self.drop_frames(excess) == 0 {
                return Err(StateError::TooLarge(bytes.len()));
            }
        }
    }

    fn encode_as_is(&self) -> Result<Vec<u8>, StateError> {
        let stored = StoredRef {
            engine: self.engine.snapshot().map_err(StateError::Engine)?,
            outbox: self.outbox.as_ref().map(Outbox::snapshot),
            rest: &self.rest,
        };
        let mut bytes = vec![VERSION];
        let mut serializer = rmp_serde::Serializer::new(&mut bytes)
            .with_struct_map()
            .with_bytes(BytesMode::ForceAll);
        stored.serialize(&mut serializer).map_err(StateError::Unwritable)?;
        Ok(bytes)
    }

    /// Drops frames that were never sent, at least so many bytes of them if there are; returns
    /// how many bytes it was.
    pub(crate) fn drop_frames(&mut self, bytes: usize) -> usize {
        let Some(outbox) = &mut self.outbox else { return 0 };
        let (mut freed, mut frames) = (0, 0);
        while freed < bytes {
            match outbox.drop_oldest_frame() {
                0 => break,
                of_frame => (freed, frames) = (freed + of_frame, frames + 1),
            }
        }
        if frames > 0 {
            self.notes.push(Note::Dropped(frames));
        }
        freed
    }

    /// Returns when the connection is to be looked at; never again once all is over.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let rest = &self.rest;
        let gone = match rest.gone_at {
            None => rest.created_at + AGE_MAX,
            Some(gone_at) => gone_at + GONE_GRACE,
        };
        let gone = (!rest.gone_told).then_some(gone);
        let working = Duty::ALL.into_iter().filter(|duty| self.has_work(*duty));
        let own = [self.engine.deadline(), rest.inbox.deadline(), gone];
        let desks = working.map(|duty| rest.desks.of(duty).due(rest.latest));
        own.into_iter().flatten().chain(desks).min()
    }

    /// Returns when the engine, or a message that waits, wants to be looked at.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        [self.engine.deadline(), self.rest.inbox.deadline()].into_iter().flatten().min()
    }

    /// Returns until when the state is to be kept.
    pub(crate) fn expires_at(&self, now: Timestamp) -> Timestamp {
        match self.due() {
            None => now + AFTERLIFE,
            // A stream that stands still is waited for, for as long as it keeps its own.
            Some(_) => now + AGE_MAX + Duration::from_secs(24 * 3600),
        }
    }

    /// Returns whether there is something to do at a desk.
    pub(crate) fn has_work(&self, duty: Duty) -> bool {
        let rest = &self.rest;
        match duty {
            Duty::Speak => !rest.unreachable && (!rest.replies.is_empty() || rest.hang_up),
            Duty::Save => rest.unsaved.is_some() || (rest.look && rest.own.is_some()),
            Duty::Publish => self.outbox.as_ref().is_some_and(|outbox| !outbox.is_empty()),
        }
    }

    /// Returns the session.
    pub(crate) const fn session_id(&self) -> SessionId {
        self.engine.session_id()
    }
}

/// Returns what the records of a session have in common.
pub(crate) fn heading(own: &SessionItem) -> Heading {
    Heading::new(own.key, Some(own.session), &own.connection)
}

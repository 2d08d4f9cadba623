//! The door: what its functions do with each event.
//!
//! Nothing here fails: whatever goes wrong is logged with its cause, and the client is told in
//! words of its own protocol.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use sidetone_audiohook_proto::Handshake;
use sidetone_model::ConnectionId;
use sidetone_ports::{
    CallStore, ClientLine, Clock, ConnectionItem, ConnectionStore, Mailbox, OrganizationStore,
    OwnerStore, RecordSink, StoreError, chain,
};

use crate::chance::Chance;
use crate::config::DoorConfig;
use crate::last_resort::last_resort;
use crate::state::ConnectionState;
use crate::step::Event;
use crate::work::{WorkError, work};

/// A message that API Gateway received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEvent {
    /// On which connection.
    pub connection: ConnectionId,
    /// What it says.
    pub body: String,
    /// Whether `body` is base64.
    pub is_base64: bool,
}

/// A connection that API Gateway says is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisconnectEvent {
    /// Which.
    pub connection: ConnectionId,
    /// The close code, for the log; it means nothing.
    pub code: Option<u16>,
}

/// How many connections are remembered that were told the last of all words.
const TOLD_MAX: usize = 256;

/// The door of connections that API Gateway holds.
#[derive(Debug)]
pub struct Door<S, R, L> {
    pub(crate) clock: Clock,
    pub(crate) config: DoorConfig,
    pub(crate) store: S,
    pub(crate) sink: R,
    pub(crate) line: L,
    pub(crate) chance: Chance,
    /// Connections that were told the last of all words: it is not said again for each of the
    /// messages that were under way, at least not by this process.
    told: Arc<Mutex<VecDeque<ConnectionId>>>,
}

/// Creates the state of a connection whose handshake is about to be accepted, which listens as
/// its organization was set up, or else as the door does.
///
/// Errors: [`StoreError`] if that cannot be read or kept; the handshake is then to be refused.
pub async fn admit<S: ConnectionStore + OrganizationStore>(
    store: &S,
    clock: &Clock,
    config: &DoorConfig,
    connection: ConnectionId,
    handshake: Handshake,
) -> Result<(), StoreError> {
    let settings = store.organization(handshake.organization).await?;
    let config = config.of(settings.as_ref());
    create(store, clock, &config, connection, handshake).await
}

/// Creates the state of a connection that listens as it is said.
pub(crate) async fn create<S: ConnectionStore>(
    store: &S,
    clock: &Clock,
    config: &DoorConfig,
    connection: ConnectionId,
    handshake: Handshake,
) -> Result<(), StoreError> {
    let now = clock.now();
    let engine = Arc::clone(&config.engine);
    let mut state = ConnectionState::new(now, engine, connection.clone(), handshake);
    let bytes = state
        .encode()
        .map_err(|source| StoreError::unavailable("write a connection's first state", source))?;
    let (due, expires_at) = (state.due(), state.expires_at(now));
    let item = ConnectionItem { bytes, revision: 0 };
    store.put_connection(&connection, item, due, expires_at).await.map(|_| ())
}

impl<S, R, L> Door<S, R, L>
where
    S: ConnectionStore + CallStore + Mailbox + OwnerStore,
    R: RecordSink,
    L: ClientLine,
{
    /// Opens the door over its ports.
    pub fn new(clock: Clock, config: DoorConfig, store: S, sink: R, line: L) -> Self {
        let (chance, told) = (Chance::fresh(), Arc::default());
        Self { clock, config, store, sink, line, chance, told }
    }

    /// Returns the same door for an invocation, which has a clock of its own.
    #[must_use]
    pub fn at(&self, clock: Clock) -> Self {
        let Self { config, store, sink, line, told, .. } = self;
        Self {
            clock,
            config: config.clone(),
            store: store.clone(),
            sink: sink.clone(),
            line: line.clone(),
            chance: Chance::fresh(),
            told: Arc::clone(told),
        }
    }

    /// Returns the same door with names and waits that can be had again.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { chance: Chance::seeded(seed), ..self }
    }

    /// Takes a message.
    pub async fn message(&self, event: MessageEvent) {
        let MessageEvent { connection, body, is_base64 } = event;
        let text = if is_base64 {
            let bytes = STANDARD.decode(&body).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok())
        } else {
            Some(body)
        };
        let event = text.as_deref().map_or(Event::NotText, Event::Text);
        if let Err((error, reply_seq)) = self.work(&connection, event).await {
            metrics::counter!("sidetone_messages_failed_total").increment(1);
            tracing::error!(%connection, error = %chain(&error), "a message could not be taken");
            let answer = text.as_deref().and_then(|text| last_resort(text, reply_seq));
            if let Some(answer) = answer {
                self.say_last(&connection, &answer).await;
            }
        }
    }

    /// Takes the news that a connection is over.
    pub async fn disconnected(&self, event: DisconnectEvent) {
        let DisconnectEvent { connection, code } = event;
        tracing::debug!(%connection, code, "disconnected");
        match self.work(&connection, Event::Disconnected).await {
            // Refused at the handshake, or over long ago.
            Ok(()) | Err((WorkError::Unknown, _)) => {}
            Err((error, _)) => {
                tracing::error!(%connection, error = %chain(&error), "the end of a connection could not be noted");
            }
        }
    }

    /// Takes an event, and whatever follows; a panic ends it and nothing else.
    ///
    /// Errors: as of [`work`].
    pub(crate) async fn work(
        &self,
        connection: &ConnectionId,
        event: Event<'_>,
    ) -> Result<(), (WorkError, Option<u64>)> {
        // Nothing of this invocation is looked at afterwards but the ports.
        let worked = AssertUnwindSafe(work(self, connection, event)).catch_unwind().await;
        worked.unwrap_or(Err((WorkError::Panicked, None)))
    }

    async fn say_last(&self, connection: &ConnectionId, answer: &str) {
        let is_closed = answer.contains(r#""type":"closed""#);
        let was_told = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let was_told = told.contains(connection);
            if !was_told {
                told.push_back(connection.clone());
                if told.len() > TOLD_MAX {
                    told.pop_front();
                }
            }
            was_told
        };
        if was_told && !is_closed {
            return;
        }
        let said = self.line.say(connection, answer);
        match self.clock.timeout(self.config.pace.call_limit, said).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::error!(%connection, error = %chain(&error), "the client could not be told");
            }
            None => tracing::error!(%connection, "the client could not be told in time"),
        }
    }
}

//! A session from the upgrade to its last record; a panic in it ends it alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join;
use metrics::Gauge;
use sidetone_audiohook_proto::Handshake;
use sidetone_driver::{Host, Input, Session, SocketOutput};
use sidetone_model::{ConnectionId, Timestamp};
use sidetone_ports::{CallStore, Mailbox, NonceStore, OwnerStore, RecordSink};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use uuid::Uuid;

use crate::auth::Admitted;
use crate::counts::Place;
use crate::door::Core;
use crate::figures::Figures;
use crate::line::Line;
use crate::talk::{Ending, Scene, Talk, converse};
use crate::turnaway::{Turnaway, Why};

impl<S, R> Talk for Session<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    fn handle(&mut self, input: Input<'_>) {
        Session::handle(self, input);
    }

    fn poll_socket(&mut self) -> Option<SocketOutput> {
        Session::poll_socket(self)
    }

    fn deadline(&self) -> Option<Timestamp> {
        Session::deadline(self)
    }

    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        Session::changed(self)
    }
}

/// A connection whose upgrade was answered.
#[derive(Debug)]
pub(crate) struct Upgraded {
    /// The connection.
    pub(crate) stream: TcpStream,
    /// What came after the request's head.
    pub(crate) early: Bytes,
    /// When the connection was accepted.
    pub(crate) accepted_at: Instant,
}

/// Holds a session until the stream has all of it.
pub(crate) async fn hold<S, R>(
    core: Arc<Core>,
    host: Host<S, R>,
    upgraded: Upgraded,
    admitted: Admitted,
    place: Place,
) where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    let Admitted { handshake, nonce, correlation, attempt } = admitted;
    let connection = ConnectionId::new(Uuid::new_v4().simple().to_string());
    let session_id = handshake.session_id.session_id();
    tracing::info!(
        session = %session_id,
        %connection,
        organization = %handshake.organization,
        correlation = correlation.as_deref(),
        attempt,
        "session begins"
    );
    drop(correlation);
    let Upgraded { stream, early, accepted_at } = upgraded;
    let counted = Counted::new(core.figures.sessions.clone());
    let held = AssertUnwindSafe(async {
        let mut line = Line::new(stream, &early).await;
        drop(early);
        let mut session = host.session(handshake, connection.clone(), nonce);
        drop(host);
        let mut scene = Scene::new(session_id, connection.clone(), accepted_at);
        let ending = converse(&mut line, &mut session, &core, &mut scene).await;
        scene.count(&core.figures);
        if ending == Ending::SlowReader {
            core.figures.slow_readers.increment(1);
        }
        tracing::info!(session = %session_id, %connection, ending = ending.label(), "session ends");
        let leave = async {
            take_leave(line, &core, ending).await;
            drop((counted, place));
        };
        // Boxed: a session that still has its socket need not have room for what comes after.
        join(Box::pin(leave), Box::pin(session.finish())).await;
    });
    if held.catch_unwind().await.is_err() {
        core.figures.panics.increment(1);
        tracing::error!(session = %session_id, %connection, "session ended in a panic");
    }
}

/// Tells a client to try again, and waits for it to leave.
pub(crate) async fn turn_away(
    core: Arc<Core>,
    upgraded: Upgraded,
    handshake: Handshake,
    why: Why,
    _place: Place,
) {
    let session = handshake.session_id.session_id();
    Figures::turned_away(why.label());
    tracing::warn!(%session, why = why.label(), "told a client to try again");
    let connection = ConnectionId::new("");
    let Upgraded { stream, early, accepted_at } = upgraded;
    let mut line = Line::new(stream, &early).await;
    let mut turnaway = Turnaway::new(core.clock, handshake, why);
    let mut scene = Scene::new(session, connection, accepted_at);
    let ending = converse(&mut line, &mut turnaway, &core, &mut scene).await;
    take_leave(line, &core, ending).await;
}

/// One more in a gauge, until it is dropped.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

async fn take_leave(mut line: Line, core: &Core, ending: Ending) {
    match ending {
        Ending::Left => {}
        Ending::LetGo => line.hang_up(CloseCode::Normal).await,
        Ending::Cut | Ending::SlowReader => line.hang_up(CloseCode::Away).await,
        Ending::Broken => line.see_off(&core.clock).await,
    }
}

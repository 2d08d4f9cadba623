//! A session from the upgrade to its last record; a panic in it ends it alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join;
use metrics::Gauge;
use sidetone_admission::Admitted;
use sidetone_audiohook_proto::Handshake;
use sidetone_driver::{Host, Input, Session, SocketOutput};
use sidetone_model::{ConnectionId, Outside, SessionId, Timestamp};
use sidetone_ports::{CallStore, Mailbox, NonceStore, OwnerStore, RecordSink};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::counts::{OpenSession, Place};
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

/// Holds a session until its socket has come to its end; what follows is another task's.
///
/// No `async fn`: what those take as arguments stays in them twice.
pub(crate) fn hold<S, R>(
    core: Arc<Core>,
    host: &Host<S, R>,
    upgraded: Upgraded,
    admitted: Admitted,
    place: (Place, OpenSession),
) -> impl Future<Output = ()> + Send + use<S, R>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    let Admitted { handshake, nonce, correlation, attempt } = admitted;
    let mut scene = Scene::new(&handshake, upgraded.accepted_at);
    tracing::info!(
        session = %scene.session,
        connection = %scene.connection,
        organization = %handshake.organization,
        correlation = correlation.as_deref().map(Outside::id),
        attempt,
        "session begins"
    );
    let seat = Seat::new(place, core.figures.sessions.clone());
    let mut line = Line::new(upgraded.stream, &upgraded.early);
    let mut session = host.session(handshake, scene.connection.clone(), nonce);
    let (watch, session_id, connection) =
        (Arc::clone(&core), scene.session, scene.connection.clone());
    let talk = async move {
        let ending = converse(&mut line, &mut session, &core, &mut scene).await;
        scene.count(&core.figures);
        if ending == Ending::SlowReader {
            core.figures.slow_readers.increment(1);
        }
        tracing::info!(
            session = %scene.session,
            connection = %scene.connection,
            ending = ending.label(),
            "session ends"
        );
        // In a task of its own: one that still has its socket need not have room for this.
        core.tasks.spawn(end(Arc::clone(&core), line, session, scene, ending, seat));
    };
    isolated(watch, session_id, connection, talk)
}

/// Sees client and session to their ends, each in its own time.
fn end<S, R>(
    core: Arc<Core>,
    line: Line,
    session: Session<S, R>,
    scene: Scene,
    ending: Ending,
    seat: Seat,
) -> impl Future<Output = ()> + Send
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    let watch = Arc::clone(&core);
    let leave = async move {
        take_leave(line, &core, ending).await;
        drop(seat);
    };
    let ends = join(leave, session.finish()).map(|((), ())| ());
    isolated(watch, scene.session, scene.connection, ends)
}

/// Tells a client to try again, and waits for it to leave.
pub(crate) fn turn_away(
    core: Arc<Core>,
    upgraded: Upgraded,
    handshake: Handshake,
    why: Why,
    place: Place,
) -> impl Future<Output = ()> + Send {
    let mut scene = Scene::new(&handshake, upgraded.accepted_at);
    let (session, connection) = (scene.session, scene.connection.clone());
    Figures::turned_away(why.label());
    tracing::warn!(%session, %connection, why = why.label(), "told a client to try again");
    let mut line = Line::new(upgraded.stream, &upgraded.early);
    let mut turnaway = Turnaway::new(core.clock, handshake, why);
    let watch = Arc::clone(&core);
    let farewell = async move {
        let ending = converse(&mut line, &mut turnaway, &core, &mut scene).await;
        take_leave(line, &core, ending).await;
        drop(place);
    };
    isolated(watch, session, connection, farewell)
}

/// Does what is one session's own: a panic in it ends that session and nothing else.
///
/// In the session's task, as another task to watch it would cost memory all the session long.
pub(crate) fn isolated(
    core: Arc<Core>,
    session: SessionId,
    connection: ConnectionId,
    work: impl Future<Output = ()> + Send,
) -> impl Future<Output = ()> + Send {
    // What the panic left behind is dropped with the future, and nobody looks at it again.
    AssertUnwindSafe(work).catch_unwind().map(move |outcome| {
        if outcome.is_err() {
            core.figures.panics.increment(1);
            tracing::error!(%session, %connection, "session ended in a panic");
        }
    })
}

/// A session's place among all, which the gauge shows.
struct Seat {
    gauge: Gauge,
    _place: (Place, OpenSession),
}

impl Seat {
    fn new(place: (Place, OpenSession), gauge: Gauge) -> Self {
        gauge.increment(1);
        Self { gauge, _place: place }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}

/// Returns what a session's task takes besides its buffers.
#[cfg(test)]
pub(crate) fn task_bytes<S, R>() -> usize
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
{
    fn bytes<S, R, F>(
        _: impl FnOnce(Arc<Core>, &Host<S, R>, Upgraded, Admitted, (Place, OpenSession)) -> F,
    ) -> usize {
        size_of::<F>()
    }
    bytes(hold::<S, R>)
}

async fn take_leave(mut line: Line, core: &Core, ending: Ending) {
    match ending {
        Ending::Left => {}
        Ending::LetGo => line.hang_up(CloseCode::Normal).await,
        Ending::Cut | Ending::SlowReader => line.hang_up(CloseCode::Away).await,
        Ending::Broken => line.see_off(&core.clock).await,
    }
}

//! The door itself: listens, accepts, drains, closes.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use hyper::server::conn::http1;
use sidetone_admission::Authenticator;
use sidetone_driver::{Host, Refusals};
use sidetone_listener::Guard;
use sidetone_ports::{CallStore, Clock, Mailbox, NonceStore, OwnerStore, RecordSink, SecretSource};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::config::{
    ACCEPT_PAUSE, BACKLOG, DoorConfig, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, SEND_BUFFER_BYTES,
};
use crate::connection;
use crate::counts::{OpenSessions, Places};
use crate::error::DoorError;
use crate::figures::Figures;
use crate::readiness::{Readiness, ReadinessCheck};
use crate::stop::Stop;

/// What all connections share, whatever is behind the door.
pub(crate) struct Core {
    pub(crate) config: DoorConfig,
    pub(crate) clock: Clock,
    pub(crate) figures: Figures,
    pub(crate) readiness: Readiness,
    pub(crate) guard: Guard,
    pub(crate) refusals: Arc<Places>,
    pub(crate) sessions: Arc<Places>,
    pub(crate) open_sessions: Arc<OpenSessions>,
    pub(crate) turnaways: Arc<Places>,
    pub(crate) alarms: Alarms,
    /// What was refused, for whoever explains a call.
    pub(crate) told_refusals: Refusals,
    pub(crate) tasks: TaskTracker,
    draining: AtomicBool,
}

impl Core {
    pub(crate) fn new(
        config: DoorConfig,
        clock: Clock,
        checks: Vec<ReadinessCheck>,
        told_refusals: Refusals,
    ) -> Self {
        let limits = config.limits;
        Self {
            guard: Guard::new(config.guard()),
            config,
            clock,
            figures: Figures::new(),
            readiness: Readiness::new(clock, checks),
            refusals: Places::new(limits.refusals_max),
            sessions: Places::new(limits.sessions_max),
            open_sessions: Arc::default(),
            turnaways: Places::new(limits.turnaways_max),
            alarms: Alarms::default(),
            told_refusals,
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// Returns whether no new session is let in.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// What all connections of a door share.
pub(crate) struct House<S, R, K> {
    pub(crate) core: Arc<Core>,
    pub(crate) host: Host<S, R>,
    pub(crate) authenticator: Arc<Authenticator<K>>,
    pub(crate) http: http1::Builder,
}

/// What every session is told of the door's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Alarm {
    /// Nothing.
    None = 0,
    /// The door shuts down; take your leave.
    Shutdown = 1,
    /// The door waits no longer.
    Cut = 2,
}

/// Tells all sessions something that happens once in the door's life: a look at it costs a
/// session one load, and waiting for it nothing.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    raised: AtomicU8,
    next: AtomicU64,
    wakers: Mutex<HashMap<u64, Waker>>,
}

/// A session's place among those who are woken.
#[derive(Debug)]
pub(crate) struct Listening<'a> {
    alarms: &'a Alarms,
    number: u64,
}

impl Alarms {
    /// Has this task woken at every alarm from now on; look at [`Alarms::raised`] afterwards.
    pub(crate) async fn listen(&self) -> Listening<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        poll_fn(|cx| {
            self.lock().insert(number, cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        Listening { alarms: self, number }
    }

    /// Returns the last alarm.
    pub(crate) fn raised(&self) -> Alarm {
        match self.raised.load(Ordering::Acquire) {
            0 => Alarm::None,
            1 => Alarm::Shutdown,
            _ => Alarm::Cut,
        }
    }

    fn raise(&self, alarm: Alarm) {
        self.raised.store(alarm as u8, Ordering::Release);
        for waker in self.lock().values() {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.alarms.lock().remove(&self.number);
    }
}

/// How a door was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Calls that still ran when the drain limit was over, and were ended in order.
    pub ended: usize,
    /// Sessions that were not delivered to the end when the flush limit was over.
    pub unflushed: usize,
}

/// The long-lived AudioHook door, listening.
pub struct Door<S, R, K> {
    house: Arc<House<S, R, K>>,
    listener: TcpListener,
    address: SocketAddr,
}

impl<S, R, K> Door<S, R, K>
where
    S: CallStore + Mailbox + NonceStore + OwnerStore,
    R: RecordSink,
    K: SecretSource,
{
    /// Begins to listen; [`Door::serve`] lets somebody in.
    ///
    /// Needs a tokio runtime. Metrics go to the recorder that is installed by now. Each session
    /// takes a file descriptor, so the process' limit should be above all of [`crate::DoorLimits`].
    ///
    /// Errors: [`DoorError::Listen`] if the address cannot be had.
    pub fn bind(
        config: DoorConfig,
        host: Host<S, R>,
        keys: K,
        checks: Vec<ReadinessCheck>,
    ) -> Result<Self, DoorError> {
        let listen = |source| DoorError::Listen { address: config.listen, source };
        let listener = listener(config.listen).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let clock = *host.clock();
        let authenticator = Authenticator::new(config.admission(), keys);
        let core = Core::new(config.clone(), clock, checks, host.refusals());
        let house = House {
            host,
            authenticator: Arc::new(authenticator),
            http: connection::http(&config.pace, clock.speed()),
            core: Arc::new(core),
        };
        Ok(Self { house: Arc::new(house), listener, address })
    }

    /// Returns where the door listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Lets sessions in until told to stop, then sees them to their end.
    ///
    /// The host has to run until this returns: what sessions still deliver goes through it.
    pub async fn serve(self, stop: Stop) -> Drained {
        let core = Arc::clone(&self.house.core);
        tracing::info!(address = %self.address, path = core.config.path, "door open");
        let drained = tokio::select! {
            never = self.accept() => match never {},
            never = core.guard.report() => match never {},
            ended = drain(&core, &stop) => ended,
        };
        drop(self.listener);
        core.alarms.raise(Alarm::Cut);
        core.tasks.close();
        let flushed = core.clock.timeout(core.config.pace.flush_limit, core.tasks.wait()).await;
        let unflushed = flushed.map_or(core.tasks.len(), |()| 0);
        if unflushed > 0 {
            tracing::error!(unflushed, "door closed before all sessions were delivered");
        }
        tracing::info!("door closed");
        Drained { ended: drained, unflushed }
    }

    /// Accepts connections for ever; also while draining, to tell clients to try again.
    async fn accept(&self) -> std::convert::Infallible {
        let core = &self.house.core;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(held) = core.guard.admit(peer.ip()) else { continue };
                    if let Err(error) = prepare(&stream) {
                        tracing::debug!(%peer, %error, "connection was gone at once");
                        continue;
                    }
                    let house = Arc::clone(&self.house);
                    tokio::spawn(connection::serve(house, stream, peer, held));
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    core.figures.accept_errors.increment(1);
                    if core.guard.sampler().permit("connection not accepted") {
                        tracing::error!(%error, "connection not accepted, pausing");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Waits for the signal, then for the calls; returns how many had to be ended.
async fn drain(core: &Core, stop: &Stop) -> usize {
    stop.draining().await;
    core.draining.store(true, Ordering::Release);
    let pace = &core.config.pace;
    tracing::info!(sessions = core.sessions.taken(), "door drains");
    tokio::select! {
        () = core.sessions.empty() => {}
        () = core.clock.sleep(pace.drain_limit) => {}
        () = stop.at_once() => {}
    }
    let ended = core.sessions.taken();
    core.alarms.raise(Alarm::Shutdown);
    if ended > 0 {
        tracing::warn!(sessions = ended, "ending calls that still run");
        core.clock.timeout(pace.shutdown_grace, core.sessions.empty()).await;
    }
    ended
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // What is accepted has it from here.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Whether the next connection may still be accepted at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

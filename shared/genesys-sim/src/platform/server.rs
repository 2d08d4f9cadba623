//! The shell around the core: three listeners, the upgrade, and the test controls.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::ListenerExt;
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sidetone_model::UserId;
use sidetone_ports::Clock;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::answer::Answer;
use super::call::{Call, Host};
use super::config::{PlatformConfig, SimUser};
use super::delivery::{self, Delivery, Due};
use super::socket::{self, SocketTask, ToSocket};
use super::stats::Stats;
use super::violation::Violation;
use super::world::{BODY_BYTES_MAX, Failure, World};
use crate::conversation::Snapshot;

/// How long a stop waits for open connections, in real time.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// A platform that could not start.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// No listener at an address.
    #[error("listening on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What every task of a platform shares.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    /// Opens the state; never kept over an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events on the bus that wait for a subscriber: a thousand calls at once.
const BUS_EVENTS_MAX: usize = 10_000;

/// A running platform; ends with its last clone.
#[derive(Clone)]
pub struct Platform {
    shared: Arc<Shared>,
    published: mpsc::UnboundedSender<Due>,
    bus: broadcast::Sender<Arc<str>>,
    login: SocketAddr,
    api: SocketAddr,
    _stop_on_drop: Arc<DropGuard>,
}

impl Platform {
    /// Starts to listen.
    ///
    /// Errors: an address is taken.
    pub async fn start(config: PlatformConfig) -> Result<Self, PlatformError> {
        let login = bind(config.bind, 0).await?;
        let api = bind(config.bind, 1).await?;
        let streaming = bind(config.bind, 2).await?;
        let (login_address, api_address) = (local(&login)?, local(&api)?);
        let streaming_base = format!("ws://{}", local(&streaming)?);
        let clock = config.clock;
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(config, streaming_base)),
            clock,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        for (listener, host) in
            [(login, Host::Login), (api, Host::Api), (streaming, Host::Streaming)]
        {
            shared.tasks.spawn(serve(shared.clone(), listener, host));
        }
        // Unbounded: a script publishes a few snapshots per call and waits between them.
        let (published, receiver) = mpsc::unbounded_channel();
        shared.tasks.spawn(delivery::run(shared.clone(), receiver));
        let guard = shared.stop.clone().drop_guard();
        Ok(Self {
            shared,
            published,
            bus: broadcast::Sender::new(BUS_EVENTS_MAX),
            login: login_address,
            api: api_address,
            _stop_on_drop: Arc::new(guard),
        })
    }

    /// Returns the addresses of the login host and of the API, without a closing slash.
    pub fn base_urls(&self) -> (String, String) {
        (format!("http://{}", self.login), format!("http://{}", self.api))
    }

    /// Puts an event on the customer's event bus, where whoever subscribed gets it.
    pub fn put_on_bus(&self, event: &str) {
        // Without a subscriber it goes nowhere, as on a bus without a rule.
        drop(self.bus.send(event.into()));
    }

    /// Subscribes to the customer's event bus.
    pub fn event_bus(&self) -> broadcast::Receiver<Arc<str>> {
        self.bus.subscribe()
    }

    /// Sends a snapshot to everybody who then listens to one of its users.
    pub fn publish(&self, snapshot: &Snapshot, lag: Duration) {
        self.publish_by(snapshot, Delivery::after(lag));
    }

    /// Sends a snapshot in a way of the caller's choosing.
    pub fn publish_by(&self, snapshot: &Snapshot, delivery: Delivery) {
        {
            let mut world = self.shared.world();
            world.stats.published += 1;
            world.remember(self.shared.clock.now(), snapshot);
            if delivery.lost {
                world.stats.unheard += 1;
                return;
            }
        }
        let at = self.shared.clock.now() + delivery.lag;
        let copies = delivery.repeats.saturating_add(1);
        // Nobody receives after a stop, and then nobody listens either.
        let _ = self.published.send(Due { at, snapshot: snapshot.clone(), copies });
    }

    /// Tells of a user's presence and routing status.
    pub fn tell_status(&self, user: UserId) {
        self.shared.world().tell_status(self.shared.clock.now(), user);
    }

    /// Returns how many channels an OAuth client has.
    pub fn channels_of(&self, client_id: &str) -> usize {
        self.shared.world().channels_of(client_id)
    }

    /// Takes a user's topic off every channel without a word to anybody.
    pub fn forget_topic(&self, user: UserId) {
        self.shared.world().forget_topic(user);
    }

    /// Returns what the client did wrong so far, oldest first.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.world().violations().to_vec()
    }

    /// Returns the counts so far.
    pub fn stats(&self) -> Stats {
        self.shared.world().stats()
    }

    /// Adds a user, or replaces the one with the same id.
    pub fn put_user(&self, user: SimUser) {
        self.shared.world().users.insert(user.id, user);
    }

    /// Does the same as soon as one more page of users was read, so that what is on the pages
    /// behind it shifts. Several wait for a page each.
    pub fn put_user_behind_page(&self, user: SimUser) {
        self.shared.world().put_behind_page.push_back(user);
    }

    /// Lets the next requests fail, socket upgrades not among them.
    pub fn fail_next(&self, count: usize, failure: Failure) {
        self.fail_next_at("", count, failure);
    }

    /// Lets the next requests whose path or query contains `path_part` fail.
    pub fn fail_next_at(&self, path_part: &str, count: usize, failure: Failure) {
        self.shared.world().plant(path_part, count, failure);
    }

    /// Refuses the next socket upgrades with a status.
    pub fn refuse_upgrades(&self, count: usize, status: u16) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        self.shared.world().refused_upgrades.extend(std::iter::repeat_n(status, count));
    }

    /// Breaks every socket without a close frame.
    pub fn kill_sockets(&self) {
        self.shared.world().tell_sockets(&ToSocket::Break);
    }

    /// Closes every socket in order, as after an idle timeout.
    pub fn close_sockets(&self) {
        self.shared.world().tell_sockets(&ToSocket::Close("idle timeout"));
    }

    /// Keeps every socket open and silent: no heartbeat, no pong, no event.
    pub fn stall_sockets(&self) {
        self.shared.world().tell_sockets(&ToSocket::Stall);
    }

    /// Announces on every socket that it will close within a minute.
    pub fn announce_closing(&self) {
        self.shared.world().announce_closing(self.shared.clock.now());
    }

    /// Makes every token worthless, with what hangs on it.
    pub fn revoke_tokens(&self) {
        self.shared.world().revoke_tokens(self.shared.clock.now());
    }

    /// Ends every notification channel.
    pub fn expire_channels(&self) {
        self.shared.world().expire_channels();
    }

    /// Stops: sockets are closed, listeners freed.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        // What hangs longer than this is dropped with the runtime.
        let _ = tokio::time::timeout(STOP_LIMIT, self.shared.tasks.wait()).await;
    }
}

async fn bind(first: SocketAddr, number: u16) -> Result<TcpListener, PlatformError> {
    let mut address = first;
    if first.port() != 0 {
        address.set_port(first.port().saturating_add(number));
    }
    TcpListener::bind(address).await.map_err(|source| PlatformError::Bind { address, source })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, PlatformError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|source| PlatformError::Bind { address: unknown, source })
}

async fn serve(shared: Arc<Shared>, listener: TcpListener, host: Host) {
    let stop = shared.stop.clone();
    // Small messages that somebody waits for: nothing is gained by collecting them.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let done = axum::serve(listener, router(shared, host))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    if let Err(error) = done {
        tracing::warn!(%error, host = host.as_str(), "a platform listener ended");
    }
}

fn router(shared: Arc<Shared>, host: Host) -> axum::Router {
    axum::Router::new().fallback(move |request: Request| respond(shared.clone(), host, request))
}

async fn respond(shared: Arc<Shared>, host: Host, mut request: Request) -> Response {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.ok();
    let call = Call { host, method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let clock = shared.clock;
    if socket::is_upgrade(&call.headers)
        && let Some(upgrade) = upgrade
    {
        return open_socket(shared, &call, upgrade);
    }
    let reply = shared.world().handle(shared.clock.now(), &call);
    if !reply.hold.is_zero() {
        tokio::select! {
            () = shared.clock.sleep(reply.hold) => {}
            () = shared.stop.cancelled() => {}
        }
    }
    let mut response = response(reply.answer);
    if let Ok(date) = HeaderValue::try_from(clock.now().to_http_date()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn response(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().extend(answer.headers);
    response
}

fn open_socket(shared: Arc<Shared>, call: &Call, upgrade: OnUpgrade) -> Response {
    let Some(key) = call.headers.get(header::SEC_WEBSOCKET_KEY) else {
        return response(Answer::empty(StatusCode::BAD_REQUEST));
    };
    let accept = derive_accept_key(key.as_bytes());
    let accept = HeaderValue::try_from(accept).expect("base64 is made of header characters");
    let admission = match shared.world().admit(shared.clock.now(), call) {
        Ok(admission) => admission,
        Err(status) => return response(Answer::empty(status)),
    };
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let Ok(upgraded) = upgrade.await else {
            shared.world().forget_socket(&admission.channel, admission.number);
            return;
        };
        let io = TokioIo::new(upgraded);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        let task = SocketTask::new(shared, stream, admission.channel, admission.number);
        task.run(admission.receiver).await;
    });
    let mut answer = Answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    answer.headers.push((header::CONNECTION, HeaderValue::from_static("upgrade")));
    answer.headers.push((header::UPGRADE, HeaderValue::from_static("websocket")));
    answer.headers.push((header::SEC_WEBSOCKET_ACCEPT, accept));
    response(answer)
}

//! The HTTP of the door: one request, one answer.
//!
//! Every refusal looks and lasts the same, whatever its cause; causes go to the log.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use sidetone_admission::{
    Admitted, Arrival, Authenticator, Verdict, claimed_organization, note_refused_for,
};
use sidetone_audiohook_proto::{Handshake, REFUSAL_BODY, REFUSAL_DELAY, Refusal};
use sidetone_listener::{Busy, Connection, is_addressed_here};
use sidetone_model::{HandshakeFault, Timestamp};
use sidetone_ports::SecretSource;

use crate::counts::{OpenSession, Place};
use crate::door::Core;
use crate::figures::Figures;
use crate::handshake::{self, WEBSOCKET_VERSION};
use crate::turnaway::Why;

type Answer = Response<Full<Bytes>>;

/// What becomes of a connection after its 101.
#[derive(Debug)]
pub(crate) enum Welcome {
    /// A session.
    Session(Admitted, Place, OpenSession),
    /// A farewell.
    Turnaway(Handshake, Why, Place),
}

/// Where a gate leaves the welcome for whoever holds the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Welcome>>>);

impl Slot {
    fn put(&self, welcome: Welcome) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(welcome);
    }

    /// Takes the welcome out, if the upgrade was accepted.
    pub(crate) fn take(&self) -> Option<Welcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HangUp {
    /// Too many refusals wait already.
    #[error("too many refusals wait already")]
    Crowded,
}

/// The service of one connection.
pub(crate) struct Gate<K> {
    pub(crate) core: Arc<Core>,
    pub(crate) authenticator: Arc<Authenticator<K>>,
    pub(crate) peer: SocketAddr,
    pub(crate) slot: Slot,
    pub(crate) held: Connection,
}

impl<K: SecretSource> Service<Request<Incoming>> for Gate<K> {
    type Response = Answer;
    type Error = HangUp;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, HangUp>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // Before anything can keep it waiting: a signature's age is judged by this.
        let (arrived_at, begun) = (self.core.clock.now(), self.core.clock.steady());
        let visit = Visit {
            core: Arc::clone(&self.core),
            authenticator: Arc::clone(&self.authenticator),
            peer: self.peer,
            slot: self.slot.clone(),
            arrived_at,
            begun,
            _busy: self.held.busy(),
        };
        // No request here has a body that anybody wants.
        let request = request.map(drop);
        Box::pin(async move { visit.answer(request).await.map(closing) })
    }
}

/// One request a connection; said by us, as hyper would say it in the 101 too.
fn closing(answer: Answer) -> Answer {
    match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => answer,
        _ => with(answer, CONNECTION, "close"),
    }
}

struct Visit<K> {
    core: Arc<Core>,
    authenticator: Arc<Authenticator<K>>,
    peer: SocketAddr,
    slot: Slot,
    /// World time.
    arrived_at: Timestamp,
    /// Steady time.
    begun: Timestamp,
    /// A request that has arrived is answered, however many connections come meanwhile.
    _busy: Busy,
}

impl<K: SecretSource> Visit<K> {
    async fn answer(&self, request: Request<()>) -> Result<Answer, HangUp> {
        let path = request.uri().path();
        if path == self.core.config.path {
            return self.upgrade(request).await;
        }
        match path {
            "/healthz" | "/readyz" if !matches!(*request.method(), Method::GET | Method::HEAD) => {
                Ok(with(plain(StatusCode::METHOD_NOT_ALLOWED), ALLOW, "GET, HEAD"))
            }
            "/healthz" => Ok(text(StatusCode::OK, "alive\n")),
            "/readyz" if !self.is_addressed_here(&request) => {
                Ok(plain(StatusCode::MISDIRECTED_REQUEST))
            }
            "/readyz" => Ok(self.ready().await),
            _ => {
                if handshake::is_attempt(request.headers()) {
                    self.note_fault(&request, HandshakeFault::Path);
                }
                Ok(plain(StatusCode::NOT_FOUND))
            }
        }
    }

    /// Where only this machine reaches the door, a web site whose name resolves to it is not to
    /// learn how it does. Addresses and names without a dot are no web site's.
    fn is_addressed_here(&self, request: &Request<()>) -> bool {
        let config = &self.core.config;
        let public = config.public_authority.as_deref().and_then(|text| text.parse().ok());
        let public: Option<Authority> = public;
        let allowed = |name: &str| {
            !name.contains('.')
                || name.parse::<IpAddr>().is_ok()
                || public.as_ref().is_some_and(|it| it.host().eq_ignore_ascii_case(name))
        };
        !config.listen.ip().is_loopback()
            || is_addressed_here(request.headers(), request.uri(), allowed)
    }

    async fn ready(&self) -> Answer {
        let report = self.core.readiness.report(self.core.is_draining()).await;
        let status = match report.ready {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        // Names and flags always have a JSON form.
        let body = serde_json::to_vec(&report).unwrap_or_default();
        let mut answer = Response::new(Full::from(body));
        *answer.status_mut() = status;
        with(answer, CONTENT_TYPE, "application/json")
    }

    async fn upgrade(&self, request: Request<()>) -> Result<Answer, HangUp> {
        let accept = match handshake::check(&request) {
            Ok(accept) => accept,
            Err(fault) => {
                self.note_fault(&request, fault);
                return Ok(not_upgraded(fault, request.headers()));
            }
        };
        let core = &self.core;
        let arrival = Arrival {
            target: request.uri().path_and_query().map_or("/", |target| target.as_str()),
            headers: request.headers(),
            at: self.arrived_at,
        };
        let welcome = match self.authenticator.judge(&core.clock, arrival).await {
            Verdict::Refused(refusal) => return self.refuse(&request, refusal).await,
            Verdict::Malformed(refusal) => {
                self.note(&request, refusal);
                return Ok(plain(StatusCode::BAD_REQUEST));
            }
            Verdict::Undecided(handshake) => self.turn_away(handshake, Why::Keys),
            Verdict::Admitted(admitted) if core.is_draining() => {
                self.turn_away(admitted.handshake, Why::Draining)
            }
            Verdict::Admitted(admitted) => self.let_in(admitted),
        };
        let Some(welcome) = welcome else {
            let answer = plain(StatusCode::SERVICE_UNAVAILABLE);
            return Ok(with(answer, RETRY_AFTER, "1"));
        };
        self.slot.put(welcome);
        Ok(handshake::switching(accept))
    }

    /// Lets a session in if there is room, and if no other socket carries it: of two, the first
    /// keeps it.
    fn let_in(&self, admitted: Admitted) -> Option<Welcome> {
        let Handshake { organization, session_id } = &admitted.handshake;
        let open = self.core.open_sessions.enter(*organization, session_id.session_id());
        let Some(open) = open else { return self.turn_away(admitted.handshake, Why::Duplicate) };
        match self.core.sessions.take() {
            Some(place) => Some(Welcome::Session(admitted, place, open)),
            None => self.turn_away(admitted.handshake, Why::Capacity),
        }
    }

    fn turn_away(&self, handshake: Handshake, why: Why) -> Option<Welcome> {
        match self.core.turnaways.take() {
            Some(place) => Some(Welcome::Turnaway(handshake, why, place)),
            None => {
                Figures::turned_away("503");
                None
            }
        }
    }

    /// Answers 401 when its time has come; holds up nobody else.
    async fn refuse(&self, request: &Request<()>, refusal: Refusal) -> Result<Answer, HangUp> {
        self.note(request, refusal);
        self.keep(request, refusal.label());
        let guard = &self.core.guard;
        let source = guard.source(self.peer.ip(), request.headers());
        let Some(penalty) = guard.failed(source) else { return Err(HangUp::Crowded) };
        let Some(_waits) = self.core.refusals.take() else { return Err(HangUp::Crowded) };
        let delay = penalty.delay().max(REFUSAL_DELAY);
        self.core.clock.sleep_until(self.begun + delay).await;
        Ok(text(StatusCode::UNAUTHORIZED, REFUSAL_BODY))
    }

    /// Counts, logs and keeps a request that never came to authentication.
    fn note_fault(&self, request: &Request<()>, fault: HandshakeFault) {
        let logged = self.core.guard.sampler().permit(fault.label());
        let (path, next_step) = (&self.core.config.path, fault.next_step());
        let cause = format_args!("{fault} (path of this door: {path}); next step: {next_step}");
        note_refused_for(fault.label(), &cause, request.headers(), &self.peer, logged);
        self.keep(request, fault.label());
    }

    /// Keeps a refusal for `sidetone why`, by the organization that the request names.
    fn keep(&self, request: &Request<()>, reason: &'static str) {
        if let Some(claimed) = claimed_organization(request.headers()) {
            self.core.told_refusals.note(claimed, reason, self.arrived_at);
        }
    }

    /// Counts a refusal, and logs it unless there were many of its kind.
    fn note(&self, request: &Request<()>, refusal: Refusal) {
        let logged = self.core.guard.sampler().permit(refusal.label());
        let authenticator = &self.authenticator;
        authenticator.note_refused(refusal, request.headers(), &self.peer, logged);
    }
}

/// Returns the response to a request that is no WebSocket handshake.
fn not_upgraded(fault: HandshakeFault, headers: &HeaderMap) -> Answer {
    let is_required = match fault {
        HandshakeFault::Method => {
            return with(plain(StatusCode::METHOD_NOT_ALLOWED), ALLOW, "GET");
        }
        HandshakeFault::Upgrade => true,
        // A version that is missing or doubled is malformed, another one can be negotiated.
        HandshakeFault::WebSocketVersion => {
            headers.get_all(SEC_WEBSOCKET_VERSION).iter().count() == 1
        }
        HandshakeFault::Path
        | HandshakeFault::Version
        | HandshakeFault::Connection
        | HandshakeFault::Body
        | HandshakeFault::WebSocketKey => false,
    };
    if !is_required {
        return plain(StatusCode::BAD_REQUEST);
    }
    let answer = with(plain(StatusCode::UPGRADE_REQUIRED), UPGRADE, "websocket");
    with(answer, SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION)
}

fn plain(status: StatusCode) -> Answer {
    text(status, "")
}

fn text(status: StatusCode, body: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, "text/plain")
}

fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

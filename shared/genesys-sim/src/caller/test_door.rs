//! A door for tests: the server machine on a socket, with nothing behind it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sidetone_audiohook_proto::{
    ApiKey, Credentials, DisconnectReason, Handshake, NonceMemory, OpenAnswer, Remembered, Secret,
    ServerCommand, ServerConfig, ServerInput, ServerOutput, ServerSession, SessionEvent,
    SignaturePolicy, SignatureRule, SignedRequest,
};
use sidetone_model::{Media, Position, Timestamp};
use sidetone_ports::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// The tenant whose calls the door takes.
pub(crate) const ORGANIZATION: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

/// The client secret that the door knows.
pub(crate) const SECRET: &str = "YXVkaW9ob29rLWZhY3RzaGVldC1kZW1vLXNlY3JldCE=";

/// What the door is told beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) commands: Vec<(Duration, ServerCommand)>,
    /// How many sessions are sent away with `disconnect` `error`.
    pub(crate) overloaded: usize,
    pub(crate) secret: &'static str,
    /// Keeps binary messages from the session machine.
    pub(crate) lenient: bool,
}

/// What the door saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) events: Vec<SessionEvent>,
    pub(crate) frames: Vec<Bytes>,
    pub(crate) verified: usize,
    pub(crate) unsigned: usize,
}

impl Heard {
    pub(crate) fn audio(&self) -> impl Iterator<Item = (Position, Bytes)> {
        self.events.iter().filter_map(|event| {
            let SessionEvent::Audio { position, frame } = event else { return None };
            Some((*position, frame.bytes().clone()))
        })
    }

    pub(crate) fn violations(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, SessionEvent::Violation(_))).count()
    }
}

pub(crate) struct Door {
    pub(crate) url: String,
    heard: Arc<Mutex<Heard>>,
}

impl Door {
    pub(crate) async fn open(clock: Clock) -> Self {
        Self::open_with(clock, |_| {}).await
    }

    pub(crate) async fn open_with(clock: Clock, change: impl FnOnce(&mut Orders)) -> Self {
        let mut orders =
            Orders { commands: Vec::new(), overloaded: 0, secret: SECRET, lenient: false };
        change(&mut orders);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/audiohook/ws?lane=7", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Heard::default()));
        let room = heard.clone();
        tokio::spawn(async move {
            let nonces = Arc::new(Mutex::new(NonceMemory::default()));
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (orders, heard, nonces) = (orders.clone(), room.clone(), nonces.clone());
                tokio::spawn(async move {
                    Guest { clock, orders, heard, nonces }.serve(stream, number).await;
                });
            }
        });
        Self { url, heard }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }
}

struct Guest {
    clock: Clock,
    orders: Orders,
    heard: Arc<Mutex<Heard>>,
    nonces: Arc<Mutex<NonceMemory>>,
}

impl Guest {
    #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
    fn admit(&self, request: &Request) -> Result<(), ErrorResponse> {
        let mut refused = ErrorResponse::new(None);
        *refused.status_mut() = http::StatusCode::UNAUTHORIZED;
        let headers = request.headers();
        let signed = SignedRequest {
            target: request.uri().path_and_query().unwrap().as_str(),
            authority: headers["host"].to_str().unwrap(),
            arrived_at: self.clock.now(),
        };
        let fields = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let credentials = Credentials::parse(&signed, fields).map_err(|_| refused.clone())?;
        if !credentials.is_signed() {
            self.heard.lock().unwrap().unsigned += 1;
            return Err(refused);
        }
        is_known(&credentials, self.orders.secret, self.clock.now(), &self.nonces)
            .then(|| self.heard.lock().unwrap().verified += 1)
            .ok_or(refused)
    }

    async fn serve(self, stream: TcpStream, number: usize) {
        let mut handshake = None;
        #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
        let check = |request: &Request, response: Response| {
            self.admit(request)?;
            let header = |name: &str| request.headers()[name].to_str().unwrap();
            handshake = Some(Handshake {
                organization: header("audiohook-organization-id").parse().unwrap(),
                session_id: header("audiohook-session-id").parse().unwrap(),
            });
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, check).await else { return };
        let clock = self.clock;
        let config = ServerConfig::default();
        let mut session = ServerSession::new(clock.now(), config, handshake.unwrap());
        let mut commands = self.orders.commands.clone().into_iter().peekable();
        let mut opened_at = None;
        loop {
            while let Some(output) = session.poll_output() {
                match output {
                    ServerOutput::Send(text) => {
                        if socket.send(Message::text(text)).await.is_err() {
                            return;
                        }
                    }
                    ServerOutput::Event(event) => {
                        if matches!(event, SessionEvent::OpenRequested { .. }) {
                            opened_at = Some(clock.now());
                            let command = self.answer(number);
                            session.command(clock.now(), command).unwrap();
                        }
                        self.heard.lock().unwrap().events.push(event);
                    }
                    ServerOutput::DropSocket => return,
                }
            }
            let next = opened_at.and_then(|at| commands.peek().map(|(after, _)| at + *after));
            let wake = [next, session.deadline()].into_iter().flatten().min();
            let wake = wake.unwrap_or_else(|| clock.now() + Duration::from_secs(60));
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        session.handle(clock.now(), ServerInput::Text(text.as_str()));
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        self.heard.lock().unwrap().frames.push(bytes.clone());
                        if !self.orders.lenient {
                            session.handle(clock.now(), ServerInput::Media(bytes));
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                () = clock.sleep_until(wake) => {
                    if next.is_some_and(|at| at <= clock.now()) {
                        let (_, command) = commands.next().unwrap();
                        session.command(clock.now(), command).unwrap();
                    }
                    session.handle(clock.now(), ServerInput::Timeout);
                }
            }
        }
    }

    fn answer(&self, number: usize) -> ServerCommand {
        if number < self.orders.overloaded {
            let reason = DisconnectReason::Error;
            return ServerCommand::Disconnect { reason, info: Some("capacity") };
        }
        let media = Some(Media::PCMU_STEREO);
        ServerCommand::Open(OpenAnswer { media, ..OpenAnswer::default() })
    }
}

/// Whether these are the credentials of the one key that the door knows.
fn is_known(
    credentials: &Credentials,
    secret: &str,
    now: Timestamp,
    nonces: &Mutex<NonceMemory>,
) -> bool {
    let key = ApiKey::new(
        credentials.key_id().clone(),
        vec![Secret::from_base64(secret).unwrap()],
        [ORGANIZATION.parse().unwrap()],
        SignatureRule::Required,
    );
    let policy = SignaturePolicy::default();
    let Ok(verified) = credentials.verify(Some(&key.unwrap()), &[0; 32], &policy) else {
        return false;
    };
    let signed = verified.signed.unwrap();
    let mut nonces = nonces.lock().unwrap();
    let key = &verified.key_id;
    nonces.remember(now, key, &signed.nonce, signed.accepted_until) == Remembered::Fresh
}
